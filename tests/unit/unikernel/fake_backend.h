/* SPDX-License-Identifier: BSD-3-Clause */
/* The unikernel's netfront, with a backend and a xenstore that the test controls. */
#ifndef FAKE_BACKEND_H
#define FAKE_BACKEND_H

#include <stdio.h>
#include <stdlib.h>
#include "netfront.c"
#include <xen/io/xenbus.h>
#include "platform.h"
#include "xenstore.h"
#include "fake_console.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define DIRECTORY	"/local/domain/0/backend/vif/3/0"
#define OURS		"device/vif/0"
#define MEMORY_PAGES	600

static unsigned int frames, copies_alive, events, room;
static uint16_t last_tot_len;
uint8_t last_sum;
static bool last_csum_ok, no_memory;

/* --- lwIP --- */

static evtchn_port_t last_event;

static inline void free_copy(struct pbuf *p)
{
	copies_alive--;
	free(p);
}

struct pbuf *pbuf_alloc(pbuf_layer layer, uint16_t length, pbuf_type type)
{
	struct pbuf *p = no_memory ? NULL : malloc(sizeof(*p) + length);

	(void)layer;
	assert_int_equal(type, PBUF_RAM);
	if (!p)
		return NULL;
	copies_alive++;
	*p = (struct pbuf){ .payload = p + 1, .tot_len = length, .len = length, .ref = 1, .release = free_copy };
	return p;
}

/* Of one piece. */
uint16_t pbuf_copy_partial(const struct pbuf *p, void *to, uint16_t length, uint16_t offset)
{
	assert_true(offset + length <= p->tot_len);
	memcpy(to, (const uint8_t *)p->payload + offset, length);
	return length;
}

/* Read all bytes of the frame, so that the sanitizer reports memory outside it. */
void net_input(struct pbuf *frame, bool csum_ok)
{
	for (unsigned int i = 0; i < frame->len; i++)
		last_sum += ((const uint8_t *)frame->payload)[i];
	frames++;
	last_tot_len = frame->tot_len;
	last_csum_ok = csum_ok;
	frame->release(frame);
}

void net_tx_ready(void)
{
	room++;
}

/* --- the machine --- */

static uint8_t memory[MEMORY_PAGES][PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
static unsigned int memory_taken;
static const void *granted[1024];
static bool granted_readonly[1024];
static grant_ref_t n_granted;

void *memory_take(size_t bytes)
{
	void *first = memory[memory_taken];

	memory_taken += (unsigned int)((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
	assert_true(memory_taken <= MEMORY_PAGES);
	return first;
}

grant_ref_t grant_page(const void *page, domid_t to, bool readonly)
{
	assert_int_equal(to, 0);
	granted[n_granted] = page;
	granted_readonly[n_granted] = readonly;
	return n_granted++;
}

evtchn_port_t event_new(domid_t remote)
{
	static evtchn_port_t last;

	assert_int_equal(remote, 0);
	return ++last;
}

void event_send(evtchn_port_t p)
{
	last_event = p;
	events++;
}

void xen_shutdown_asked(void)
{
}

static inline uint64_t fake_now_us(void)
{
	return 0;
}

static inline void fake_sleep(uint64_t timeout_us, bool (*is_ready)(void))
{
	(void)timeout_us;
	if (!is_ready())
		fail_msg("it waits");
}

static const struct platform fake = { .now_us = fake_now_us, .sleep = fake_sleep };
const struct platform *platform = &fake;

/* --- the xenstore --- */

static struct value {
	char key[32], text[40];
} theirs[32], ours[32];
static bool backend_told;	/* we are, of its state */
static bool follows;		/* it is Connected as soon as we are */

static inline struct value *find(struct value *values, const char *key)
{
	for (unsigned int i = 0; i < 32; i++)
		if (!values[i].key[0] || !strcmp(values[i].key, key))
			return &values[i];
	abort();
}

static inline void set(struct value *values, const char *key, const char *text)
{
	struct value *v = find(values, key);

	strcpy(v->key, key);
	strcpy(v->text, text);
}

static inline struct value *values_of(const char *directory)
{
	return !strcmp(directory, DIRECTORY) ? theirs : ours;
}

bool xenstore_read(const char *directory, const char *key, char *value, size_t bytes)
{
	const struct value *v = find(values_of(directory), key);

	if (!v->key[0] || strlen(v->text) >= bytes)
		return false;
	strcpy(value, v->text);
	return true;
}

uint32_t xenstore_number(const char *directory, const char *key, uint32_t max, uint32_t otherwise)
{
	char text[12];

	return xenstore_read(directory, key, text, sizeof(text)) && strtoul(text, NULL, 10) <= max ?
		       (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

bool xenstore_write_number(const char *directory, const char *key, uint32_t value)
{
	char text[12];

	snprintf(text, sizeof(text), "%u", value);
	set(values_of(directory), key, text);
	if (follows && !strcmp(key, "state") && value == XenbusStateConnected) {
		set(theirs, "state", text);
		backend_told = true;
	}
	return true;
}

bool xenstore_watch(const char *directory, const char *key, unsigned int watch)
{
	(void)directory;
	(void)key;
	backend_told |= !watch;
	return true;
}

uint32_t xenstore_changed(void)
{
	backend_told = false;
	return 1;
}

bool xenstore_ready(void)
{
	return backend_told;
}

static inline void backend_is(unsigned int state)
{
	char text[4];

	snprintf(text, sizeof(text), "%u", state);
	set(theirs, "state", text);
	backend_told = true;
	netfront.poll(64);
}

static inline unsigned int we_are(void)
{
	return xenstore_number(OURS, "state", 99, 99);
}

/* --- the backend --- */

static const struct netdev_offload nothing;
static const struct netdev_offload super = {
	.csum_start = 34, .csum_offset = 16, .segment_bytes = 1460, .header_bytes = 54,
};
static struct netdev_info info;
static struct pbuf small = { .payload = memory, .len = 60, .tot_len = 60, .ref = 1 };

static inline void *ring_of(const char *key)
{
	return (void *)(uintptr_t)granted[xenstore_number(OURS, key, 1023, 1023)];
}

static inline struct xen_netif_ctrl_sring *ctrl_ring(void)
{
	return ring_of("ctrl-ring-ref");
}

static inline int setup(void **state)
{
	static const char *const offers[] = {
		"feature-rx-copy", "feature-sg", "feature-gso-tcpv4", "feature-ctrl-ring", "online",
		"feature-split-event-channels",
	};

	(void)state;
	memset(theirs, 0, sizeof(theirs));
	memset(ours, 0, sizeof(ours));
	memset(memory, 0, sizeof(memory));
	memory_taken = 0;
	n_granted = 0;
	no_memory = false;
	for (unsigned int i = 0; i < sizeof(offers) / sizeof(offers[0]); i++)
		set(theirs, offers[i], "1");
	set(ours, "backend", DIRECTORY);
	set(ours, "backend-id", "0");
	set(ours, "mac", "00:16:3e:00:00:fF");
	set(theirs, "state", "2");
	follows = true;
	netfront.open("", &info);
	follows = false;
	lines = frames = room = 0;
	netfront.poll(64);
	netfront.flush();
	room = events = 0;
	return 0;
}

/* Its frame, in the next slot. */
static inline void answer_rx(uint16_t id, uint16_t offset, uint16_t flags, int16_t status)
{
	rx_shared->ring[rx_shared->rsp_prod++ % NETFRONT_RING].rsp =
		(struct netif_rx_response){ .id = id, .offset = offset, .flags = flags, .status = status };
}

static inline void next_rx(uint16_t offset, uint16_t flags, int16_t status)
{
	answer_rx(rx_shared->rsp_prod % NETFRONT_RING, offset, flags, status);
}

static inline void extra_rx(uint8_t type, uint8_t flags)
{
	struct netif_extra_info extra = { .type = type, .flags = flags, .u.gso = { .size = 1460, .type = 1 } };

	memcpy(&rx_shared->ring[rx_shared->rsp_prod++ % NETFRONT_RING], &extra, sizeof(extra));
}

static inline void answer_tx(uint16_t id, int16_t status)
{
	tx_shared->ring[tx_shared->rsp_prod++ % NETFRONT_RING].rsp = (struct netif_tx_response){ .id = id, .status = status };
}

static inline struct netif_tx_request tx_request(unsigned int i)
{
	return tx_shared->ring[i].req;
}

static inline void assert_stopped(void)
{
	struct pbuf frame = { .ref = 1, .tot_len = 60 };
	uint32_t tx_prod = tx_shared->req_prod, rx_prod = rx_shared->req_prod;

	netfront.poll(64);
	assert_false(running);
	assert_int_equal(lines, 1);
	assert_int_equal(netfront.poll(64), 0);
	assert_false(netfront.ready());
	assert_false(netfront.send(&frame, &nothing));
	netfront.flush();
	assert_int_equal(tx_shared->req_prod, tx_prod);
	assert_int_equal(rx_shared->req_prod, rx_prod);
	assert_int_equal(lines, 1);
	assert_int_equal(copies_alive, 0);
}

#endif
