/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A receive ring of a packet socket (TPACKET_V2 with PACKET_VNET_HDR).
 *
 *	slot	┌─────────────┬───────┬────────────────┬───────┬──────────────────┐
 *		│ tpacket2_hdr│ ...   │ virtio_net_hdr │ frame │                  │
 *		└─────────────┴───────┴────────────────┴───────┴──────────────────┘
 *		0                     tp_mac - 10      tp_mac   + tp_snaplen
 *
 * The kernel fills slots in order, on the CPU of the sender, and passes each to us by tp_status. We give it back the same
 * way. In between the slot is ours alone: unlike guest memory, it does not change. Neither taking frames nor polling an
 * empty ring costs a system call.
 *
 * A slot holds a frame of an ordinary MTU, so that a burst of them fits. A longer frame (a super-frame) is queued at the
 * socket, its slot is marked TP_STATUS_COPY, and it is read into memory of the ring. Two that arrive on two CPUs at
 * once may be queued in another order than their slots. So such a slot only shows that a long frame is queued.
 *
 * A socket that outlives nfvd keeps its ring and the frames in it. nfvd records the position for the next nfvd before
 * it gives slots back: the slot behind them and, until all of them are given back, their number. The next nfvd takes
 * frames again that were taken and not given back; their number is recorded before the first of them is delivered.
 *
 * Why this way of reading: tests/bench/packet-io.md.
 */
#ifndef NFVD_PACKET_RING_H
#define NFVD_PACKET_RING_H

#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdint.h>
#include "frame/drop.h"
#include "frame/frame.h"

#define NFVD_RING_SLOT		2048u		/* bytes: a frame of 1900, its virtio_net_hdr, 100 of the kernel's */
#define NFVD_RING_BLOCK		(2u << 20)	/* bytes that the kernel takes in one piece, if it can */
#define NFVD_RING_BLOCKS	4
#define NFVD_RING_SLOTS		(NFVD_RING_BLOCK / NFVD_RING_SLOT * NFVD_RING_BLOCKS)
#define NFVD_RING_QUEUED	(8 << 20)	/* bytes of memory that long frames waiting at the socket may take */

/* A long frame that was read, as the kernel would have put it into a slot of its length. */
struct nfvd_packet_long {
	uint8_t *slot;			/* NULL: it could not be read, */
	enum nfvd_drop why;		/* and why */
};

struct nfvd_packet_ring {
	int sock;
	uint8_t *mem;			/* NULL: not mapped */
	uint32_t *position;		/* next | slots being given back << 16 | slots taken << 24; NULL: of no use */
	unsigned int next, taken;	/* next slot to read; number of slots before it still to give back */
	struct iovec rest[NFVD_BURST];
	/* Long frames, in the order of their slots. read of them were read; the first given belong to taken slots. */
	struct nfvd_packet_long longs[NFVD_BURST];
	unsigned int read, given;
	uint8_t *room;			/* memory of the long frames */
	size_t used;			/* bytes of room in use */
};

/* C. Give the socket, which must outlive the ring, a ring and map it. Call it before bind(). Return 0 or -errno. */
int nfvd_ring_map(struct nfvd_packet_ring *r, int sock);
void nfvd_ring_unmap(struct nfvd_packet_ring *r);

/*
 * C. Map the ring of a socket of an earlier nfvd, and go on at *position. Return how many of its frames that nfvd had
 * taken, at most NFVD_BURST, or -errno; -EINVAL if the ring is not as *position says.
 */
int nfvd_ring_adopt(struct nfvd_packet_ring *r, int sock, uint32_t *position);

/*
 * C. Return how many frames are in the ring. The second only looks where the kernel fills slots, from the next that is
 * to be taken on: the status of all slots is in as many cache lines, and pages, which takes milliseconds.
 */
unsigned int nfvd_ring_queued(const struct nfvd_packet_ring *r);
unsigned int nfvd_ring_queued_next(const struct nfvd_packet_ring *r);

/* C. Replace the ring, which no worker uses, by an empty one. Return 0, or -errno with no ring left. */
int nfvd_ring_renew(struct nfvd_packet_ring *r, int sock);

/* C. Return the slot that the kernel fills next, or NFVD_RING_SLOTS if frames are to be taken first. */
unsigned int nfvd_ring_waiting(const struct nfvd_packet_ring *r);

/*
 * W. Take the next frame, without copying its payload. Return false if there is none. *why is NFVD_PASS, or the reason to
 * drop the frame; then *f is not valid. Take at most NFVD_BURST frames before giving them back.
 */
bool nfvd_ring_take(struct nfvd_packet_ring *r, struct nfvd_frame *f, enum nfvd_drop *why);

/* W. Record for the next nfvd that frames were taken. Call it before the first of them is delivered. */
void nfvd_ring_note(const struct nfvd_packet_ring *r);

/* W. Give the first n taken slots back to the kernel; the others will be taken again. */
void nfvd_ring_done(struct nfvd_packet_ring *r, unsigned int n);

/*
 * Fill *f from a slot: copy virtio_net_hdr and headers, put the VLAN tag that the kernel took off back where it was on the
 * wire, and set f->iov to rest. Return NFVD_PASS, or why to drop the frame.
 */
enum nfvd_drop nfvd_ring_frame(uint8_t *slot, struct nfvd_frame *f, struct iovec *rest);

#endif
