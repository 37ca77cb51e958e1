/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split virtqueues, device side. The only code, with vring_split.c, that
 * touches rings in guest memory.
 *
 * Names follow the guest: its Tx queue is what nfvd takes frames from, its Rx
 * queue is what nfvd delivers to. A vring lives from the start of the queue to
 * its stop, and is found by workers through an RCU pointer.
 *
 * Anything malformed in the ring itself stops the vring for good: fault is set
 * to the reason and every later call does nothing, until the guest starts the
 * queue anew.
 */
#ifndef NFVD_VRING_SPLIT_H
#define NFVD_VRING_SPLIT_H

#include <linux/virtio_ring.h>
#include <rte_spinlock.h>
#include "switch/drop.h"
#include "switch/frame.h"
#include "switch/ledger.h"
#include "vhost/gmem.h"

#define NFVD_VRING_SIZE_MAX	32768
#define NFVD_RX_CHAINS_MAX	256	/* buffers that one frame may be spread over */
/*
 * Descriptors, empty ones too, that one take or one delivery reads. A legal burst stays
 * below: 64 super-frames over 1500-byte buffers are 2816. The last chain may go beyond,
 * by less than a chain's limit. Read cold, that is some 0.3 ms at worst.
 */
#define NFVD_WALK_MAX		4096

struct nfvd_vring {
	/* Guest memory: all access through gmem.h. */
	const struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	const struct nfvd_gmem *mem;

	uint16_t size, mask;
	uint16_t hdr_len;	/* bytes of virtio_net_hdr on this queue: 10 or 12 */
	bool event_idx, indirect, mergeable;
	_Atomic(int) call;	/* how to interrupt the guest: call.h; may change at any time */

	/* Private indices; the used index never lags behind avail past one call. */
	uint16_t last_avail, used_idx;
	uint16_t signalled;	/* used_idx at the last interrupt */
	bool signalled_valid, armed;
	_Atomic(enum nfvd_drop) fault;
	uint16_t n_heads;	/* taken by the last nfvd_vring_take(); the first n_bad of them were malformed */
	uint16_t n_bad;
	uint16_t heads[NFVD_BURST];

	rte_spinlock_t lock;	/* Rx queues: several workers deliver */
	_Atomic(uint64_t) calls; /* interrupts sent */
	uint8_t slow_calls;	/* up with each slow one, down with each other */
};

/* What a take could not return, by reason, to be counted by the caller. */
struct nfvd_take_drops {
	unsigned int n;
	enum nfvd_drop why[NFVD_BURST];
};

/* Bytes of virtio_net_hdr for these negotiated feature bits. */
uint16_t nfvd_virtio_hdr_len(uint64_t features);

/* Is the ring sound: size, alignment, each part inside one region, no overlap? NFVD_PASS or a reason. */
enum nfvd_drop nfvd_vring_check(const struct nfvd_vring *vr);

/* Go on where used->idx says: late copy leaves nothing in flight when a ring or its backend stops. */
void nfvd_vring_resume(struct nfvd_vring *vr);

/*
 * Guest Tx: take up to max frames (at most NFVD_BURST). Their iov come from pool and
 * are valid until nfvd_vring_take_done(), which gives the buffers back to the guest.
 * Malformed frames before the first sound one are listed in *drops; their buffers are
 * given back as well. One behind it ends the batch, as NFVD_WALK_MAX descriptors and
 * NFVD_BURST_BYTES do: what is not taken stays in the ring for the next call.
 */
unsigned int nfvd_vring_take(struct nfvd_vring *vr, struct nfvd_frame *frames, unsigned int max,
			     struct iovec *pool, unsigned int pool_n, struct nfvd_take_drops *drops);
/* Give back what was malformed and the first n frames; the others are as if never taken. Returns system calls made. */
unsigned int nfvd_vring_take_done(struct nfvd_vring *vr, unsigned int n);

/*
 * Guest Rx: deliver n frames. Counts into *l; results[i] is NFVD_PASS where
 * frame i was delivered, else the drop reason. Any worker. Once NFVD_WALK_MAX
 * descriptors were read, what is left of the batch is RX_BUF_SHORT without a look.
 */
void nfvd_vring_deliver(struct nfvd_vring *vr, struct nfvd_frame **frames, unsigned int n,
			enum nfvd_drop *results, struct nfvd_ledger *l);

/* Ask for a kick at the next frame, or stop asking. Returns true if frames are there already. */
bool nfvd_vring_arm(struct nfvd_vring *vr, bool on);

/* Has the driver ever put a buffer into the ring? Any thread. */
bool nfvd_vring_used(const struct nfvd_vring *vr);

#endif
