// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: frames that are sent. See netfront.h.
 *
 *	plain	each piece of a frame is granted, read-only, until its slot has a response. Its page has other data,
 *		too, so this needs a trusted backend
 *	staged	frames are copied to persistent pages. A large frame is still freed only with its response, so that its
 *		socket does not send more than the ring takes
 *
 * A slot's id is any free number, and does not depend on its place in the ring.
 */
#include <linux/skbuff.h>
#include <net/sock.h>
#include "netfront.h"

#define TX_ROOM		(NETFRONT_SLOTS_MAX + 1)
#define PACING_SHIFT	7		/* as in mac80211: a socket may queue about 8 ms of frames, not 1 */

static_assert(__CONST_RING_SIZE(xen_netif_tx, XEN_PAGE_SIZE) == NETFRONT_RING);
static_assert(NETFRONT_RING / 2 + TX_ROOM < NETFRONT_RING);	/* so that a full ring gets its event */

/* Position in a frame: the linear part, then frags. */
struct cursor {
	const struct sk_buff *skb;
	unsigned int frag;		/* the next */
	const void *at;
	u32 left;			/* bytes from at on */
};

static void start(struct cursor *c, const struct sk_buff *skb)
{
	*c = (struct cursor){ .skb = skb, .at = skb->data, .left = skb_headlen(skb) };
}

/* Move to the next frag if the present piece is used up. Return whether bytes are left. */
static inline bool more(struct cursor *c)
{
	while (!c->left && c->frag < skb_shinfo(c->skb)->nr_frags) {
		const skb_frag_t *frag = &skb_shinfo(c->skb)->frags[c->frag++];

		c->at = skb_frag_address(frag);
		c->left = skb_frag_size(frag);
	}
	return c->left;
}

static void move_on(struct cursor *c, u32 n)
{
	c->at += n;
	c->left -= n;
}

static void copy_bytes(struct cursor *c, void *to, u32 len)
{
	for (u32 n; len && more(c); to += n, len -= n) {
		n = min(len, c->left);
		memcpy(to, c->at, n);
		move_on(c, n);
	}
}

/* Get the next bytes, all in one page. Return false at the end of the frame. */
static bool next_piece(struct cursor *c, struct page **page, u32 *offset, u32 *len)
{
	if (!more(c))
		return false;
	*page = virt_to_page(c->at);
	*offset = offset_in_page(c->at);
	*len = min_t(u32, c->left, PAGE_SIZE - *offset);
	move_on(c, *len);
	return true;
}

static unsigned int slots_of(const struct sk_buff *skb, bool staged)
{
	struct cursor c;
	unsigned int n = 0;
	struct page *page;
	u32 offset, len;

	if (staged)
		return DIV_ROUND_UP(skb->len, XEN_PAGE_SIZE);
	start(&c, skb);
	while (next_piece(&c, &page, &offset, &len))
		n++;
	return n;
}

/* Return the next request, in the ring. It may be written, but not read back, since the backend can change it. */
static struct xen_netif_tx_request *next_request(struct netfront_queue *q)
{
	return &q->tx.sring->ring[q->tx.req_prod_pvt++ % NETFRONT_RING].req;
}

static u16 take_id(struct netfront_queue *q)
{
	u16 id = q->tx_free;

	q->tx_free = q->tx_slot[id].next_free;
	q->tx_busy++;
	q->tx_slot[id].busy = true;
	return id;
}

static void stage_slot(struct netfront_queue *q, u16 id, u32 len, struct cursor *c, struct xen_netif_tx_request *r)
{
	const struct netfront_page *p = &q->stage[id];

	r->gref = p->ref;
	r->offset = 0;
	r->size = len;
	copy_bytes(c, page_address(p->page), len);
}

static void grant_slot(struct netfront_queue *q, u16 id, struct sk_buff *skb, struct cursor *c, struct xen_netif_tx_request *r)
{
	struct netfront_tx_slot *slot = &q->tx_slot[id];
	struct page *page = NULL;
	u32 offset = 0, len = 0;

	next_piece(c, &page, &offset, &len);
	slot->skb = skb_get(skb);
	q->tx_held++;
	netfront_grant(q, &slot->own, page, &q->tx_grants, true);
	r->gref = slot->own.ref;
	r->offset = offset;
	r->size = len;
}

static void add_gso(struct netfront_queue *q, const struct sk_buff *skb)
{
	bool v4 = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4;
	struct xen_netif_extra_info *extra = (void *)next_request(q);

	*extra = (struct xen_netif_extra_info){
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {
			.size = skb_shinfo(skb)->gso_size,
			.type = v4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6,
		},
	};
}

static u16 first_flags(const struct sk_buff *skb)
{
	u16 flags = skb_is_gso(skb) ? XEN_NETTXF_extra_info : 0;

	if (skb->ip_summed == CHECKSUM_PARTIAL)
		flags |= XEN_NETTXF_csum_blank | XEN_NETTXF_data_validated;
	else if (skb->ip_summed == CHECKSUM_UNNECESSARY)
		flags |= XEN_NETTXF_data_validated;
	return flags;
}

/* Keep a staged frame until its last slot has a response. */
static void hold(struct netfront_queue *q, struct sk_buff *skb, u16 id)
{
	/* The next event may be far away, because no frame needed one. */
	if (!q->tx_held++)
		q->tx.sring->rsp_event = q->tx.req_prod_pvt;
	q->tx_slot[id].skb = skb_get(skb);
}

static void put_frame(struct netfront_queue *q, struct sk_buff *skb, unsigned int n, bool staged)
{
	struct cursor c;
	u16 id = 0;

	start(&c, skb);
	for (unsigned int i = 0; i < n; i++) {
		struct xen_netif_tx_request *r = next_request(q);

		id = take_id(q);
		r->id = id;
		r->flags = (i + 1 < n ? XEN_NETTXF_more_data : 0) | (i ? 0 : first_flags(skb));
		if (staged)
			stage_slot(q, id, min_t(u32, skb->len - i * XEN_PAGE_SIZE, XEN_PAGE_SIZE), &c, r);
		else
			grant_slot(q, id, skb, &c, r);
		if (i)
			continue;
		r->size = skb->len;
		if (skb_is_gso(skb))
			add_gso(q, skb);
	}
	if (staged && n > 1)
		hold(q, skb, id);
}

static netdev_tx_t drop(struct netfront_queue *q, struct sk_buff *skb)
{
	netfront_count_dropped(&q->tx_count);
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

netdev_tx_t netfront_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct netfront *nf = netdev_priv(dev);
	struct netfront_queue *q = &nf->queue[skb_get_queue_mapping(skb)];
	bool staged = smp_load_acquire(&q->staged);	/* pairs with netfront_name_pages() */
	unsigned int n;
	int notify;

	if (skb->len > NETFRONT_FRAME_MAX)
		return drop(q, skb);
	n = slots_of(skb, staged);
	if (n > NETFRONT_SLOTS_MAX) {
		if (skb_linearize(skb))
			return drop(q, skb);
		n = slots_of(skb, staged);
		if (n > NETFRONT_SLOTS_MAX)
			return drop(q, skb);
	}
	/* Waking the backend is expensive and takes a while, so allow a socket to queue more frames for it. */
	sk_pacing_shift_update(skb->sk, PACING_SHIFT);
	skb_tx_timestamp(skb);
	put_frame(q, skb, n, staged);
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&q->tx, notify);
	if (notify)
		notify_remote_via_irq(q->tx_irq);
	netfront_count(&q->tx_count, skb->len);
	/* The slots have their own references. */
	dev_consume_skb_any(skb);
	if (RING_FREE_REQUESTS(&q->tx) < TX_ROOM)
		netif_tx_stop_queue(netdev_get_tx_queue(dev, q->index));
	return NETDEV_TX_OK;
}

static bool responded_to(struct netfront_queue *q, const struct xen_netif_tx_response *r)
{
	struct netfront_tx_slot *slot;

	if (r->status == XEN_NETIF_RSP_NULL) {	/* the response of extra info */
		if (q->tx_busy <= q->tx.req_prod_pvt - q->tx.rsp_cons)
			return true;
		netfront_broke(q, "sends more responses to extra info than there are");
		return false;
	}
	if (r->id >= NETFRONT_RING || !q->tx_slot[r->id].busy) {
		netfront_broke(q, "sends a Tx response without a request");
		return false;
	}
	slot = &q->tx_slot[r->id];
	if (slot->skb) {
		if (slot->own.page && !netfront_end_grant(&slot->own, &q->tx_grants)) {
			netfront_broke(q, "keeps a Tx page mapped after its response");
			return false;
		}
		dev_consume_skb_any(slot->skb);
		slot->skb = NULL;
		q->tx_held--;
	}
	q->tx_busy--;
	slot->busy = false;
	slot->next_free = q->tx_free;
	q->tx_free = r->id;
	return true;
}

static void reap(struct netfront_queue *q)
{
	RING_IDX prod = READ_ONCE(q->tx.sring->rsp_prod);
	struct xen_netif_tx_response r;

	/* Each round after the first consumes responses, so the loop ends. */
	for (;;) {
		virt_rmb();	/* the index, then what it announces; pairs with the backend's */
		if (prod - q->tx.rsp_cons > q->tx.req_prod_pvt - q->tx.rsp_cons) {
			netfront_broke(q, "sends more Tx responses than there are requests");
			return;
		}
		while (q->tx.rsp_cons != prod) {
			RING_COPY_RESPONSE(&q->tx, q->tx.rsp_cons, &r);
			WRITE_ONCE(q->tx.rsp_cons, q->tx.rsp_cons + 1);
			if (!responded_to(q, &r))
				return;
		}
		/*
		 * Ask for the next event when half of the open requests are done. If no frame waits for its
		 * response, and none will be plain, ask for it when the ring may run short of room. See hold().
		 */
		if (q->tx_held || !smp_load_acquire(&q->staged))
			q->tx.sring->rsp_event = prod + (q->tx.req_prod_pvt - prod) / 2 + 1;
		else
			q->tx.sring->rsp_event = prod + NETFRONT_RING / 2;
		virt_mb();	/* the request for an event, then the index again; pairs with the backend's */
		prod = READ_ONCE(q->tx.sring->rsp_prod);
		if (prod == q->tx.rsp_cons)
			return;
	}
}

void netfront_tx_free(struct netfront_queue *q)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < NETFRONT_RING; i++) {
		struct netfront_tx_slot *slot = &q->tx_slot[i];

		/* A page of a slab cannot be kept by a reference, only by keeping the skb: do not free it. */
		if (slot->own.page && !netfront_end_grant(&slot->own, &q->tx_grants))
			kept++;
		else
			dev_kfree_skb_any(slot->skb);
		slot->own.page = NULL;
		slot->skb = NULL;
	}
	if (kept)
		netdev_warn(q->nf->dev, "queue %u: the backend keeps %u pages of frames mapped: they will not be freed\n", q->index, kept);
}

void netfront_clean_tx(struct netfront_queue *q)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nf->dev, q->index);

	__netif_tx_lock(txq, smp_processor_id());
	reap(q);
	if (netif_tx_queue_stopped(txq) && RING_FREE_REQUESTS(&q->tx) >= TX_ROOM && !netfront_is_broken(q))
		netif_tx_wake_queue(txq);
	__netif_tx_unlock(txq);
}
