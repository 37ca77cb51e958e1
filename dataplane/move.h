/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Late copy: the four moves.
 *
 *	origin		destination	move				copies
 *	------		-----------	----				------
 *	memory		memory		nfvd_move_to_memory()		1
 *	memory		kernel port	nfvd_move_to_msg(): sendmmsg	1 by the kernel
 *				        copies straight from the origin
 *	kernel frame	memory		one read into the port's buffer, 2
 *				        then nfvd_move_to_memory()
 *	kernel frame	kernel port	the shortcut: bpf_redirect_peer	0
 *				        moves the skb (bpf/shortcut.bpf.c)
 *
 * By the time one of these runs, the switch has decided, on the private header.
 * What is delivered is that private header, then the rest from the origin.
 * A kernel frame without help from a kernel module has to be read before
 * anything can be decided on it; f->origin_copies says so to the ledger.
 */
#ifndef NFVD_MOVE_H
#define NFVD_MOVE_H

#include <string.h>
#include "frame.h"
#include "ledger.h"

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
 * Write the frame, behind the vnet_len (10 or 12) bytes of its virtio_net_hdr,
 * into dst, which has room for exactly that or more.
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
 * The vectors of one message of a PACKET_VNET_HDR socket: header, private header
 * bytes, the rest where it lies. iov has room for f->iov_n + 2. Returns how many.
 */
static inline unsigned int nfvd_move_to_msg(struct nfvd_frame *f, struct iovec *iov)
{
	iov[0] = (struct iovec){ &f->vnet.hdr, sizeof(f->vnet.hdr) };
	iov[1] = (struct iovec){ f->hdr, f->hdr_len };
	memcpy(iov + 2, f->iov, f->iov_n * sizeof(*iov));
	return f->iov_n + 2;
}

static inline void nfvd_moved(struct nfvd_ledger *l, const struct nfvd_frame *f)
{
	l->frames++;
	l->bytes += f->len;
	l->copies += 1 + f->origin_copies;
	l->copied_bytes += (uint64_t)(1 + f->origin_copies) * f->len;
}

#endif
