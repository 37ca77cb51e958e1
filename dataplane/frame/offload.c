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

/* ---- headers ---- */

/* The network header's offset and ethertype (network order), behind up to two VLAN tags; n if it is not in n bytes. */
static unsigned int l3_offset(const uint8_t *h, unsigned int n, uint16_t *type)
{
	unsigned int off = 12;

	for (int tags = 0;; tags++) {
		if (off + 2 > n)
			return n;
		memcpy(type, h + off, 2);
		if (tags == 2 || (*type != htons(ETH_P_8021Q) && *type != htons(ETH_P_8021AD)))
			return off + 2;
		off += 4;
	}
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS;
}

/* What follows the IP header at l3: its protocol and where it begins. */
static enum nfvd_read ip_end(const uint8_t *h, unsigned int n, unsigned int l3, bool v6, unsigned int *l4,
			     uint8_t *protocol)
{
	if (l3 + (v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr)) > n)
		return NFVD_READ_MORE;
	if (h[l3] >> 4 != (v6 ? 6 : 4) || (!v6 && (h[l3] & 0xf) < 5))
		return NFVD_READ_BAD;
	if (!v6) {
		*protocol = h[l3 + 9];
		*l4 = l3 + (h[l3] & 0xf) * 4u;
		return NFVD_READ_OK;
	}
	*protocol = h[l3 + 6];
	*l4 = l3 + sizeof(struct ip6_hdr);
	while (is_extension(*protocol)) {
		if (*l4 + 2 > n)
			return NFVD_READ_MORE;
		*protocol = h[*l4];
		*l4 += (h[*l4 + 1] + 1) * 8u;
	}
	return NFVD_READ_OK;
}

/* Return whether ip is an IPv4 header of len bytes, with this protocol, for a packet of `packet` bytes. */
static bool is_ipv4(const uint8_t *ip, unsigned int len, uint32_t packet, uint8_t protocol)
{
	return ip[0] == (0x40 | len / 4) && ip[9] == protocol && (uint32_t)(ip[2] << 8 | ip[3]) == packet &&
	       rte_raw_cksum(ip, len) == 0xffff;
}

/*
 * Find the IP header that ends where the transport header of this protocol begins, somewhere behind from. The kind of
 * the tunnel does not matter. The header is recognised by the length of its packet, and by its checksum (IPv4) or its
 * lack of options (IPv6).
 */
static bool inner_ip(const uint8_t *h, uint32_t total, unsigned int from, unsigned int l4, uint8_t protocol,
		     struct nfvd_layout *t)
{
	for (unsigned int len = 20; len <= 60 && from + len <= l4; len += 4)
		if (is_ipv4(h + l4 - len, len, total - (l4 - len), protocol)) {
			t->v6 = false;
			t->l3 = l4 - len;
			return true;
		}
	t->v6 = true;
	t->l3 = l4 - sizeof(struct ip6_hdr);
	return from + sizeof(struct ip6_hdr) <= l4 && h[t->l3] >> 4 == 6 && h[t->l3 + 6] == protocol &&
	       (uint32_t)(h[t->l3 + 4] << 8 | h[t->l3 + 5]) == total - l4;
}

static bool is_tunnel(uint8_t protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_GRE || protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
}

/* Find the network headers before the transport header of this protocol, which begins at csum_start. */
static enum nfvd_read read_network(const struct nfvd_frame *f, const uint8_t *h, unsigned int n, uint8_t protocol,
				   struct nfvd_layout *t)
{
	uint16_t type = 0;
	unsigned int l3 = l3_offset(h, n, &type), end;
	enum nfvd_read ret;
	uint8_t found;
	bool v6;

	*t = (struct nfvd_layout){ .l4 = f->vnet.hdr.csum_start };
	if (l3 == n)
		return n < f->len ? NFVD_READ_MORE : NFVD_READ_BAD;
	v6 = type == htons(ETH_P_IPV6);
	if (!v6 && type != htons(ETH_P_IP))
		return NFVD_READ_BAD;
	ret = ip_end(h, n, l3, v6, &end, &found);
	if (ret != NFVD_READ_OK)
		return ret;
	if (end == t->l4) {
		t->v6 = v6;
		t->l3 = l3;
		return found == protocol ? NFVD_READ_OK : NFVD_READ_BAD;
	}
	if (end > t->l4 || !is_tunnel(found))
		return NFVD_READ_BAD;
	if (t->l4 > n)
		return NFVD_READ_MORE;
	t->tunnel = true;
	t->outer_v6 = v6;
	t->outer_l3 = l3;
	t->outer_l4 = end;
	t->outer_protocol = found;
	return inner_ip(h, f->len, end, t->l4, protocol, t) ? NFVD_READ_OK : NFVD_READ_BAD;
}

enum nfvd_read nfvd_layout_read(const struct nfvd_frame *f, const uint8_t *h, unsigned int n, struct nfvd_layout *t)
{
	bool udp = f->vnet.hdr.gso_type == NFVD_GSO_UDP_L4;
	enum nfvd_read ret = read_network(f, h, n, udp ? IPPROTO_UDP : IPPROTO_TCP, t);

	if (ret == NFVD_READ_OK) {
		t->udp = udp;
		t->payload = t->l4 + (udp ? sizeof(struct udphdr) : sizeof(struct tcphdr));
		if (!udp && t->payload <= n)
			t->payload = t->l4 + (h[t->l4 + 12] >> 4) * 4;
		if (!udp && t->payload < t->l4 + sizeof(struct tcphdr))
			return NFVD_READ_BAD;
		if (t->payload > n)
			ret = NFVD_READ_MORE;
	}
	/* More than all there is. */
	return ret == NFVD_READ_MORE && (n >= f->len || t->payload > f->len) ? NFVD_READ_BAD : ret;
}

/* ---- checking ---- */

bool nfvd_layout_plain_tunnel(const struct nfvd_layout *t, const uint8_t *h)
{
	uint16_t type = htons(t->v6 ? ETH_P_IPV6 : ETH_P_IP);

	return t->tunnel && !t->outer_v6 && t->outer_protocol == IPPROTO_UDP && !t->udp && t->outer_l3 == ETH_HLEN &&
	       t->outer_l4 == ETH_HLEN + sizeof(struct iphdr) && t->l3 == ETH_HLEN + NFVD_OUTER_LEN &&
	       /* no fragment */
	       !(h[20] & 0x3f) && !h[21] && !memcmp(h + t->l3 - sizeof(type), &type, sizeof(type));
}

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
	bool plain = false;
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
		plain = nfvd_layout_plain_tunnel(&t, f->hdr);
		break;
	case NFVD_READ_MORE:
		/*
		 * The headers are read when the frame is cut. Here it is not known what the frame is, so it counts as
		 * one in a tunnel.
		 */
		h->hdr_len = h->csum_start + (udp ? sizeof(struct udphdr) : sizeof(struct tcphdr));
		t.tunnel = true;
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
	if (t.tunnel)
		f->needs |= plain && !f->held ? NFVD_ACCEPT_TUNNEL : untold(f);
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
	return longest > mtu + l3_offset(f->hdr, f->hdr_len, &type);
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
	       read_network(f, head, n, IPPROTO_SCTP, &t) == NFVD_READ_OK;
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
