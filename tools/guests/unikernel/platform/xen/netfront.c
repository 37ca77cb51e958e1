// SPDX-License-Identifier: BSD-3-Clause
/*
 * Frames, see netfront.h. A slot of the Rx ring has the id and the page of its place;
 * a slot of the Tx ring has any free id, and the id's page.
 */
#include "netfront.h"
#include "console.h"

#define SLOTS_MAX	18u	/* of a frame */
#define FRAME_MAX	65535u	/* bytes, the limit of struct pbuf */
#define ETHERNET_BYTES	14u

_Static_assert(__CONST_RING_SIZE(netif_tx, PAGE_BYTES) == NETFRONT_RING, "Tx ring");
_Static_assert(__CONST_RING_SIZE(netif_rx, PAGE_BYTES) == NETFRONT_RING, "Rx ring");
_Static_assert(sizeof(struct netif_extra_info) <= sizeof(union netif_tx_sring_entry), "Tx extra info");
_Static_assert(sizeof(struct netif_extra_info) <= sizeof(union netif_rx_sring_entry), "Rx extra info");

/* A received frame. */
struct frame {
	uint32_t bytes;
	unsigned int n;		/* parts */
	uint16_t flags;		/* NETRXF_* of the first */
	bool bad;		/* to be dropped */
	struct {
		uint16_t slot, offset, bytes;
	} part[SLOTS_MAX];
};

static uint8_t (*tx_pages)[PAGE_BYTES], (*rx_pages)[PAGE_BYTES];
static grant_ref_t tx_refs[NETFRONT_RING], rx_refs[NETFRONT_RING];
static struct netif_tx_sring *tx_shared;
static struct netif_rx_sring *rx_shared;
static evtchn_port_t tx_port, rx_port;
static evtchn_port_t tx_event;		/* one of the two */
static bool running;

static struct netif_tx_front_ring tx;
static uint32_t tx_pushed;		/* req_prod_pvt at the last flush */
static uint16_t tx_next[NETFRONT_RING];	/* list of free ids */
static uint16_t tx_free;
static bool tx_busy[NETFRONT_RING];
static unsigned int tx_extras;		/* slots of extra info without a response yet */
static bool tx_stalled;

/*
 * While xen-netback binds, posted Rx slots may start its thread, which may end an
 * interrupt whose number is not set yet. So none are posted before it is Connected.
 */
static bool posting;
static struct netif_rx_front_ring rx;
static uint32_t rx_pushed;

void netfront_give_up(const char *reason)
{
	netfront_stop();
	print("netfront: stopped until it reconnects, the backend %s\n", reason);
}

/* ---- sent ---- */

static void push_tx(void)
{
	int notify;

	if (tx_pushed == tx.req_prod_pvt)
		return;
	tx_pushed = tx.req_prod_pvt;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&tx, notify);
	if (notify)
		event_send(tx_event);
}

static void put_request(struct pbuf *frame, uint16_t from, uint16_t bytes, uint16_t flags)
{
	uint16_t id = tx_free;

	tx_free = tx_next[id];
	tx_busy[id] = true;
	pbuf_copy_partial(frame, tx_pages[id], bytes, from);
	*RING_GET_REQUEST(&tx, tx.req_prod_pvt++) = (struct netif_tx_request){
		.gref = tx_refs[id],
		.flags = flags,
		.id = id,
		/* The first slot has the size of the whole frame. */
		.size = from ? bytes : frame->tot_len,
	};
}

static void put_gso(uint16_t segment_bytes)
{
	struct netif_extra_info *extra = (void *)RING_GET_REQUEST(&tx, tx.req_prod_pvt++);

	*extra = (struct netif_extra_info){
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = { .size = segment_bytes, .type = XEN_NETIF_GSO_TYPE_TCPV4 },
	};
	tx_extras++;
}

/* Process a response. Return false if the device has stopped. */
static bool answered(const struct netif_tx_response *r)
{
	if (r->status == NETIF_RSP_NULL) {
		if (!tx_extras) {
			netfront_give_up("answers more extra info than there is");
			return false;
		}
		tx_extras--;
		return true;
	}
	if (r->id >= NETFRONT_RING || !tx_busy[r->id]) {
		netfront_give_up("answers a Tx request that is not there");
		return false;
	}
	tx_busy[r->id] = false;
	tx_next[r->id] = tx_free;
	tx_free = r->id;
	return true;
}

static void reclaim(void)
{
	uint32_t prod = READ_ONCE(tx.sring->rsp_prod), left;
	struct netif_tx_response r;

	barrier();
	if (!ring_answers(prod, tx.rsp_cons, tx_pushed, &left)) {
		netfront_give_up("answers more Tx requests than there are");
		return;
	}
	for (; left; left--) {
		RING_COPY_RESPONSE(&tx, tx.rsp_cons, &r);
		tx.rsp_cons++;
		if (!answered(&r))
			return;
	}
}

bool netfront_send(struct pbuf *frame, const struct netdev_offload *offload)
{
	unsigned int at, slots = (frame->tot_len + PAGE_BYTES - 1) / PAGE_BYTES + !!offload->segment_bytes;

	if (running && RING_FREE_REQUESTS(&tx) < slots)
		reclaim();
	if (!running)
		return false;
	if (RING_FREE_REQUESTS(&tx) < slots) {
		tx_stalled = true;
		return false;
	}
	for (at = 0; at < frame->tot_len; at += PAGE_BYTES) {
		unsigned int left = frame->tot_len - at;
		uint16_t flags = left > PAGE_BYTES ? NETTXF_more_data : 0;

		if (!at && offload->csum_start)
			flags |= NETTXF_csum_blank | NETTXF_data_validated;
		if (!at && offload->segment_bytes)
			flags |= NETTXF_extra_info;
		put_request(frame, (uint16_t)at, (uint16_t)(left < PAGE_BYTES ? left : PAGE_BYTES), flags);
		if (!at && offload->segment_bytes)
			put_gso(offload->segment_bytes);
	}
	return true;
}

/* ---- received ---- */

static void push_rx(void)
{
	int notify;

	if (rx_pushed == rx.req_prod_pvt)
		return;
	rx_pushed = rx.req_prod_pvt;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&rx, notify);
	if (notify)
		event_send(rx_port);
}

static void fill(void)
{
	while (posting && !RING_FULL(&rx)) {
		uint16_t slot = rx.req_prod_pvt % NETFRONT_RING;

		*RING_GET_REQUEST(&rx, rx.req_prod_pvt) = (struct netif_rx_request){ .id = slot, .gref = rx_refs[slot] };
		rx.req_prod_pvt++;
	}
}

/* Take the next part of a frame. Return false if the device has stopped. */
static bool take_part(struct frame *f, uint32_t prod, uint16_t *flags)
{
	uint16_t slot = rx.rsp_cons % NETFRONT_RING;
	struct netif_rx_response r;

	if (rx.rsp_cons == prod) {
		netfront_give_up("ends the Rx ring within a frame");
		return false;
	}
	RING_COPY_RESPONSE(&rx, rx.rsp_cons, &r);
	rx.rsp_cons++;
	*flags = r.flags;
	if (r.id != slot) {
		netfront_give_up("answers an Rx request in another's place");
		return false;
	}
	if (r.status > 0 && (uint32_t)r.offset + (uint32_t)r.status > PAGE_BYTES) {
		netfront_give_up("has written beyond an Rx page, it says");
		return false;
	}
	if (r.status < 0 || f->n == SLOTS_MAX) {
		f->bad = true;
		return true;
	}
	f->part[f->n].slot = slot;
	f->part[f->n].offset = r.offset;
	f->part[f->n++].bytes = (uint16_t)r.status;
	f->bytes += (uint32_t)r.status;
	return true;
}

/* Skip the extra info of a super-frame, because TCP does not need its segment size. */
static bool skip_extras(uint32_t prod)
{
	struct netif_extra_info extra;

	do {
		if (rx.rsp_cons == prod) {
			netfront_give_up("ends the Rx ring within extra info");
			return false;
		}
		extra = *(volatile struct netif_extra_info *)RING_GET_RESPONSE(&rx, rx.rsp_cons);
		rx.rsp_cons++;
		if (!extra.type || extra.type >= XEN_NETIF_EXTRA_TYPE_MAX) {
			netfront_give_up("sends extra info of no known type");
			return false;
		}
	} while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return true;
}

/* Take the next frame; there is at least one response. */
static bool take_frame(struct frame *f, uint32_t prod)
{
	uint16_t flags;

	f->bytes = f->n = 0;
	f->bad = false;
	if (!take_part(f, prod, &flags))
		return false;
	f->flags = flags;
	if (flags & NETRXF_extra_info && !skip_extras(prod))
		return false;
	while (flags & NETRXF_more_data)
		if (!take_part(f, prod, &flags))
			return false;
	f->bad = f->bad || f->bytes < ETHERNET_BYTES || f->bytes > FRAME_MAX;
	return true;
}

static void receive(const struct frame *f)
{
	struct pbuf *copy = f->bad ? NULL : pbuf_alloc(PBUF_RAW, (uint16_t)f->bytes, PBUF_RAM);
	unsigned int i, at = 0;

	if (!copy)
		return;
	for (i = 0; i < f->n; i++) {
		memcpy((uint8_t *)copy->payload + at, rx_pages[f->part[i].slot] + f->part[i].offset, f->part[i].bytes);
		at += f->part[i].bytes;
	}
	net_input(copy, f->flags & (NETRXF_csum_blank | NETRXF_data_validated));
}

static unsigned int take_frames(unsigned int budget)
{
	uint32_t prod = READ_ONCE(rx.sring->rsp_prod), n;
	unsigned int frames = 0;
	struct frame f;

	barrier();
	if (!ring_answers(prod, rx.rsp_cons, rx_pushed, &n)) {
		netfront_give_up("answers more Rx requests than there are");
		return 0;
	}
	/* Processing a frame may stop the device, too. */
	for (; running && rx.rsp_cons != prod && frames < budget && take_frame(&f, prod); frames++)
		receive(&f);
	return frames;
}

unsigned int netfront_poll(unsigned int budget)
{
	unsigned int frames = 0;

	if (running)
		reclaim();
	if (running && tx_stalled && RING_FREE_REQUESTS(&tx) >= NETFRONT_RING / 2) {
		tx_stalled = false;
		net_tx_ready();
	}
	if (running)
		frames = take_frames(budget);
	if (running)
		fill();
	return frames;
}

/* ---- both ---- */

void netfront_flush(void)
{
	if (!running)
		return;
	push_rx();
	push_tx();
}

bool netfront_ready(void)
{
	if (!running)
		return false;
	WRITE_ONCE(rx.sring->rsp_event, rx.rsp_cons + 1);
	/* If TCP waits for room, request an event when half of the ring is free. */
	if (tx_stalled)
		WRITE_ONCE(tx.sring->rsp_event, tx.rsp_cons + (tx_pushed - tx.rsp_cons) / 2 + 1);
	full_barrier();
	return READ_ONCE(rx.sring->rsp_prod) != rx.rsp_cons ||
	       (tx_stalled && READ_ONCE(tx.sring->rsp_prod) != tx.rsp_cons);
}

struct xen_netif_gref netfront_page(unsigned int n)
{
	if (n < NETFRONT_RING)
		return (struct xen_netif_gref){ .ref = rx_refs[n] };
	return (struct xen_netif_gref){ .ref = tx_refs[n - NETFRONT_RING], .flags = XEN_NETIF_CTRLF_GREF_readonly };
}

void netfront_stop(void)
{
	running = false;
	netfront_ctrl_stop();
}

void netfront_kick(void)
{
	if (!running)
		return;
	posting = true;
	fill();
	netfront_flush();
	event_send(tx_event);
	if (tx_event != rx_port)
		event_send(rx_port);
}

void netfront_start(bool split)
{
	unsigned int i;

	XEN_FRONT_RING_INIT(&tx, tx_shared, PAGE_BYTES);
	XEN_FRONT_RING_INIT(&rx, rx_shared, PAGE_BYTES);
	tx_pushed = rx_pushed = 0;
	tx_extras = 0;
	tx_free = 0;
	for (i = 0; i < NETFRONT_RING; i++) {
		tx_next[i] = (uint16_t)(i + 1);
		tx_busy[i] = false;
	}
	tx_event = split ? tx_port : rx_port;
	/* There is room for waiting frames again. */
	tx_stalled = true;
	posting = false;
	running = true;
}

void netfront_init(domid_t backend, struct netfront_rings *rings)
{
	unsigned int i;

	tx_pages = memory_take(NETFRONT_RING * PAGE_BYTES);
	rx_pages = memory_take(NETFRONT_RING * PAGE_BYTES);
	for (i = 0; i < NETFRONT_RING; i++) {
		tx_refs[i] = grant_page(tx_pages[i], backend, true);
		rx_refs[i] = grant_page(rx_pages[i], backend, false);
	}
	tx_shared = memory_take(PAGE_BYTES);
	rx_shared = memory_take(PAGE_BYTES);
	tx_port = event_new(backend);
	rx_port = event_new(backend);
	*rings = (struct netfront_rings){
		.tx_ref = grant_page(tx_shared, backend, false),
		.rx_ref = grant_page(rx_shared, backend, false),
		.tx_port = tx_port,
		.rx_port = rx_port,
	};
}
