/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * A guest's Tx ring, parsed: which slots make up the next frame (Xen's io/netif.h).
 *
 * The guest may write the ring at any time. So every slot is copied once, and each decision is made on the copy. This
 * file does not need the kernel: unit tests and the fuzzer compile it, too.
 *
 *	slot 0		gref, offset, size = bytes of the whole frame
 *	  extra_info	then as many extra slots as say that more follow (GSO, multicast, ...)
 *	  more_data	then slots of data, each with its own size; slot 0 has what they leave
 */
#ifndef NFVK_XEN_SLOTS_H
#define NFVK_XEN_SLOTS_H

#include <linux/types.h>

#define NFVK_XEN_PAGE		4096u
#define NFVK_XEN_RING		256u	/* slots of a one-page ring */
#define NFVK_XEN_SLOTS_MAX	18u	/* data slots of a frame that is accepted */
#define NFVK_XEN_SLOTS_BAD	20u	/* a frontend that sends more than this is broken; between, the frame is */
#define NFVK_XEN_FRAME_MIN	14u	/* bytes: an Ethernet header */

#define NFVK_XEN_TXF_CSUM_BLANK		1u
#define NFVK_XEN_TXF_DATA_VALIDATED	2u
#define NFVK_XEN_TXF_MORE_DATA		4u
#define NFVK_XEN_TXF_EXTRA_INFO		8u

#define NFVK_XEN_EXTRA_GSO		1u
#define NFVK_XEN_EXTRA_MCAST_ADD	2u
#define NFVK_XEN_EXTRA_MCAST_DEL	3u
#define NFVK_XEN_EXTRA_MAX		6u	/* types are below it; no frame has more extra slots than there are types */
#define NFVK_XEN_EXTRA_MORE		1u

struct nfvk_xen_tx {			/* struct xen_netif_tx_request */
	__u32 gref;
	__u16 offset, flags, id, size;
};

struct nfvk_xen_extra {			/* struct xen_netif_extra_info */
	__u8 type, flags;
	__u8 u[6];			/* gso: size (2), type; mcast: address */
};

/* The ring's slots; 12 bytes each, whatever they hold. */
union nfvk_xen_slot {
	struct nfvk_xen_tx tx;
	struct nfvk_xen_extra extra;
};

struct nfvk_xen_frame {
	__u32 len;			/* bytes, of all slots */
	__u16 n;			/* data slots */
	__u16 extras;
	__u16 flags;			/* NFVK_XEN_TXF_* of slot 0 */
	__u16 gso_size;			/* 0: no super-frame */
	__u8 gso_type;			/* 1: TCPv4, 2: TCPv6 */
	__u8 mcast;			/* NFVK_XEN_EXTRA_MCAST_*: no frame but a request about... */
	__u8 mcast_addr[6];		/* ... this address */
	struct nfvk_xen_tx slot[NFVK_XEN_SLOTS_BAD];
};

enum nfvk_xen_verdict {
	NFVK_XEN_FRAME,			/* f is a frame */
	NFVK_XEN_DROP,			/* f->n, extras and the slots' ids are good: respond with an error */
	NFVK_XEN_BAD_SLOT,		/* the ring is malformed: to be fenced */
	NFVK_XEN_BAD_EXTRA,
};

/*
 * Set *n to the number of requests that the frontend has posted from cons on, by its producer index prod. Return false if
 * prod is out of range: the frontend must be fenced. Any value of prod is safe. *n is at most the room in the ring
 * beside requests that were taken and have no response yet. size: slots of the ring. cons (where we read next) and
 * responded (requests below it have their response) are our own, at most size apart.
 */
static inline bool nfvk_xen_posted(__u32 prod, __u32 cons, __u32 responded, __u32 size, __u32 *n)
{
	*n = prod - cons;
	return *n <= size - (cons - responded);
}

static inline void nfvk_xen_copy_slot(const union nfvk_xen_slot *ring, __u32 pos, union nfvk_xen_slot *to)
{
	*to = *(const volatile union nfvk_xen_slot *)&ring[pos % NFVK_XEN_RING];
}

static inline bool nfvk_xen_take_extra(const struct nfvk_xen_extra *e, struct nfvk_xen_frame *f)
{
	switch (e->type) {
	case NFVK_XEN_EXTRA_GSO:
		f->gso_size = e->u[0] | e->u[1] << 8;
		f->gso_type = e->u[2];
		return f->gso_size && (f->gso_type == 1 || f->gso_type == 2);
	case NFVK_XEN_EXTRA_MCAST_ADD:
	case NFVK_XEN_EXTRA_MCAST_DEL:
		f->mcast = e->type;
		for (unsigned int i = 0; i < 6; i++)
			f->mcast_addr[i] = e->u[i];
		return true;
	default:
		return e->type && e->type < NFVK_XEN_EXTRA_MAX;
	}
}

/*
 * Parse the next frame from avail (> 0) requests, from cons on. Whatever avail and the ring contain, read no more slots
 * than a frame may have. f->n + f->extras are at most avail.
 */
static inline enum nfvk_xen_verdict nfvk_xen_gather(const union nfvk_xen_slot *ring, __u32 cons, __u32 avail,
						    struct nfvk_xen_frame *f)
{
	union nfvk_xen_slot slot;
	__u32 used = 1, rest;
	bool more, drop = false;

	nfvk_xen_copy_slot(ring, cons, &slot);
	f->slot[0] = slot.tx;
	f->n = 1;
	f->extras = 0;
	f->flags = slot.tx.flags;
	f->len = slot.tx.size;
	f->gso_size = f->gso_type = f->mcast = 0;
	for (more = f->flags & NFVK_XEN_TXF_EXTRA_INFO; more; more = slot.extra.flags & NFVK_XEN_EXTRA_MORE) {
		if (used >= avail || f->extras == NFVK_XEN_EXTRA_MAX - 1)
			return NFVK_XEN_BAD_EXTRA;
		nfvk_xen_copy_slot(ring, cons + used++, &slot);
		f->extras++;
		if (!nfvk_xen_take_extra(&slot.extra, f))
			return NFVK_XEN_BAD_EXTRA;
	}
	rest = f->len;
	for (more = f->flags & NFVK_XEN_TXF_MORE_DATA; more; more = slot.tx.flags & NFVK_XEN_TXF_MORE_DATA) {
		if (used >= avail || f->n == NFVK_XEN_SLOTS_BAD)
			return NFVK_XEN_BAD_SLOT;
		nfvk_xen_copy_slot(ring, cons + used++, &slot);
		f->slot[f->n++] = slot.tx;
		if ((__u32)slot.tx.offset + slot.tx.size > NFVK_XEN_PAGE)
			return NFVK_XEN_BAD_SLOT;
		if (slot.tx.size > rest)
			drop = true;
		else
			rest -= slot.tx.size;
	}
	if (drop || f->mcast || f->n > NFVK_XEN_SLOTS_MAX || f->len < NFVK_XEN_FRAME_MIN)
		return NFVK_XEN_DROP;
	f->slot[0].size = rest;
	if ((__u32)f->slot[0].offset + rest > NFVK_XEN_PAGE)
		return NFVK_XEN_BAD_SLOT;
	return NFVK_XEN_FRAME;
}

/*
 * Return how many Rx slots of a page take a frame of these n Tx slots if no slot is cut. The frame's first header bytes
 * do not come from the slots, but from elsewhere, in one piece of at most a page.
 */
static inline __u32 nfvk_xen_slots_whole(const struct nfvk_xen_tx *slot, __u32 n, __u32 header)
{
	__u32 room = NFVK_XEN_PAGE - header, slots = 1;

	for (__u32 i = 0; i < n; i++) {
		__u32 known = header < slot[i].size ? header : slot[i].size, len = slot[i].size - known;

		header -= known;
		if (len > room) {
			slots++;
			room = NFVK_XEN_PAGE;
		}
		room -= len;
	}
	return slots;
}

/*
 * Find where the transport checksum of a frame belongs, from its first n bytes. Set *start to the offset of the transport
 * header, *offset to that of the field from there. Return false if no TCP or UDP is found.
 */
static inline bool nfvk_xen_csum_place(const __u8 *h, __u32 n, __u16 *start, __u16 *offset)
{
#define NFVK_BE16(p) ((__u16)((p)[0] << 8 | (p)[1]))
	__u32 at = 12, l4;
	__u16 proto;
	__u8 next;

	if (n < NFVK_XEN_FRAME_MIN)
		return false;
	proto = NFVK_BE16(h + at);
	at += 2;
	for (int tags = 0; tags < 2 && (proto == 0x8100 || proto == 0x88a8); tags++) {
		if (n < at + 4)
			return false;
		proto = NFVK_BE16(h + at + 2);
		at += 4;
	}
	if (proto == 0x0800) {
		/* No fragment has one that is open. */
		if (n < at + 20 || (h[at] >> 4) != 4 || (h[at] & 15) < 5 || NFVK_BE16(h + at + 6) & 0x3fff)
			return false;
		next = h[at + 9];
		l4 = at + (h[at] & 15) * 4;
	} else if (proto == 0x86dd) {
		if (n < at + 40 || (h[at] >> 4) != 6)
			return false;
		next = h[at + 6];
		l4 = at + 40;
		/* Hop-by-hop, routing, destination options: 8 octets more than they say. */
		for (int i = 0; i < 4 && (next == 0 || next == 43 || next == 60); i++) {
			if (n < l4 + 8)
				return false;
			next = h[l4];
			l4 += (h[l4 + 1] + 1u) * 8;
		}
	} else {
		return false;
	}
#undef NFVK_BE16
	if (next != 6 && next != 17)
		return false;
	*offset = next == 6 ? 16 : 6;
	*start = l4;
	return l4 + *offset + 2 <= n;
}

#endif
