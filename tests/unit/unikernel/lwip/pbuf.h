/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of lwIP's packet buffers that the unikernel's drivers use; test_unikernel*.c count them. */
#ifndef LWIP_PBUF_H
#define LWIP_PBUF_H

#include <stdint.h>

typedef enum { PBUF_RAW } pbuf_layer;
typedef enum { PBUF_RAM, PBUF_REF } pbuf_type;

struct pbuf {
	struct pbuf *next;
	void *payload;
	uint16_t tot_len, len;
	unsigned int ref;
	void (*release)(struct pbuf *p);
};

struct pbuf_custom {
	struct pbuf pbuf;
	void (*custom_free_function)(struct pbuf *p);
};

struct pbuf *pbuf_alloc(pbuf_layer layer, uint16_t length, pbuf_type type);
struct pbuf *pbuf_alloced_custom(pbuf_layer layer, uint16_t length, pbuf_type type, struct pbuf_custom *p,
				 void *payload, uint16_t payload_bytes);
struct pbuf *pbuf_clone(pbuf_layer layer, pbuf_type type, struct pbuf *p);
void pbuf_cat(struct pbuf *head, struct pbuf *tail);
uint16_t pbuf_copy_partial(const struct pbuf *p, void *to, uint16_t length, uint16_t offset);
void pbuf_ref(struct pbuf *p);
uint8_t pbuf_free(struct pbuf *p);

#endif
