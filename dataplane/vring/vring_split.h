/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split virtqueues, device side: what workers do with them. Only vring_split (with chain.h) and vring_setup touch rings in
 * guest memory.
 *
 * Names follow the guest: nfvd takes frames from its Tx queue and delivers to its Rx queue. A vring lives from the start
 * of the queue to its stop. Workers find it through an RCU pointer.
 *
 * Anything malformed in the ring itself stops the vring for good. fault is set to the reason, and every later call does
 * nothing until the guest starts the queue anew.
 */
#ifndef NFVD_VRING_SPLIT_H
#define NFVD_VRING_SPLIT_H

#include <linux/virtio_ring.h>
#include <rte_spinlock.h>
#include "frame/drop.h"
#include "frame/frame.h"
#include "frame/ledger.h"
#include "vring/gmem.h"

#define NFVD_VRING_SIZE_MAX	32768
#define NFVD_VRING_FEW		64	/* a driver that never had more buffers posted has few */
#define NFVD_RX_CHAINS_MAX	256	/* buffers that one frame may be spread over */
/*
 * The most descriptors, also empty ones, that one take or one delivery reads. A legal burst stays below: 64
 * super-frames over 1500-byte buffers are 2816. The last chain may exceed it by less than a chain's limit. Read from
 * cold memory, that takes some 0.3 ms at worst.
 */
#define NFVD_WALK_MAX		4096

/*
 * The pace of a guest's interrupts, all its rings together. Each thread may read and write it. All zeros: none was slow.
 *
 * A peer determines how long an interrupt takes: each waiter at its eventfd costs 0.1 us. So an interrupt that took
 * long is followed by a pause in proportion, in which others are only noted: a peer gets at most a ninth of a worker
 * for them. One of 5 ms or more, again and again, fences the ring. A guest on a slow machine gets its interrupts later, but all of them.
 */
struct nfvd_call_pace {
	_Atomic(uint64_t) next_ns;	/* no interrupt before */
	_Atomic(uint64_t) exact_ns;	/* until then they are measured exactly */
	_Atomic(uint8_t) slow;		/* goes up with each very slow one, down with each other one */
	_Atomic(uint8_t) turn;		/* the caller's: which ring is the next to be interrupted */
	_Atomic(bool) owed;		/* a ring has one noted */
};

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
	uint16_t posted;	/* Rx: the most buffers that were there at a time */
	uint16_t n_heads;	/* taken by the last nfvd_vring_take(); the first n_bad of them were malformed */
	uint16_t n_bad;
	uint16_t heads[NFVD_BURST];

	rte_spinlock_t lock;	/* Rx queues: several workers deliver */
	_Atomic(uint64_t) calls; /* interrupts sent */
	struct nfvd_call_pace *pace;
	_Atomic(bool) owed;	/* an interrupt was noted */
};

/* The frames that a take dropped, by reason; the caller counts them. */
struct nfvd_take_drops {
	unsigned int n;
	enum nfvd_drop why[NFVD_BURST];
};

/*
 * Take up to max frames (at most NFVD_BURST) from a guest's Tx queue, and return their number. Their iov come from pool.
 * They are valid until nfvd_vring_take_done(), which gives the buffers back to the guest.
 *
 * Malformed frames before the first sound one are listed in *drops, and their buffers are given back as well. A malformed
 * frame behind it ends the batch, as do NFVD_WALK_MAX descriptors and NFVD_BURST_BYTES. Other frames stay in the ring.
 */
unsigned int nfvd_vring_take(struct nfvd_vring *vr, struct nfvd_frame *frames, unsigned int max,
			     struct iovec *pool, unsigned int pool_n, struct nfvd_take_drops *drops);
/* Give back malformed frames and the first n sound ones. The next take returns the others. Return system calls made. */
unsigned int nfvd_vring_take_done(struct nfvd_vring *vr, unsigned int n);

/*
 * Deliver n frames to a guest's Rx queue, and count in *l. results[i] is NFVD_PASS if frame i was delivered, else the
 * reason. If a guest that posts few buffers has too few now, but will have enough for frame i, then frame i and those
 * behind it are DST_QUEUE, and may be delivered later. Once NFVD_WALK_MAX descriptors were read, the rest of the
 * batch is dropped as RX_BUF_SHORT. Context: any worker.
 */
void nfvd_vring_deliver(struct nfvd_vring *vr, struct nfvd_frame **frames, unsigned int n,
			enum nfvd_drop *results, struct nfvd_ledger *l);

/*
 * Send the interrupt that was noted, if its time has come. Return false if there is none to send, or none yet.
 * Context: any thread that may use the ring.
 */
bool nfvd_vring_call_owed(struct nfvd_vring *vr);

/* Ask for a kick at the next frame, or stop asking. Return true if frames are waiting already. */
bool nfvd_vring_arm(struct nfvd_vring *vr, bool on);

#endif
