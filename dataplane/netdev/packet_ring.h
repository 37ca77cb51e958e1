/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A receive ring of a packet socket (TPACKET_V2 with PACKET_VNET_HDR).
 *
 *	slot	┌─────────────┬───────┬────────────────┬───────┬──────────────────┐
 *		│ tpacket2_hdr│ ...   │ virtio_net_hdr │ frame │                  │
 *		└─────────────┴───────┴────────────────┴───────┴──────────────────┘
 *		0                     tp_mac - 10      tp_mac   + tp_snaplen
 *
 * The kernel fills slots in order, on the CPU of whoever sends, and hands each
 * over in tp_status; we hand it back the same way. Between the two the slot is
 * ours alone: unlike guest memory, it does not change under us. Taking frames
 * costs no system call, and looking in vain none either.
 *
 * A slot holds a frame of an ordinary MTU, so that a burst of them finds room. A
 * longer frame (a super-frame) is queued at the socket, and its slot says so
 * (TP_STATUS_COPY): it is read from there, into memory of the ring's own. Two that
 * came at once on two CPUs may be queued in the other order than their slots; so
 * such a slot says only that there is one.
 *
 * Why this way of reading: tests/bench/packet-io.md.
 */
#ifndef NFVD_PACKET_RING_H
#define NFVD_PACKET_RING_H

#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdint.h>
#include "switch/drop.h"
#include "switch/frame.h"

#define NFVD_RING_SLOT		2048u		/* bytes: a frame of 1900, its virtio_net_hdr, 100 of the kernel's */
#define NFVD_RING_BLOCK		(2u << 20)	/* bytes that the kernel takes in one piece, if it can */
#define NFVD_RING_BLOCKS	2
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
	unsigned int next, taken;	/* slot to look at; slots before it that are taken and not given back */
	struct iovec rest[NFVD_BURST];
	/* Long frames, in the order of their slots; the first given so many of read are those of slots that are taken. */
	struct nfvd_packet_long longs[NFVD_BURST];
	unsigned int read, given;
	uint8_t *room;			/* where they lie */
	size_t used;			/* bytes of it */
};

/* C. Give the socket, which must outlive it, a ring and map it. Before bind(). 0 or -errno. */
int nfvd_ring_map(struct nfvd_packet_ring *r, int sock);
void nfvd_ring_unmap(struct nfvd_packet_ring *r);

/* C. No worker uses the ring, which may be unmapped already: replace it by an empty one. 0 or -errno: then there is none. */
int nfvd_ring_renew(struct nfvd_packet_ring *r, int sock);

/* C. The slot that the kernel is to fill next; NFVD_RING_SLOTS: there are frames to be taken first. */
unsigned int nfvd_ring_waiting(const struct nfvd_packet_ring *r);

/*
 * W. Take the next frame, without copying its payload. False: there is none.
 * *why is NFVD_PASS, or the reason to drop it (then *f is not valid).
 * At most NFVD_BURST frames before they are given back.
 */
bool nfvd_ring_take(struct nfvd_packet_ring *r, struct nfvd_frame *f, enum nfvd_drop *why);

/* W. Give the first n of the slots that are taken back to the kernel; the others will be taken again. */
void nfvd_ring_done(struct nfvd_packet_ring *r, unsigned int n);

/*
 * The frame in a slot: its virtio_net_hdr and headers copied, with the VLAN tag
 * that the kernel took off back where it was on the wire; f->iov is *rest.
 * NFVD_PASS or why not.
 */
enum nfvd_drop nfvd_ring_frame(uint8_t *slot, struct nfvd_frame *f, struct iovec *rest);

#endif
