// SPDX-License-Identifier: GPL-2.0
/*
 * Grant copies: GNTTABOP_copy takes a guest's page on either side, so a frame moves
 * from one guest to another without being mapped, and without coming here.
 *
 * A copy stays within one page at both ends; the hypervisor keeps a page for as long as
 * consecutive copies use it, and frames are copied front to back.
 *
 * Where both ends are mapped here, ours or persistently granted, memcpy does it at once.
 */
#include <xen/grant_table.h>
#include "xen.h"

void nfvk_xen_own(struct nfvk_xen_end *end, const void *addr, u32 len)
{
	*end = (struct nfvk_xen_end){
		.addr = (void *)addr, .domid = DOMID_SELF, .offset = offset_in_page(addr),
		.len = min_t(u32, len, XEN_PAGE_SIZE - offset_in_page(addr)),
	};
}

struct nfvk_xen_end nfvk_xen_granted(struct nfvk_xen_queue *q, u32 gref, u32 offset, u32 len, bool write)
{
	struct nfvk_xen_maps *maps = smp_load_acquire(&q->maps);	/* pairs with change_maps() */
	void *page = maps ? nfvk_xen_map_addr(maps, gref, write) : NULL;

	return (struct nfvk_xen_end){
		.addr = page ? page + offset : NULL, .gref = gref, .domid = q->vif->domid, .offset = offset, .len = len,
	};
}

static u32 piece_len(const struct nfvk_xen_cursor *c)
{
	if (c->piece < 0)
		return skb_headlen(c->skb);
	if (c->held)
		return c->held->slot[c->piece].size;
	return skb_frag_size(&skb_shinfo(c->skb)->frags[c->piece]);
}

static void at_slot(struct nfvk_xen_cursor *c)
{
	const struct nfvk_xen_tx *slot = &c->held->slot[c->piece];

	c->at = nfvk_xen_granted(c->held->queue, slot->gref, slot->offset + c->offset, slot->size - c->offset, false);
}

static void at_frag(struct nfvk_xen_cursor *c)
{
	const skb_frag_t *frag = &skb_shinfo(c->skb)->frags[c->piece];

	nfvk_xen_own(&c->at, page_address(skb_frag_page(frag)) + skb_frag_off(frag) + c->offset, skb_frag_size(frag) - c->offset);
}

void nfvk_xen_cursor_next(struct nfvk_xen_cursor *c)
{
	while (!c->at.len && c->piece < c->n) {
		u32 len = piece_len(c);

		if (c->offset >= len) {
			c->offset -= len;
			/* What the linear part holds of a guest's frame stands in its slots, too. */
			if (c->piece++ < 0 && c->held)
				c->offset += len;
			continue;
		}
		if (c->piece < 0)
			nfvk_xen_own(&c->at, c->skb->data + c->offset, len - c->offset);
		else if (c->held)
			at_slot(c);
		else
			at_frag(c);
		c->offset += c->at.len;
	}
}

void nfvk_xen_cursor_start(struct nfvk_xen_cursor *c, const struct sk_buff *skb)
{
	*c = (struct nfvk_xen_cursor){ .skb = skb, .piece = -1 };
	if (nfvk_in_guest(skb))
		c->held = nfvk_xen_held(skb);
	c->n = c->held ? c->held->n : skb_shinfo(skb)->nr_frags;
	nfvk_xen_cursor_next(c);
}

static void set_end(struct gnttab_copy_ptr *ptr, const struct nfvk_xen_end *end)
{
	ptr->domid = end->domid;
	ptr->offset = end->offset;
	if (end->domid == DOMID_SELF)
		ptr->u.gmfn = virt_to_gfn(end->addr);
	else
		ptr->u.ref = end->gref;
}

static void collect(struct nfvk_xen_copies *c, unsigned int owner, const struct nfvk_xen_end *from,
		    const struct nfvk_xen_end *to, u32 n)
{
	struct gnttab_copy *op;

	if (c->n == NFVK_XEN_COPIES)
		nfvk_xen_copies_run(c);
	op = &c->op[c->n];
	c->owner[c->n++] = owner;
	op->len = n;
	op->flags = (from->domid != DOMID_SELF ? GNTCOPY_source_gref : 0) | (to->domid != DOMID_SELF ? GNTCOPY_dest_gref : 0);
	set_end(&op->source, from);
	set_end(&op->dest, to);
}

static void move_on(struct nfvk_xen_end *end, u32 n)
{
	end->offset += n;
	end->len -= n;
	if (end->addr)
		end->addr += n;
}

u32 nfvk_xen_copies_add(struct nfvk_xen_copies *c, unsigned int owner, struct nfvk_xen_end *from, struct nfvk_xen_end *to)
{
	u32 n = min(from->len, to->len);

	if (from->addr && to->addr)
		memcpy(to->addr, from->addr, n);
	else
		collect(c, owner, from, to, n);
	move_on(from, n);
	move_on(to, n);
	return n;
}

void nfvk_xen_copies_run(struct nfvk_xen_copies *c)
{
	if (!c->n)
		return;
	gnttab_batch_copy(c->op, c->n);
	atomic64_add(c->n, c->ops);
	for (unsigned int i = 0; i < c->n; i++)
		if (c->op[i].status != GNTST_okay)
			__set_bit(c->owner[i], c->failed);
	c->n = 0;
}
