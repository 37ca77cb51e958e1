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
 * Why this way of reading: README.packet-io.md.
 */
#ifndef NFVD_PACKET_RING_H
#define NFVD_PACKET_RING_H

#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdint.h>
#include "drop.h"
#include "frame.h"

#define NFVD_RING_SLOT		66048		/* bytes: the largest frame, its virtio_net_hdr, 100 of the kernel's */
#define NFVD_RING_BLOCK		(2u << 20)	/* bytes that the kernel takes in one piece, if it can */
#define NFVD_RING_PER_BLOCK	(NFVD_RING_BLOCK / NFVD_RING_SLOT)
#define NFVD_RING_BLOCKS	4
#define NFVD_RING_SLOTS		(NFVD_RING_PER_BLOCK * NFVD_RING_BLOCKS)

struct nfvd_packet_ring {
	uint8_t *mem;			/* NULL: not mapped */
	unsigned int next, taken;	/* slot to look at; slots before it that are taken and not given back */
	struct iovec rest[NFVD_BURST];
};

/* C. Give the socket a ring and map it. Before bind(). 0 or -errno. */
int nfvd_ring_map(struct nfvd_packet_ring *r, int sock);
void nfvd_ring_unmap(struct nfvd_packet_ring *r);

/*
 * W. Take the next frame, without copying its payload. False: there is none.
 * *why is NFVD_N_REASONS, or the reason to drop it (then *f is not valid).
 * At most NFVD_BURST frames before they are given back.
 */
bool nfvd_ring_take(struct nfvd_packet_ring *r, struct nfvd_frame *f, enum nfvd_drop *why);

/* W. Give the first n of the slots that are taken back to the kernel; the others will be taken again. */
void nfvd_ring_done(struct nfvd_packet_ring *r, unsigned int n);

/*
 * The frame in a slot: its virtio_net_hdr and headers copied, with the VLAN tag
 * that the kernel took off back where it was on the wire; f->iov is *rest.
 * NFVD_N_REASONS or why not.
 */
enum nfvd_drop nfvd_ring_frame(uint8_t *slot, struct nfvd_frame *f, struct iovec *rest);

#endif
