// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: frames. See netfront.h.
 *
 *	plain	Tx: each piece of a frame is granted, read-only, until its slot is answered.
 *		Rx: a page for each slot; one that has a large frame's bytes goes up with it
 *	staged	frames are copied to and from pages that stay granted
 *
 * A slot of the Rx ring has the same number as its request and its answer: the place. Extra
 * info takes up a place, the page there is posted again. Tx ids are free numbers.
 *
 * What the backend writes is copied before it is looked at. If it makes no sense, nothing of
 * the device's is looked at again until it reconnects.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include "netfront.h"

#define COPY_MAX	1536u		/* bytes: a shorter frame is copied, its pages stay */
#define HEADER		256u		/* bytes of a longer one that are in its linear part */
#define TX_ROOM		(NETFRONT_SLOTS_MAX + 1)

static_assert(__CONST_RING_SIZE(xen_netif_tx, XEN_PAGE_SIZE) == NETFRONT_RING);
static_assert(__CONST_RING_SIZE(xen_netif_rx, XEN_PAGE_SIZE) == NETFRONT_RING);
static_assert(sizeof(struct xen_netif_extra_info) <= sizeof(struct xen_netif_rx_response));
static_assert(PAGE_SIZE == XEN_PAGE_SIZE);

static void broke(struct netfront_queue *q, const char *how)
{
	struct net_device *dev = q->nf->dev;

	if (test_and_set_bit(0, &q->nf->broken))
		return;
	netif_carrier_off(dev);
	netif_tx_stop_all_queues(dev);
	netdev_err(dev, "queue %u: the backend %s: off until it reconnects\n", q->index, how);
}

static bool is_broken(const struct netfront_queue *q)
{
	return test_bit(0, &q->nf->broken);
}

static void count(struct netfront_count *c, unsigned int bytes)
{
	u64_stats_update_begin(&c->syncp);
	u64_stats_inc(&c->packets);
	u64_stats_add(&c->bytes, bytes);
	u64_stats_update_end(&c->syncp);
}

static void count_dropped(struct netfront_count *c)
{
	u64_stats_update_begin(&c->syncp);
	u64_stats_inc(&c->dropped);
	u64_stats_update_end(&c->syncp);
}

/* False: the backend has it still; it keeps its grant. */
static bool end_grant(struct netfront_page *p, grant_ref_t *grants)
{
	if (!gnttab_end_foreign_access_ref(p->ref))
		return false;
	gnttab_release_grant_reference(grants, p->ref);
	p->page = NULL;
	return true;
}

static void grant(struct netfront_queue *q, struct netfront_page *p, struct page *page, grant_ref_t *grants, bool readonly)
{
	p->page = page;
	p->ref = gnttab_claim_grant_reference(grants);	/* there are as many as slots */
	gnttab_page_grant_foreign_access_ref_one(p->ref, q->nf->xb->otherend_id, page, readonly);
}

/* ---- sent: under the Tx queue's lock ---- */

/* Position in a frame that is not staged: the linear part, then frags. */
struct cursor {
	const struct sk_buff *skb;
	int frag;			/* -1: linear */
	u32 offset;			/* in the piece */
};

/* Its next bytes, of one page; false: it has ended. */
static bool next_piece(struct cursor *c, struct page **page, u32 *offset, u32 *len)
{
	u32 size, start;

	for (;; c->frag++, c->offset = 0) {
		if (c->frag >= skb_shinfo(c->skb)->nr_frags)
			return false;
		size = c->frag < 0 ? skb_headlen(c->skb) : skb_frag_size(&skb_shinfo(c->skb)->frags[c->frag]);
		if (c->offset < size)
			break;
	}
	if (c->frag < 0) {
		*page = virt_to_page(c->skb->data + c->offset);
		start = offset_in_page(c->skb->data + c->offset);
	} else {
		const skb_frag_t *frag = &skb_shinfo(c->skb)->frags[c->frag];

		start = skb_frag_off(frag) + c->offset;
		*page = skb_frag_page(frag) + (start >> PAGE_SHIFT);
		start = offset_in_page(start);
	}
	*offset = start;
	*len = min_t(u32, size - c->offset, PAGE_SIZE - start);
	c->offset += *len;
	return true;
}

static unsigned int slots_of(const struct sk_buff *skb, bool staged)
{
	struct cursor c = { .skb = skb, .frag = -1 };
	unsigned int n = 0;
	struct page *page;
	u32 offset, len;

	if (staged)
		return DIV_ROUND_UP(skb->len, XEN_PAGE_SIZE);
	while (next_piece(&c, &page, &offset, &len))
		n++;
	return n;
}

static struct netfront_tx_slot *take_id(struct netfront_queue *q, struct xen_netif_tx_request *r)
{
	struct netfront_tx_slot *slot = &q->tx_slot[q->tx_free];

	*r = (struct xen_netif_tx_request){ .id = q->tx_free };
	q->tx_free = slot->next_free;
	q->tx_busy++;
	slot->busy = true;
	return slot;
}

static void stage_slot(struct netfront_queue *q, const struct sk_buff *skb, u32 at, struct xen_netif_tx_request *r)
{
	const struct netfront_page *p;

	take_id(q, r)->skb = NULL;
	p = &q->stage[NETFRONT_RING + r->id];
	r->gref = p->ref;
	r->size = min_t(u32, skb->len - at, XEN_PAGE_SIZE);
	skb_copy_bits(skb, at, page_address(p->page), r->size);
}

static void grant_slot(struct netfront_queue *q, struct sk_buff *skb, struct cursor *c, struct xen_netif_tx_request *r)
{
	struct netfront_tx_slot *slot = take_id(q, r);
	struct page *page = NULL;
	u32 offset = 0, len = 0;

	next_piece(c, &page, &offset, &len);
	slot->skb = skb_get(skb);
	grant(q, &slot->own, page, &q->tx_grants, true);
	r->gref = slot->own.ref;
	r->offset = offset;
	r->size = len;
}

static void add_gso(struct netfront_queue *q, const struct sk_buff *skb)
{
	bool v4 = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4;
	struct xen_netif_extra_info *extra = (void *)RING_GET_REQUEST(&q->tx, q->tx.req_prod_pvt++);

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

static void put_frame(struct netfront_queue *q, struct sk_buff *skb, unsigned int n, bool staged)
{
	struct cursor c = { .skb = skb, .frag = -1 };
	struct xen_netif_tx_request r;

	for (unsigned int i = 0; i < n; i++) {
		if (staged)
			stage_slot(q, skb, i * XEN_PAGE_SIZE, &r);
		else
			grant_slot(q, skb, &c, &r);
		if (i + 1 < n)
			r.flags = XEN_NETTXF_more_data;
		if (!i) {
			r.flags |= first_flags(skb);
			r.size = skb->len;
		}
		*RING_GET_REQUEST(&q->tx, q->tx.req_prod_pvt++) = r;
		if (!i && skb_is_gso(skb))
			add_gso(q, skb);
	}
}

static netdev_tx_t drop(struct netfront_queue *q, struct sk_buff *skb)
{
	count_dropped(&q->tx_count);
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

netdev_tx_t netfront_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct netfront *nf = netdev_priv(dev);
	struct netfront_queue *q = &nf->queue[skb_get_queue_mapping(skb)];
	bool staged = smp_load_acquire(&q->staged);	/* its pages after it; pairs with name_pages's */
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
	skb_tx_timestamp(skb);
	put_frame(q, skb, n, staged);
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&q->tx, notify);
	if (notify)
		notify_remote_via_irq(q->tx_irq);
	count(&q->tx_count, skb->len);
	/* Here each slot has a reference of its own, or none needs one. */
	dev_consume_skb_any(skb);
	if (RING_FREE_REQUESTS(&q->tx) < TX_ROOM)
		netif_tx_stop_queue(netdev_get_tx_queue(dev, q->index));
	return NETDEV_TX_OK;
}

static bool answered(struct netfront_queue *q, const struct xen_netif_tx_response *r)
{
	struct netfront_tx_slot *slot;

	if (r->status == XEN_NETIF_RSP_NULL) {	/* extra info's */
		if (q->tx_busy <= q->tx.req_prod_pvt - q->tx.rsp_cons)
			return true;
		broke(q, "answers more extra info than there is");
		return false;
	}
	if (r->id >= NETFRONT_RING || !q->tx_slot[r->id].busy) {
		broke(q, "answers a Tx request that is not there");
		return false;
	}
	slot = &q->tx_slot[r->id];
	if (slot->skb) {
		if (!end_grant(&slot->own, &q->tx_grants)) {
			broke(q, "keeps a Tx page that it has answered");
			return false;
		}
		dev_consume_skb_any(slot->skb);
		slot->skb = NULL;
	}
	q->tx_busy--;
	slot->busy = false;
	slot->next_free = q->tx_free;
	q->tx_free = r->id;
	return true;
}

static void reap(struct netfront_queue *q)
{
	struct xen_netif_tx_response r;
	RING_IDX prod;

	do {
		prod = READ_ONCE(q->tx.sring->rsp_prod);
		virt_rmb();	/* the index, then what it announces; pairs with the backend's */
		if (prod - q->tx.rsp_cons > q->tx.req_prod_pvt - q->tx.rsp_cons) {
			broke(q, "answers more Tx requests than there are");
			return;
		}
		while (q->tx.rsp_cons != prod) {
			RING_COPY_RESPONSE(&q->tx, q->tx.rsp_cons, &r);
			WRITE_ONCE(q->tx.rsp_cons, q->tx.rsp_cons + 1);
			if (!answered(q, &r))
				return;
		}
		/* The next event when half of the rest is done. */
		q->tx.sring->rsp_event = prod + (q->tx.req_prod_pvt - prod) / 2 + 1;
		virt_mb();	/* the request for an event, then the index again; pairs with the backend's */
	} while (READ_ONCE(q->tx.sring->rsp_prod) != prod);
}

static void clean_tx(struct netfront_queue *q)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nf->dev, q->index);

	__netif_tx_lock(txq, smp_processor_id());
	reap(q);
	if (netif_tx_queue_stopped(txq) && RING_FREE_REQUESTS(&q->tx) >= TX_ROOM && !is_broken(q))
		netif_tx_wake_queue(txq);
	__netif_tx_unlock(txq);
}

/* ---- received: the poll's ---- */

struct frame {
	u32 len;			/* bytes */
	u16 n;				/* parts */
	u16 flags;			/* XEN_NETRXF_* of the first */
	u16 gso_size;			/* 0: no super-frame */
	u8 gso_type;
	bool bad;			/* to be dropped */
	bool staged;			/* one part of it, at least */
	struct {
		u16 slot, offset, len;
	} part[MAX_SKB_FRAGS];
};

static bool take_extras(struct netfront_queue *q, RING_IDX prod, struct frame *f)
{
	struct xen_netif_extra_info extra;

	do {
		if (q->rx.rsp_cons == prod) {
			broke(q, "ends the Rx ring within extra info");
			return false;
		}
		extra = *(volatile struct xen_netif_extra_info *)RING_GET_RESPONSE(&q->rx, q->rx.rsp_cons);
		WRITE_ONCE(q->rx.rsp_cons, q->rx.rsp_cons + 1);
		if (!extra.type || extra.type >= XEN_NETIF_EXTRA_TYPE_MAX) {
			broke(q, "sends extra info of no known type");
			return false;
		}
		if (extra.type != XEN_NETIF_EXTRA_TYPE_GSO)
			continue;
		f->gso_size = extra.u.gso.size;
		f->gso_type = extra.u.gso.type;
		if (!f->gso_size || (f->gso_type != XEN_NETIF_GSO_TYPE_TCPV4 && f->gso_type != XEN_NETIF_GSO_TYPE_TCPV6))
			f->bad = true;
	} while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return true;
}

/* The next part; its slot's page is where it was. */
static bool take_part(struct netfront_queue *q, struct frame *f, struct xen_netif_rx_response *r)
{
	u16 slot = q->rx.rsp_cons % NETFRONT_RING;

	RING_COPY_RESPONSE(&q->rx, q->rx.rsp_cons, r);
	WRITE_ONCE(q->rx.rsp_cons, q->rx.rsp_cons + 1);
	if (r->id != slot) {
		broke(q, "answers an Rx request in another's place");
		return false;
	}
	if (r->status > 0 && (u32)r->offset + r->status > XEN_PAGE_SIZE) {
		broke(q, "has written beyond an Rx page, it says");
		return false;
	}
	if (r->status < 0 || f->n == ARRAY_SIZE(f->part)) {
		f->bad = true;
		return true;
	}
	f->part[f->n].slot = slot;
	f->part[f->n].offset = r->offset;
	f->part[f->n++].len = r->status;
	f->len += r->status;
	f->staged |= !q->rx_slot[slot].page;
	return true;
}

/* There is one response at least. False: the backend is broken. */
static bool gather(struct netfront_queue *q, RING_IDX prod, struct frame *f)
{
	struct xen_netif_rx_response r;

	f->len = f->n = f->gso_size = 0;
	f->bad = f->staged = false;
	if (!take_part(q, f, &r))
		return false;
	f->flags = r.flags;
	if (r.flags & XEN_NETRXF_extra_info && !take_extras(q, prod, f))
		return false;
	while (r.flags & XEN_NETRXF_more_data) {
		if (q->rx.rsp_cons == prod) {
			broke(q, "ends the Rx ring within a frame");
			return false;
		}
		if (!take_part(q, f, &r))
			return false;
	}
	f->bad |= f->len < ETH_HLEN || f->len > NETFRONT_FRAME_MAX + ETH_HLEN;
	return true;
}

static struct sk_buff *alloc_long(u32 len)
{
	struct sk_buff *skb;
	int err;

	skb = alloc_skb_with_frags(NET_SKB_PAD + NET_IP_ALIGN + HEADER, len - HEADER, PAGE_ALLOC_COSTLY_ORDER, &err,
				   GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN);
	skb_put(skb, HEADER);
	skb->data_len = len - HEADER;
	skb->len = len;
	return skb;
}

static struct sk_buff *copy_frame(struct netfront_queue *q, const struct frame *f)
{
	struct sk_buff *skb;
	u32 at = 0;

	if (f->len > COPY_MAX) {
		skb = alloc_long(f->len);
	} else {
		skb = napi_alloc_skb(&q->napi, f->len);
		if (skb)
			skb_put(skb, f->len);
	}
	if (!skb)
		return NULL;
	for (unsigned int i = 0; i < f->n; i++) {
		u16 slot = f->part[i].slot;
		struct page *page = q->rx_slot[slot].page ?: q->stage[slot].page;

		skb_store_bits(skb, at, page_address(page) + f->part[i].offset, f->part[i].len);
		at += f->part[i].len;
	}
	return skb;
}

/* A frame of the pages themselves; its bytes are read after their grants have ended. */
static struct sk_buff *take_pages(struct netfront_queue *q, const struct frame *f)
{
	struct sk_buff *skb = napi_alloc_skb(&q->napi, HEADER);

	if (!skb)
		return NULL;
	for (unsigned int i = 0; i < f->n; i++) {
		struct netfront_page *p = &q->rx_slot[f->part[i].slot];
		struct page *page = p->page;

		if (!end_grant(p, &q->rx_grants)) {
			broke(q, "keeps an Rx page that it has answered");
			kfree_skb(skb);
			return NULL;
		}
		skb_add_rx_frag(skb, i, page, f->part[i].offset, f->part[i].len, PAGE_SIZE);
	}
	if (!__pskb_pull_tail(skb, HEADER)) {
		kfree_skb(skb);
		return NULL;
	}
	return skb;
}

static bool set_offloads(struct sk_buff *skb, const struct frame *f)
{
	bool blank = f->flags & XEN_NETRXF_csum_blank;

	if (f->gso_size) {
		skb_shinfo(skb)->gso_size = f->gso_size;
		skb_shinfo(skb)->gso_type = f->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6;
		skb_shinfo(skb)->gso_type |= SKB_GSO_DODGY;
	}
	if (blank || f->gso_size) {
		skb->ip_summed = CHECKSUM_PARTIAL;
		/* Segments need one that is open. */
		return !skb_checksum_setup(skb, !blank);
	}
	if (f->flags & XEN_NETRXF_data_validated)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	return true;
}

static void receive(struct netfront_queue *q, const struct frame *f)
{
	struct sk_buff *skb = NULL;

	if (!f->bad)
		skb = f->len <= COPY_MAX || f->staged ? copy_frame(q, f) : take_pages(q, f);
	if (!skb) {
		count_dropped(&q->rx_count);
		return;
	}
	skb->protocol = eth_type_trans(skb, q->nf->dev);
	skb_reset_network_header(skb);
	skb_record_rx_queue(skb, q->index);
	if (!set_offloads(skb, f)) {
		count_dropped(&q->rx_count);
		kfree_skb(skb);
		return;
	}
	count(&q->rx_count, f->len);
	napi_gro_receive(&q->napi, skb);
}

static int take_frames(struct netfront_queue *q, int budget)
{
	RING_IDX prod = READ_ONCE(q->rx.sring->rsp_prod);
	struct frame f;
	int n;

	virt_rmb();	/* the index, then what it announces; pairs with the backend's */
	if (prod - q->rx.rsp_cons > q->rx.req_prod_pvt - q->rx.rsp_cons) {
		broke(q, "answers more Rx requests than there are");
		return 0;
	}
	for (n = 0; n < budget && q->rx.rsp_cons != prod && gather(q, prod, &f); n++)
		receive(q, &f);
	return n;
}

/* A page for the slot that is posted next: the one that is there, or its staged one, or a new one. */
static bool page_for(struct netfront_queue *q, u16 slot, bool staged, grant_ref_t *ref)
{
	struct netfront_page *p = &q->rx_slot[slot];
	struct page *page = p->page;

	if (page && staged) {
		if (!end_grant(p, &q->rx_grants)) {
			broke(q, "keeps an Rx page that it has answered");
			return false;
		}
		__free_page(page);
	}
	if (staged) {
		*ref = q->stage[slot].ref;
		return true;
	}
	if (!p->page) {
		page = dev_alloc_page();
		if (!page)
			return false;
		grant(q, p, page, &q->rx_grants, false);
	}
	*ref = p->ref;
	return true;
}

/* False: there is no memory, and so little is posted that no interrupt may come. */
static bool fill(struct netfront_queue *q)
{
	bool staged = smp_load_acquire(&q->staged);	/* its pages after it; pairs with name_pages's */
	RING_IDX prod = q->rx.req_prod_pvt;
	grant_ref_t ref;
	int notify;

	while (prod - q->rx.rsp_cons < NETFRONT_RING && page_for(q, prod % NETFRONT_RING, staged, &ref)) {
		*RING_GET_REQUEST(&q->rx, prod) = (struct xen_netif_rx_request){ .id = prod % NETFRONT_RING, .gref = ref };
		prod++;
	}
	if (prod != q->rx.req_prod_pvt) {
		q->rx.req_prod_pvt = prod;
		RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&q->rx, notify);
		if (notify)
			notify_remote_via_irq(q->rx_irq);
	}
	return prod - q->rx.rsp_cons >= NETFRONT_SLOTS_MAX;
}

/* ---- interrupts ---- */

static void end_interrupts(struct netfront_queue *q)
{
	int more, eoi;

	RING_FINAL_CHECK_FOR_RESPONSES(&q->rx, more);
	if (more) {
		napi_schedule(&q->napi);
		return;
	}
	eoi = atomic_xchg(&q->eoi, 0);
	if (eoi & NETFRONT_EOI_TX)
		xen_irq_lateeoi(q->tx_irq, 0);
	if (eoi & NETFRONT_EOI_RX)
		xen_irq_lateeoi(q->rx_irq, 0);
}

int netfront_poll(struct napi_struct *napi, int budget)
{
	struct netfront_queue *q = container_of(napi, struct netfront_queue, napi);
	bool filled = true;
	int n = 0;

	if (!is_broken(q))
		clean_tx(q);
	if (!is_broken(q))
		n = take_frames(q, budget);
	if (!is_broken(q))
		filled = fill(q);
	if (n == budget || !filled)
		return budget;
	/* A broken one's interrupts are not ended, so no more come. */
	if (napi_complete_done(napi, n) && !is_broken(q))
		end_interrupts(q);
	return n;
}

void netfront_kick(struct netfront_queue *q)
{
	local_bh_disable();
	napi_schedule(&q->napi);
	local_bh_enable();
}

/* Has anything come since the last interrupt, or not been taken? */
static bool news(RING_IDX prod, RING_IDX cons, u32 *seen)
{
	bool is_news = prod != *seen || prod != cons;

	*seen = prod;
	return is_news;
}

static bool tx_news(struct netfront_queue *q)
{
	return news(READ_ONCE(q->tx.sring->rsp_prod), READ_ONCE(q->tx.rsp_cons), &q->tx_seen);
}

static bool rx_news(struct netfront_queue *q)
{
	return news(READ_ONCE(q->rx.sring->rsp_prod), READ_ONCE(q->rx.rsp_cons), &q->rx_seen);
}

static irqreturn_t interrupted(struct netfront_queue *q, int irq, int eoi, bool work)
{
	if (is_broken(q))
		return IRQ_HANDLED;
	if (!work) {
		xen_irq_lateeoi(irq, XEN_EOI_FLAG_SPURIOUS);
		return IRQ_HANDLED;
	}
	atomic_or(eoi, &q->eoi);
	napi_schedule(&q->napi);
	return IRQ_HANDLED;
}

irqreturn_t netfront_tx_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NETFRONT_EOI_TX, tx_news(q));
}

irqreturn_t netfront_rx_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NETFRONT_EOI_RX, rx_news(q));
}

irqreturn_t netfront_interrupt(int irq, void *q)
{
	bool tx = tx_news(q), rx = rx_news(q);

	return interrupted(q, irq, NETFRONT_EOI_TX, tx || rx);
}

/* ---- a queue ---- */

int netfront_queue_init(struct netfront_queue *q)
{
	int err;

	for (unsigned int i = 0; i < NETFRONT_RING; i++) {
		q->tx_slot[i] = (struct netfront_tx_slot){ .next_free = i + 1 };
		q->rx_slot[i] = (struct netfront_page){ 0 };
	}
	q->tx_free = q->tx_busy = 0;
	q->tx_seen = q->rx_seen = 0;
	atomic_set(&q->eoi, 0);
	err = gnttab_alloc_grant_references(NETFRONT_RING, &q->tx_grants);
	if (err)
		return err;
	err = gnttab_alloc_grant_references(NETFRONT_RING, &q->rx_grants);
	if (err)
		gnttab_free_grant_references(q->tx_grants);
	return err;
}

void netfront_queue_free(struct netfront_queue *q)
{
	for (unsigned int i = 0; i < NETFRONT_RING; i++) {
		struct netfront_tx_slot *tx = &q->tx_slot[i];

		if (tx->skb) {
			get_page(tx->own.page);
			gnttab_end_foreign_access(tx->own.ref, tx->own.page);
			dev_kfree_skb_any(tx->skb);
			tx->skb = NULL;
		}
		if (q->rx_slot[i].page)
			gnttab_end_foreign_access(q->rx_slot[i].ref, q->rx_slot[i].page);
		q->rx_slot[i].page = NULL;
	}
	gnttab_free_grant_references(q->tx_grants);
	gnttab_free_grant_references(q->rx_grants);
	netfront_stage_free(q);
}
