// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: frames that are received. See netfront.h.
 *
 *	plain	each slot has a page, granted for one frame; a large frame goes to the stack in its pages, after their
 *		grants have ended
 *	staged	each slot has a persistent page; frames are copied
 *	lent	as staged, but with lend=1 a large frame goes to the stack in its persistent pages, and they are used
 *		again when the stack has released them. If no other pages can be posted, it is copied, as short frames
 *
 * The backend can still write to a lent page: after a check, between two reads of a cipher, during decryption in place.
 * The stack gets the headers as a copy, and the flag that the rest may change (SKBFL_SHARED_FRAG), which not all parts
 * of the stack respect.
 *
 * A request and its response have the number of their place in the ring. Extra info takes up a place, whose page is not
 * used.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include "netfront.h"

#define COPY_MAX	1536u		/* bytes: frames up to this length are always copied */
#define BLOCKS_PASSED	4u		/* blocks that one search for free pages tries */
#define HEADER		256u		/* bytes of a longer frame in its linear part */

static_assert(__CONST_RING_SIZE(xen_netif_rx, XEN_PAGE_SIZE) == NETFRONT_RING);
static_assert(sizeof(struct xen_netif_extra_info) <= sizeof(struct xen_netif_rx_response));

struct part {
	u16 slot, offset, len;
};

struct frame {
	u32 len;			/* bytes */
	u16 n;				/* parts */
	u16 slots;			/* including extra info */
	u16 flags;			/* XEN_NETRXF_* of the first slot */
	u16 gso_size;			/* 0: no super-frame */
	u8 gso_type;
	bool bad;			/* to be dropped */
	u16 staged;			/* how many parts are in persistent pages */
	struct part part[MAX_SKB_FRAGS];
};

static bool take_extras(struct netfront_queue *q, RING_IDX prod, struct frame *f)
{
	struct xen_netif_extra_info extra;

	do {
		if (q->rx.rsp_cons == prod) {
			netfront_broke(q, "ends the Rx ring within extra info");
			return false;
		}
		extra = *(volatile struct xen_netif_extra_info *)RING_GET_RESPONSE(&q->rx, q->rx.rsp_cons);
		WRITE_ONCE(q->rx.rsp_cons, q->rx.rsp_cons + 1);
		if (!extra.type || extra.type >= XEN_NETIF_EXTRA_TYPE_MAX) {
			netfront_broke(q, "sends extra info of no known type");
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

/* Read the next response into f; the slot keeps its page. Return false if the backend is broken. */
static bool take_part(struct netfront_queue *q, struct frame *f, struct xen_netif_rx_response *r)
{
	u16 slot = q->rx.rsp_cons % NETFRONT_RING;

	RING_COPY_RESPONSE(&q->rx, q->rx.rsp_cons, r);
	WRITE_ONCE(q->rx.rsp_cons, q->rx.rsp_cons + 1);
	if (r->id != slot) {
		netfront_broke(q, "sends an Rx response in the wrong place of the ring");
		return false;
	}
	if (r->status > 0 && (u32)r->offset + r->status > XEN_PAGE_SIZE) {
		netfront_broke(q, "sends an Rx response that exceeds its page");
		return false;
	}
	if (r->status <= 0 || f->n == ARRAY_SIZE(f->part)) {
		f->bad = true;
		return true;
	}
	f->part[f->n].slot = slot;
	f->part[f->n].offset = r->offset;
	f->part[f->n++].len = r->status;
	f->len += r->status;
	f->staged += !q->rx_slot[slot].page;
	return true;
}

/* Gather the next frame; at least one response has come. Return false if the backend is broken. */
static bool gather(struct netfront_queue *q, RING_IDX prod, struct frame *f)
{
	struct xen_netif_rx_response r;
	RING_IDX first = q->rx.rsp_cons;

	f->len = f->n = f->staged = f->gso_size = 0;
	f->bad = false;
	if (!take_part(q, f, &r))
		return false;
	f->flags = r.flags;
	if (r.flags & XEN_NETRXF_extra_info && !take_extras(q, prod, f))
		return false;
	while (r.flags & XEN_NETRXF_more_data) {
		if (q->rx.rsp_cons == prod) {
			netfront_broke(q, "ends the Rx ring within a frame");
			return false;
		}
		if (!take_part(q, f, &r))
			return false;
	}
	f->slots = q->rx.rsp_cons - first;
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

static const void *address_of(const struct netfront_queue *q, const struct part *part)
{
	struct page *page = q->rx_slot[part->slot].page ?: q->stage[q->rx_stage[part->slot]].page;

	return page_address(page) + part->offset;
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
		skb_store_bits(skb, at, address_of(q, &f->part[i]), f->part[i].len);
		at += f->part[i].len;
	}
	return skb;
}

/* Choose the next block with free pages. Return false if the next BLOCKS_PASSED have none: lent or posted. */
static bool next_block(struct netfront_queue *q)
{
	for (unsigned int i = 0; i < BLOCKS_PASSED && !q->undealt; i++) {
		q->block = (q->block + 1) % NETFRONT_BLOCKS;
		/* The stack's reads precede its put_page(), and this check precedes posting a page. */
		if (page_ref_count(q->stage[NETFRONT_RING + q->block * NETFRONT_BLOCK].page) == NETFRONT_BLOCK)
			q->undealt = ~q->posted[q->block];
	}
	return q->undealt;
}

/* Set stage[] to up to n free pages to post. Return how many. */
static unsigned int deal(struct netfront_queue *q, u16 *stage, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n && (q->undealt || next_block(q)); i++) {
		stage[i] = NETFRONT_RING + q->block * NETFRONT_BLOCK + __ffs(q->undealt);
		q->undealt &= q->undealt - 1;
	}
	return i;
}

static void post_instead(struct netfront_queue *q, u16 slot, u16 stage)
{
	u16 old = q->rx_stage[slot];

	q->posted[(old - NETFRONT_RING) / NETFRONT_BLOCK] &= ~BIT(old % NETFRONT_BLOCK);
	q->posted[(stage - NETFRONT_RING) / NETFRONT_BLOCK] |= BIT(stage % NETFRONT_BLOCK);
	q->rx_stage[slot] = stage;
}

/* Add a part, except its first bytes (without), to skb; extend the last frag if it continues there. */
static void lend_page(struct netfront_queue *q, struct sk_buff *skb, const struct part *part, u32 without)
{
	u16 stage = q->rx_stage[part->slot];
	struct page *block = q->stage[round_down(stage, NETFRONT_BLOCK)].page;
	u32 offset = stage % NETFRONT_BLOCK * PAGE_SIZE + part->offset + without;
	int n = skb_shinfo(skb)->nr_frags;

	if (skb_can_coalesce(skb, n, block, offset)) {
		skb_coalesce_rx_frag(skb, n - 1, part->len - without, PAGE_SIZE);
		return;
	}
	get_page(block);
	skb_add_rx_frag(skb, n, block, offset, part->len - without, PAGE_SIZE);
}

/* Build a frame of its persistent pages. Return NULL if no other pages can be posted, or without memory. */
static struct sk_buff *lend_pages(struct netfront_queue *q, const struct frame *f)
{
	u32 header = min_t(u32, f->part[0].len, HEADER);
	u16 stage[MAX_SKB_FRAGS + XEN_NETIF_EXTRA_TYPE_MAX];
	struct sk_buff *skb;

	if (f->slots > ARRAY_SIZE(stage) || deal(q, stage, f->slots) < f->slots)
		return NULL;
	skb = napi_alloc_skb(&q->napi, HEADER);
	if (!skb)
		return NULL;
	skb_put_data(skb, address_of(q, &f->part[0]), header);
	for (unsigned int i = header == f->part[0].len; i < f->n; i++)
		lend_page(q, skb, &f->part[i], i ? 0 : header);
	/* Replace the pages of extra info, too: with pages in order, later frames lie in fewer pieces. */
	for (unsigned int i = 0; i < f->slots; i++)
		post_instead(q, (f->part[0].slot + i) % NETFRONT_RING, stage[i]);
	skb_shinfo(skb)->flags |= SKBFL_SHARED_FRAG;
	WRITE_ONCE(q->rx_lent, q->rx_lent + 1);
	if (header < HEADER && !__pskb_pull_tail(skb, HEADER - header)) {
		kfree_skb(skb);
		return NULL;
	}
	return skb;
}

/* Build a frame of its pages. Its bytes are read only after the pages' grants have ended. */
static struct sk_buff *take_pages(struct netfront_queue *q, const struct frame *f)
{
	struct sk_buff *skb = napi_alloc_skb(&q->napi, HEADER);

	if (!skb)
		return NULL;
	for (unsigned int i = 0; i < f->n; i++) {
		struct netfront_page *p = &q->rx_slot[f->part[i].slot];
		struct page *page = p->page;

		if (!netfront_end_grant(p, &q->rx_grants)) {
			netfront_broke(q, "keeps an Rx page mapped after its response");
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
		/* Segmentation needs an open checksum. */
		return !skb_checksum_setup(skb, !blank);
	}
	if (f->flags & XEN_NETRXF_data_validated)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	return true;
}

static struct sk_buff *build(struct netfront_queue *q, const struct frame *f)
{
	struct sk_buff *skb = NULL;

	if (f->len > COPY_MAX && !f->staged)
		return take_pages(q, f);
	if (f->len > COPY_MAX && f->staged == f->n && q->nf->lends)
		skb = lend_pages(q, f);
	return skb ?: copy_frame(q, f);
}

static void receive(struct netfront_queue *q, const struct frame *f)
{
	struct sk_buff *skb = NULL;

	if (!f->bad)
		skb = build(q, f);
	if (!skb) {
		netfront_count_dropped(&q->rx_count);
		return;
	}
	skb->protocol = eth_type_trans(skb, q->nf->dev);
	skb_reset_network_header(skb);
	skb_record_rx_queue(skb, q->index);
	if (!set_offloads(skb, f)) {
		netfront_count_dropped(&q->rx_count);
		kfree_skb(skb);
		return;
	}
	netfront_count(&q->rx_count, f->len);
	napi_gro_receive(&q->napi, skb);
}

int netfront_take_frames(struct netfront_queue *q, int budget)
{
	RING_IDX prod = READ_ONCE(q->rx.sring->rsp_prod);
	struct frame f;
	int n;

	virt_rmb();	/* the index, then what it announces; pairs with the backend's */
	if (prod - q->rx.rsp_cons > q->rx.req_prod_pvt - q->rx.rsp_cons) {
		netfront_broke(q, "sends more Rx responses than there are requests");
		return 0;
	}
	for (n = 0; n < budget && q->rx.rsp_cons != prod && gather(q, prod, &f); n++)
		receive(q, &f);
	return n;
}

/* Set *ref to the grant of the page to post in slot: its persistent one, its present one, or a new one. */
static bool page_for(struct netfront_queue *q, u16 slot, bool staged, grant_ref_t *ref)
{
	struct netfront_page *p = &q->rx_slot[slot];
	struct page *page = p->page;

	if (page && staged) {
		if (!netfront_end_grant(p, &q->rx_grants)) {
			netfront_broke(q, "keeps an Rx page mapped after its response");
			return false;
		}
		__free_page(page);
	}
	if (staged) {
		*ref = q->stage[q->rx_stage[slot]].ref;
		return true;
	}
	if (!p->page) {
		page = __dev_alloc_page(GFP_ATOMIC | __GFP_NOWARN | __GFP_ZERO);
		if (!page)
			return false;
		netfront_grant(q, p, page, &q->rx_grants, false);
	}
	*ref = p->ref;
	return true;
}

bool netfront_fill(struct netfront_queue *q)
{
	bool staged = smp_load_acquire(&q->staged);	/* pairs with netfront_name_pages() */
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
