/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksum and segmentation requests: checking them, and whether a receiver can
 * take a frame with what is left to do. What it cannot take is finished here
 * (checksums) and in cut.h (segmentation), and delivered.
 *
 * A request is checked against the private header only. Summing or cutting
 * reads the payload at the origin; if its owner changes it meanwhile, the
 * receiver sees a bad checksum, as it would have from the wire.
 *
 * A virtio_net_hdr knows one kind of checksum, the Internet's, and segments of
 * TCP and UDP. Sockets of Linux leave more to a device, and a packet socket's
 * ring then tells half of it:
 *
 *	SCTP				"a checksum at 8" means its CRC32c
 *	TCP or UDP in a tunnel		the request tells of the inner headers only; each
 *	(VXLAN, Geneve, GRE, IPIP, ...)	segment needs outer ones of its own
 *
 * Both are recognised and always finished, but for a frame that the kernel module
 * hands on as the skb that it is (NFVD_ACCEPT_SKB).
 */
#ifndef NFVD_OFFLOAD_H
#define NFVD_OFFLOAD_H

#include <stdbool.h>
#include "switch/drop.h"
#include "switch/frame.h"
#include "switch/port.h"

#define NFVD_MSS_MIN		48	/* of TCP; Linux takes and makes no smaller one */
#define NFVD_UDP_SEGS_MAX	128	/* as Linux */
#define NFVD_HEADERS_MAX	256	/* bytes of headers: IPv6 in VXLAN in IPv6, tags, TCP options */
#define NFVD_GSO_UDP_L4		5	/* virtio 1.3; younger than Debian 12's headers */

/* Check f's length and requests, bring f->vnet into canonical form, set f->needs. NFVD_PASS or why to drop it. */
enum nfvd_drop nfvd_offload_check(struct nfvd_frame *f);

/* Frames on the wire that f, checked, stands for. */
static inline uint32_t nfvd_offload_segments(const struct nfvd_frame *f)
{
	/* hdr_len is in canonical form: where the payload begins. */
	if (f->vnet.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE || f->len <= f->vnet.hdr.hdr_len)
		return 1;
	return (f->len - f->vnet.hdr.hdr_len + f->vnet.hdr.gso_size - 1) / f->vnet.hdr.gso_size;
}

/* Is f, or the longest frame that it stands for, longer than mtu behind its Ethernet header and VLAN tags? */
bool nfvd_offload_too_long(const struct nfvd_frame *f, uint32_t mtu);

enum nfvd_fit { NFVD_FIT_AS_IS, NFVD_FIT_FINISHED, NFVD_FIT_NOT };

/* How a receiver that accepts this, with this MTU (0: none), can take f: as it is, finished, or not, for its length. */
static inline enum nfvd_fit nfvd_offload_fit(const struct nfvd_frame *f, uint32_t accepts, uint32_t mtu)
{
	if (mtu && f->len > mtu + NFVD_FRAME_MIN && nfvd_offload_too_long(f, mtu))
		return NFVD_FIT_NOT;
	return f->needs & ~accepts ? NFVD_FIT_FINISHED : NFVD_FIT_AS_IS;
}

/* Room for a frame whose checksum does not lie in its private header. */
struct nfvd_sum_room {
	uint8_t field[4];
	struct iovec iov[NFVD_IOV_MAX + 2];
};

/*
 * Complete the partial checksum of f: in its private header, or in room, of which f is then made in part. The payload
 * is read, and stays as it is.
 */
void nfvd_offload_checksum(struct nfvd_frame *f, struct nfvd_sum_room *room);

/* Where the headers of a TCP or UDP frame lie, in bytes from its start; of a tunnel the inner ones, and the outer. */
struct nfvd_layout {
	bool v6, udp, tunnel, outer_v6;
	uint8_t outer_protocol;
	unsigned int l3, l4, payload;
	unsigned int outer_l3, outer_l4;
};

enum nfvd_read { NFVD_READ_OK, NFVD_READ_MORE, NFVD_READ_BAD };

/*
 * Find the headers of f, which asks to be cut, in its first n bytes h. MORE: they are longer than n. BAD: they
 * contradict the request.
 */
enum nfvd_read nfvd_layout_read(const struct nfvd_frame *f, const uint8_t *h, unsigned int n, struct nfvd_layout *t);

/* Copy up to n bytes of f, from off on; returns how many there were. */
unsigned int nfvd_frame_read(const struct nfvd_frame *f, uint32_t off, void *to, unsigned int n);

/*
 * The vectors of n bytes of iov[iov_n] from cursor (*i, *off) on, which moves behind them. Returns how many,
 * or 0 if the bytes or pool_n do not suffice.
 */
unsigned int nfvd_iov_slice(const struct iovec *iov, unsigned int iov_n, unsigned int *i, size_t *off, size_t n,
			    struct iovec *pool, unsigned int pool_n);

/* One's complement sum over vectors, carried on from sum; *odd: whether an odd number of bytes came before. */
uint32_t nfvd_iov_sum(const struct iovec *iov, unsigned int iov_n, uint32_t sum, bool *odd);
static inline uint16_t nfvd_sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

#endif
