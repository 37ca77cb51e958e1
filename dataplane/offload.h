/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksum and segmentation requests: checking them, and doing the work in
 * software for the rare receiver that did not negotiate them.
 *
 * A request is checked against the private header only. Summing or cutting
 * reads the payload at the origin; if its owner changes it meanwhile, the
 * receiver sees a bad checksum, as it would have from the wire.
 */
#ifndef NFVD_OFFLOAD_H
#define NFVD_OFFLOAD_H

#include <stdbool.h>
#include "drop.h"
#include "frame.h"

#define NFVD_MSS_MIN		48	/* of TCP; Linux takes and makes no smaller one */
#define NFVD_UDP_SEGS_MAX	128	/* as Linux */

/* Check f's length and requests, bring f->vnet into canonical form. NFVD_N_REASONS or why to drop it. */
enum nfvd_drop nfvd_offload_check(struct nfvd_frame *f);

/* The NFVD_ACCEPT_* that a receiver needs for f. */
uint32_t nfvd_offload_needs(const struct nfvd_frame *f);

/* Complete the partial checksum of f in its private header. */
void nfvd_offload_checksum(struct nfvd_frame *f);

/* Frames on the wire that f, checked, stands for. */
static inline uint32_t nfvd_offload_segments(const struct nfvd_frame *f)
{
	/* hdr_len is in canonical form: where the payload begins. */
	if (f->vnet.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE || f->len <= f->vnet.hdr.hdr_len)
		return 1;
	return (f->len - f->vnet.hdr.hdr_len + f->vnet.hdr.gso_size - 1) / f->vnet.hdr.gso_size;
}

/* Where the headers of a TCP or UDP frame lie, in bytes from its start. */
struct nfvd_layout {
	bool v6, udp;
	unsigned int l3, l4, payload;
};

/* A super-frame that is being cut: some of its segments at a time, so that their number is no matter. */
struct nfvd_cut {
	struct nfvd_frame f;
	struct nfvd_layout t;
	uint32_t sent, payload;		/* bytes */
	unsigned int n;			/* segments made */
	unsigned int i;			/* the vector that the next begins in, */
	size_t off;			/* and where there */
};

/* Begin to cut f, which must stay as it is; iov has room for f->iov_n + 1. False: it cannot be cut. */
bool nfvd_cut_start(struct nfvd_cut *c, const struct nfvd_frame *f, struct iovec *iov);

/*
 * The next max segments or fewer, complete with checksums. Their vectors come from pool: at most f's number, and
 * one more for each segment. Returns how many; 0: there are no more.
 */
unsigned int nfvd_cut_next(struct nfvd_cut *c, struct nfvd_frame *segs, unsigned int max, struct iovec *pool,
			   unsigned int pool_n);

#endif
