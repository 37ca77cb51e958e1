/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copying frames slot by slot. Inline, because a large frame has seventeen slots.
 *
 * A copy stays within one page at both ends. Frames are copied front to back, because the hypervisor keeps a page mapped
 * as long as consecutive copies use it. If both ends are mapped here, memcpy copies at once.
 */
#ifndef NFVK_XEN_COPY_H
#define NFVK_XEN_COPY_H

#include "backend.h"

/* Some bytes of one page, a guest's or our own. */
struct nfvk_xen_end {
	void *addr;			/* of byte offset; NULL: a guest's, not mapped here */
	u32 gref;
	domid_t domid;			/* whose; DOMID_SELF: our own, there is no gref */
	u32 offset, len;
};

/* Of the direct map; len is cut at the page's end. */
static inline void nfvk_xen_own(struct nfvk_xen_end *end, const void *addr, u32 len)
{
	end->addr = (void *)addr;
	end->domid = DOMID_SELF;
	end->offset = offset_in_page(addr);
	end->len = min_t(u32, len, XEN_PAGE_SIZE - end->offset);
}

/* Of a queue's guest what is asked for each of its pages. Under RCU. */
struct nfvk_xen_guest {
	struct nfvk_xen_maps *maps;
	domid_t domid;
};

static inline void nfvk_xen_guest_of(struct nfvk_xen_guest *g, const struct nfvk_xen_queue *q)
{
	g->maps = smp_load_acquire(&q->maps);	/* pairs with change_maps() */
	g->domid = q->vif->domid;
}

/* Of a page that it granted. write: it is copied to. */
static inline void nfvk_xen_granted(struct nfvk_xen_end *end, const struct nfvk_xen_guest *g, u32 gref, u32 offset, u32 len, bool write)
{
	void *page = g->maps ? nfvk_xen_map_addr(g->maps, gref, write) : NULL;

	end->addr = page ? page + offset : NULL;
	end->gref = gref;
	end->domid = g->domid;
	end->offset = offset;
	end->len = len;
}

/* ---- position in a frame: the linear part, then slots or frags; and so on, of a list of skbs ---- */

struct nfvk_xen_cursor {
	const struct nfvk_xen_tx *slot;		/* NULL: the frame is not in its guest's memory */
	struct nfvk_xen_guest guest;
	const skb_frag_t *frag;
	unsigned int left;		/* slots or frags from there on */
	const struct sk_buff *next;	/* what comes after those */
	u32 known;			/* bytes of the slots to come that the linear part stands for */
	const void *own;		/* of our own memory: what comes after at, before that piece */
	u32 own_len;
	struct nfvk_xen_end at;		/* where it stands; len is 0 at the frame's end */
};

static inline void nfvk_xen_cursor_skb(struct nfvk_xen_cursor *c, const struct sk_buff *skb)
{
	c->frag = skb_shinfo(skb)->frags;
	c->left = skb_shinfo(skb)->nr_frags;
	c->own = skb->data;
	c->own_len = skb_headlen(skb);
}

/* Move to the piece behind c->at, which has been copied. */
static inline void nfvk_xen_cursor_step(struct nfvk_xen_cursor *c)
{
	while (!c->at.len) {
		if (c->own_len) {
			nfvk_xen_own(&c->at, c->own, c->own_len);
			c->own += c->at.len;
			c->own_len -= c->at.len;
		} else if (!c->left) {
			if (likely(!c->next))
				return;
			nfvk_xen_cursor_skb(c, c->next);
			c->next = c->next->next;
		} else if (c->left--, c->slot) {
			const struct nfvk_xen_tx *slot = c->slot++;
			u32 known = min_t(u32, c->known, slot->size);

			c->known -= known;
			if (known < slot->size)
				nfvk_xen_granted(&c->at, &c->guest, slot->gref, slot->offset + known, slot->size - known, false);
		} else {
			const skb_frag_t *frag = c->frag++;

			c->own = page_address(skb_frag_page(frag)) + skb_frag_off(frag);
			c->own_len = skb_frag_size(frag);
		}
	}
}

/* Begin at a frame in its guest's memory: one of the guest's own poll, or one that nfvk_xen_there(). */
static inline void nfvk_xen_cursor_start(struct nfvk_xen_cursor *c, const struct sk_buff *skb)
{
	if (nfvk_in_guest(skb)) {
		c->slot = nfvk_xen_held(skb)->slot;
		c->left = nfvk_xen_held(skb)->n;
		nfvk_xen_guest_of(&c->guest, nfvk_xen_queue_of(skb));
		c->own = skb->data;
		c->own_len = c->known = skb_headlen(skb);
		c->next = NULL;
	} else {
		c->slot = NULL;
		nfvk_xen_cursor_skb(c, skb);
		c->next = skb_shinfo(skb)->frag_list;
	}
	c->at.len = 0;
	nfvk_xen_cursor_step(c);
}

/* ---- copies ---- */

/* Return flag if the end is a guest's. */
static inline u16 nfvk_xen_set_end(struct gnttab_copy_ptr *ptr, const struct nfvk_xen_end *end, u16 flag)
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

static inline void nfvk_xen_end_move(struct nfvk_xen_end *end, u32 n)
{
	end->offset += n;
	end->len -= n;
	if (end->addr)
		end->addr += n;
}

/* Copy as many bytes as fit both ends, and move both on. Carry out collected copies first if there is no room. */
static inline void nfvk_xen_copies_add(struct nfvk_xen_copies *c, unsigned int owner, struct nfvk_xen_end *from, struct nfvk_xen_end *to)
{
	u32 n = min(from->len, to->len);

	if (from->addr && to->addr) {
		/* A guest may name one page for sending and for receiving, and be sent its own frame. */
		if (likely(to->addr + n <= from->addr || from->addr + n <= to->addr))
			memcpy(to->addr, from->addr, n);
		else
			memmove(to->addr, from->addr, n);
	} else {
		struct gnttab_copy *op;

		if (c->n == NFVK_XEN_COPIES)
			nfvk_xen_copies_run(c);
		op = &c->op[c->n];
		c->owner[c->n++] = owner;
		op->len = n;
		op->flags = nfvk_xen_set_end(&op->source, from, GNTCOPY_source_gref) | nfvk_xen_set_end(&op->dest, to, GNTCOPY_dest_gref);
	}
	nfvk_xen_end_move(from, n);
	nfvk_xen_end_move(to, n);
}

/* Copy until to is full or, with whole, until the next piece does not fit. Return how many bytes. */
static inline u32 nfvk_xen_copy(struct nfvk_xen_copies *c, unsigned int owner, struct nfvk_xen_cursor *from,
				struct nfvk_xen_end *to, bool whole)
{
	u32 room = to->len;

	while (to->len && from->at.len && (!whole || from->at.len <= to->len)) {
		nfvk_xen_copies_add(c, owner, &from->at, to);
		nfvk_xen_cursor_step(from);
	}
	return room - to->len;
}

#endif
