// SPDX-License-Identifier: GPL-2.0
/*
 * Port type xen: frames of a guest's netfront. See xen.h.
 *
 *	guest sends	interrupt ─► poll: slots gathered, 128 bytes of each frame copied here by
 *			grants, in one hypercall for all; the rest stays where it is, held
 *	guest receives	a frame waits for slots in the guest's ring, then is copied by grants into
 *			them: from wherever it is, another guest's slots, or our own memory
 *
 * What waits is bounded, in bytes and in age. A guest that gives no slots for that long is
 * stalled: nothing waits for it until it does.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/virtio_net.h>
#include <linux/wait_bit.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include "nfvk.h"
#include "trace.h"
#include "xen.h"

#define WAITING_MAX	(1 << 20)	/* bytes that wait for one queue's slots */
#define GSO_SIZE_MIN	48		/* bytes: no TCP has a smaller segment */
#define HEADER_PAGES	(NFVK_XEN_BURST * NFV_HDR_MAX >> PAGE_SHIFT)

static_assert(sizeof(struct nfvk_xen_tx) == sizeof(struct xen_netif_tx_request));
static_assert(offsetof(struct nfvk_xen_tx, size) == offsetof(struct xen_netif_tx_request, size));
static_assert(sizeof(union nfvk_xen_slot) == sizeof(union xen_netif_tx_sring_entry));
static_assert(sizeof(struct nfvk_xen_extra) == sizeof(struct xen_netif_extra_info));
static_assert(!(PAGE_SIZE % NFV_HDR_MAX) && PAGE_SIZE == XEN_PAGE_SIZE);

static void miss(struct nfvk_xen_queue *q, enum nfv_miss why, unsigned int n)
{
	struct nfvk_port *port;

	rcu_read_lock();
	port = rcu_dereference(q->vif->port);
	while (port && n--)
		nfvk_miss(port, why);
	rcu_read_unlock();
}

/* ---- the guest sends ---- */

static void answer(struct nfvk_xen_queue *q, const struct nfvk_xen_tx *slot, u16 n, u16 extras, s16 status)
{
	struct xen_netif_tx_response *r;
	bool notify;

	spin_lock_bh(&q->tx_lock);
	for (u16 i = 0; i < n + extras; i++) {
		r = RING_GET_RESPONSE(&q->tx, q->tx.rsp_prod_pvt++);
		r->id = i < n ? slot[i].id : 0;
		r->status = i < n ? status : XEN_NETIF_RSP_NULL;
	}
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&q->tx, notify);
	spin_unlock_bh(&q->tx_lock);
	if (notify)
		notify_remote_via_irq(q->tx_irq);
}

/* skb->destructor of a held frame; no other skb has it. */
static void release(struct sk_buff *skb)
{
	struct nfvk_xen_held *held = nfvk_xen_held(skb);
	struct nfvk_xen_queue *q = held->queue;

	answer(q, held->slot, held->n, held->extras, XEN_NETIF_RSP_OKAY);
	if (atomic_dec_and_test(&q->outstanding))
		wake_up_var(&q->outstanding);
}

bool nfvk_in_guest(const struct sk_buff *skb)
{
	return skb->destructor == release;
}

static bool set_offloads(struct sk_buff *skb, const struct nfvk_xen_frame *f)
{
	u16 start, offset;

	if (!(f->flags & NFVK_XEN_TXF_CSUM_BLANK)) {
		if (f->flags & NFVK_XEN_TXF_DATA_VALIDATED)
			skb->ip_summed = CHECKSUM_UNNECESSARY;
		return !f->gso_size;
	}
	if (!nfvk_xen_csum_place(skb->data, skb_headlen(skb), &start, &offset))
		return false;
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_headroom(skb) + start;
	skb->csum_offset = offset;
	skb_set_transport_header(skb, start);
	if (!f->gso_size)
		return true;
	if (offset != offsetof(struct tcphdr, check) || f->gso_size < GSO_SIZE_MIN ||
	    vlan_get_protocol(skb) != htons(f->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? ETH_P_IP : ETH_P_IPV6))
		return false;
	/* One segment is no super-frame. */
	if (f->len <= (u32)start + sizeof(struct tcphdr) + f->gso_size)
		return true;
	skb_shinfo(skb)->gso_size = f->gso_size;
	skb_shinfo(skb)->gso_type = f->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6;
	skb_shinfo(skb)->gso_type |= SKB_GSO_DODGY;
	return true;
}

static void set_protocol(struct sk_buff *skb)
{
	__be16 proto = eth_hdr(skb)->h_proto;

	skb->protocol = eth_proto_is_802_3(proto) ? proto : htons(ETH_P_802_2);
	skb_set_network_header(skb, eth_type_vlan(proto) ? VLAN_ETH_HLEN : ETH_HLEN);
}

static void hold(struct nfvk_xen_queue *q, struct sk_buff *skb, const struct nfvk_xen_frame *f)
{
	struct nfvk_xen_held *held = nfvk_xen_held(skb);

	held->queue = q;
	held->n = f->n;
	held->extras = f->extras;
	memcpy(held->slot, f->slot, f->n * sizeof(f->slot[0]));
	skb->data_len = f->len - skb_headlen(skb);
	skb->len = f->len;
	skb->destructor = release;
	atomic_inc(&q->outstanding);
}

/* All of a frame that is in its guest's memory, into one of ours. */
static void copy_whole(struct nfvk_xen_copies *copies, unsigned int owner, const struct sk_buff *skb, const struct sk_buff *whole)
{
	struct nfvk_xen_cursor from, to;

	nfvk_xen_cursor_start(&from, skb);
	nfvk_xen_cursor_start(&to, whole);
	for (u32 left = skb->len, n; left; left -= n) {
		struct nfvk_xen_end a, b;

		nfvk_xen_cursor_at(&from, &a);
		nfvk_xen_cursor_at(&to, &b);
		if (WARN_ON_ONCE(!a.len || !b.len)) {	/* shorter than it says */
			__set_bit(owner, copies->failed);
			return;
		}
		n = nfvk_xen_copies_add(copies, owner, &a, &b);
		nfvk_xen_cursor_skip(&from, n);
		nfvk_xen_cursor_skip(&to, n);
	}
}

/* ---- to another port, without the daemon; in the poll, under RCU ---- */

/* To a port that takes frames of ours only: the copies of one poll are made together. */
static void fetch_for(struct nfvk_xen_queue *q, unsigned int i, struct nfvk_port *port, struct nfvk_port *dst,
		      struct sk_buff *skb)
{
	struct sk_buff *whole = nfvk_alloc_frame(skb->len, GFP_ATOMIC | __GFP_NOWARN);

	if (!whole) {
		nfvk_forwarded(port, dst, -ENOMEM);
		kfree_skb(skb);
		return;
	}
	copy_whole(&q->fetch, i, skb, whole);
	whole->next = skb;
	q->fetched[i] = whole;
	q->fetched_for[i] = dst;
}

static int dress_as(struct sk_buff *skb, const struct sk_buff *like)
{
	struct nfv_vnet_hdr vnet = { 0 };

	if (virtio_net_hdr_from_skb(like, (struct virtio_net_hdr *)&vnet, true, true, 0))
		return -EINVAL;
	skb_reset_mac_header(skb);
	return nfvk_dress(skb, &vnet);
}

/* The copies are made: send them on. */
static void forward_fetched(struct nfvk_xen_queue *q, struct nfvk_port *port, unsigned int n)
{
	nfvk_xen_copies_run(&q->fetch);
	for (unsigned int i = 0; i < n; i++) {
		struct sk_buff *whole = q->fetched[i], *skb;
		struct nfvk_port *dst = q->fetched_for[i];
		int err = -EIO;

		if (!whole)
			continue;
		q->fetched[i] = NULL;
		skb = whole->next;
		skb_mark_not_on_list(whole);
		whole->dev = rcu_dereference(dst->dev);
		if (whole->dev && !test_bit(i, q->fetch.failed))
			err = dress_as(whole, skb);
		consume_skb(skb);
		if (err) {
			nfvk_forwarded(port, dst, err);
			kfree_skb(whole);
		} else {
			nfvk_forward(port, dst, whole);
		}
	}
}

/* False: not consumed. */
static bool forward(struct nfvk_xen_queue *q, unsigned int i, struct nfvk_port *port, struct sk_buff *skb)
{
	struct nfvk_port *dst = nfvk_route(port, skb);

	if (!dst)
		return false;
	if (nfvk_in_guest(skb) && !dst->ops->xen) {
		fetch_for(q, i, port, dst, skb);
		return true;
	}
	nfvk_forward(port, dst, skb);
	if (dst->ops->flush)
		__set_bit(dst->id, q->touched);
	return true;
}

static void flush_touched(struct nfvk_xen_queue *q, struct nfvk_port *port)
{
	unsigned int id;

	for_each_set_bit(id, q->touched, NFV_PORTS_MAX) {
		struct nfvk_port *dst = nfvk_port_get(port->session, id);

		if (dst && rcu_access_pointer(dst->dev))
			dst->ops->flush(dst);
	}
	bitmap_zero(q->touched, NFV_PORTS_MAX);
}

/* A frame with its header here: to where the table says, or into the ring of the port. */
static void receive(struct nfvk_xen_queue *q, unsigned int i, struct nfvk_port *port)
{
	const struct nfvk_xen_frame *f = &q->frame[i];
	const u8 *header = q->header + i * NFV_HDR_MAX;
	struct sk_buff *skb = alloc_skb(NFV_HDR_MAX + sizeof(struct nfvk_xen_held), GFP_ATOMIC | __GFP_NOWARN);

	if (!skb) {
		answer(q, f->slot, f->n, f->extras, XEN_NETIF_RSP_DROPPED);
		nfvk_miss(port, NFV_MISS_NO_MEMORY);
		return;
	}
	skb_put_data(skb, header, min_t(u32, f->len, NFV_HDR_MAX));
	skb_reset_mac_header(skb);
	set_protocol(skb);
	if (f->len > NFV_HDR_MAX)
		hold(q, skb, f);
	else
		answer(q, f->slot, f->n, f->extras, XEN_NETIF_RSP_OKAY);
	if (!set_offloads(skb, f)) {
		nfvk_miss(port, NFV_MISS_BAD_FRAME);
		kfree_skb(skb);
		return;
	}
	if (!forward(q, i, port, skb))
		nfvk_queue_put(&port->queue[q->index % port->nr_queues], skb);
}

static void fetch_header(struct nfvk_xen_queue *q, unsigned int i)
{
	const struct nfvk_xen_frame *f = &q->frame[i];
	struct nfvk_xen_end from, to;

	nfvk_xen_own(&to, q->header + i * NFV_HDR_MAX, min_t(u32, f->len, NFV_HDR_MAX));
	for (unsigned int k = 0; to.len; k++) {
		from = nfvk_xen_granted(q, f->slot[k].gref, f->slot[k].offset, f->slot[k].size, false);
		if (from.len)
			nfvk_xen_copies_add(&q->fetch, i, &from, &to);
	}
}

/* The frontend writes what no frontend would: nothing of it is looked at again. */
static void fence(struct nfvk_xen_queue *q, enum nfv_miss why)
{
	if (q->broken)
		return;
	WRITE_ONCE(q->broken, true);
	miss(q, why, 1);
	dev_warn_ratelimited(&q->vif->xb->dev, "queue %u: reason=%d: fenced until it reconnects\n", q->index, why);
}

/* ---- multicast control ---- */

static int find_mcast(const struct nfvk_vif *vif, u64 addr)
{
	for (unsigned int i = 0; i < vif->n_mcast; i++)
		if (vif->mcast[i] == addr)
			return i;
	return -1;
}

static s16 change_mcast(struct nfvk_vif *vif, const struct nfvk_xen_frame *f)
{
	u64 addr = ether_addr_to_u64(f->mcast_addr);
	s16 status = XEN_NETIF_RSP_OKAY;
	int i;

	if (!vif->mcast_control)
		return XEN_NETIF_RSP_ERROR;
	spin_lock_bh(&vif->mcast_lock);
	i = find_mcast(vif, addr);
	if (f->mcast == NFVK_XEN_EXTRA_MCAST_DEL) {
		if (i >= 0)
			vif->mcast[i] = vif->mcast[--vif->n_mcast];
	} else if (i < 0) {
		if (is_multicast_ether_addr(f->mcast_addr) && vif->n_mcast < NFVK_XEN_MCASTS)
			vif->mcast[vif->n_mcast++] = addr;
		else
			status = XEN_NETIF_RSP_ERROR;
	}
	spin_unlock_bh(&vif->mcast_lock);
	return status;
}

static bool filtered(struct nfvk_vif *vif, const struct sk_buff *skb)
{
	const u8 *to = skb->data;
	bool known;

	if (!vif->mcast_control || !is_multicast_ether_addr(to) || is_broadcast_ether_addr(to))
		return false;
	spin_lock_bh(&vif->mcast_lock);
	known = find_mcast(vif, ether_addr_to_u64(to)) >= 0;
	spin_unlock_bh(&vif->mcast_lock);
	return !known;
}

/* Gather up to max frames, fetch their headers. Returns how many there are in q->frame[]; *seen counts others too. */
static unsigned int gather(struct nfvk_xen_queue *q, unsigned int max, unsigned int *seen)
{
	const union nfvk_xen_slot *ring = (const void *)q->tx.sring->ring;
	u32 prod = READ_ONCE(q->tx.sring->req_prod);
	unsigned int n = 0;

	virt_rmb();	/* requests are written before the index; pairs with the frontend's */
	if (!nfvk_xen_prod_ok(prod, READ_ONCE(q->tx.rsp_prod_pvt))) {
		fence(q, NFV_MISS_BAD_PROD);
		return 0;
	}
	for (*seen = 0; *seen < max && q->tx.req_cons != prod; ++*seen) {
		struct nfvk_xen_frame *f = &q->frame[n];
		enum nfvk_xen_verdict verdict = nfvk_xen_gather(ring, q->tx.req_cons, prod - q->tx.req_cons, f);

		if (verdict == NFVK_XEN_BAD_SLOT || verdict == NFVK_XEN_BAD_EXTRA) {
			fence(q, verdict == NFVK_XEN_BAD_SLOT ? NFV_MISS_BAD_SLOT : NFV_MISS_BAD_EXTRA);
			break;
		}
		q->tx.req_cons += f->n + f->extras;
		if (verdict == NFVK_XEN_DROP) {
			answer(q, f->slot, f->n, f->extras, f->mcast ? change_mcast(q->vif, f) : XEN_NETIF_RSP_ERROR);
			if (!f->mcast)
				miss(q, NFV_MISS_BAD_FRAME, 1);
			continue;
		}
		fetch_header(q, n++);
	}
	nfvk_xen_copies_run(&q->fetch);
	return n;
}

static unsigned int take_frames(struct nfvk_xen_queue *q, unsigned int max)
{
	struct nfvk_port *port;
	unsigned int seen = 0, n;

	bitmap_zero(q->fetch.failed, NFVK_XEN_BURST);
	n = gather(q, max, &seen);
	rcu_read_lock();
	port = rcu_dereference(q->vif->port);
	for (unsigned int i = 0; i < n; i++) {
		const struct nfvk_xen_frame *f = &q->frame[i];

		if (test_bit(i, q->fetch.failed)) {
			answer(q, f->slot, f->n, f->extras, XEN_NETIF_RSP_ERROR);
			miss(q, NFV_MISS_GRANT, 1);
		} else if (port) {
			receive(q, i, port);
		} else {
			answer(q, f->slot, f->n, f->extras, XEN_NETIF_RSP_DROPPED);
		}
	}
	if (port) {
		forward_fetched(q, port, n);
		flush_touched(q, port);
	}
	rcu_read_unlock();
	return seen;
}

/* ---- the guest receives: under rx_lock ---- */

/* Are there n slots? If not: the frontend is to send an event when it posts the next. */
static bool has_slots(struct nfvk_xen_queue *q, u32 n)
{
	struct xen_netif_rx_sring *ring = q->rx.sring;
	u32 prod;

	do {
		prod = READ_ONCE(ring->req_prod);
		if (prod - q->rx.rsp_prod_pvt > NFVK_XEN_RING) {
			fence(q, NFV_MISS_BAD_PROD);
			return false;
		}
		if (prod - q->rx.req_cons >= n) {
			virt_rmb();	/* the index, then the requests; pairs with the frontend's */
			return true;
		}
		ring->req_event = prod + 1;
		virt_mb();		/* the request for an event, then the index again; pairs with the frontend's */
	} while (READ_ONCE(ring->req_prod) != prod);
	return false;
}

static u32 slots_of(const struct sk_buff *skb)
{
	return DIV_ROUND_UP(skb->len, XEN_PAGE_SIZE) + skb_is_gso(skb);
}

static u16 first_flags(const struct sk_buff *skb)
{
	u16 flags = skb_is_gso(skb) ? XEN_NETRXF_extra_info : 0;

	if (skb->ip_summed == CHECKSUM_PARTIAL)
		flags |= XEN_NETRXF_csum_blank | XEN_NETRXF_data_validated;
	else if (skb->ip_summed == CHECKSUM_UNNECESSARY)
		flags |= XEN_NETRXF_data_validated;
	return flags;
}

static void add_gso(struct nfvk_xen_queue *q, const struct sk_buff *skb, unsigned int owner)
{
	bool v4 = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4;

	/* Takes up the request of its slot. */
	q->rx.req_cons++;
	q->response[q->n_responses].frame = owner;
	q->response[q->n_responses].is_extra = true;
	q->response[q->n_responses++].extra = (struct xen_netif_extra_info){
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {
			.size = skb_shinfo(skb)->gso_size,
			.type = v4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6,
		},
	};
}

/* Copy from c into the next slot. Returns how many bytes. */
static u32 fill_slot(struct nfvk_xen_queue *q, struct nfvk_xen_cursor *c, unsigned int owner, u16 *id)
{
	struct xen_netif_rx_request request;
	struct nfvk_xen_end from, to;
	u32 bytes = 0;

	RING_COPY_REQUEST(&q->rx, q->rx.req_cons, &request);
	q->rx.req_cons++;
	*id = request.id;
	to = nfvk_xen_granted(q, request.gref, 0, XEN_PAGE_SIZE, true);
	while (to.len) {
		u32 n;

		nfvk_xen_cursor_at(c, &from);
		if (!from.len)
			break;
		n = nfvk_xen_copies_add(&q->deliver, owner, &from, &to);
		nfvk_xen_cursor_skip(c, n);
		bytes += n;
	}
	return bytes;
}

static void fill_slots(struct nfvk_xen_queue *q, const struct sk_buff *skb, unsigned int owner)
{
	struct nfvk_xen_cursor c;
	u32 left = skb->len;

	nfvk_xen_cursor_start(&c, skb);
	for (bool first = true; left; first = false) {
		struct xen_netif_rx_response *r = &q->response[q->n_responses].r;
		u32 n;

		q->response[q->n_responses].frame = owner;
		q->response[q->n_responses++].is_extra = false;
		*r = (struct xen_netif_rx_response){ .flags = first ? first_flags(skb) : 0 };
		n = fill_slot(q, &c, owner, &r->id);
		if (WARN_ON_ONCE(!n)) {		/* shorter than it says */
			__set_bit(owner, q->deliver.failed);
			return;
		}
		left -= n;
		r->status = n;
		if (left)
			r->flags |= XEN_NETRXF_more_data;
		if (first && skb_is_gso(skb))
			add_gso(q, skb, owner);
	}
}

/* Make the copies; pass slots and frames on. */
static void finish(struct nfvk_xen_queue *q, struct sk_buff_head *done)
{
	bool notify;

	if (!q->n_responses)
		return;
	nfvk_xen_copies_run(&q->deliver);
	for (unsigned int i = 0; i < q->n_responses; i++) {
		void *slot = RING_GET_RESPONSE(&q->rx, q->rx.rsp_prod_pvt++);

		if (q->response[i].is_extra) {
			memcpy(slot, &q->response[i].extra, sizeof(q->response[i].extra));
			continue;
		}
		if (test_bit(q->response[i].frame, q->deliver.failed))
			q->response[i].r.status = XEN_NETIF_RSP_ERROR;
		memcpy(slot, &q->response[i].r, sizeof(q->response[i].r));
	}
	miss(q, NFV_MISS_RX_GRANT, bitmap_weight(q->deliver.failed, NFVK_XEN_BURST));
	bitmap_zero(q->deliver.failed, NFVK_XEN_BURST);
	q->n_responses = 0;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&q->rx, notify);
	if (notify)
		notify_remote_via_irq(q->rx_irq);
	skb_queue_splice_tail_init(&q->copying, done);
}

static void count_tx(struct nfvk_xen_queue *q, u32 frames, u64 bytes)
{
	struct nfvk_port *port;
	struct nfvk_counters *c;

	rcu_read_lock();
	port = rcu_dereference(q->vif->port);
	if (port) {
		c = this_cpu_ptr(port->counters);
		u64_stats_update_begin(&c->syncp);
		u64_stats_add(&c->tx_frames, frames);
		u64_stats_add(&c->tx_bytes, bytes);
		u64_stats_add(&c->copies, frames);
		u64_stats_add(&c->copied_bytes, bytes);
		u64_stats_update_end(&c->syncp);
	}
	rcu_read_unlock();
}

static void free_frames(struct sk_buff_head *list)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(list)))
		consume_skb(skb);
}

/* Give the guest what waits, as far as it has slots. Bottom halves off. */
static void deliver(struct nfvk_xen_queue *q)
{
	struct sk_buff_head done;
	struct sk_buff *skb;
	u32 frames = 0, owner = 0;
	u64 bytes = 0;

	__skb_queue_head_init(&done);
	spin_lock(&q->rx_lock);
	if (q->stalled && !q->broken && has_slots(q, 1))
		q->stalled = false;
	while ((skb = skb_peek(&q->waiting)) && !q->broken && has_slots(q, slots_of(skb))) {
		if (owner == NFVK_XEN_BURST || q->n_responses + slots_of(skb) > NFVK_XEN_RING) {
			finish(q, &done);
			owner = 0;
		}
		__skb_unlink(skb, &q->waiting);
		q->waiting_bytes -= skb->len;
		fill_slots(q, skb, owner++);
		__skb_queue_tail(&q->copying, skb);
		frames++;
		bytes += skb->len;
	}
	finish(q, &done);
	spin_unlock(&q->rx_lock);
	if (frames)
		count_tx(q, frames, bytes);
	free_frames(&done);
}

/* ---- interrupts ---- */

static void end_interrupts(struct nfvk_xen_queue *q)
{
	int more, eoi;

	RING_FINAL_CHECK_FOR_REQUESTS(&q->tx, more);
	if (more) {
		napi_schedule(&q->napi);
		return;
	}
	eoi = atomic_xchg(&q->eoi, 0);
	if (eoi & NFVK_EOI_TX)
		xen_irq_lateeoi(q->tx_irq, 0);
	if (eoi & NFVK_EOI_RX && q->rx_irq != q->tx_irq)
		xen_irq_lateeoi(q->rx_irq, 0);
}

static int poll(struct napi_struct *napi, int budget)
{
	struct nfvk_xen_queue *q = container_of(napi, struct nfvk_xen_queue, napi);
	unsigned int max = min_t(unsigned int, budget, NFVK_XEN_BURST), seen = 0;

	if (!READ_ONCE(q->broken)) {
		deliver(q);
		seen = take_frames(q, max);
	}
	if (seen == max && !READ_ONCE(q->broken))
		return budget;
	/* A fenced one's interrupts are not ended, so no more come. */
	if (napi_complete_done(napi, seen) && !READ_ONCE(q->broken))
		end_interrupts(q);
	return seen;
}

/*
 * New slots are work, if only to take note of: a poll that came for another reason may have
 * seen to them already, and their event would pass for a spurious one, and delay the next.
 */
static bool tx_work(struct nfvk_xen_queue *q)
{
	u32 prod = READ_ONCE(q->tx.sring->req_prod);
	bool news = prod != q->tx_seen;

	q->tx_seen = prod;
	return news || prod != READ_ONCE(q->tx.req_cons);
}

static bool rx_work(struct nfvk_xen_queue *q)
{
	u32 prod = READ_ONCE(q->rx.sring->req_prod);
	bool news = prod != q->rx_seen;

	q->rx_seen = prod;
	return news || !skb_queue_empty_lockless(&q->waiting);
}

static irqreturn_t interrupted(struct nfvk_xen_queue *q, int irq, int eoi, bool work)
{
	if (READ_ONCE(q->broken))
		return IRQ_HANDLED;
	if (!work) {
		xen_irq_lateeoi(irq, XEN_EOI_FLAG_SPURIOUS);
		return IRQ_HANDLED;
	}
	atomic_or(eoi, &q->eoi);
	napi_schedule(&q->napi);
	return IRQ_HANDLED;
}

irqreturn_t nfvk_xen_tx_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NFVK_EOI_TX, tx_work(q));
}

irqreturn_t nfvk_xen_rx_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NFVK_EOI_RX, rx_work(q));
}

irqreturn_t nfvk_xen_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NFVK_EOI_TX | NFVK_EOI_RX, tx_work(q) || rx_work(q));
}

/* ---- a queue's life ---- */

int nfvk_xen_queue_init(struct nfvk_xen_queue *q)
{
	q->fetch.ops = q->deliver.ops = &q->vif->grants.ops;
	spin_lock_init(&q->tx_lock);
	spin_lock_init(&q->rx_lock);
	__skb_queue_head_init(&q->waiting);
	__skb_queue_head_init(&q->copying);
	q->header = alloc_pages_exact(HEADER_PAGES << PAGE_SHIFT, GFP_KERNEL);
	if (!q->header)
		return -ENOMEM;
	netif_napi_add(q->vif->dev, &q->napi, poll);
	return 0;
}

/*
 * Whoever had the rings before may have left requests in them, and may have answered the
 * last ones when it could not notify any more: look, and have the guest look.
 */
void nfvk_xen_queue_start(struct nfvk_xen_queue *q)
{
	notify_remote_via_irq(q->tx_irq);
	if (q->rx_irq != q->tx_irq)
		notify_remote_via_irq(q->rx_irq);
	/* Not before: an event may come as soon as it is bound, before tx_irq and rx_irq are known. */
	napi_enable(&q->napi);
	local_bh_disable();
	napi_schedule(&q->napi);
	local_bh_enable();
}

/* Frames in the waiting list, all or those of one queue, let go. */
static void purge(struct nfvk_xen_queue *q, const struct nfvk_xen_queue *from)
{
	struct sk_buff_head gone;
	struct sk_buff *skb, *next;

	__skb_queue_head_init(&gone);
	spin_lock_bh(&q->rx_lock);
	skb_queue_walk_safe(&q->waiting, skb, next) {
		if (from && !(nfvk_in_guest(skb) && nfvk_xen_held(skb)->queue == from))
			continue;
		__skb_unlink(skb, &q->waiting);
		q->waiting_bytes -= skb->len;
		__skb_queue_tail(&gone, skb);
	}
	spin_unlock_bh(&q->rx_lock);
	free_frames(&gone);
}

static void purge_of(struct nfvk_xen_queue *q, void *from)
{
	purge(q, from);
}

void nfvk_xen_queue_stop(struct nfvk_xen_queue *q)
{
	struct nfvk_port *port = rcu_dereference_protected(q->vif->port, lockdep_is_held(&nfvk_vifs_lock));

	napi_disable(&q->napi);
	for (unsigned int i = 0; port && i < port->nr_queues; i++)
		nfvk_queue_flush(&port->queue[i]);
	purge(q, NULL);
	nfvk_vif_each_queue(purge_of, q);
	/* An operation of the daemon's may have one in its hands; it lets go of it before it sleeps. */
	wait_var_event(&q->outstanding, !atomic_read(&q->outstanding));
	/* Whoever has the rings next does not know what was not notified. */
	if (q->tx_irq > 0)
		notify_remote_via_irq(q->tx_irq);
}

void nfvk_xen_queue_free(struct nfvk_xen_queue *q)
{
	if (!q->header)
		return;
	netif_napi_del(&q->napi);
	free_pages_exact(q->header, HEADER_PAGES << PAGE_SHIFT);
}

/* ---- the port ---- */

static int attach(struct nfvk_port *port, const struct nfv_attach *args)
{
	struct nfvk_vif *vif;
	int err = 0;

	mutex_lock(&nfvk_vifs_lock);
	vif = nfvk_vif_find(args->domid, args->devid);
	if (!vif) {
		err = -ENODEV;
	} else if (rcu_access_pointer(vif->port)) {
		err = -EBUSY;
	} else {
		port->priv = vif;
		rcu_assign_pointer(port->dev, vif->dev);
		rcu_assign_pointer(vif->port, port);
	}
	mutex_unlock(&nfvk_vifs_lock);
	return err;
}

/* Under vifs_lock. */
static void part(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	RCU_INIT_POINTER(port->dev, NULL);
	RCU_INIT_POINTER(vif->port, NULL);
	synchronize_net();
	for (unsigned int i = 0; vif->connected && i < vif->nr_queues; i++)
		purge(vif->queue[i], NULL);
}

static void detach(struct nfvk_port *port)
{
	mutex_lock(&nfvk_vifs_lock);
	if (rcu_access_pointer(port->dev))
		part(port);
	mutex_unlock(&nfvk_vifs_lock);
}

void nfvk_xen_port_gone(struct nfvk_vif *vif)
{
	struct nfvk_port *port = rcu_dereference_protected(vif->port, lockdep_is_held(&nfvk_vifs_lock));

	if (!port)
		return;
	part(port);
	wake_up_interruptible(&port->session->wait);
}

static bool takes(struct nfvk_port *port, const struct sk_buff *skb)
{
	const struct nfvk_vif *vif = port->priv;
	u32 needs = 0;

	if (skb->ip_summed == CHECKSUM_PARTIAL)
		needs |= NFV_ACCEPT_CSUM;
	if (skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4)
		needs |= NFV_ACCEPT_TSO4;
	else if (skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6)
		needs |= NFV_ACCEPT_TSO6;
	else if (skb_is_gso(skb))
		return false;
	return !(needs & ~vif->accepts);
}

static int enqueue(struct nfvk_xen_queue *q, struct sk_buff *skb)
{
	int err = 0;

	spin_lock(&q->rx_lock);
	if (q->broken)
		err = -ENETDOWN;
	else if (q->stalled || q->waiting_bytes + skb->len > WAITING_MAX)
		err = -ENOBUFS;
	if (!err) {
		*(unsigned long *)skb->cb = jiffies;
		q->waiting_bytes += skb->len;
		__skb_queue_tail(&q->waiting, skb);
	}
	spin_unlock(&q->rx_lock);
	return err;
}

static int xmit(struct nfvk_port *port, struct sk_buff *skb)
{
	struct nfvk_vif *vif = port->priv;
	u32 queue, len;
	int err = 0;

	if (skb_vlan_tag_present(skb)) {
		skb = __vlan_hwaccel_push_inside(skb);
		if (!skb)
			return -ENOMEM;
	}
	if (!nfvk_in_guest(skb) && skb_has_frag_list(skb) && __skb_linearize(skb))
		err = -ENOMEM;
	len = skb->len;
	if (!smp_load_acquire(&vif->connected))
		err = -ENETDOWN;
	else if (!vif->sg && len > XEN_PAGE_SIZE)
		err = -EMSGSIZE;
	else if (!takes(port, skb))
		err = -EINVAL;
	/* As a card's filter: it came there, and was not for it. */
	if (!err && filtered(vif, skb)) {
		nfvk_miss(port, NFV_MISS_RX_FILTERED);
		consume_skb(skb);
		return len;
	}
	if (!err) {
		queue = vif->nr_queues > 1 ? reciprocal_scale(skb_get_hash(skb), vif->nr_queues) : 0;
		err = enqueue(vif->queue[queue], skb);
	}
	if (err)
		kfree_skb(skb);
	return err ?: len;
}

static void flush(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!smp_load_acquire(&vif->connected))
		return;
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		if (!skb_queue_empty_lockless(&vif->queue[i]->waiting))
			deliver(vif->queue[i]);
}

static void kick(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!smp_load_acquire(&vif->connected))
		return;
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		if (!skb_queue_empty_lockless(&vif->queue[i]->waiting))
			napi_schedule(&vif->queue[i]->napi);
}

/* Frames that have waited for too long, and whether that was in vain. Under RCU, bottom halves off. */
static void expire_queue(struct nfvk_xen_queue *q)
{
	unsigned long limit = msecs_to_jiffies(nfvk_held_ms);
	struct sk_buff_head old;
	struct sk_buff *skb;

	__skb_queue_head_init(&old);
	spin_lock(&q->rx_lock);
	while ((skb = skb_peek(&q->waiting)) && time_after_eq(jiffies, *(unsigned long *)skb->cb + limit)) {
		__skb_unlink(skb, &q->waiting);
		q->waiting_bytes -= skb->len;
		q->stalled = true;
		__skb_queue_tail(&old, skb);
	}
	spin_unlock(&q->rx_lock);
	miss(q, NFV_MISS_RX_EXPIRED, skb_queue_len(&old));
	free_frames(&old);
}

static void expire(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!rcu_access_pointer(port->dev) || !smp_load_acquire(&vif->connected))
		return;
	local_bh_disable();
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		deliver(vif->queue[i]);
		expire_queue(vif->queue[i]);
	}
	local_bh_enable();
}

static void stats(struct nfvk_port *port, struct nfv_stats *stats)
{
	struct nfvk_vif *vif = port->priv;

	if (!rcu_access_pointer(port->dev))
		return;
	stats->accepts = vif->accepts;
	stats->grant_ops = atomic64_read(&vif->grants.ops);
	stats->grant_maps = atomic64_read(&vif->grants.maps);
	stats->mapped = atomic_read(&vif->grants.mapped);
	if (!smp_load_acquire(&vif->connected)) {
		stats->state |= NFV_STATE_DOWN;
		return;
	}
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		if (READ_ONCE(vif->queue[i]->broken))
			stats->state |= NFV_STATE_FENCED;
		if (READ_ONCE(vif->queue[i]->stalled))
			stats->state |= NFV_STATE_STALLED;
	}
}

const struct nfvk_port_ops nfvk_port_xen = {
	.attach = attach,
	.detach = detach,
	.xmit = xmit,
	.flush = flush,
	.kick = kick,
	.takes = takes,
	.expire = expire,
	.stats = stats,
	.xen = true,
};

/* ---- a held frame, fetched ---- */

int nfvk_xen_fetch(struct sk_buff **pskb, struct nfv_vnet_hdr *vnet)
{
	struct sk_buff *skb = *pskb, *whole;
	struct nfvk_xen_copies *copies;
	bool failed;

	*vnet = (struct nfv_vnet_hdr){ 0 };
	if (virtio_net_hdr_from_skb(skb, (struct virtio_net_hdr *)vnet, true, true, 0))
		return -EINVAL;
	copies = kzalloc(sizeof(*copies), GFP_KERNEL);
	whole = copies ? nfvk_alloc_frame(skb->len, GFP_KERNEL) : NULL;
	if (!whole) {
		kfree(copies);
		return -ENOMEM;
	}
	copies->ops = &nfvk_xen_held(skb)->queue->vif->grants.ops;
	rcu_read_lock();
	copy_whole(copies, 0, skb, whole);
	rcu_read_unlock();
	nfvk_xen_copies_run(copies);
	failed = test_bit(0, copies->failed);
	kfree(copies);
	if (failed) {
		kfree_skb(whole);
		return -EIO;
	}
	skb_reset_mac_header(whole);
	consume_skb(skb);
	*pskb = whole;
	return 0;
}
