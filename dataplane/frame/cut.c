/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame/cut.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <rte_ip.h>
#include <string.h>

#define TCP_CSUM 16
#define UDP_CSUM 6
#define GRE_HAS_CSUM 0x80	/* RFC 2784 and 2890: first byte */
#define GRE_HAS_SEQ 0x10
#define BUNDLE_MAX	64	/* datagrams in one super-frame: as many as each kernel takes */
#define BUNDLE_BYTES	65000
#define BUNDLE_IOVS	800	/* of the frame; with those of the bundle below UIO_MAXIOV */
_Static_assert(BUNDLE_MAX <= NFVD_BURST, "each has a tail");

static uint16_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = v >> 8;
	p[1] = v;
}

/*
 * Return whether nfvd knows the outer header. It does not cut in a tunnel of another kind, or one whose outer header
 * numbers its packets.
 */
static bool outer_known(const struct nfvd_layout *t, const uint8_t *h)
{
	const uint8_t *l4 = h + t->outer_l4;

	switch (t->outer_protocol) {
	case IPPROTO_UDP:
		return t->outer_l4 + sizeof(struct udphdr) <= t->l3;
	case IPPROTO_GRE:
		return t->outer_l4 + (l4[0] & GRE_HAS_CSUM ? 8 : 4) <= t->l3 && !(l4[0] & GRE_HAS_SEQ) && !(l4[1] & 7);
	default:
		return true;
	}
}

/*
 * How many of the segments make one super-frame of UDP; 0: none. The module takes such as the skb that it holds: kernels
 * before 6.2 cannot make one of a virtio_net_hdr.
 */
static unsigned int bundle_of(const struct nfvd_cut *c, uint32_t accepts)
{
	const struct nfvd_layout *t = &c->t;
	uint32_t headers = t->payload - t->outer_l4 - sizeof(struct udphdr), one = headers + c->f->vnet.hdr.gso_size;
	unsigned int n = BUNDLE_BYTES / one;

	if (!t->tunnel || t->outer_protocol != IPPROTO_UDP || ~accepts & (NFVD_ACCEPT_USO | NFVD_ACCEPT_CSUM) ||
	    accepts & NFVD_ACCEPT_SKB || headers > sizeof(c->tail[0]) || c->f->iov_n > BUNDLE_IOVS || n < 2)
		return 0;
	return n < BUNDLE_MAX ? n : BUNDLE_MAX;
}

/*
 * Return how many bytes of the payload go in one super-frame, for a receiver whose program puts on the tunnel's headers; 0:
 * none. The outer checksum, if there is one, is the same for all segments of one length: what they differ in is covered by
 * the inner checksum. So the super-frame has that one, and no segment of another length. Whoever cuts it leaves that checksum
 * as it is, if nobody says that there is one; the GSO_PARTIAL of Linux relies on the same.
 */
static uint32_t whole_of(const struct nfvd_cut *c, uint32_t accepts)
{
	const struct nfvd_frame *f = c->f;
	uint32_t needs = (f->needs & ~(NFVD_ACCEPT_NEVER | NFVD_ACCEPT_SKB)) | NFVD_ACCEPT_TUNNEL, mss = f->vnet.hdr.gso_size, n;

	if (!c->outer || needs & ~accepts || c->t.v6 != !(needs & NFVD_ACCEPT_TSO4))
		return 0;
	n = nfvd_layout_outer_sum(&c->t, c->head) ? c->payload / mss * mss : c->payload;
	return n > mss ? n : 0;
}

bool nfvd_cut_start(struct nfvd_cut *c, const struct nfvd_frame *f, uint32_t accepts, struct iovec *iov)
{
	unsigned int n = nfvd_frame_read(f, 0, c->head, sizeof(c->head)), i = 0, more;
	size_t off = 0;

	if (!f->vnet.hdr.gso_size || nfvd_layout_read(f, c->head, n, &c->t) != NFVD_READ_OK ||
	    (c->t.tunnel && !outer_known(&c->t, c->head)))
		return false;
	c->f = f;
	c->payload = f->len - c->t.payload;
	c->sent = c->n = c->frames = c->i = c->off = 0;
	c->outer = nfvd_layout_outer(&c->t, c->head);
	c->whole = whole_of(c, accepts);
	c->bundle = c->whole ? 0 : bundle_of(c, accepts);
	/* Payload bytes that came with the headers are a first vector like the others. */
	iov[0] = (struct iovec){ c->head + c->t.payload, n - c->t.payload };
	more = n - f->hdr_len;
	while (i < f->iov_n && more >= f->iov[i].iov_len)
		more -= f->iov[i++].iov_len;
	off = more;
	c->iov = iov;
	c->iov_n = 1 + nfvd_iov_slice(f->iov, f->iov_n, &i, &off, f->len - n, iov + 1, f->iov_n + 1u);
	return true;
}

/*
 * Set the length of the packet at l3, whose header ends at l4, and the fields that depend on it. index is that of the
 * segment.
 */
static void fix_ip(uint8_t *h, bool v6, unsigned int l3, unsigned int l4, uint32_t len, unsigned int index)
{
	uint16_t sum;

	if (v6) {
		put16(h + l3 + 4, len - l3 - sizeof(struct ip6_hdr));
		return;
	}
	put16(h + l3 + 2, len - l3);
	put16(h + l3 + 4, get16(h + l3 + 4) + index);
	memset(h + l3 + 10, 0, 2);
	sum = ~rte_raw_cksum(h + l3, l4 - l3);
	memcpy(h + l3 + 10, &sum, 2);
}

/* Sum of the pseudo header of the packet at l3, with n bytes of this protocol. */
static uint32_t pseudo(const uint8_t *h, bool v6, unsigned int l3, uint8_t protocol, uint32_t n)
{
	return rte_raw_cksum(h + l3 + (v6 ? 8 : 12), v6 ? 32 : 8) + htons(protocol) + htons(n);
}

/* RFC 9293 header for the segment at byte sent of the payload; CWR goes with the first, FIN and PSH with the last. */
static void fix_tcp(uint8_t *tcp, uint32_t sent, bool first, bool last)
{
	uint32_t seq;

	memcpy(&seq, tcp + 4, 4);
	seq = htonl(ntohl(seq) + sent);
	memcpy(tcp + 4, &seq, 4);
	if (!first)
		tcp[13] &= ~0x80;
	if (!last)
		tcp[13] &= ~0x09;
}

static void put_sum(uint8_t *field, uint32_t sum)
{
	uint16_t value = ~nfvd_sum_fold(sum);

	/* 0 means "none" to UDP, and is the same as 0xffff to the others. */
	if (!value)
		value = 0xffff;
	memcpy(field, &value, sizeof(value));
}

/*
 * Complete the outer headers of a segment of len bytes. The bytes from the inner transport header on sum up to the
 * complement of their pseudo header's sum, so the payload need not be summed again.
 */
static void fix_outer(const struct nfvd_layout *t, uint8_t *h, uint32_t len, uint16_t inner, unsigned int index)
{
	uint8_t *l4 = h + t->outer_l4;
	uint32_t n = len - t->outer_l4, sum = 0;
	unsigned int at = nfvd_layout_outer_sum(t, h);

	fix_ip(h, t->outer_v6, t->outer_l3, t->outer_l4, len, index);
	if (t->outer_protocol == IPPROTO_UDP) {
		put16(l4 + 4, n);
		sum = pseudo(h, t->outer_v6, t->outer_l3, IPPROTO_UDP, n);
	}
	if (!at)
		return;
	memset(h + at, 0, 2);
	put_sum(h + at, sum + rte_raw_cksum(l4, t->l4 - t->outer_l4) + (uint16_t)~inner);
}

/*
 * Make the headers h of a segment with part bytes of payload, which lie in iov. All is complete except the tunnel's
 * headers. Return the pseudo header's sum, with which the checksum began, for fix_outer().
 */
static uint16_t make_headers(const struct nfvd_cut *c, uint8_t *h, uint32_t part, const struct iovec *iov, unsigned int iov_n)
{
	const struct nfvd_layout *t = &c->t;
	uint8_t *field = h + t->l4 + (t->udp ? UDP_CSUM : TCP_CSUM);
	uint32_t len = t->payload + part, sum;
	bool odd = (t->payload - t->l4) & 1;
	uint16_t start;

	memcpy(h, c->head, t->payload);
	fix_ip(h, t->v6, t->l3, t->l4, len, c->n);
	if (t->udp)
		put16(h + t->l4 + 4, len - t->l4);
	else
		fix_tcp(h + t->l4, c->sent, !c->n, c->sent + part == c->payload);
	start = nfvd_sum_fold(pseudo(h, t->v6, t->l3, t->udp ? IPPROTO_UDP : IPPROTO_TCP, len - t->l4));
	memcpy(field, &start, sizeof(start));
	sum = rte_raw_cksum(h + t->l4, t->payload - t->l4);
	put_sum(field, nfvd_iov_sum(iov, iov_n, sum, &odd));
	return start;
}

/* Return the number of payload bytes in the next segment, and fill pool with their vectors. */
static uint32_t next_part(struct nfvd_cut *c, struct iovec *pool, unsigned int pool_n, unsigned int *iov_n)
{
	uint32_t left = c->payload - c->sent, mss = c->f->vnet.hdr.gso_size, part = left < mss ? left : mss;

	*iov_n = nfvd_iov_slice(c->iov, c->iov_n, &c->i, &c->off, part, pool, pool_n);
	return part;
}

/*
 * Make s of the headers h and of n bytes of payload, whose vectors lie in pool from `more` on: the vector before them is for
 * what does not fit into s.
 */
static void put_headers(const struct nfvd_cut *c, struct nfvd_frame *s, const uint8_t *h, uint32_t n, uint8_t *tail, struct iovec *pool,
			unsigned int iov_n)
{
	unsigned int len = c->t.payload, more = len > NFVD_HDR_MAX;

	*s = (struct nfvd_frame){ .len = len + n, .iov = pool, .iov_n = more + iov_n, .origin_copies = c->f->origin_copies };
	s->hdr_len = more ? NFVD_HDR_MAX : len;
	memcpy(s->hdr, h, s->hdr_len);
	if (more) {
		pool[0] = (struct iovec){ tail, len - NFVD_HDR_MAX };
		memcpy(tail, h + NFVD_HDR_MAX, len - NFVD_HDR_MAX);
	}
}

/* One segment. Returns how many vectors it took. */
static unsigned int cut_one(struct nfvd_cut *c, struct nfvd_frame *s, uint8_t *tail, struct iovec *pool, unsigned int pool_n)
{
	const struct nfvd_layout *t = &c->t;
	unsigned int more = t->payload > NFVD_HDR_MAX, used;
	uint32_t part = next_part(c, pool + more, pool_n - more, &used);
	uint8_t h[NFVD_HEADERS_MAX];
	uint16_t start = make_headers(c, h, part, pool + more, used);

	if (t->tunnel)
		fix_outer(t, h, t->payload + part, start, c->n);
	put_headers(c, s, h, part, tail, pool, used);
	c->sent += part;
	c->n++;
	return more + used;
}

/*
 * Make the outer headers of a super-frame with n bytes of datagrams. Whoever cuts it later cuts each bytes at a time.
 */
static void bundle_headers(const struct nfvd_cut *c, struct nfvd_frame *s, uint32_t n, uint16_t each, unsigned int index)
{
	const struct nfvd_layout *t = &c->t;
	uint8_t *udp = s->hdr + t->outer_l4;
	uint16_t sum;

	s->hdr_len = t->outer_l4 + sizeof(struct udphdr);
	s->len = s->hdr_len + n;
	memcpy(s->hdr, c->head, s->hdr_len);
	fix_ip(s->hdr, t->outer_v6, t->outer_l3, t->outer_l4, s->len, index);
	put16(udp + 4, s->len - t->outer_l4);
	sum = nfvd_sum_fold(pseudo(s->hdr, t->outer_v6, t->outer_l3, IPPROTO_UDP, s->len - t->outer_l4));
	memcpy(udp + UDP_CSUM, &sum, sizeof(sum));
	s->vnet.hdr = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = NFVD_GSO_UDP_L4,
					       .hdr_len = s->hdr_len, .gso_size = each, .csum_start = t->outer_l4,
					       .csum_offset = UDP_CSUM };
	s->needs = NFVD_ACCEPT_CSUM | NFVD_ACCEPT_USO;
}

/* The next segments in one frame. */
static void cut_bundle(struct nfvd_cut *c, struct nfvd_frame *s, struct iovec *pool, unsigned int pool_n)
{
	unsigned int before = c->t.outer_l4 + sizeof(struct udphdr), own = c->t.payload - before, used = 0, first = c->n, iov_n;
	uint8_t h[NFVD_HEADERS_MAX];
	uint32_t bytes = 0;

	while (c->n - first < c->bundle && c->sent < c->payload) {
		uint8_t *tail = c->tail[c->n - first];
		uint32_t part = next_part(c, pool + used + 1, pool_n - used - 1, &iov_n);

		make_headers(c, h, part, pool + used + 1, iov_n);
		memcpy(tail, h + before, own);
		pool[used] = (struct iovec){ tail, own };
		used += 1 + iov_n;
		bytes += own + part;
		c->sent += part;
		c->n++;
	}
	*s = (struct nfvd_frame){ .iov = pool, .iov_n = used, .origin_copies = c->f->origin_copies };
	bundle_headers(c, s, bytes, own + c->f->vnet.hdr.gso_size, first);
}

/* Set the lengths in the headers h for n bytes of payload. Return the sum of the inner pseudo header. */
static uint16_t fix_inner(const struct nfvd_cut *c, uint8_t *h, uint32_t n)
{
	const struct nfvd_layout *t = &c->t;
	uint32_t len = t->payload + n;

	fix_ip(h, t->v6, t->l3, t->l4, len, 0);
	return nfvd_sum_fold(pseudo(h, t->v6, t->l3, IPPROTO_TCP, len - t->l4));
}

/* As many segments as go in one super-frame of TCP in the tunnel. */
static void make_whole(struct nfvd_cut *c, struct nfvd_frame *s, struct iovec *pool, unsigned int pool_n)
{
	const struct nfvd_layout *t = &c->t;
	unsigned int more = t->payload > NFVD_HDR_MAX, at = nfvd_layout_outer_sum(t, c->head), iov_n;
	uint32_t mss = c->f->vnet.hdr.gso_size;
	uint8_t h[NFVD_HEADERS_MAX], one[NFVD_HEADERS_MAX];
	uint16_t start;

	memcpy(h, c->head, t->payload);
	memcpy(one, c->head, t->payload);
	start = fix_inner(c, h, c->whole);
	memcpy(h + t->l4 + TCP_CSUM, &start, sizeof(start));
	fix_tcp(h + t->l4, 0, true, c->whole == c->payload);
	fix_outer(t, h, t->payload + c->whole, start, 0);
	start = fix_inner(c, one, mss);
	fix_outer(t, one, t->payload + mss, start, 0);
	if (at)
		memcpy(h + at, one + at, sizeof(start));
	iov_n = nfvd_iov_slice(c->iov, c->iov_n, &c->i, &c->off, c->whole, pool + more, pool_n - more);
	put_headers(c, s, h, c->whole, c->tail[0], pool, iov_n);
	s->vnet.hdr = c->f->vnet.hdr;
	s->vnet.hdr.hdr_len = t->payload;
	s->outer = c->outer;
	s->needs = (c->f->needs & ~(NFVD_ACCEPT_NEVER | NFVD_ACCEPT_SKB)) | NFVD_ACCEPT_TUNNEL;
	c->sent = c->whole;
	c->n = (c->whole + mss - 1) / mss;
}

unsigned int nfvd_cut_next(struct nfvd_cut *c, struct nfvd_frame *segs, unsigned int max, struct iovec *pool,
			   unsigned int pool_n)
{
	uint32_t mss = c->f->vnet.hdr.gso_size;
	unsigned int n = 0, used = 0;

	if (c->whole && !c->sent) {
		make_whole(c, segs, pool, pool_n);
		c->frames++;
		return 1;
	}
	/* One datagram is no super-frame. */
	if (c->bundle && c->payload - c->sent > mss) {
		cut_bundle(c, segs, pool, pool_n);
		c->frames++;
		return 1;
	}
	/* A frame without payload is one segment. */
	for (; n < max && (c->sent < c->payload || !c->n); n++)
		used += cut_one(c, &segs[n], c->tail[n], pool + used, pool_n - used);
	c->frames += n;
	return n;
}
