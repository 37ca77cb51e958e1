// SPDX-License-Identifier: GPL-2.0
/*
 * What a Xen guest sends. A poll gathers slots to frames, and copies the first bytes of each frame, at most 128, in one
 * hypercall for all frames. The rest stays in the guest's memory. The frame then goes to the port that the forwarding
 * table names, or into a ring of its own port. See vif.h.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/tcp.h>
#include <linux/virtio_net.h>
#include <xen/events.h>
#include "nfvk.h"
#include "copy.h"

#define GSO_SIZE_MIN	48		/* bytes: no TCP has a smaller segment */

static_assert(sizeof(struct nfvk_xen_tx) == sizeof(struct xen_netif_tx_request));
static_assert(offsetof(struct nfvk_xen_tx, size) == offsetof(struct xen_netif_tx_request, size));
static_assert(sizeof(union nfvk_xen_slot) == sizeof(union xen_netif_tx_sring_entry));
static_assert(sizeof(struct nfvk_xen_extra) == sizeof(struct xen_netif_extra_info));

/* ---- its slots ---- */

/* Context of the next three: source->lock held. */
static void push_answers(struct nfvk_xen_queue *q)
{
	bool notify;

	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&q->tx, notify);
	if (notify)
		notify_remote_via_irq(q->tx_irq);
}

static void put_answers(struct nfvk_xen_queue *q, const struct nfvk_xen_tx *slot, u16 n, u16 extras, s16 status)
{
	union xen_netif_tx_sring_entry *ring = q->tx.sring->ring;
	u32 prod = q->tx.rsp_prod_pvt;

	for (u32 i = 0; i < n; i++)
		ring[prod++ % NFVK_XEN_RING].rsp = (struct xen_netif_tx_response){ .id = slot[i].id, .status = status };
	for (u32 i = 0; i < extras; i++)
		ring[prod++ % NFVK_XEN_RING].rsp = (struct xen_netif_tx_response){ .status = XEN_NETIF_RSP_NULL };
	q->tx.rsp_prod_pvt = prod;
}

static void answer_locked(struct nfvk_xen_queue *q, const struct nfvk_xen_tx *slot, u16 n, u16 extras, s16 status)
{
	put_answers(q, slot, n, extras, status);
	if (!q->taking)
		push_answers(q);
}

/* Send the responses of a frame. Context: the poll. */
static void respond(struct nfvk_xen_queue *q, const struct nfvk_xen_frame *f, s16 status)
{
	spin_lock(&q->source->lock);
	answer_locked(q, f->slot, f->n, f->extras, status);
	spin_unlock(&q->source->lock);
}

/*
 * Hold responses back until the poll has taken its frames. Otherwise the first one wakes the sender, which may preempt
 * the poll, and then sends one frame at a time.
 */
static void hold_answers(struct nfvk_xen_queue *q)
{
	spin_lock(&q->source->lock);
	q->taking = true;
	spin_unlock(&q->source->lock);
}

static void give_answers(struct nfvk_xen_queue *q)
{
	spin_lock(&q->source->lock);
	q->taking = false;
	push_answers(q);
	spin_unlock(&q->source->lock);
}

void nfvk_xen_release(struct sk_buff *skb)
{
	struct nfvk_xen_held *held = nfvk_xen_held(skb);
	struct nfvk_xen_source *s = held->source;
	bool last;

	spin_lock_bh(&s->lock);
	list_del(&held->all);
	if (likely(s->queue))
		answer_locked(s->queue, held->slot, held->n, held->extras, XEN_NETIF_RSP_OKAY);
	last = !s->queue && list_empty(&s->held);
	spin_unlock_bh(&s->lock);
	if (last)
		kfree_rcu(s, rcu);
}

void nfvk_xen_leave(struct nfvk_xen_queue *q)
{
	struct nfvk_xen_source *s = q->source;
	struct nfvk_xen_held *held;
	bool last;

	if (!s)
		return;
	spin_lock_bh(&s->lock);
	list_for_each_entry(held, &s->held, all)
		put_answers(q, held->slot, held->n, held->extras, XEN_NETIF_RSP_DROPPED);
	if (!list_empty(&s->held))
		push_answers(q);
	s->queue = NULL;
	last = list_empty(&s->held);
	spin_unlock_bh(&s->lock);
	q->source = NULL;
	if (last)
		kfree_rcu(s, rcu);
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
	/* A frame of one segment is not a super-frame. */
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
	struct nfvk_xen_source *s = q->source;

	held->source = s;
	held->n = f->n;
	held->extras = f->extras;
	memcpy(held->slot, f->slot, f->n * sizeof(f->slot[0]));
	skb->destructor = nfvk_xen_release;
	spin_lock(&s->lock);
	list_add(&held->all, &s->held);
	spin_unlock(&s->lock);
}

/* Copy a frame in its guest's memory to whole. Return false if either is shorter than its length. */
static bool copy_whole(struct nfvk_xen_copies *copies, unsigned int owner, const struct sk_buff *skb, const struct sk_buff *whole)
{
	struct nfvk_xen_cursor from, to;
	u32 left = skb->len, n;

	nfvk_xen_cursor_start(&from, skb);
	for (nfvk_xen_cursor_start(&to, whole); left; left -= n) {
		n = nfvk_xen_copy(copies, owner, &from, &to.at, false);
		if (WARN_ON_ONCE(!n))
			return false;
		nfvk_xen_cursor_step(&to);
	}
	return true;
}

/* ---- to another port, without the daemon; in the poll, under RCU ---- */

/* Collect the copies of a frame for a port that cannot read a guest's memory. They are carried out once per poll. */
static void fetch_for(struct nfvk_xen_queue *q, unsigned int i, struct nfvk_port *port, struct nfvk_port *dst,
		      struct sk_buff *skb)
{
	struct sk_buff *whole = nfvk_alloc_frame(skb->len, GFP_ATOMIC | __GFP_NOWARN);

	if (!whole) {
		nfvk_forwarded(port, dst, -ENOMEM);
		kfree_skb(skb);
		return;
	}
	if (!copy_whole(&q->fetch, i, skb, whole))
		__set_bit(i, q->fetch.failed);
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
	return nfvk_set_offloads(skb, &vnet);
}

/* Carry out the collected copies, and forward the frames. */
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

static void forward(struct nfvk_xen_queue *q, unsigned int i, struct nfvk_port *port, struct nfvk_port *dst, struct sk_buff *skb)
{
	if (nfvk_in_guest(skb) && !dst->ops->xmit_in_guest) {
		fetch_for(q, i, port, dst, skb);
		return;
	}
	nfvk_forward(port, dst, skb);
	if (dst->ops->flush)
		__set_bit(dst->id, q->touched);
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

/* ---- the header, and the choice between another port and the ring ---- */

#define HEADERS_MIN	(ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr))

/* Return how many bytes to fetch first: with Linux, the first slot of a large frame contains exactly its headers. */
static u32 first_bytes(const struct nfvk_xen_frame *f)
{
	u32 all = min_t(u32, f->len, NFV_HDR_MAX);

	return f->len > NFV_HDR_MAX && f->slot[0].size >= HEADERS_MIN ? min_t(u32, f->slot[0].size, all) : all;
}

static void fetch_header(struct nfvk_xen_queue *q, unsigned int i, u32 n)
{
	const struct nfvk_xen_frame *f = &q->frame[i];
	struct nfvk_xen_guest guest;
	struct nfvk_xen_end from, to;

	nfvk_xen_guest_of(&guest, q);
	nfvk_xen_own(&to, q->header + i * NFV_HDR_MAX, n);
	for (unsigned int k = 0; to.len; k++) {
		nfvk_xen_granted(&from, &guest, f->slot[k].gref, f->slot[k].offset, f->slot[k].size, false);
		if (from.len)
			nfvk_xen_copies_add(&q->fetch, i, &from, &to);
	}
}

static void show_header(struct nfvk_xen_queue *q, unsigned int i, struct sk_buff *skb, u32 n)
{
	skb->len = skb->data_len = 0;
	skb_reset_tail_pointer(skb);
	skb_put_data(skb, q->header + i * NFV_HDR_MAX, n);
	skb->len = q->frame[i].len;
	skb->data_len = skb->len - n;
	skb->ip_summed = CHECKSUM_NONE;
	skb_shinfo(skb)->gso_size = skb_shinfo(skb)->gso_type = 0;
	skb_reset_mac_header(skb);
	set_protocol(skb);
}

/* Set *dst by the forwarding table; NULL: to the daemon. Return false if the header is malformed. */
static bool decide(struct nfvk_xen_queue *q, unsigned int i, struct nfvk_port *port, struct sk_buff *skb, u32 n, struct nfvk_port **dst)
{
	bool ok;

	show_header(q, i, skb, n);
	ok = set_offloads(skb, &q->frame[i]);
	*dst = ok ? nfvk_route(port, skb) : NULL;
	return ok;
}

static void receive(struct nfvk_xen_queue *q, unsigned int i, struct nfvk_port *port)
{
	const struct nfvk_xen_frame *f = &q->frame[i];
	struct sk_buff *skb = __alloc_skb(NFV_HDR_MAX + sizeof(struct nfvk_xen_held), GFP_ATOMIC | __GFP_NOWARN,
					  SKB_ALLOC_NAPI, NUMA_NO_NODE);
	struct nfvk_port *dst;
	bool ok;

	if (!skb) {
		respond(q, f, XEN_NETIF_RSP_DROPPED);
		nfvk_miss(port, NFV_MISS_NO_MEMORY);
		return;
	}
	if (f->len > NFV_HDR_MAX)
		hold(q, skb, f);
	else
		respond(q, f, XEN_NETIF_RSP_OKAY);
	ok = decide(q, i, port, skb, first_bytes(f), &dst);
	/* Fetch all bytes that the ring shows, for the daemon, or because more headers are in the next slot. */
	if (!dst && skb_headlen(skb) < min_t(u32, f->len, NFV_HDR_MAX)) {
		fetch_header(q, i, NFV_HDR_MAX);
		nfvk_xen_copies_run(&q->fetch);
		if (test_bit(i, q->fetch.failed)) {
			nfvk_miss(port, NFV_MISS_GRANT);
			kfree_skb(skb);
			return;
		}
		ok = decide(q, i, port, skb, NFV_HDR_MAX, &dst);
	}
	if (!ok) {
		nfvk_miss(port, NFV_MISS_BAD_FRAME);
		kfree_skb(skb);
	} else if (dst) {
		forward(q, i, port, dst, skb);
	} else {
		nfvk_queue_put(&port->queue[q->index % port->nr_queues], skb);
	}
}

/* Gather up to max frames and fetch their headers. Return how many are in q->frame[]; *seen counts others, too. */
static unsigned int gather(struct nfvk_xen_queue *q, unsigned int max, unsigned int *seen)
{
	const union nfvk_xen_slot *ring = (const void *)q->tx.sring->ring;
	u32 prod = READ_ONCE(q->tx.sring->req_prod), left;
	struct nfvk_xen_rate *rate = &q->vif->rate;
	u64 now = rate->usec ? ktime_get_ns() : 0;
	unsigned int n = 0;

	virt_rmb();	/* requests are written before the index; pairs with the frontend's */
	if (!nfvk_xen_posted(prod, q->tx.req_cons, READ_ONCE(q->tx.rsp_prod_pvt), NFVK_XEN_RING, &left)) {
		nfvk_xen_fence(q, NFV_MISS_BAD_PROD);
		return 0;
	}
	for (*seen = 0; *seen < max && left && nfvk_xen_may_send(rate, now); ++*seen) {
		struct nfvk_xen_frame *f = &q->frame[n];
		enum nfvk_xen_verdict verdict = nfvk_xen_gather(ring, q->tx.req_cons, left, f);

		if (verdict == NFVK_XEN_BAD_SLOT || verdict == NFVK_XEN_BAD_EXTRA) {
			nfvk_xen_fence(q, verdict == NFVK_XEN_BAD_SLOT ? NFV_MISS_BAD_SLOT : NFV_MISS_BAD_EXTRA);
			break;
		}
		q->tx.req_cons += f->n + f->extras;
		left -= f->n + f->extras;
		if (verdict == NFVK_XEN_DROP) {
			respond(q, f, f->mcast ? nfvk_xen_change_mcast(q->vif, f) : XEN_NETIF_RSP_ERROR);
			if (!f->mcast)
				nfvk_xen_miss(q, NFV_MISS_BAD_FRAME, 1);
			continue;
		}
		nfvk_xen_pay(rate, f->len, now);
		fetch_header(q, n, first_bytes(f));
		n++;
	}
	nfvk_xen_copies_run(&q->fetch);
	return n;
}

unsigned int nfvk_xen_take(struct nfvk_xen_queue *q, unsigned int max)
{
	struct nfvk_port *port;
	unsigned int seen = 0, n;

	bitmap_zero(q->fetch.failed, NFVK_XEN_BURST);
	hold_answers(q);
	n = gather(q, max, &seen);
	rcu_read_lock();
	port = rcu_dereference(q->vif->port);
	for (unsigned int i = 0; i < n; i++) {
		const struct nfvk_xen_frame *f = &q->frame[i];

		if (test_bit(i, q->fetch.failed)) {
			respond(q, f, XEN_NETIF_RSP_ERROR);
			nfvk_xen_miss(q, NFV_MISS_GRANT, 1);
		} else if (port) {
			receive(q, i, port);
		} else {
			respond(q, f, XEN_NETIF_RSP_DROPPED);
		}
	}
	if (port) {
		forward_fetched(q, port, n);
		flush_touched(q, port);
	}
	rcu_read_unlock();
	give_answers(q);
	return seen;
}

/* ---- fetching a held frame ---- */

/* Context: under RCU. */
static int fetch_into(struct sk_buff *whole, const struct sk_buff *skb, struct nfvk_xen_copies *copies)
{
	bool ok;

	if (!nfvk_xen_there(skb))
		return -EIO;
	copies->ops = &nfvk_xen_queue_of(skb)->vif->grants.ops;
	ok = copy_whole(copies, 0, skb, whole);
	nfvk_xen_copies_run(copies);
	return ok && !test_bit(0, copies->failed) ? 0 : -EIO;
}

int nfvk_xen_fetch(struct sk_buff **pskb, struct nfv_vnet_hdr *vnet)
{
	struct sk_buff *skb = *pskb, *whole;
	struct nfvk_xen_copies *copies;
	int err;

	*vnet = (struct nfv_vnet_hdr){ 0 };
	if (virtio_net_hdr_from_skb(skb, (struct virtio_net_hdr *)vnet, true, true, 0))
		return -EINVAL;
	copies = kzalloc(sizeof(*copies), GFP_KERNEL_ACCOUNT);
	whole = copies ? nfvk_alloc_frame(skb->len, GFP_KERNEL_ACCOUNT) : NULL;
	if (!whole) {
		kfree(copies);
		return -ENOMEM;
	}
	rcu_read_lock();
	err = fetch_into(whole, skb, copies);
	rcu_read_unlock();
	kfree(copies);
	if (err) {
		kfree_skb(whole);
		return err;
	}
	skb_reset_mac_header(whole);
	consume_skb(skb);
	*pskb = whole;
	return 0;
}
