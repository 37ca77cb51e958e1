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

/* What a slot holds beyond what the linear part stands for. */
static __always_inline void at_slot(struct nfvk_xen_cursor *c, const struct nfvk_xen_tx *slot)
{
	u32 known = min_t(u32, c->known, slot->size);

	c->known -= known;
	if (known < slot->size)
		nfvk_xen_granted(&c->at, c->held->queue, slot->gref, slot->offset + known, slot->size - known, false);
}

static void at_frag(struct nfvk_xen_cursor *c, const skb_frag_t *frag)
{
	c->own = page_address(skb_frag_page(frag)) + skb_frag_off(frag);
	c->own_len = skb_frag_size(frag);
}

/* Once all of c->at has been copied: to what comes after it. Inline, as what follows: it is done for each slot. */
static __always_inline void step(struct nfvk_xen_cursor *c)
{
	while (!c->at.len) {
		if (c->own_len) {
			nfvk_xen_own(&c->at, c->own, c->own_len);
			c->own += c->at.len;
			c->own_len -= c->at.len;
		} else if (c->piece == c->n) {
			return;
		} else if (c->held) {
			at_slot(c, &c->held->slot[c->piece++]);
		} else {
			at_frag(c, &skb_shinfo(c->skb)->frags[c->piece++]);
		}
	}
}

void nfvk_xen_cursor_start(struct nfvk_xen_cursor *c, const struct sk_buff *skb)
{
	c->skb = skb;
	c->held = nfvk_in_guest(skb) ? nfvk_xen_held(skb) : NULL;
	c->n = c->held ? c->held->n : skb_shinfo(skb)->nr_frags;
	c->piece = 0;
	c->own = skb->data;
	c->own_len = c->known = skb_headlen(skb);
	c->at.len = 0;
	step(c);
}

/* Returns the flag if the end is a guest's. */
static __always_inline u16 set_end(struct gnttab_copy_ptr *ptr, const struct nfvk_xen_end *end, u16 flag)
{
	ptr->domid = end->domid;
	ptr->offset = end->offset;
	if (end->domid == DOMID_SELF) {
		ptr->u.gmfn = virt_to_gfn(end->addr);
		return 0;
	}
	ptr->u.ref = end->gref;
	return flag;
}

static __always_inline void collect(struct nfvk_xen_copies *c, unsigned int owner, const struct nfvk_xen_end *from,
		    const struct nfvk_xen_end *to, u32 n)
{
	struct gnttab_copy *op;

	if (c->n == NFVK_XEN_COPIES)
		nfvk_xen_copies_run(c);
	op = &c->op[c->n];
	c->owner[c->n++] = owner;
	op->len = n;
	op->flags = set_end(&op->source, from, GNTCOPY_source_gref) | set_end(&op->dest, to, GNTCOPY_dest_gref);
}

static __always_inline void move_on(struct nfvk_xen_end *end, u32 n)
{
	end->offset += n;
	end->len -= n;
	if (end->addr)
		end->addr += n;
}

static __always_inline void add(struct nfvk_xen_copies *c, unsigned int owner, struct nfvk_xen_end *from, struct nfvk_xen_end *to)
{
	u32 n = min(from->len, to->len);

	if (from->addr && to->addr)
		memcpy(to->addr, from->addr, n);
	else
		collect(c, owner, from, to, n);
	move_on(from, n);
	move_on(to, n);
}

void nfvk_xen_copies_add(struct nfvk_xen_copies *c, unsigned int owner, struct nfvk_xen_end *from, struct nfvk_xen_end *to)
{
	add(c, owner, from, to);
}

u32 nfvk_xen_copy(struct nfvk_xen_copies *c, unsigned int owner, struct nfvk_xen_cursor *from, struct nfvk_xen_end *to, bool whole)
{
	struct nfvk_xen_end at = *to;

	while (at.len && from->at.len && (!whole || from->at.len <= at.len)) {
		add(c, owner, &from->at, &at);
		step(from);
	}
	swap(*to, at);
	return at.len - to->len;
}

bool nfvk_xen_copy_whole(struct nfvk_xen_copies *c, unsigned int owner, const struct sk_buff *skb, const struct sk_buff *whole)
{
	struct nfvk_xen_cursor from, to;
	u32 left = skb->len, n;

	nfvk_xen_cursor_start(&from, skb);
	for (nfvk_xen_cursor_start(&to, whole); left; left -= n) {
		n = nfvk_xen_copy(c, owner, &from, &to.at, false);
		if (WARN_ON_ONCE(!n))
			return false;
		step(&to);
	}
	return true;
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
