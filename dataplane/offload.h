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

#define NFVD_SEGS_MAX	128	/* segments that one super-frame is cut into at most */

/* Check f's length and requests, bring f->vnet into canonical form. NFVD_N_REASONS or why to drop it. */
enum nfvd_drop nfvd_offload_check(struct nfvd_frame *f);

/* The NFVD_ACCEPT_* that a receiver needs for f. */
uint32_t nfvd_offload_needs(const struct nfvd_frame *f);

/* Complete the partial checksum of f in its private header. */
void nfvd_offload_checksum(struct nfvd_frame *f);

/*
 * Cut super-frame f into segs (room for NFVD_SEGS_MAX), complete with checksums; their
 * vectors come from pool. Returns how many, 0 if it cannot be done.
 */
unsigned int nfvd_offload_segment(const struct nfvd_frame *f, struct nfvd_frame *segs,
				  struct iovec *pool, unsigned int pool_n);

#endif
