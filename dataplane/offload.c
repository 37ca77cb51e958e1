/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <rte_branch_prediction.h>
#include <rte_ip.h>
#include <string.h>
#include "port.h"

#define OK NFVD_N_REASONS
#define TCP_CSUM_OFFSET 16
#define UDP_CSUM_OFFSET 6
#define GSO_UDP_L4 5	/* virtio 1.3; younger than Debian 12's headers */

/* The network header's offset and ethertype (network order), behind up to two VLAN tags. */
static unsigned int l3_offset(const struct nfvd_frame *f, uint16_t *type)
{
	unsigned int off = 12;

	for (int tags = 0; ; tags++) {
		if (off + 2 > f->hdr_len)
			return f->hdr_len;
		memcpy(type, f->hdr + off, 2);
		if (tags == 2 || (*type != htons(ETH_P_8021Q) && *type != htons(ETH_P_8021AD)))
			return off + 2;
		off += 4;
	}
}

/* The transport header begins where the checksum starts; the IP header must agree as far as it can. */
static bool layout(const struct nfvd_frame *f, struct nfvd_layout *t)
{
	uint8_t protocol;
	uint16_t type = 0;

	t->l3 = l3_offset(f, &type);
	t->l4 = f->vnet.hdr.csum_start;
	t->udp = f->vnet.hdr.gso_type == GSO_UDP_L4;
	protocol = t->udp ? IPPROTO_UDP : IPPROTO_TCP;
	if (type == htons(ETH_P_IP)) {
		t->v6 = false;
		if (t->l3 + sizeof(struct iphdr) > t->l4 || f->hdr[t->l3] >> 4 != 4 ||
		    t->l3 + (f->hdr[t->l3] & 0xf) * 4u != t->l4 || f->hdr[t->l3 + 9] != protocol)
			return false;
	} else if (type == htons(ETH_P_IPV6)) {
		t->v6 = true;
		if (t->l3 + sizeof(struct ip6_hdr) > t->l4 || f->hdr[t->l3] >> 4 != 6 ||
		    (t->l3 + sizeof(struct ip6_hdr) == t->l4 && f->hdr[t->l3 + 6] != protocol))
			return false;
	} else {
		return false;
	}
	if (t->udp) {
		t->payload = t->l4 + sizeof(struct udphdr);
		return t->payload <= f->hdr_len;
	}
	if (t->l4 + sizeof(struct tcphdr) > f->hdr_len)
		return false;
	t->payload = t->l4 + (f->hdr[t->l4 + 12] >> 4) * 4;
	return t->payload >= t->l4 + sizeof(struct tcphdr) && t->payload <= f->hdr_len;
}

static enum nfvd_drop check_gso(struct nfvd_frame *f)
{
	struct virtio_net_hdr_v1 *h = (struct virtio_net_hdr_v1 *)&f->vnet;
	uint8_t type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	struct nfvd_layout t;

	if (type == VIRTIO_NET_HDR_GSO_NONE || !h->gso_size || !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return NFVD_DROP_BAD_GSO;
	if (type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6 && h->gso_type != GSO_UDP_L4)
		return NFVD_DROP_GSO_UNSUP;
	if (!layout(f, &t) || h->csum_offset != (t.udp ? UDP_CSUM_OFFSET : TCP_CSUM_OFFSET) ||
	    (!t.udp && t.v6 != (type == VIRTIO_NET_HDR_GSO_TCPV6)))
		return NFVD_DROP_BAD_GSO;
	h->hdr_len = t.payload;
	/* Each segment is a frame to make and to deliver: a few bytes each would be thousands of them. */
	if (t.udp ? nfvd_offload_segments(f) > NFVD_UDP_SEGS_MAX : h->gso_size < NFVD_MSS_MIN)
		return NFVD_DROP_BAD_GSO;
	return OK;
}

enum nfvd_drop nfvd_offload_check(struct nfvd_frame *f)
{
	struct virtio_net_hdr_v1 *h = (struct virtio_net_hdr_v1 *)&f->vnet;

	if (unlikely(f->len < NFVD_FRAME_MIN))
		return NFVD_DROP_RUNT;
	if (unlikely(f->len > NFVD_FRAME_MAX))
		return NFVD_DROP_OVERSIZE;
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID;
	if (likely(!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))) {
		h->csum_start = h->csum_offset = 0;
	} else {
		/* Where the sum goes must be in the private header, since that is where we put it. */
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		if (h->csum_start < NFVD_FRAME_MIN || h->csum_start >= f->len ||
		    (uint32_t)h->csum_start + h->csum_offset + 2 > f->hdr_len)
			return NFVD_DROP_BAD_CSUM;
	}
	if (unlikely(h->gso_type != VIRTIO_NET_HDR_GSO_NONE))
		return check_gso(f);
	h->gso_size = h->hdr_len = 0;
	return OK;
}

uint32_t nfvd_offload_needs(const struct nfvd_frame *f)
{
	uint32_t needs = 0;

	if (f->vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		needs |= NFVD_ACCEPT_CSUM;
	switch (f->vnet.hdr.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		needs |= NFVD_ACCEPT_TSO4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		needs |= NFVD_ACCEPT_TSO6;
		break;
	case GSO_UDP_L4:
		needs |= NFVD_ACCEPT_USO;
		break;
	}
	if (f->vnet.hdr.gso_type & VIRTIO_NET_HDR_GSO_ECN)
		needs |= NFVD_ACCEPT_ECN;
	return needs;
}

/* One's complement sum over the bytes of f from off on, not folded to its complement. */
static uint16_t sum_from(const struct nfvd_frame *f, unsigned int off)
{
	uint32_t sum = rte_raw_cksum(f->hdr + off, f->hdr_len - off);
	bool odd = (f->hdr_len - off) & 1;

	for (unsigned int i = 0; i < f->iov_n; i++) {
		uint16_t part = rte_raw_cksum(f->iov[i].iov_base, f->iov[i].iov_len);

		sum += odd ? __builtin_bswap16(part) : part;
		odd ^= f->iov[i].iov_len & 1;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

void nfvd_offload_checksum(struct nfvd_frame *f)
{
	uint8_t *field = f->hdr + f->vnet.hdr.csum_start + f->vnet.hdr.csum_offset;
	/* The field holds the pseudo header's sum, so that summing it in is right. */
	uint16_t sum = ~sum_from(f, f->vnet.hdr.csum_start);

	/* 0 means "none" to UDP, and is the same as 0xffff to TCP. */
	if (!sum)
		sum = 0xffff;
	memcpy(field, &sum, 2);
	memset(&f->vnet.hdr, 0, sizeof(f->vnet.hdr));
}

/* The vectors of n payload bytes from cursor (*i, *off) on. Returns how many, or 0. */
static unsigned int slice(const struct nfvd_frame *f, unsigned int *i, size_t *off, size_t n,
			  struct iovec *pool, unsigned int pool_n)
{
	unsigned int used = 0;

	while (n && *i < f->iov_n && used < pool_n) {
		size_t part = f->iov[*i].iov_len - *off;

		if (part > n)
			part = n;
		pool[used++] = (struct iovec){ (uint8_t *)f->iov[*i].iov_base + *off, part };
		n -= part;
		*off += part;
		if (*off == f->iov[*i].iov_len) {
			(*i)++;
			*off = 0;
		}
	}
	return n ? 0 : used;
}

static void fix_ip(struct nfvd_frame *s, const struct nfvd_layout *t, unsigned int index)
{
	uint16_t total;

	if (t->v6) {
		total = htons(s->len - t->l3 - sizeof(struct ip6_hdr));
		memcpy(s->hdr + t->l3 + 4, &total, 2);
		return;
	}
	struct iphdr ip;

	memcpy(&ip, s->hdr + t->l3, sizeof(ip));
	ip.tot_len = htons(s->len - t->l3);
	ip.id = htons(ntohs(ip.id) + index);
	ip.check = 0;
	memcpy(s->hdr + t->l3, &ip, sizeof(ip));
	ip.check = ~rte_raw_cksum(s->hdr + t->l3, t->l4 - t->l3);
	memcpy(s->hdr + t->l3 + offsetof(struct iphdr, check), &ip.check, 2);
}

/* The checksum field starts out as the sum of the pseudo header. */
static void put_pseudo(struct nfvd_frame *s, const struct nfvd_layout *t, uint8_t protocol, unsigned int field)
{
	uint32_t sum = rte_raw_cksum(s->hdr + t->l3 + (t->v6 ? 8 : 12), t->v6 ? 32 : 8);
	uint16_t pseudo;

	sum += htons(protocol) + htons(s->len - t->l4);
	sum = (sum & 0xffff) + (sum >> 16);
	pseudo = (sum & 0xffff) + (sum >> 16);
	memcpy(s->hdr + t->l4 + field, &pseudo, 2);
}

static void fix_udp(struct nfvd_frame *s, const struct nfvd_layout *t)
{
	uint16_t len = htons(s->len - t->l4);

	memcpy(s->hdr + t->l4 + 4, &len, 2);
	put_pseudo(s, t, IPPROTO_UDP, UDP_CSUM_OFFSET);
}

/* RFC 9293 header for the segment at byte sent of the payload; CWR goes with the first, FIN and PSH with the last. */
static void fix_tcp(struct nfvd_frame *s, const struct nfvd_layout *t, uint32_t sent, bool first, bool last)
{
	uint8_t *flags = s->hdr + t->l4 + 13;
	uint32_t seq;

	memcpy(&seq, s->hdr + t->l4 + 4, 4);
	seq = htonl(ntohl(seq) + sent);
	memcpy(s->hdr + t->l4 + 4, &seq, 4);
	if (!first)
		*flags &= ~0x80;
	if (!last)
		*flags &= ~0x09;
	put_pseudo(s, t, IPPROTO_TCP, TCP_CSUM_OFFSET);
}

bool nfvd_cut_start(struct nfvd_cut *c, const struct nfvd_frame *f, struct iovec *iov)
{
	*c = (struct nfvd_cut){ .f = *f };
	if (!layout(f, &c->t) || !f->vnet.hdr.gso_size)
		return false;
	c->payload = f->len - c->t.payload;
	/* Payload bytes that came with the private header are a first vector like the others. */
	iov[0] = (struct iovec){ (void *)(uintptr_t)(f->hdr + c->t.payload), f->hdr_len - c->t.payload };
	memcpy(iov + 1, f->iov, f->iov_n * sizeof(*iov));
	c->f.iov = iov;
	c->f.iov_n = f->iov_n + 1;
	return true;
}

/* One segment of part bytes of payload. Returns how many vectors it took. */
static unsigned int cut_one(struct nfvd_cut *c, struct nfvd_frame *s, uint32_t part, struct iovec *pool, unsigned int pool_n)
{
	*s = c->f;
	s->hdr_len = c->t.payload;
	s->len = c->t.payload + part;
	s->iov = pool;
	s->iov_n = slice(&c->f, &c->i, &c->off, part, pool, pool_n);
	fix_ip(s, &c->t, c->n);
	if (c->t.udp)
		fix_udp(s, &c->t);
	else
		fix_tcp(s, &c->t, c->sent, !c->n, c->sent + part == c->payload);
	nfvd_offload_checksum(s);
	return s->iov_n;
}

unsigned int nfvd_cut_next(struct nfvd_cut *c, struct nfvd_frame *segs, unsigned int max, struct iovec *pool,
			   unsigned int pool_n)
{
	uint32_t mss = c->f.vnet.hdr.gso_size;
	unsigned int n = 0, used = 0;

	/* A frame without payload is one segment. */
	while (n < max && (c->sent < c->payload || !c->n)) {
		uint32_t left = c->payload - c->sent, part = left < mss ? left : mss;

		used += cut_one(c, &segs[n++], part, pool + used, pool_n - used);
		c->sent += part;
		c->n++;
	}
	return n;
}
