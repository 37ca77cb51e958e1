/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chain of descriptors of a split virtqueue, parsed: which memory of the guest it names. For vring_split.c alone. A
 * header, because each frame needs it: a compiler that sees both files at once inlines these functions.
 */
#ifndef NFVD_VRING_CHAIN_H
#define NFVD_VRING_CHAIN_H

#include <rte_branch_prediction.h>
#include "vring/vring_split.h"

#define CHAIN_SEGS_MAX	(NFVD_IOV_MAX - 8) /* descriptors, empty ones too, and pieces of one chain */

/*
 * Where the bytes of walked chains lie. The alignment matters: otherwise the position on the stack decides whether a
 * store to it spans two cache lines. No load can be forwarded from such a store, which cost 10 ns of 34 a frame.
 */
struct chain {
	struct iovec *seg;
	unsigned int n;
	unsigned int steps;	/* descriptors read of the last chain */
	uint64_t bytes;
} __attribute__((aligned(32)));

/* Add the memory of one descriptor to the chain, split where regions meet. */
static inline enum nfvd_drop add_buffer(const struct nfvd_vring *vr, struct chain *c, uint64_t gpa, uint32_t len,
					unsigned int room)
{
	uint64_t left = len;

	do {
		uint64_t n = left;
		uint8_t *p = nfvd_gmem_at(vr->mem, gpa, &n);

		if (unlikely(!p || (left && gpa + left < gpa)))
			return NFVD_DROP_BAD_GPA;
		if (unlikely(c->n == room))
			return NFVD_DROP_TOO_MANY_SEGS;
		if (n)
			c->seg[c->n++] = (struct iovec){ p, n };
		c->bytes += n;
		gpa += n;
		left -= n;
	} while (left);
	return NFVD_PASS;
}

/* Read entry i of an indirect table that may cross regions. */
static enum nfvd_drop read_indirect(const struct nfvd_vring *vr, uint64_t table, uint16_t i, struct vring_desc *d)
{
	uint64_t gpa = table + i * sizeof(*d), n = sizeof(*d);
	const uint8_t *p = nfvd_gmem_at(vr->mem, gpa, &n);

	if (unlikely(!p))
		return NFVD_DROP_BAD_INDIRECT;
	if (likely(n == sizeof(*d))) {
		gread_desc(d, p);
		return NFVD_PASS;
	}
	gread_copy(d, p, n);
	for (uint64_t done = n; done < sizeof(*d); done += n) {
		n = sizeof(*d) - done;
		p = nfvd_gmem_at(vr->mem, gpa + done, &n);
		if (!p)
			return NFVD_DROP_BAD_INDIRECT;
		gread_copy((uint8_t *)d + done, p, n);
	}
	return NFVD_PASS;
}

/*
 * Walk the chain at head. want is VRING_DESC_F_WRITE for buffers of an Rx queue,
 * 0 for Tx; c->steps is 0. Ends after at most as many steps as its table has entries,
 * and after CHAIN_SEGS_MAX in any case: a descriptor is a step whether it holds bytes or not.
 * NFVD_DROP_TOO_MANY_SEGS concerns the frame; any other reason the ring.
 */
static enum nfvd_drop walk(const struct nfvd_vring *vr, uint16_t head, uint16_t want, struct chain *c,
			   unsigned int room)
{
	uint32_t entries = vr->size, i = head, first = 0, step;
	uint64_t table = 0;
	bool in_table = false;
	struct vring_desc d;
	enum nfvd_drop why;

	for (step = 1;; step++) {
		c->steps = step;
		if (unlikely(step > CHAIN_SEGS_MAX))
			return NFVD_DROP_TOO_MANY_SEGS;
		/* A use (gread_begin) is one step, because a chain with a loop comes to the same descriptor again. */
		gread_begin();
		if (in_table) {
			why = read_indirect(vr, table, i, &d);
			if (unlikely(why != NFVD_PASS))
				return why;
		} else {
			gread_desc(&d, &vr->desc[i]);
		}
		if (d.flags & VRING_DESC_F_INDIRECT) {
			/*
			 * Plain descriptors may come before the indirect one, which is the last (virtio 1.2,
			 * 2.7.5.3.2).
			 */
			if (in_table || !vr->indirect || d.flags & VRING_DESC_F_NEXT || !d.len ||
			    d.len % sizeof(d) || d.len / sizeof(d) > vr->size || d.addr + d.len < d.addr)
				return NFVD_DROP_BAD_INDIRECT;
			in_table = true;
			table = d.addr;
			entries = d.len / sizeof(d);
			i = 0;
			first = step;
			continue;
		}
		if (unlikely((d.flags & VRING_DESC_F_WRITE) != want))
			return NFVD_DROP_DESC_PERM;
		why = add_buffer(vr, c, d.addr, d.len, room);
		if (unlikely(why != NFVD_PASS))
			return why;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return NFVD_PASS;
		i = d.next;
		if (unlikely(i >= entries))
			return in_table ? NFVD_DROP_BAD_INDIRECT : NFVD_DROP_BAD_DESC_NEXT;
		if (unlikely(step - first >= entries))
			return NFVD_DROP_DESC_LOOP;
	}
}

/* Move n bytes from the front of the chain into private memory. */
static inline void gather(struct chain *c, void *to, size_t n)
{
	uint8_t *dst = to;

	while (n) {
		size_t part = c->seg->iov_len < n ? c->seg->iov_len : n;

		gread_copy(dst, c->seg->iov_base, part);
		dst += part;
		n -= part;
		c->bytes -= part;
		c->seg->iov_base = (uint8_t *)c->seg->iov_base + part;
		c->seg->iov_len -= part;
		if (!c->seg->iov_len) {
			c->seg++;
			c->n--;
			/*
			 * A guest may use one place in two descriptors. These are two parts of its frame, and so two
			 * uses.
			 */
			gread_begin();
		}
	}
}

#endif
