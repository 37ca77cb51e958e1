/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A backend's side of Xen's rings, and grant copies from and to guests that the test
 * makes. Requests that a hypervisor would refuse return an error here, too. A request
 * that no caller may make, such as a copy beyond a page, ends the program.
 */
#ifndef TEST_XEN_IO_H
#define TEST_XEN_IO_H

#include "net.h"

#define XEN_PAGE_SIZE	4096u
#define DOMID_SELF	0x7ff0

/* ---- io/netif.h ---- */

struct xen_netif_tx_request { grant_ref_t gref; u16 offset, flags, id, size; };
struct xen_netif_tx_response { u16 id; s16 status; };
struct xen_netif_rx_request { u16 id, pad; grant_ref_t gref; };
struct xen_netif_rx_response { u16 id, offset, flags; s16 status; };
struct xen_netif_extra_info {
	u8 type, flags;
	union { struct { u16 size; u8 type, pad; u16 features; } gso; struct { u8 addr[6]; } mcast; u16 pad[3]; } u;
};
struct xen_netif_ctrl_request { u16 id, type; u32 data[3]; };
struct xen_netif_ctrl_response { u16 id, type; u32 status, data; };

enum { XEN_NETRXF_data_validated = 1, XEN_NETRXF_csum_blank = 2, XEN_NETRXF_more_data = 4, XEN_NETRXF_extra_info = 8 };
enum { XEN_NETIF_EXTRA_TYPE_GSO = 1 };
enum { XEN_NETIF_GSO_TYPE_TCPV4 = 1, XEN_NETIF_GSO_TYPE_TCPV6 = 2 };
enum { XEN_NETIF_RSP_DROPPED = -2, XEN_NETIF_RSP_ERROR = -1, XEN_NETIF_RSP_OKAY = 0, XEN_NETIF_RSP_NULL = 1 };

/* ---- io/ring.h: indices run freely; an event is asked for by its position ---- */

#define TEST_RING(name, slots, request, response)							\
	union name##_sring_entry { request req; response rsp; };					\
	struct name##_sring { u32 req_prod, req_event, rsp_prod, rsp_event; u8 pad[48];			\
			      union name##_sring_entry ring[slots]; };					\
	struct name##_back_ring { u32 rsp_prod_pvt, req_cons, nr_ents; struct name##_sring *sring; }

TEST_RING(xen_netif_tx, 256, struct xen_netif_tx_request, struct xen_netif_tx_response);
TEST_RING(xen_netif_rx, 256, struct xen_netif_rx_request, struct xen_netif_rx_response);
TEST_RING(xen_netif_ctrl, 128, struct xen_netif_ctrl_request, struct xen_netif_ctrl_response);

#define RING_SIZE(r)			((r)->nr_ents)
#define RING_AT(r, i)			(&(r)->sring->ring[(i) & ((r)->nr_ents - 1)])
#define RING_GET_RESPONSE(r, i)		(&RING_AT(r, i)->rsp)
#define RING_COPY_REQUEST(r, i, to)	(*(to) = *(volatile __typeof__(*(to)) *)&RING_AT(r, i)->req)
#define RING_REQUEST_PROD_OVERFLOW(r, prod) ((u32)((prod) - (r)->rsp_prod_pvt) > (r)->nr_ents)
#define RING_NEWS(r)			((READ_ONCE((r)->sring->req_prod) - (r)->req_cons) && (r)->rsp_prod_pvt + (r)->nr_ents != (r)->req_cons)
#define RING_HAS_UNCONSUMED_REQUESTS(r)	RING_NEWS(r)
#define RING_FINAL_CHECK_FOR_REQUESTS(r, more) do {							\
	(more) = RING_NEWS(r);										\
	if (!(more)) { (r)->sring->req_event = (r)->req_cons + 1; (more) = RING_NEWS(r); } } while (0)
#define RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(r, notify) do {						\
	u32 old_ = (r)->sring->rsp_prod, new_ = (r)->rsp_prod_pvt;					\
	WRITE_ONCE((r)->sring->rsp_prod, new_);								\
	(notify) = (u32)(new_ - READ_ONCE((r)->sring->rsp_event)) < (u32)(new_ - old_); } while (0)
#define BACK_RING_ATTACH(r, s, from, size) do {								\
	(r)->sring = (s); (r)->rsp_prod_pvt = (r)->req_cons = (from); (r)->nr_ents = ARRAY_SIZE((s)->ring); } while (0)

/* ---- events ---- */

static unsigned int notified;

#define XEN_EOI_FLAG_SPURIOUS	1
#define notify_remote_via_irq(irq)	((void)(irq), notified++)
#define xen_irq_lateeoi(irq, flags)	((void)(irq), (void)(flags))

/* ---- connecting: a test makes its rings itself ---- */

#define get_zeroed_page(gfp)	((unsigned long)0)
#define free_page(page)		((void)(page))
#define xenbus_map_ring_valloc(xb, refs, n, to) ((void)(xb), *(to) = NULL, -ENODEV)
#define xenbus_unmap_ring_vfree(xb, page) ((void)(xb), (void)(page))
#define bind_interdomain_evtchn_to_irqhandler_lateeoi(xb, channel, fn, flags, name, arg) ((void)(fn), -ENODEV)
#define unbind_from_irqhandler(irq, arg) ((void)(irq))

/* ---- grant copies ---- */

struct gnttab_copy_ptr { union { grant_ref_t ref; u64 gmfn; } u; domid_t domid; u16 offset; };
struct gnttab_copy { struct gnttab_copy_ptr source, dest; u16 len, flags; s16 status; };
enum { GNTCOPY_source_gref = 1, GNTCOPY_dest_gref = 2 };

#define virt_to_gfn(p)		((u64)(uintptr_t)(p) >> 12)

/* Defined by the test: return a guest's page, or NULL if it is not granted. */
static u8 *granted_page(domid_t domid, grant_ref_t ref, bool write);

static inline u8 *copy_end(const struct gnttab_copy_ptr *p, u16 len, bool granted, bool write)
{
	u8 *page;

	require((u32)p->offset + len <= XEN_PAGE_SIZE && granted == (p->domid != DOMID_SELF));
	page = granted ? granted_page(p->domid, p->u.ref, write) : (u8 *)(uintptr_t)(p->u.gmfn << 12);
	return page ? page + p->offset : NULL;
}

#define GNTTABOP_copy	5

static inline int HYPERVISOR_grant_table_op(unsigned int call, struct gnttab_copy *op, unsigned int n)
{
	require(call == GNTTABOP_copy);
	for (; n; n--, op++) {
		const u8 *from = copy_end(&op->source, op->len, op->flags & GNTCOPY_source_gref, false);
		u8 *to = copy_end(&op->dest, op->len, op->flags & GNTCOPY_dest_gref, true);

		op->status = from && to ? GNTST_okay : GNTST_bad_gntref;
		if (!op->status)
			memmove(to, from, op->len);
	}
	return 0;
}

#endif
