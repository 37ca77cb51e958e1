// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: frames that are received. See netfront.h.
 *
 *	plain	a page for each slot; one that has a large frame's bytes goes up with it, when its
 *		grant has ended
 *	staged	pages that stay granted; frames are copied
 *	lent	the same, and with lend=1: a large frame's are lent to the stack with it, until it has
 *		let go of them. With none to post instead, as for a short frame: copied
 *
 * A page that is lent stays the backend's to write: after it was checked, between two reads of a
 * cipher, when something was decrypted in it. Of what it lends the stack has the headers in a copy of
 * its own, and is told that the rest may change (SKBFL_SHARED_FRAG). Not all of it listens.
 *
 * A slot of the ring has the same number as its request and its answer: the place. Extra
 * info takes up a place; nothing is in the page there.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include "netfront.h"

#define COPY_MAX	1536u		/* bytes: a shorter frame is copied, its pages stay */
#define BLOCKS_PASSED	4u		/* that a search for pages goes past: something of them is lent */
#define HEADER		256u		/* bytes of a longer one that are in its linear part */

static_assert(__CONST_RING_SIZE(xen_netif_rx, XEN_PAGE_SIZE) == NETFRONT_RING);
static_assert(sizeof(struct xen_netif_extra_info) <= sizeof(struct xen_netif_rx_response));

struct part {
	u16 slot, offset, len;
};

struct frame {
	u32 len;			/* bytes */
	u16 n;				/* parts */
	u16 slots;			/* extra info's, too */
	u16 flags;			/* XEN_NETRXF_* of the first */
	u16 gso_size;			/* 0: no super-frame */
	u8 gso_type;
	bool bad;			/* to be dropped */
	u16 staged;			/* parts */
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

/* The next part; its slot's page is where it was. */
static bool take_part(struct netfront_queue *q, struct frame *f, struct xen_netif_rx_response *r)
{
	u16 slot = q->rx.rsp_cons % NETFRONT_RING;

	RING_COPY_RESPONSE(&q->rx, q->rx.rsp_cons, r);
	WRITE_ONCE(q->rx.rsp_cons, q->rx.rsp_cons + 1);
	if (r->id != slot) {
		netfront_broke(q, "answers an Rx request in another's place");
		return false;
	}
	if (r->status > 0 && (u32)r->offset + r->status > XEN_PAGE_SIZE) {
		netfront_broke(q, "has written beyond an Rx page, it says");
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

/* There is one response at least. False: the backend is broken. */
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

/* Another block to deal out. False: of those nearby something is lent, or all is posted. */
static bool next_block(struct netfront_queue *q)
{
	for (unsigned int i = 0; i < BLOCKS_PASSED && !q->undealt; i++) {
		q->block = (q->block + 1) % NETFRONT_BLOCKS;
		/* What the stack read of it comes before its put_page(), and what we post after this look. */
		if (page_ref_count(q->stage[NETFRONT_RING + q->block * NETFRONT_BLOCK].page) == NETFRONT_BLOCK)
			q->undealt = ~q->posted[q->block];
	}
	return q->undealt;
}

/* Pages to post, n of them into stage. Returns how many there are. */
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

/* A part without its first bytes. One piece with what comes before it, if it can be. */
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

/* A frame of staged pages themselves; NULL: there is nothing to post in their places, or no memory. */
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
	/* Extra info's, too: in order, the next lap's frames are in few pieces. */
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

/* A frame of the pages themselves; its bytes are read after their grants have ended. */
static struct sk_buff *take_pages(struct netfront_queue *q, const struct frame *f)
{
	struct sk_buff *skb = napi_alloc_skb(&q->napi, HEADER);

	if (!skb)
		return NULL;
	for (unsigned int i = 0; i < f->n; i++) {
		struct netfront_page *p = &q->rx_slot[f->part[i].slot];
		struct page *page = p->page;

		if (!netfront_end_grant(p, &q->rx_grants)) {
			netfront_broke(q, "keeps an Rx page that it has answered");
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
		netfront_broke(q, "answers more Rx requests than there are");
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
		if (!netfront_end_grant(p, &q->rx_grants)) {
			netfront_broke(q, "keeps an Rx page that it has answered");
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
