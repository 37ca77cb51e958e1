/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cutting a super-frame into the frames that it stands for, for a receiver that
 * does not take it: some of its segments at a time, so that their number is no
 * matter. Also TCP and UDP in a tunnel, whose outer headers each segment has anew.
 *
 * A receiver that takes super-frames of UDP gets what was cut out of a tunnel over UDP (VXLAN, Geneve)
 * in such: its datagrams are of one length, and whoever takes them apart is the tunnel's end.
 */
#ifndef NFVD_CUT_H
#define NFVD_CUT_H

#include "switch/offload.h"

#define NFVD_CUT_IOVS(n)	((n) + 2)	/* vectors that nfvd_cut_start() needs for a frame of n */

struct nfvd_cut {
	const struct nfvd_frame *f;
	struct nfvd_layout t;
	uint8_t head[NFVD_HEADERS_MAX];	/* private: read once */
	const struct iovec *iov;	/* the payload */
	unsigned int iov_n;
	uint32_t sent, payload;		/* bytes */
	unsigned int n;			/* segments made */
	unsigned int frames;		/* that they are in */
	unsigned int bundle;		/* segments to put into one frame; 0: each is a frame */
	unsigned int i;			/* the vector that the next begins in, */
	size_t off;			/* and where there */
	uint8_t tail[NFVD_BURST][NFVD_HEADERS_MAX - NFVD_HDR_MAX];	/* of headers that nfvd_frame.hdr cannot hold */
};

/*
 * Begin to cut f, which must stay as it is, for a receiver that accepts this (NFVD_ACCEPT_*); iov has room for
 * NFVD_CUT_IOVS(f->iov_n). False: it cannot be cut.
 */
bool nfvd_cut_start(struct nfvd_cut *c, const struct nfvd_frame *f, uint32_t accepts, struct iovec *iov);

/*
 * The next max (NFVD_BURST at most) segments or fewer, with checksums or as the receiver takes them, valid until the
 * next call, in as many frames or one. Their
 * vectors come from pool: at most NFVD_CUT_IOVS(f's number), and two more for each segment. Returns how many
 * frames; 0: there are no more.
 */
unsigned int nfvd_cut_next(struct nfvd_cut *c, struct nfvd_frame *segs, unsigned int max, struct iovec *pool,
			   unsigned int pool_n);

#endif
