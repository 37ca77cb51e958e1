/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksum and segmentation requests: check them, and decide whether a receiver can take a frame with the work that
 * is left. If it cannot, the work is done here (checksums) or in cut.h (segmentation) before delivery.
 *
 * A request is checked against the private header only. Summing or cutting reads the payload at the origin. If its
 * owner changes the payload meanwhile, the receiver sees a bad checksum, as it would from the wire.
 *
 * A virtio_net_hdr expresses one kind of checksum, the Internet's, and segments of TCP and UDP. Sockets of Linux
 * leave more work to a device, and a packet socket's ring then describes only half of it:
 *
 *	SCTP				"a checksum at 8" means its CRC32c
 *	TCP or UDP in a tunnel		the request describes the inner headers only; each
 *	(VXLAN, Geneve, GRE, IPIP, ...)	segment needs outer headers of its own
 *
 * Both are recognised and always finished, except where the kernel module passes on the skb itself
 * (NFVD_ACCEPT_SKB), or a device's own program puts an outer header on (NFVD_ACCEPT_TUNNEL).
 */
#ifndef NFVD_OFFLOAD_H
#define NFVD_OFFLOAD_H

#include <stdbool.h>
#include "frame/drop.h"
#include "frame/frame.h"
#include "frame/layout.h"

/* The unfinished work that a receiver accepts; nfvd computes or segments the rest. */
#define NFVD_ACCEPT_CSUM	(1u << 0)	/* partial checksums */
#define NFVD_ACCEPT_TSO4	(1u << 1)
#define NFVD_ACCEPT_TSO6	(1u << 2)
#define NFVD_ACCEPT_ECN		(1u << 3)	/* TSO with ECN */
#define NFVD_ACCEPT_USO		(1u << 4)	/* UDP segmentation: kernel devices only */
#define NFVD_ACCEPT_KERNEL	(1u << 5)	/* frames whose payload the kernel module holds */
#define NFVD_ACCEPT_SKB		(1u << 6)	/* skbs that the module passes on as they are, with all that an skb can express */
#define NFVD_ACCEPT_ALL		0x7fu
#define NFVD_ACCEPT_TUNNEL	(1u << 8)	/* TCP in a tunnel, see nfvd_layout_outer() */
#define NFVD_ACCEPT_NEVER	(1u << 7)	/* what no virtio_net_hdr can express: no receiver accepts it */

#define NFVD_MSS_MIN		48	/* of TCP; Linux takes and makes no smaller one */
#define NFVD_UDP_SEGS_MAX	128	/* as Linux */

/* Check f's length and requests, bring f->vnet into canonical form, set f->needs. Return NFVD_PASS, or why to drop f. */
enum nfvd_drop nfvd_offload_check(struct nfvd_frame *f);

/* Return how many frames on the wire the checked frame f stands for. */
static inline uint32_t nfvd_offload_segments(const struct nfvd_frame *f)
{
	/* hdr_len is in canonical form: where the payload begins. */
	if (f->vnet.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE || f->len <= f->vnet.hdr.hdr_len)
		return 1;
	return (f->len - f->vnet.hdr.hdr_len + f->vnet.hdr.gso_size - 1) / f->vnet.hdr.gso_size;
}

/* Return how many bytes these are: each has f's headers. */
static inline uint64_t nfvd_offload_wire_bytes(const struct nfvd_frame *f)
{
	return f->len + (nfvd_offload_segments(f) - 1ull) * f->vnet.hdr.hdr_len;
}

/* Return whether f, or the longest segment of it, has more than mtu bytes behind Ethernet header and VLAN tags. */
bool nfvd_offload_too_long(const struct nfvd_frame *f, uint32_t mtu);

enum nfvd_fit { NFVD_FIT_AS_IS, NFVD_FIT_FINISHED, NFVD_FIT_NOT };

/* Return how a receiver can take f, by what it accepts and its MTU (0: none): as it is, finished, or not at all. */
static inline enum nfvd_fit nfvd_offload_fit(const struct nfvd_frame *f, uint32_t accepts, uint32_t mtu)
{
	if (mtu && f->len > mtu + NFVD_FRAME_MIN && nfvd_offload_too_long(f, mtu))
		return NFVD_FIT_NOT;
	return f->needs & ~accepts ? NFVD_FIT_FINISHED : NFVD_FIT_AS_IS;
}

/* Memory for a frame whose checksum does not lie in its private header. */
struct nfvd_sum_room {
	uint8_t field[4];
	struct iovec iov[NFVD_IOV_MAX + 2];
};

/*
 * Complete the partial checksum of f, in its private header or in room, which then becomes a part of f. The payload is
 * read and not changed.
 */
void nfvd_offload_checksum(struct nfvd_frame *f, struct nfvd_sum_room *room);

/* Copy up to n bytes of f, from off on. Return how many there were. */
unsigned int nfvd_frame_read(const struct nfvd_frame *f, uint32_t off, void *to, unsigned int n);

/*
 * Fill pool with the vectors of n bytes of iov[iov_n], from cursor (*i, *off) on, and move the cursor behind them.
 * Return the number of vectors, or 0 if the bytes or pool_n do not suffice.
 */
unsigned int nfvd_iov_slice(const struct iovec *iov, unsigned int iov_n, unsigned int *i, size_t *off, size_t n,
			    struct iovec *pool, unsigned int pool_n);

/* Return the one's complement sum over vectors, continued from sum. *odd: an odd number of bytes came before. */
uint32_t nfvd_iov_sum(const struct iovec *iov, unsigned int iov_n, uint32_t sum, bool *odd);
static inline uint16_t nfvd_sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

#endif
