/* SPDX-License-Identifier: BSD-3-Clause */
/* Super-frames inside tunnels: checked, segmented, or passed unchanged to receivers that accept them. */
#include "offload_frames.h"

enum tunnel { VXLAN, VXLAN_CSUM, GRE, GRE_CSUMS, IPIP };

/* Put the frame of tcp_frame() into a tunnel, as its socket does: an outer checksum is left open. */
static unsigned int tunnel_frame(enum tunnel kind, bool outer_v6, bool v6, uint32_t payload)
{
	static const unsigned int lengths[] = { 8 + 8 + 14, 8 + 8 + 14, 4, 8, 0 };
	unsigned int l4 = 14 + (outer_v6 ? 40 : 20), inner = l4 + lengths[kind];
	unsigned int data = tcp_frame(v6, 0, payload), len = data - 14 + payload;
	uint8_t *ip = wire + 14, protocol = kind <= VXLAN_CSUM ? IPPROTO_UDP : kind < IPIP ? IPPROTO_GRE : v6 ? 41 : 4;
	uint16_t sum;

	put16(ip + (v6 ? 4 : 2), v6 ? len - 40 : len);
	if (!v6) {
		sum = ~rte_raw_cksum(ip, 20);
		memcpy(ip + 10, &sum, 2);
	}
	memmove(wire + inner, ip, len);
	memset(ip, 0, inner - 14);
	memcpy(wire + 12, outer_v6 ? "\x86\xdd" : "\x08\x00", 2);
	ip[0] = outer_v6 ? 0x60 : 0x45;
	ip[outer_v6 ? 6 : 9] = protocol;
	for (unsigned int i = outer_v6 ? 8 : 12; i < (outer_v6 ? 40u : 20u); i++)
		ip[i] = 29 * i;
	if (protocol == IPPROTO_UDP) {
		memcpy(wire + l4, "\x80\x01\x12\xb5", 4);
		put16(wire + l4 + 6, kind == VXLAN_CSUM ? 0x1234 : 0);
		wire[l4 + 8] = 8;
		memcpy(wire + inner - 2, v6 ? "\x86\xdd" : "\x08\x00", 2);
	} else if (protocol == IPPROTO_GRE) {
		wire[l4] = kind == GRE_CSUMS ? GRE_HAS_CSUM : 0;
		memcpy(wire + l4 + 2, v6 ? "\x86\xdd" : "\x08\x00", 2);
	}
	build(inner + len);
	f.vnet.hdr.csum_start += inner - 14;
	f.vnet.hdr.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	f.vnet.hdr.gso_size = 1300;
	return inner;
}

/* Check the outer headers of a segment as a receiver does. */
static void assert_outer(const uint8_t *p, uint32_t len, enum tunnel kind, bool v6, unsigned int index)
{
	unsigned int l4 = 14 + (v6 ? 40 : 20);
	uint32_t sum = plain_sum(p + 14 + (v6 ? 8 : 12), v6 ? 32 : 8, IPPROTO_UDP + len - l4);

	assert_int_equal(get16(p + 14 + (v6 ? 4 : 2)), len - (v6 ? l4 : 14));
	if (!v6) {
		assert_int_equal(get16(p + 18), index);
		assert_int_equal(plain_sum(p + 14, 20, 0), 0xffff);
	}
	if (kind <= VXLAN_CSUM)
		assert_int_equal(get16(p + l4 + 4), len - l4);
	if (kind == VXLAN)
		assert_int_equal(get16(p + l4 + 6), 0);
	if (kind == VXLAN_CSUM)
		assert_int_equal(plain_sum(p + l4, len - l4, sum), 0xffff);
	if (kind == GRE_CSUMS)
		assert_int_equal(plain_sum(p + l4, len - l4, 0), 0xffff);
}

static void tunnel_one(enum tunnel kind, bool outer_v6, bool v6, uint32_t payload)
{
	static uint8_t out[NFVD_FRAME_MAX];
	static struct iovec pool[100];
	unsigned int inner = tunnel_frame(kind, outer_v6, v6, payload), l4 = inner + (v6 ? 40 : 20), data = l4 + 32, n, at = 0;
	struct nfvd_cut cut;
	uint32_t sent = 0;

	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	/* A program can only add headers that are in the private part, and no checksum that differs between segments. */
	assert_int_equal(f.needs & (NFVD_ACCEPT_NEVER | NFVD_ACCEPT_TUNNEL),
			 data <= NFVD_HDR_MAX && kind != VXLAN_CSUM && kind != GRE_CSUMS ? NFVD_ACCEPT_TUNNEL : NFVD_ACCEPT_NEVER);
	assert_true(nfvd_cut_start(&cut, &f, 0, whole));
	while ((n = nfvd_cut_next(&cut, segs, 5, pool, 100)))
		for (unsigned int i = 0; i < n; i++, at++) {
			uint32_t len = flatten(&segs[i], out);

			assert_int_equal(len, segs[i].len);
			assert_int_equal(segs[i].needs, 0);
			assert_outer(out, len, kind, outer_v6, at);
			assert_int_equal(get16(out + inner + (v6 ? 4 : 2)), len - inner - (v6 ? 40 : 0));
			if (!v6)
				assert_int_equal(plain_sum(out + inner, 20, 0), 0xffff);
			assert_tcp_sum(out, len, v6, inner, l4);
			assert_memory_equal(out + data, wire + data + sent, len - data);
			sent += len - data;
		}
	assert_int_equal(sent, payload);
	assert_int_equal(at, (payload + 1299) / 1300);
}

/* Also if the inner headers lie beyond the private header. */
static void tunnels(void **state)
{
	for (enum tunnel kind = VXLAN; kind <= IPIP; kind++)
		for (int outer_v6 = 0; outer_v6 < 2; outer_v6++)
			for (int v6 = 0; v6 < 2; v6++) {
				tunnel_one(kind, outer_v6, v6, 60001);
				tunnel_one(kind, outer_v6, v6, 1301);
			}
}

/* Datagrams of one length, in super-frames of UDP: the same bytes as one by one. */
static void bundle_one(enum tunnel kind, bool outer_v6, bool v6, uint32_t payload)
{
	static uint8_t out[NFVD_FRAME_MAX], one[NFVD_FRAME_MAX];
	static struct iovec pool[200], whole2[NFVD_CUT_IOVS(NFVD_IOV_MAX)], pool2[200];
	static struct nfvd_cut cut, singly;
	struct nfvd_frame s, big;
	unsigned int inner = tunnel_frame(kind, outer_v6, v6, payload), l4 = 14 + (outer_v6 ? 40 : 20), frames = 0;

	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_true(nfvd_cut_start(&cut, &f, NFVD_ACCEPT_ALL & ~NFVD_ACCEPT_SKB, whole));
	assert_true(nfvd_cut_start(&singly, &f, NFVD_ACCEPT_ALL, whole2));
	while (nfvd_cut_next(&cut, &big, NFVD_BURST, pool, 200)) {
		uint32_t len = flatten(&big, out), each = big.vnet.hdr.gso_size;

		frames++;
		assert_int_equal(len, big.len);
		assert_true(big.iov_n <= NFVD_IOV_MAX && len <= 65535 + 14);
		if (each) {
			assert_int_equal(nfvd_offload_check(&big), NFVD_PASS);
			assert_int_equal(big.needs, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_USO);
			assert_int_equal(big.vnet.hdr.hdr_len, l4 + 8);
			assert_int_equal(each, inner + (v6 ? 40 : 20) + 32 + 1300 - l4 - 8);
			assert_in_range((len - l4 - 8 + each - 1) / each, 2, 64);
			assert_int_equal(plain_sum(out + 14 + (outer_v6 ? 8 : 12), outer_v6 ? 32 : 8, IPPROTO_UDP + len - l4),
					 get16(out + l4 + 6));
		} else {
			each = len;
		}
		for (uint32_t at = l4 + 8; at < len; at += each) {
			assert_int_equal(nfvd_cut_next(&singly, &s, 1, pool2, 200), 1);
			assert_int_equal(flatten(&s, one) - l4 - 8, len - at < each ? len - at : each);
			assert_memory_equal(out + at, one + l4 + 8, s.len - l4 - 8);
		}
	}
	assert_int_equal(nfvd_cut_next(&singly, &s, 1, pool2, 200), 0);
	assert_int_equal(cut.frames, frames);
	assert_int_equal(cut.n, singly.n);
}

static void bundles(void **state)
{
	for (enum tunnel kind = VXLAN; kind <= VXLAN_CSUM; kind++)
		for (int outer_v6 = 0; outer_v6 < 2; outer_v6++)
			for (int v6 = 0; v6 < 2; v6++) {
				bundle_one(kind, outer_v6, v6, 64001);
				bundle_one(kind, outer_v6, v6, 1301);
				bundle_one(kind, outer_v6, v6, 1300);
			}
}

/*
 * For a receiver whose program puts the tunnel's headers on: one super-frame, and a last segment apart if the outer
 * checksum would not be that of the others. Cut by who does not know of that checksum, the segments are the same as ours.
 */
static void whole_one(enum tunnel kind, bool outer_v6, bool v6, uint32_t payload)
{
	static uint8_t out[NFVD_FRAME_MAX], one[NFVD_FRAME_MAX];
	static struct iovec pool[200], whole2[NFVD_CUT_IOVS(NFVD_IOV_MAX)], pool2[200];
	static struct nfvd_cut cut, singly;
	unsigned int inner = tunnel_frame(kind, outer_v6, v6, payload), outer = 14 + (outer_v6 ? 40 : 20), l4 = inner + (v6 ? 40 : 20);
	unsigned int data = l4 + 32, sum = kind == VXLAN_CSUM ? outer + 6 : kind == GRE_CSUMS ? outer + 4 : 0;
	uint32_t all = sum ? payload / 1300 * 1300 : payload, pseudo;
	struct nfvd_frame big, s;

	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_true(nfvd_cut_start(&cut, &f, (NFVD_ACCEPT_ALL & ~NFVD_ACCEPT_SKB) | NFVD_ACCEPT_TUNNEL, whole));
	assert_true(nfvd_cut_start(&singly, &f, 0, whole2));
	assert_int_equal(nfvd_cut_next(&cut, &big, NFVD_BURST, pool, 200), 1);
	assert_int_equal(big.needs, NFVD_ACCEPT_CSUM | (v6 ? NFVD_ACCEPT_TSO6 : NFVD_ACCEPT_TSO4) | NFVD_ACCEPT_TUNNEL);
	assert_int_equal(big.outer & NFVD_OUTER_LEN, inner - 14);
	assert_int_equal(flatten(&big, out), big.len);
	assert_int_equal(big.len, data + all);
	assert_int_equal(big.vnet.hdr.gso_size, 1300);
	assert_int_equal(big.vnet.hdr.csum_start, l4);
	assert_memory_equal(out + data, wire + data, all);
	/* The lengths are those of the super-frame, and the inner checksum is to be made. */
	assert_outer(out, big.len, sum ? VXLAN + 99 : kind, outer_v6, 0);
	assert_int_equal(get16(out + inner + (v6 ? 4 : 2)), big.len - inner - (v6 ? 40 : 0));
	pseudo = plain_sum(out + inner + (v6 ? 8 : 12), v6 ? 32 : 8, IPPROTO_TCP + big.len - l4);
	assert_int_equal(get16(out + l4 + 16), pseudo);
	assert_int_equal(out[l4 + 13], 0x80 | 0x10 | (all == payload ? 0x09 : 0));
	for (uint32_t at = 0; at < all; at += 1300) {
		assert_int_equal(nfvd_cut_next(&singly, &s, 1, pool2, 200), 1);
		flatten(&s, one);
		if (sum)
			assert_memory_equal(out + sum, one + sum, 2);
	}
	while (nfvd_cut_next(&singly, &s, 1, pool2, 200)) {
		assert_int_equal(nfvd_cut_next(&cut, &big, NFVD_BURST, pool, 200), 1);
		assert_int_equal(big.len, s.len);
		flatten(&s, one);
		flatten(&big, out);
		assert_memory_equal(out, one, s.len);
	}
	assert_int_equal(nfvd_cut_next(&cut, &big, NFVD_BURST, pool, 200), 0);
}

static void super_frames(void **state)
{
	for (enum tunnel kind = VXLAN; kind <= IPIP; kind++)
		for (int outer_v6 = 0; outer_v6 < 2; outer_v6++)
			for (int v6 = 0; v6 < 2; v6++) {
				whole_one(kind, outer_v6, v6, 46 * 1300);
				whole_one(kind, outer_v6, v6, 46 * 1300 + 1);
				whole_one(kind, outer_v6, v6, 2 * 1300 + 1299);
			}
}

/* The bytes before the inner IP header, as the receivers of tunnels know them. */
static void outer_headers(void **state)
{
	struct nfvd_layout t;

	tunnel_frame(GRE, true, false, 5000);
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(f.outer, 44 | NFVD_OUTER_V6 | NFVD_OUTER_GRE);
	tunnel_frame(IPIP, false, true, 5000);
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(f.outer, 20);
	tunnel_frame(VXLAN, false, false, 5000);
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(f.outer, 50 | NFVD_OUTER_UDP | NFVD_OUTER_L2(14));
	/* A tag in the tunnel; Geneve with 4 bytes of options has the same length. */
	t = (struct nfvd_layout){ .tunnel = true, .outer_protocol = IPPROTO_UDP, .outer_l3 = 14, .outer_l4 = 34, .l3 = 68 };
	memset(wire + 34, 0, 34);
	memcpy(wire + 34 + 16 + 12, "\x81\x00\x00\x05\x08\x00", 6);
	memset(wire + 20, 0, 2);
	assert_int_equal(nfvd_layout_outer(&t, wire), 54 | NFVD_OUTER_UDP | NFVD_OUTER_L2(18));
	memset(wire + 34 + 16 + 12, 0, 4);
	assert_int_equal(nfvd_layout_outer(&t, wire), 0);
	memcpy(wire + 34 + 8, "\x01\x00\x65\x58", 4);
	assert_int_equal(nfvd_layout_outer(&t, wire), 54 | NFVD_OUTER_UDP | NFVD_OUTER_L2(14));
	/* Beside a tag of the frame. */
	t.outer_l3 = 18;
	assert_int_equal(nfvd_layout_outer(&t, wire), 0);
}

/* Tunnels in a form that a program cannot produce are segmented. */
static void tunnels_for_a_program(void **state)
{
	static const struct { unsigned int at; uint8_t bits; } others[] = {
		{ 14 + 6, 0x20 }, { 14 + 7, 1 }, { 14, 1 }, { 14 + 9, 1 }, { 14 + 20 + 8 + 8 + 12, 0x88 },
	};

	tunnel_frame(VXLAN, false, false, 5000);
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(f.needs, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_TSO4 | NFVD_ACCEPT_TUNNEL);
	assert_int_equal(nfvd_offload_fit(&f, NFVD_ACCEPT_ALL, 0), NFVD_FIT_FINISHED);
	assert_int_equal(nfvd_offload_fit(&f, NFVD_ACCEPT_ALL | NFVD_ACCEPT_TUNNEL, 0), NFVD_FIT_AS_IS);
	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		tunnel_frame(VXLAN, false, false, 5000);
		wire[others[i].at] ^= others[i].bits;
		build(f.len);
		if (nfvd_offload_check(&f) == NFVD_PASS)
			assert_false(f.needs & NFVD_ACCEPT_TUNNEL);
	}
}

static void tunnels_not_to_be_cut(void **state)
{
	struct nfvd_cut cut;
	unsigned int inner = tunnel_frame(GRE, false, false, 5000);

	/* With sequence numbers each segment would need its own number. */
	wire[34] = GRE_HAS_SEQ;
	build(f.len);
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_false(nfvd_cut_start(&cut, &f, 0, whole));
	/* No IP header where one has to be. */
	tunnel_frame(GRE, false, false, 5000);
	wire[inner + 3]++;
	build(f.len);
	assert_int_equal(nfvd_offload_check(&f), NFVD_DROP_BAD_GSO);
	tunnel_frame(VXLAN, true, true, 5000);
	wire[14 + 40 + 30 + 5]++;
	build(f.len);
	f.vnet.hdr.csum_start = NFVD_HEADERS_MAX + 1;
	assert_int_equal(nfvd_offload_check(&f), NFVD_DROP_BAD_GSO);
}

/* The module passes the skb on, with its offload fields. */
static void held_tunnel_goes_as_it_is(void **state)
{
	tunnel_frame(VXLAN, false, false, 5000);
	f.held = true;
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(nfvd_offload_fit(&f, NFVD_ACCEPT_ALL, 0), NFVD_FIT_AS_IS);
	assert_int_equal(nfvd_offload_fit(&f, NFVD_ACCEPT_ALL & ~NFVD_ACCEPT_SKB, 0), NFVD_FIT_FINISHED);
	f.held = false;
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(nfvd_offload_fit(&f, NFVD_ACCEPT_ALL, 0), NFVD_FIT_FINISHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tunnels), cmocka_unit_test(bundles), cmocka_unit_test(super_frames), cmocka_unit_test(outer_headers), cmocka_unit_test(tunnels_not_to_be_cut),
		cmocka_unit_test(tunnels_for_a_program), cmocka_unit_test(held_tunnel_goes_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
