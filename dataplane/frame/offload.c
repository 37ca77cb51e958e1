/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame/offload.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <rte_branch_prediction.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <string.h>

#define TCP_CSUM_OFFSET 16
#define UDP_CSUM_OFFSET 6
#define SCTP_CSUM_OFFSET 8

/* ---- checking ---- */

/* Return the feature that a receiver needs if the virtio_net_hdr cannot describe the work that is left. */
static uint32_t untold(const struct nfvd_frame *f)
{
	return f->held ? NFVD_ACCEPT_SKB : NFVD_ACCEPT_NEVER;
}

static enum nfvd_drop check_gso(struct nfvd_frame *f)
{
	struct virtio_net_hdr_v1 *h = (struct virtio_net_hdr_v1 *)&f->vnet;
	uint8_t type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	bool udp = h->gso_type == NFVD_GSO_UDP_L4;
	bool program = false;
	struct nfvd_layout t;

	if (type == VIRTIO_NET_HDR_GSO_NONE || !h->gso_size || !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return NFVD_DROP_BAD_GSO;
	if (type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6 && !udp)
		return NFVD_DROP_GSO_UNSUP;
	if (h->csum_start > NFVD_HEADERS_MAX || h->csum_offset != (udp ? UDP_CSUM_OFFSET : TCP_CSUM_OFFSET))
		return NFVD_DROP_BAD_GSO;
	switch (nfvd_layout_read(f, f->hdr, f->hdr_len, &t)) {
	case NFVD_READ_OK:
		if (!udp && t.v6 != (type == VIRTIO_NET_HDR_GSO_TCPV6))
			return NFVD_DROP_BAD_GSO;
		h->hdr_len = t.payload;
		f->outer = nfvd_layout_outer(&t, f->hdr);
		/* The outer checksum has to be that of the segments: cut.h. */
		program = f->outer && !f->held && !nfvd_layout_outer_sum(&t, f->hdr);
		break;
	case NFVD_READ_MORE:
		/*
		 * The headers are read when the frame is cut. Here it is not known what the frame is, so it counts as
		 * one in a tunnel.
		 */
		h->hdr_len = h->csum_start + (udp ? sizeof(struct udphdr) : sizeof(struct tcphdr));
		t.tunnel = true;	/* whatever precedes its headers */
		break;
	case NFVD_READ_BAD:
		return NFVD_DROP_BAD_GSO;
	}
	/*
	 * Limit the number of segments, because each is a frame to make and to deliver. With a few bytes each there
	 * would be thousands.
	 */
	if (udp ? nfvd_offload_segments(f) > NFVD_UDP_SEGS_MAX : h->gso_size < NFVD_MSS_MIN)
		return NFVD_DROP_BAD_GSO;
	f->needs |= udp ? NFVD_ACCEPT_USO : type == VIRTIO_NET_HDR_GSO_TCPV4 ? NFVD_ACCEPT_TSO4 : NFVD_ACCEPT_TSO6;
	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		f->needs |= NFVD_ACCEPT_ECN;
	if (t.tunnel || t.labels)
		f->needs |= program ? NFVD_ACCEPT_TUNNEL : untold(f);
	return NFVD_PASS;
}

static enum nfvd_drop check_csum(struct nfvd_frame *f)
{
	struct virtio_net_hdr_v1 *h = (struct virtio_net_hdr_v1 *)&f->vnet;

	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->needs = NFVD_ACCEPT_CSUM;
	if (h->csum_start < NFVD_FRAME_MIN || (uint32_t)h->csum_start + h->csum_offset + 2 > f->len)
		return NFVD_DROP_BAD_CSUM;
	/* Nobody else has a sum there. */
	if (h->csum_offset == SCTP_CSUM_OFFSET)
		f->needs |= untold(f);
	return NFVD_PASS;
}

enum nfvd_drop nfvd_offload_check(struct nfvd_frame *f)
{
	struct virtio_net_hdr_v1 *h = (struct virtio_net_hdr_v1 *)&f->vnet;
	enum nfvd_drop why;

	if (unlikely(f->len < NFVD_FRAME_MIN))
		return NFVD_DROP_RUNT;
	if (unlikely(f->len > NFVD_FRAME_MAX))
		return NFVD_DROP_OVERSIZE;
	f->needs = 0;
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID;
	if (likely(!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))) {
		h->csum_start = h->csum_offset = 0;
	} else {
		why = check_csum(f);
		if (unlikely(why != NFVD_PASS))
			return why;
	}
	if (unlikely(h->gso_type != VIRTIO_NET_HDR_GSO_NONE))
		return check_gso(f);
	h->gso_size = h->hdr_len = 0;
	return NFVD_PASS;
}

bool nfvd_offload_too_long(const struct nfvd_frame *f, uint32_t mtu)
{
	uint32_t longest = f->vnet.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE ? f->len :
			   (uint32_t)f->vnet.hdr.hdr_len + f->vnet.hdr.gso_size;
	uint16_t type;

	if (longest > f->len)
		longest = f->len;
	return longest > mtu + nfvd_layout_l3(f->hdr, f->hdr_len, &type);
}

/* ---- summing ---- */

unsigned int nfvd_frame_read(const struct nfvd_frame *f, uint32_t off, void *to, unsigned int n)
{
	unsigned int done = 0;

	if (off < f->hdr_len) {
		done = f->hdr_len - off < n ? f->hdr_len - off : n;
		memcpy(to, f->hdr + off, done);
	}
	off = off < f->hdr_len ? 0 : off - f->hdr_len;
	for (unsigned int i = 0; i < f->iov_n && done < n; i++) {
		size_t part = f->iov[i].iov_len;

		if (off >= part) {
			off -= part;
			continue;
		}
		part -= off;
		if (part > n - done)
			part = n - done;
		memcpy((uint8_t *)to + done, (uint8_t *)f->iov[i].iov_base + off, part);
		done += part;
		off = 0;
	}
	return done;
}

unsigned int nfvd_iov_slice(const struct iovec *iov, unsigned int iov_n, unsigned int *i, size_t *off, size_t n,
			    struct iovec *pool, unsigned int pool_n)
{
	unsigned int used = 0;

	while (n && *i < iov_n && used < pool_n) {
		size_t part = iov[*i].iov_len - *off;

		if (part > n)
			part = n;
		pool[used++] = (struct iovec){ (uint8_t *)iov[*i].iov_base + *off, part };
		n -= part;
		*off += part;
		if (*off == iov[*i].iov_len) {
			(*i)++;
			*off = 0;
		}
	}
	return n ? 0 : used;
}

uint32_t nfvd_iov_sum(const struct iovec *iov, unsigned int iov_n, uint32_t sum, bool *odd)
{
	for (unsigned int i = 0; i < iov_n; i++) {
		uint16_t part = rte_raw_cksum(iov[i].iov_base, iov[i].iov_len);

		sum += *odd ? __builtin_bswap16(part) : part;
		*odd ^= iov[i].iov_len & 1;
	}
	return sum;
}

/*
 * Bytes [at, at + n) of f are in room afterwards, and those before them, from hdr_len on, as well as those behind
 * where they were.
 */
static void reach(struct nfvd_frame *f, uint32_t at, unsigned int n, struct nfvd_sum_room *room)
{
	uint32_t before, behind = f->len - at - n;
	unsigned int i = 0, used = 0;
	size_t off = 0;

	nfvd_frame_read(f, at, room->field, n);
	if (at < f->hdr_len) {
		off = at + n - f->hdr_len;
		f->hdr_len = at;
		/* The rest of the field, wherever it lies. */
		while (i < f->iov_n && off >= f->iov[i].iov_len)
			off -= f->iov[i++].iov_len;
	} else {
		before = at - f->hdr_len;
		used = nfvd_iov_slice(f->iov, f->iov_n, &i, &off, before, room->iov, NFVD_IOV_MAX + 1);
		for (off += n; i < f->iov_n && off >= f->iov[i].iov_len; i++)
			off -= f->iov[i].iov_len;
	}
	room->iov[used++] = (struct iovec){ room->field, n };
	used += nfvd_iov_slice(f->iov, f->iov_n, &i, &off, behind, room->iov + used, NFVD_IOV_MAX + 2 - used);
	f->iov = room->iov;
	f->iov_n = used;
}

/* Return whether an SCTP header begins at csum_start. Its CRC has 4 bytes. */
static bool is_sctp(const struct nfvd_frame *f)
{
	uint8_t head[NFVD_HEADERS_MAX];
	unsigned int n = nfvd_frame_read(f, 0, head, sizeof(head));
	struct nfvd_layout t;

	return f->vnet.hdr.csum_offset == SCTP_CSUM_OFFSET && f->vnet.hdr.csum_start + SCTP_CSUM_OFFSET + 4u <= f->len &&
	       nfvd_layout_network(f, head, n, IPPROTO_SCTP, &t) == NFVD_READ_OK;
}

/* rte_hash_crc() wants its bytes aligned. */
static uint32_t crc32c(const uint8_t *p, size_t n, uint32_t crc)
{
	uint64_t word;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		crc = rte_hash_crc_8byte(word, crc);
	}
	while (n--)
		crc = rte_hash_crc_1byte(*p++, crc);
	return crc;
}

/* Return the sum of the Internet checksum or, for SCTP, the CRC32c of f, from the byte at start on. */
static uint32_t digest(const struct nfvd_frame *f, uint32_t start, bool crc)
{
	uint32_t skip = start < f->hdr_len ? 0 : start - f->hdr_len, sum = crc ? ~0u : 0;
	bool odd = false;

	for (int i = start < f->hdr_len ? -1 : 0; i < f->iov_n; i++) {
		struct iovec part = i < 0 ? (struct iovec){ (void *)(uintptr_t)(f->hdr + start), f->hdr_len - start } : f->iov[i];

		if (skip >= part.iov_len) {
			skip -= part.iov_len;
			continue;
		}
		part.iov_base = (uint8_t *)part.iov_base + skip;
		part.iov_len -= skip;
		skip = 0;
		sum = crc ? crc32c(part.iov_base, part.iov_len, sum) : nfvd_iov_sum(&part, 1, sum, &odd);
	}
	return sum;
}

void nfvd_offload_checksum(struct nfvd_frame *f, struct nfvd_sum_room *room)
{
	uint32_t start = f->vnet.hdr.csum_start, at = start + f->vnet.hdr.csum_offset, sum;
	bool sctp = is_sctp(f);
	unsigned int n = sctp ? 4 : 2;
	uint8_t *field = room->field;

	if (at + n <= f->hdr_len)
		field = f->hdr + at;
	else
		reach(f, at, n, room);
	if (sctp) {
		/* RFC 9260 appendix A: the field counts as zero, and its bytes are in x86's order. */
		memset(field, 0, n);
		sum = ~digest(f, start, true);
	} else {
		/* RFC 1071. The field holds the pseudo header's sum, so that summing it in is right. */
		sum = (uint16_t)~nfvd_sum_fold(digest(f, start, false));
		/* 0 means "none" to UDP, and is the same as 0xffff to TCP. */
		if (!sum)
			sum = 0xffff;
	}
	memcpy(field, &sum, n);
	memset(&f->vnet.hdr, 0, sizeof(f->vnet.hdr));
	f->needs = 0;
}
