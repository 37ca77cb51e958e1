/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame, still lying where its sender left it.
 *
 *	        private (this struct)                    at the origin
 *	┌───────────────┬──────────────────┐      ┌──────────────────────────┐
 *	│ virtio_net_hdr│ hdr[0..hdr_len)  │ ───► │ iov[0..iov_n): the rest  │
 *	└───────────────┴──────────────────┘      └──────────────────────────┘
 *
 * The switch decides on hdr[] and delivers that same hdr[]. It never reads these bytes at the origin again. The rest
 * moves once, from iov[] to the destination. iov[] may point into memory that its owner changes at any time, so
 * no decision may depend on it.
 *
 * A frame that the kernel module holds has a handle instead of iov[]. Its bytes behind hdr[] are in the kernel, and
 * need not come into this process.
 */
#ifndef NFVD_FRAME_H
#define NFVD_FRAME_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <linux/virtio_net.h>

#define NFVD_HDR_MAX	128	/* bytes of private header copy */
#define NFVD_TAG_LEN	4	/* a VLAN tag */
#define NFVD_BURST	64	/* frames that one poll of one queue takes at most */
#define NFVD_BURST_BYTES (1 << 20)	/* after so many the poll ends, so that other queues get their turn */
#define NFVD_FRAME_MAX	65562	/* bytes: a 64 KiB super-frame, Ethernet header, two VLAN tags */
#define NFVD_FRAME_MIN	14	/* bytes: an Ethernet header */
#define NFVD_IOV_MAX	1000	/* I/O vectors of one frame; below UIO_MAXIOV, so that sendmsg takes it */

struct nfvd_frame {
	uint32_t len;			/* bytes of the frame, Ethernet header on, no virtio_net_hdr */
	uint16_t hdr_len;		/* bytes in hdr[]: min(len, NFVD_HDR_MAX), and a tag that was added */
	uint16_t iov_n;			/* iov[] holds exactly the bytes hdr_len..len; 0 while nfvd_in_kernel() */
	bool held;			/* the module holds the frame: handle is valid */
	bool flooded;			/* it has more than one destination */
	uint16_t tap;			/* switch/tap.h; set only while somebody captures */
	uint8_t origin_copies;		/* copies that brought the payload to iov[]: 0 for guest memory */
	uint16_t outer;			/* nfvd_layout_outer(); valid if it needs NFVD_ACCEPT_TUNNEL */
	uint32_t needs;			/* NFVD_ACCEPT_* that a receiver needs for it; set by nfvd_offload_check() */
	const struct iovec *iov;
	uint64_t handle;		/* <linux/nfv.h>; until the source's rx_done */
	/* The two below are adjacent on purpose: one memcpy delivers both. */
	struct virtio_net_hdr_mrg_rxbuf vnet;	/* little-endian; num_buffers is the receiver's */
	uint8_t hdr[NFVD_HDR_MAX + NFVD_TAG_LEN];	/* with room for a tag that a policy adds */
};

/* Return whether type, where an EtherType is, is that of a VLAN tag. */
static inline bool nfvd_is_tag(const uint8_t *type)
{
	uint16_t t;

	memcpy(&t, type, sizeof(t));
	return t == htons(ETH_P_8021Q) || t == htons(ETH_P_8021AD);
}

/* Return whether only the kernel can reach the payload. */
static inline bool nfvd_in_kernel(const struct nfvd_frame *f)
{
	return f->held && !f->iov_n && f->len > f->hdr_len;
}

_Static_assert(offsetof(struct nfvd_frame, hdr) - offsetof(struct nfvd_frame, vnet) == 12,
	       "vnet and hdr must be adjacent");

#endif
