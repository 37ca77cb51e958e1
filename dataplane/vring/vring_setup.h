/* SPDX-License-Identifier: BSD-3-Clause */
/* Split virtqueues, device side: what is to be done before a worker has one. Context: the thread of the vhost connection. */
#ifndef NFVD_VRING_SETUP_H
#define NFVD_VRING_SETUP_H

#include "vring/vring_split.h"

/* Return the length of the virtio_net_hdr, in bytes, for these negotiated feature bits. */
uint16_t nfvd_virtio_hdr_len(uint64_t features);

/* Check the ring: size, alignment, each part inside one region, no overlap. Return NFVD_PASS or a reason. */
enum nfvd_drop nfvd_vring_check(const struct nfvd_vring *vr);

/* Continue at used->idx: late copy leaves nothing in flight when a ring or its backend stops. */
void nfvd_vring_resume(struct nfvd_vring *vr);

/*
 * How far a Tx queue was taken: NFVD_TAKEN | last_avail. An nfvd that is killed leaves it to the next one. 0: nothing
 * was taken. nfvd_vring_replays() returns how many of the next frames of a resumed ring were taken before, and so may
 * be delivered a second time: at most NFVD_BURST. A mark that is further ahead says nothing, and gives 0.
 */
#define NFVD_TAKEN	0x10000u
unsigned int nfvd_vring_replays(const struct nfvd_vring *vr, uint32_t taken);

/* Return whether the driver has ever put a buffer into the ring. Context: any thread. */
bool nfvd_vring_used(const struct vring_avail *avail);

#endif
