/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cut a super-frame into segments, for a receiver that does not take it. A few segments are made at a time, so
 * their number is not limited. TCP and UDP in a tunnel are cut, too: each segment gets outer headers of its own.
 *
 * A receiver may take super-frames of UDP. Segments of a tunnel over UDP (VXLAN, Geneve) then reach it in such
 * super-frames, because all datagrams but the last have one length. The end of the tunnel takes them apart.
 *
 * A receiver may have a program that puts on the headers of a tunnel (NFVD_ACCEPT_TUNNEL). It gets a super-frame of TCP in
 * the tunnel, and a last segment of another length apart if there is an outer checksum.
 */
#ifndef NFVD_CUT_H
#define NFVD_CUT_H

#include "frame/offload.h"

#define NFVD_CUT_IOVS(n)	((n) + 2)	/* vectors that nfvd_cut_start() needs for a frame of n */

struct nfvd_cut {
	const struct nfvd_frame *f;
	struct nfvd_layout t;
	uint8_t head[NFVD_HEADERS_MAX];	/* private: read once */
	const struct iovec *iov;	/* the payload */
	unsigned int iov_n;
	uint32_t sent, payload;		/* bytes */
	unsigned int n;			/* segments made */
	unsigned int frames;		/* frames made of these segments */
	unsigned int bundle;		/* segments to put into one frame; 0: each is a frame */
	uint16_t outer;			/* nfvd_layout_outer() */
	uint32_t whole;			/* bytes to put into one super-frame in the tunnel, at first; 0: none */
	unsigned int i;			/* index of the vector in which the next segment begins, */
	size_t off;			/* and the byte in it */
	uint8_t tail[NFVD_BURST][NFVD_HEADERS_MAX - NFVD_HDR_MAX];	/* header bytes behind nfvd_frame.hdr */
};

/*
 * Begin to cut f for a receiver that takes the features accepts (NFVD_ACCEPT_*). Return false if f cannot be cut. f must
 * not change until the last segment is made. iov has room for NFVD_CUT_IOVS(f->iov_n) vectors.
 */
bool nfvd_cut_start(struct nfvd_cut *c, const struct nfvd_frame *f, uint32_t accepts, struct iovec *iov);

/*
 * Make up to max segments (NFVD_BURST at most), each a frame or all in one frame. Return how many frames they are in; 0
 * if no segment is left. Checksums are complete unless the receiver takes partial ones. The frames are valid until
 * the next call. Their vectors come from pool: at most NFVD_CUT_IOVS(f->iov_n), and two more for each segment.
 */
unsigned int nfvd_cut_next(struct nfvd_cut *c, struct nfvd_frame *segs, unsigned int max, struct iovec *pool,
			   unsigned int pool_n);

#endif
