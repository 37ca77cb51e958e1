/* SPDX-License-Identifier: BSD-3-Clause */
/* Endpoints that act as the guests of three ports, a, b and c; nfvd's control socket; frames as words describe them. */
#ifndef TESTS_POLICY_H
#define TESTS_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vufront.h"

#define PORTS		3
#define FRAME_MAX	512

struct endpoint {
	char name[2];
	uint8_t mac[6];
	bool kvm;
	struct vuf vuf;
	int dev;			/* socket of eth0 */
};

extern struct endpoint ends[PORTS];

struct build {
	uint8_t f[FRAME_MAX];
	size_t n;
};

void die(const char *what) __attribute__((noreturn));	/* with errno's text */
uint64_t now_ms(void);
void pause_ms(unsigned int ms);
/* Return how many frames nfvd has taken from the port, or missed. */
json_int_t taken_from(const char *port);

void ctl_open(const char *path);
/* Send a request to nfvd, taking params. Return the result, or NULL with the refusal. */
json_t *ask(const char *method, json_t *params, char *refusal, size_t size);

/* kvm:SOCKET, a guest by the vhost-user socket of its port; dev:NETNS, a container's eth0 by packet socket. */
void endpoint_open(struct endpoint *e, const char *what);
void endpoint_send(struct endpoint *e, const uint8_t *frame, size_t n);
/* Call fn for each received frame, with the outer tag that the kernel had removed. */
void endpoint_receive(struct endpoint *e, void (*fn)(void *arg, const uint8_t *frame, size_t n), void *arg);

unsigned int be16(const uint8_t *p);
/* "[from MAC] [to MAC] [tag N | stag N]... KIND ..." The last 4 bytes are free for a mark. */
void build(struct build *b, const char *text);

#endif
