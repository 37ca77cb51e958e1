/* SPDX-License-Identifier: BSD-3-Clause */
/* The unikernel's netfront against a backend that does what it likes, in the rings and in the xenstore. */
#include <stdio.h>
#include <stdlib.h>
#include "netfront.c"
#include <xen/io/xenbus.h>
#include "platform.h"
#include "xenstore.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define DIRECTORY	"/local/domain/0/backend/vif/3/0"
#define OURS		"device/vif/0"
#define MEMORY_PAGES	600

static unsigned int lines, frames, copies_alive, events, room;
static uint16_t last_tot_len;
uint8_t last_sum;
static bool last_csum_ok, no_memory;

/* --- lwIP --- */

static evtchn_port_t last_event;

static void free_copy(struct pbuf *p)
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

/* Reads all of the frame: what is not its own, the sanitizer sees. */
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

void print(const char *format, ...)
{
	(void)format;
	lines++;
}

void stop(const char *format, ...)
{
	(void)format;
	abort();
}

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

static uint64_t fake_now_us(void)
{
	return 0;
}

static void fake_sleep(uint64_t timeout_us, bool (*is_ready)(void))
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

static struct value *find(struct value *values, const char *key)
{
	for (unsigned int i = 0; i < 32; i++)
		if (!values[i].key[0] || !strcmp(values[i].key, key))
			return &values[i];
	abort();
}

static void set(struct value *values, const char *key, const char *text)
{
	struct value *v = find(values, key);

	strcpy(v->key, key);
	strcpy(v->text, text);
}

static struct value *values_of(const char *directory)
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

static void backend_is(unsigned int state)
{
	char text[4];

	snprintf(text, sizeof(text), "%u", state);
	set(theirs, "state", text);
	backend_told = true;
	netfront.poll(64);
}

static unsigned int we_are(void)
{
	return xenstore_number(OURS, "state", 99, 99);
}

/* --- the backend --- */

static const struct netdev_offload nothing;
static const struct netdev_offload super = {
	.csum_start = 34, .csum_offset = 16, .segment_bytes = 1460, .header_bytes = 54,
};
static struct netdev_info info;

static void *ring_of(const char *key)
{
	return (void *)(uintptr_t)granted[xenstore_number(OURS, key, 1023, 1023)];
}

static struct xen_netif_ctrl_sring *ctrl_ring(void)
{
	return ring_of("ctrl-ring-ref");
}

static int setup(void **state)
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
static void answer_rx(uint16_t id, uint16_t offset, uint16_t flags, int16_t status)
{
	rx_shared->ring[rx_shared->rsp_prod++ % NETFRONT_RING].rsp =
		(struct netif_rx_response){ .id = id, .offset = offset, .flags = flags, .status = status };
}

static void next_rx(uint16_t offset, uint16_t flags, int16_t status)
{
	answer_rx(rx_shared->rsp_prod % NETFRONT_RING, offset, flags, status);
}

static void extra_rx(uint8_t type, uint8_t flags)
{
	struct netif_extra_info extra = { .type = type, .flags = flags, .u.gso = { .size = 1460, .type = 1 } };

	memcpy(&rx_shared->ring[rx_shared->rsp_prod++ % NETFRONT_RING], &extra, sizeof(extra));
}

static void answer_tx(uint16_t id, int16_t status)
{
	tx_shared->ring[tx_shared->rsp_prod++ % NETFRONT_RING].rsp = (struct netif_tx_response){ .id = id, .status = status };
}

static struct netif_tx_request tx_request(unsigned int i)
{
	return tx_shared->ring[i].req;
}

static void assert_stopped(void)
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

/* --- received --- */

static void test_frame(void **state)
{
	(void)state;
	assert_int_equal(rx_shared->req_prod, NETFRONT_RING);
	assert_ptr_equal(granted[rx_shared->ring[5].req.gref], rx_pages[5]);
	assert_false(netfront.ready());
	next_rx(100, NETRXF_data_validated, 60);
	assert_true(netfront.ready());
	assert_int_equal(netfront.poll(64), 1);
	netfront.flush();
	assert_int_equal(last_tot_len, 60);
	assert_true(last_csum_ok);
	assert_int_equal(rx_shared->req_prod, NETFRONT_RING + 1);
	assert_false(netfront.ready());
}

static void test_parts(void **state)
{
	(void)state;
	next_rx(0, NETRXF_more_data | NETRXF_extra_info, PAGE_BYTES);
	extra_rx(XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE);
	extra_rx(XEN_NETIF_EXTRA_TYPE_GSO, 0);
	next_rx(0, NETRXF_more_data, PAGE_BYTES);
	next_rx(1, 0, 100);
	assert_int_equal(netfront.poll(64), 1);
	assert_int_equal(last_tot_len, 2 * PAGE_BYTES + 100);
	assert_false(last_csum_ok);
	netfront.flush();
	assert_int_equal(rx_shared->req_prod, NETFRONT_RING + 5);
}

static void test_dropped(void **state)
{
	(void)state;
	next_rx(0, 0, -1);
	next_rx(0, 0, 13);
	next_rx(0, 0, 0);
	/* Too long, in too many parts, */
	for (unsigned int i = 0; i < 16; i++)
		next_rx(0, i < 15 ? NETRXF_more_data : 0, PAGE_BYTES);
	for (unsigned int i = 0; i < 40; i++)
		next_rx(0, i < 39 ? NETRXF_more_data : 0, 60);
	/* and one with an error later. */
	next_rx(0, NETRXF_more_data, 60);
	next_rx(0, 0, INT16_MIN);
	netfront.poll(64);
	assert_true(running);
	assert_int_equal(frames, 0);
	no_memory = true;
	next_rx(0, 0, 60);
	netfront.poll(64);
	assert_int_equal(frames, 0);
	no_memory = false;
	next_rx(0, 0, 60);
	netfront.poll(64);
	assert_int_equal(frames, 1);
}

static void test_rx_prod_too_far(void **state)
{
	(void)state;
	rx_shared->rsp_prod = NETFRONT_RING + 1;
	assert_stopped();
}

static void test_rx_prod_back(void **state)
{
	(void)state;
	rx_shared->rsp_prod--;
	assert_stopped();
}

static void test_rx_other_place(void **state)
{
	(void)state;
	answer_rx(1, 0, 0, 60);
	assert_stopped();
}

static void test_rx_id_huge(void **state)
{
	(void)state;
	answer_rx(UINT16_MAX, 0, 0, 60);
	assert_stopped();
}

static void test_rx_beyond_page(void **state)
{
	(void)state;
	next_rx(PAGE_BYTES - 59, 0, 60);
	assert_stopped();
}

static void test_rx_offset_huge(void **state)
{
	(void)state;
	next_rx(UINT16_MAX, 0, 1);
	assert_stopped();
}

static void test_rx_frame_without_end(void **state)
{
	(void)state;
	next_rx(0, NETRXF_more_data, 60);
	assert_stopped();
}

static void test_rx_extra_missing(void **state)
{
	(void)state;
	next_rx(0, NETRXF_extra_info, 60);
	assert_stopped();
}

static void test_rx_extra_without_end(void **state)
{
	(void)state;
	next_rx(0, NETRXF_extra_info, 60);
	for (unsigned int i = 1; i < NETFRONT_RING; i++)
		extra_rx(XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE);
	assert_stopped();
}

static void test_rx_extra_unknown(void **state)
{
	(void)state;
	next_rx(0, NETRXF_extra_info, 60);
	extra_rx(XEN_NETIF_EXTRA_TYPE_MAX, 0);
	assert_stopped();
}

/* --- sent --- */

static void test_send(void **state)
{
	static uint8_t data[PAGE_BYTES + 100];
	struct pbuf frame = { .payload = data, .len = sizeof(data), .tot_len = sizeof(data), .ref = 1 };
	struct netif_extra_info extra;
	struct netif_tx_request r;

	(void)state;
	data[0] = 1;
	data[PAGE_BYTES] = 2;
	assert_true(netfront.send(&frame, &super));
	netfront.flush();
	assert_int_equal(tx_shared->req_prod, 3);
	r = tx_request(0);
	assert_int_equal(r.size, sizeof(data));
	assert_int_equal(r.offset, 0);
	assert_int_equal(r.flags, NETTXF_csum_blank | NETTXF_data_validated | NETTXF_more_data | NETTXF_extra_info);
	assert_int_equal(*(const uint8_t *)granted[r.gref], 1);
	assert_true(granted_readonly[r.gref]);
	memcpy(&extra, &tx_shared->ring[1], sizeof(extra));
	assert_int_equal(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
	assert_int_equal(extra.u.gso.size, 1460);
	r = tx_request(2);
	assert_int_equal(r.size, 100);
	assert_int_equal(r.flags, 0);
	assert_int_equal(*(const uint8_t *)granted[r.gref], 2);
	answer_tx(r.id, NETIF_RSP_OKAY);
	answer_tx(0, NETIF_RSP_NULL);
	answer_tx(tx_request(0).id, NETIF_RSP_ERROR);
	netfront.poll(64);
	assert_true(running);
	assert_int_equal(RING_FREE_REQUESTS(&tx), NETFRONT_RING);
}

static struct pbuf small = { .payload = memory, .len = 60, .tot_len = 60, .ref = 1 };

static void test_full(void **state)
{
	unsigned int n = 0;

	(void)state;
	while (netfront.send(&small, &nothing))
		n++;
	assert_int_equal(n, NETFRONT_RING);
	netfront.flush();
	assert_false(netfront.ready());
	assert_int_equal(tx_shared->rsp_event, NETFRONT_RING / 2 + 1);
	for (unsigned int i = 0; i < NETFRONT_RING / 2; i++)
		answer_tx(tx_request(i).id, NETIF_RSP_OKAY);
	assert_true(netfront.ready());
	assert_int_equal(room, 0);
	netfront.poll(64);
	assert_int_equal(room, 1);
	assert_true(netfront.send(&small, &nothing));
	assert_true(running);
}

static void test_tx_prod_too_far(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	tx_shared->rsp_prod = 2;
	assert_stopped();
}

/* One that is written, but not yet given. */
static void test_tx_too_early(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	answer_tx(0, NETIF_RSP_OKAY);
	assert_stopped();
}

static void test_tx_twice(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.send(&small, &nothing);
	netfront.flush();
	answer_tx(tx_request(0).id, NETIF_RSP_OKAY);
	answer_tx(tx_request(0).id, NETIF_RSP_OKAY);
	assert_stopped();
}

static void test_tx_id_huge(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	answer_tx(NETFRONT_RING, NETIF_RSP_OKAY);
	assert_stopped();
}

static void test_tx_no_extra(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	answer_tx(tx_request(0).id, NETIF_RSP_NULL);
	assert_stopped();
}

/* --- the control ring --- */

static void answer_ctrl(uint16_t id, uint32_t status, uint32_t data)
{
	struct xen_netif_ctrl_sring *c = ctrl_ring();

	c->ring[c->rsp_prod++ % 64].rsp = (struct xen_netif_ctrl_response){ .id = id, .status = status, .data = data };
	netfront.poll(64);
}

static struct xen_netif_ctrl_request last_asked(void)
{
	struct xen_netif_ctrl_sring *c = ctrl_ring();

	assert_true(c->req_prod > 0);
	return c->ring[(c->req_prod - 1) % 64].req;
}

static void test_named(void **state)
{
	struct xen_netif_ctrl_request r = last_asked();
	const struct xen_netif_gref *list;

	(void)state;
	assert_int_equal(r.type, XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE);
	answer_ctrl(r.id, XEN_NETIF_CTRL_STATUS_SUCCESS, UINT32_MAX);
	r = last_asked();
	assert_int_equal(r.type, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
	assert_int_equal(r.data[0], 0);
	assert_int_equal(r.data[2], NETFRONT_PAGES);
	list = granted[r.data[1]];
	for (unsigned int i = 0; i < NETFRONT_PAGES; i++)
		assert_int_equal(list[i].flags == XEN_NETIF_CTRLF_GREF_readonly, granted_readonly[list[i].ref]);
	answer_ctrl(r.id, XEN_NETIF_CTRL_STATUS_SUCCESS, 0);
	assert_int_equal(lines, 1);
	/* Another takes over: it may have them, or not. */
	backend_is(XenbusStateInitWait);
	r = last_asked();
	answer_ctrl(r.id, XEN_NETIF_CTRL_STATUS_SUCCESS, 100);
	r = last_asked();
	assert_int_equal(r.type, XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING);
	assert_int_equal(r.data[2], NETFRONT_PAGES);
	answer_ctrl(r.id, XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER, 0);
	answer_ctrl(last_asked().id, XEN_NETIF_CTRL_STATUS_SUCCESS, 100);
	r = last_asked();
	assert_int_equal(r.type, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
	assert_int_equal(r.data[2], 100);
	assert_true(running);
}

static void test_not_named(void **state)
{
	struct xen_netif_ctrl_sring *c = ctrl_ring();
	uint32_t asked_for = c->req_prod;

	(void)state;
	answer_ctrl(last_asked().id + 1, XEN_NETIF_CTRL_STATUS_SUCCESS, 100);
	assert_int_equal(c->req_prod, asked_for);
	backend_is(XenbusStateConnected);
	assert_int_equal(c->req_prod, asked_for + 1);
	answer_ctrl(last_asked().id, XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED, 100);
	assert_int_equal(c->req_prod, asked_for + 1);
	assert_true(running);
	assert_int_equal(lines, 0);
}

/* Nobody ever answers. */
static void test_never_named(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		backend_is(XenbusStateConnected);
	assert_in_range(ctrl_ring()->req_prod, 1, 256);
	assert_true(running);
}

static void test_ctrl_prod_too_far(void **state)
{
	(void)state;
	ctrl_ring()->rsp_prod = ctrl_ring()->req_prod + 1;
	assert_stopped();
}

/* --- its life --- */

static void test_opened(void **state)
{
	static const uint8_t mac[6] = { 0, 0x16, 0x3e, 0, 0, 0xff };

	(void)state;
	assert_true(info.has_mac && info.tx_csum && info.tx_gso);
	assert_memory_equal(info.mac, mac, 6);
	assert_int_equal(we_are(), XenbusStateConnected);
	assert_ptr_equal(ring_of("tx-ring-ref"), tx_shared);
	assert_ptr_equal(ring_of("rx-ring-ref"), rx_shared);
	assert_int_equal(xenstore_number(OURS, "event-channel", 1 << 30, 0), rx_port);
	assert_int_equal(xenstore_number(OURS, "event-channel-tx", 1 << 30, 0), tx_port);
	assert_int_equal(xenstore_number(OURS, "event-channel-rx", 1 << 30, 0), rx_port);
	assert_int_equal(xenstore_number(OURS, "request-rx-copy", 1, 0), 1);
}

static void test_without_mac(void **state)
{
	static const char *const macs[] = { "", "00:16:3e:00:00", "00:16:3e:00:00:f", "00:16:3e:00:00:fg", "00-16-3e-00-00-ff" };

	for (unsigned int i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
		setup(state);
		memory_taken = n_granted = 0;
		set(ours, "mac", macs[i]);
		set(theirs, "state", "2");
		set(ours, "state", "1");
		follows = true;
		netfront.open("", &info);
		follows = false;
		assert_false(info.has_mac);
	}
}

/* Closed, and a new one. */
static void test_comes_again(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	backend_is(XenbusStateClosing);
	assert_int_equal(we_are(), XenbusStateClosed);
	assert_false(netfront.send(&small, &nothing));
	backend_is(XenbusStateClosed);
	assert_int_equal(we_are(), XenbusStateInitialising);
	assert_false(netfront.ready());
	room = 0;
	backend_is(XenbusStateInitWait);
	assert_int_equal(we_are(), XenbusStateConnected);
	assert_int_equal(tx_shared->req_prod, 0);
	netfront.flush();
	assert_int_equal(rx_shared->req_prod, 0);
	assert_int_equal(room, 1);
	backend_is(XenbusStateConnected);
	assert_int_equal(rx_shared->req_prod, NETFRONT_RING);
	assert_true(netfront.send(&small, &nothing));
	next_rx(0, 0, 60);
	netfront.poll(64);
	assert_int_equal(frames, 1);
	assert_int_equal(lines, 0);
}

static void test_one_event_channel(void **state)
{
	(void)state;
	backend_is(XenbusStateClosed);
	set(theirs, "feature-split-event-channels", "0");
	backend_is(XenbusStateInitWait);
	assert_int_equal(xenstore_number(OURS, "event-channel-tx", 1 << 30, 0), rx_port);
	last_event = 0;
	netfront.send(&small, &nothing);
	netfront.flush();
	assert_int_equal(last_event, rx_port);
}

static void test_goes(void **state)
{
	(void)state;
	set(theirs, "online", "0");
	backend_is(XenbusStateClosed);
	assert_int_equal(we_are(), XenbusStateClosed);
	assert_false(netfront.send(&small, &nothing));
}

static void test_taken_over(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	events = 0;
	backend_is(XenbusStateInitWait);
	assert_int_equal(we_are(), XenbusStateConnected);
	assert_int_equal(tx_shared->req_prod, 1);
	assert_true(events > 0);
	assert_true(running);
}

/* After nonsense it may begin anew, after Closed. */
static void test_better_again(void **state)
{
	(void)state;
	next_rx(PAGE_BYTES, 0, 60);
	assert_stopped();
	backend_is(XenbusStateConnected);
	backend_is(XenbusStateInitWait);
	assert_false(running);
	backend_is(XenbusStateClosed);
	backend_is(XenbusStateInitWait);
	assert_true(running);
	backend_is(XenbusStateConnected);
	next_rx(0, 0, 60);
	netfront.poll(64);
	assert_int_equal(frames, 1);
}

static void test_offers_less(void **state)
{
	(void)state;
	backend_is(XenbusStateClosed);
	set(theirs, "feature-gso-tcpv4", "0");
	backend_is(XenbusStateInitWait);
	assert_stopped();
	assert_int_equal(we_are(), XenbusStateInitialising);
}

static void test_no_rx_copy(void **state)
{
	(void)state;
	backend_is(XenbusStateClosed);
	set(theirs, "feature-rx-copy", "2");
	backend_is(XenbusStateInitWait);
	assert_stopped();
}

static void test_no_ctrl_ring(void **state)
{
	uint32_t asked_for = ctrl_ring()->req_prod;

	(void)state;
	backend_is(XenbusStateClosed);
	set(theirs, "feature-ctrl-ring", "0");
	backend_is(XenbusStateInitWait);
	backend_is(XenbusStateConnected);
	assert_int_equal(ctrl_ring()->req_prod, asked_for);
	assert_true(running);
}

/* --- mostly plausible: only so does it come far --- */

static void random_rx(void)
{
	uint16_t flags = (uint16_t)(rand() % 10 ? 0 : rand() % 16);

	if (rand() % 50)
		next_rx((uint16_t)(rand() % 100), flags, (int16_t)(rand() % 1500));
	else
		answer_rx((uint16_t)(rand() % 300), (uint16_t)rand(), flags, (int16_t)rand());
}

static void test_random(void **state)
{
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		for (unsigned int n = (unsigned int)rand() % 6; n; n--)
			random_rx();
		if (!(rand() % 500))
			rx_shared->rsp_prod = (uint32_t)rand();
		if (!(rand() % 2))
			netfront.send(&small, rand() % 2 ? &super : &nothing);
		if (!(rand() % 100))
			backend_is((unsigned int)rand() % 9);
		if (tx_shared->rsp_prod != tx_shared->req_prod)
			answer_tx(rand() % 100 ? tx_request(tx_shared->rsp_prod % NETFRONT_RING).id : (uint16_t)rand(),
				  (int16_t)(rand() % 2));
		netfront.poll(1 + (unsigned int)rand() % 8);
		netfront.flush();
		netfront.ready();
		assert_int_equal(copies_alive, 0);
		if (!running)
			setup(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_frame, setup),
		cmocka_unit_test_setup(test_parts, setup),
		cmocka_unit_test_setup(test_dropped, setup),
		cmocka_unit_test_setup(test_rx_prod_too_far, setup),
		cmocka_unit_test_setup(test_rx_prod_back, setup),
		cmocka_unit_test_setup(test_rx_other_place, setup),
		cmocka_unit_test_setup(test_rx_id_huge, setup),
		cmocka_unit_test_setup(test_rx_beyond_page, setup),
		cmocka_unit_test_setup(test_rx_offset_huge, setup),
		cmocka_unit_test_setup(test_rx_frame_without_end, setup),
		cmocka_unit_test_setup(test_rx_extra_missing, setup),
		cmocka_unit_test_setup(test_rx_extra_without_end, setup),
		cmocka_unit_test_setup(test_rx_extra_unknown, setup),
		cmocka_unit_test_setup(test_send, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_tx_prod_too_far, setup),
		cmocka_unit_test_setup(test_tx_too_early, setup),
		cmocka_unit_test_setup(test_tx_twice, setup),
		cmocka_unit_test_setup(test_tx_id_huge, setup),
		cmocka_unit_test_setup(test_tx_no_extra, setup),
		cmocka_unit_test_setup(test_named, setup),
		cmocka_unit_test_setup(test_not_named, setup),
		cmocka_unit_test_setup(test_never_named, setup),
		cmocka_unit_test_setup(test_ctrl_prod_too_far, setup),
		cmocka_unit_test_setup(test_opened, setup),
		cmocka_unit_test_setup(test_without_mac, setup),
		cmocka_unit_test_setup(test_comes_again, setup),
		cmocka_unit_test_setup(test_one_event_channel, setup),
		cmocka_unit_test_setup(test_goes, setup),
		cmocka_unit_test_setup(test_taken_over, setup),
		cmocka_unit_test_setup(test_better_again, setup),
		cmocka_unit_test_setup(test_offers_less, setup),
		cmocka_unit_test_setup(test_no_rx_copy, setup),
		cmocka_unit_test_setup(test_no_ctrl_ring, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
