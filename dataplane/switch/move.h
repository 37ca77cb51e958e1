/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Late copy: the four moves.
 *
 *	origin		destination	move				copies
 *	------		-----------	----				------
 *	memory		memory		nfvd_move_to_memory()		1
 *	memory		kernel port	nfvd_move_to_msg(): sendmmsg	1 by the kernel
 *				        copies straight from the origin
 *	kernel frame	memory		NFV_OP_COPY: the module copies	1
 *				        straight to the destination; the
 *				        header went there from here
 *		without the module	one read into the port's buffer, 2
 *				        then nfvd_move_to_memory()
 *	kernel frame	kernel port	the shortcut: bpf_redirect_peer	0
 *				        moves the skb (bpf/shortcut.bpf.c);
 *				        or NFV_OP_FORWARD: the module does
 *
 * The switch has decided, on the private header, before one of these runs. It delivers that private header, then the
 * rest from the origin. Without the module a frame in the kernel has to be read before the switch can decide;
 * f->origin_copies counts that copy. Operations of the module are collected, and made in one system call a burst.
 */
#ifndef NFVD_MOVE_H
#define NFVD_MOVE_H

#include <uapi/linux/nfv.h>
#include <string.h>
#include "frame/drop.h"
#include "frame/frame.h"
#include "frame/ledger.h"

/* A position in a list of I/O vectors. */
struct nfvd_cursor {
	const struct iovec *iov;
	size_t off;
};

static inline void nfvd_cursor_put(struct nfvd_cursor *c, const uint8_t *src, size_t n)
{
	while (n) {
		/* dst holds the whole frame; the analyser cannot know. NOLINTNEXTLINE(clang-analyzer-core.*) */
		size_t room = c->iov->iov_len - c->off;

		if (room > n)
			room = n;
		memcpy((uint8_t *)c->iov->iov_base + c->off, src, room);
		src += room;
		n -= room;
		c->off += room;
		if (c->off == c->iov->iov_len) {
			c->iov++;
			c->off = 0;
		}
	}
}

/*
 * Write the vnet_len (10 or 12) bytes of the virtio_net_hdr, and then the frame, into dst. dst has room for both.
 */
static inline void nfvd_move_to_memory(const struct nfvd_frame *f, size_t vnet_len, const struct iovec *dst)
{
	struct nfvd_cursor c = { dst, 0 };

	if (vnet_len == sizeof(f->vnet)) {
		nfvd_cursor_put(&c, (const uint8_t *)&f->vnet, sizeof(f->vnet) + f->hdr_len);
	} else {
		nfvd_cursor_put(&c, (const uint8_t *)&f->vnet, vnet_len);
		nfvd_cursor_put(&c, f->hdr, f->hdr_len);
	}
	for (unsigned int i = 0; i < f->iov_n; i++)
		nfvd_cursor_put(&c, f->iov[i].iov_base, f->iov[i].iov_len);
}

/*
 * Write the header part of a frame in the kernel to dst, as above. Set *rest to where the payload is to be copied.
 */
static inline void nfvd_move_header(const struct nfvd_frame *f, size_t vnet_len, const struct iovec *dst,
				    struct nfvd_cursor *rest)
{
	*rest = (struct nfvd_cursor){ dst, 0 };
	nfvd_cursor_put(rest, (const uint8_t *)&f->vnet, vnet_len);
	nfvd_cursor_put(rest, f->hdr, f->hdr_len);
}

#define NFVD_COPIES_IOV	8192

/* Copies out of kernel frames, collected for one system call. */
struct nfvd_copies {
	unsigned int n, iov_n;
	struct nfv_op op[NFVD_BURST];
	struct iovec iov[NFVD_COPIES_IOV];
};

/* Add the payload of f, to be copied to position *at. Return false if there is no room: run first. */
bool nfvd_copies_add(struct nfvd_copies *c, const struct nfvd_frame *f, const struct nfvd_cursor *at);

/* Make the copies; the results are in c->op[i].result. The caller empties c. */
void nfvd_copies_run(struct nfvd_copies *c, struct nfvd_ledger *l);

/*
 * Fetch the payload of n frames from the kernel into this process, for receivers that need it here. All are of
 * one burst of w, w->frames. A frame for which that fails stays nfvd_in_kernel().
 */
struct nfvd_worker;
void nfvd_move_to_private(struct nfvd_worker *w, struct nfvd_frame **frames, unsigned int n, struct nfvd_ledger *l);

/*
 * Copy the payload of f, of the burst of w, from its origin, which its sender may change meanwhile, into this process. Return
 * false if it cannot be had.
 */
bool nfvd_make_private(struct nfvd_worker *w, struct nfvd_frame *f, struct nfvd_ledger *l);

/*
 * Fill iov with the vectors of one message of a PACKET_VNET_HDR socket, and return their number: the virtio_net_hdr, the
 * private header, the rest where it lies. iov has room for f->iov_n + 2.
 */
static inline unsigned int nfvd_move_to_msg(struct nfvd_frame *f, struct iovec *iov)
{
	iov[0] = (struct iovec){ &f->vnet.hdr, sizeof(f->vnet.hdr) };
	iov[1] = (struct iovec){ f->hdr, f->hdr_len };
	memcpy(iov + 2, f->iov, f->iov_n * sizeof(*iov));
	return f->iov_n + 2;
}

/* Count in l a frame that the module delivered with this many copies: 0 if it passed the skb on. */
static inline void nfvd_moved_by_kernel(struct nfvd_ledger *l, const struct nfvd_frame *f, unsigned int copies)
{
	copies += f->origin_copies;
	l->frames++;
	l->bytes += f->len;
	l->copies += copies;
	l->copied_bytes += (uint64_t)copies * f->len;
}

static inline void nfvd_moved(struct nfvd_ledger *l, const struct nfvd_frame *f)
{
	nfvd_moved_by_kernel(l, f, 1);
}

#endif
