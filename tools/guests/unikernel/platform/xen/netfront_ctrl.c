// SPDX-License-Identifier: BSD-3-Clause
/*
 * The control ring: pages are named to the backend, which may keep them mapped (Xen's
 * io/netif.h, "Static Grants"). There is one request at a time. After a missing or
 * malformed response no more are sent until another backend takes over; it is optional.
 */
#include "netfront.h"
#include "console.h"

_Static_assert(NETFRONT_PAGES * sizeof(struct xen_netif_gref) <= PAGE_BYTES, "a page has all of them");

static struct xen_netif_ctrl_sring *shared;
static struct xen_netif_ctrl_front_ring ring;
static struct xen_netif_gref *list;
static grant_ref_t list_ref;
static evtchn_port_t port;
static bool running;
static uint16_t asked;		/* XEN_NETIF_CTRL_TYPE_*_GREF_* without a response yet; 0: none */
static uint16_t id;		/* of the last request */
static uint32_t named;		/* pages that were named to a backend */

static void ask(uint16_t type, uint32_t pages)
{
	int notify;

	asked = 0;
	if (RING_FULL(&ring))
		return;
	asked = type;
	*RING_GET_REQUEST(&ring, ring.req_prod_pvt) = (struct xen_netif_ctrl_request){
		.id = ++id, .type = type, .data = { 0, list_ref, pages },
	};
	ring.req_prod_pvt++;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
	if (notify)
		event_send(port);
}

static void name(uint16_t type, uint32_t pages)
{
	uint32_t i;

	for (i = 0; i < pages; i++)
		list[i] = netfront_page(i);
	ask(type, pages);
}

static void answered(const struct xen_netif_ctrl_response *r)
{
	uint16_t type = asked;

	if (!type || r->id != id)
		return;
	asked = 0;
	switch (type) {
	case XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE:
		if (r->status != XEN_NETIF_CTRL_STATUS_SUCCESS || !r->data)
			return;
		/* The backend may be the previous one, which has the names already. */
		if (named) {
			name(XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING, named);
			return;
		}
		named = r->data < NETFRONT_PAGES ? r->data : NETFRONT_PAGES;
		name(XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, named);
		return;
	case XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING:
		named = 0;
		ask(XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE, 0);
		return;
	default:
		if (r->status == XEN_NETIF_CTRL_STATUS_SUCCESS)
			print("netfront: %u pages stay granted\n", named);
	}
}

void netfront_ctrl_name_pages(void)
{
	if (running)
		ask(XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE, 0);
}

void netfront_ctrl_poll(void)
{
	struct xen_netif_ctrl_response r;
	uint32_t prod, left;

	if (!running)
		return;
	prod = READ_ONCE(ring.sring->rsp_prod);
	barrier();
	if (!ring_answers(prod, ring.rsp_cons, ring.req_prod_pvt, &left)) {
		netfront_give_up("answers more control requests than there are");
		return;
	}
	for (; left; left--) {
		RING_COPY_RESPONSE(&ring, ring.rsp_cons, &r);
		ring.rsp_cons++;
		answered(&r);
	}
}

bool netfront_ctrl_ready(void)
{
	if (!running)
		return false;
	WRITE_ONCE(ring.sring->rsp_event, ring.rsp_cons + 1);
	full_barrier();
	return READ_ONCE(ring.sring->rsp_prod) != ring.rsp_cons;
}

void netfront_ctrl_stop(void)
{
	running = false;
}

void netfront_ctrl_start(void)
{
	XEN_FRONT_RING_INIT(&ring, shared, PAGE_BYTES);
	asked = 0;
	named = 0;
	running = true;
}

void netfront_ctrl_init(domid_t backend, struct netfront_ctrl *ctrl)
{
	shared = memory_take(PAGE_BYTES);
	list = memory_take(PAGE_BYTES);
	list_ref = grant_page(list, backend, false);
	port = event_new(backend);
	*ctrl = (struct netfront_ctrl){ .ref = grant_page(shared, backend, false), .port = port };
}
