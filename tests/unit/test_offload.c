/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of offload requests; software checksums and segmentation, verified by an independent sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "offload.c"

static uint8_t wire[NFVD_FRAME_MAX];
static struct iovec rest[7];
static struct nfvd_frame f;

/* The frame in wire[], its payload cut into uneven vectors. */
static void build(uint32_t len)
{
	uint32_t off = 0;

	f.len = len;
	f.hdr_len = len < NFVD_HDR_MAX ? len : NFVD_HDR_MAX;
	memcpy(f.hdr, wire, f.hdr_len);
	f.iov = rest;
	for (f.iov_n = 0; f.hdr_len + off < len; f.iov_n++) {
		uint32_t part = f.iov_n == 6 ? len : 3 + 1777u * f.iov_n;

		if (part > len - f.hdr_len - off)
			part = len - f.hdr_len - off;
		rest[f.iov_n] = (struct iovec){ wire + f.hdr_len + off, part };
		off += part;
	}
}

/* RFC 1071 over n bytes, the slow and obvious way. */
static uint32_t plain_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A TCP frame with a partial checksum; returns the offset of its payload. */
static unsigned int tcp_frame(bool v6, unsigned int tags, uint32_t payload)
{
	unsigned int l3 = 14 + 4 * tags, l4 = l3 + (v6 ? 40 : 20), data = l4 + 32;
	uint32_t pseudo;

	memset(&f, 0, sizeof(f));
	for (uint32_t i = 0; i < data + payload; i++)
		wire[i] = i < data ? 0 : rand();
	for (unsigned int i = 0; i < tags; i++)
		memcpy(wire + 12 + 4 * i, "\x81\x00\x00\x05", 4);
	memcpy(wire + l3 - 2, v6 ? "\x86\xdd" : "\x08\x00", 2);
	wire[l3] = v6 ? 0x60 : 0x45;
	wire[l3 + (v6 ? 6 : 9)] = IPPROTO_TCP;
	for (unsigned int i = v6 ? 8 : 12; i < (v6 ? 40u : 20u); i++)
		wire[l3 + i] = 17 * i;
	wire[l4 + 7] = 200;		/* sequence number */
	wire[l4 + 12] = 8 << 4;		/* 12 bytes of options */
	wire[l4 + 13] = 0x80 | 0x10 | 0x09;	/* CWR ACK PSH FIN */
	pseudo = plain_sum(wire + l3 + (v6 ? 8 : 12), v6 ? 32 : 8, IPPROTO_TCP + 32 + payload);
	wire[l4 + 16] = pseudo >> 8;
	wire[l4 + 17] = pseudo;
	build(data + payload);
	f.vnet.hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f.vnet.hdr.csum_start = l4;
	f.vnet.hdr.csum_offset = 16;
	return data;
}

static uint32_t flatten(const struct nfvd_frame *s, uint8_t *out)
{
	uint32_t n = s->hdr_len;

	memcpy(out, s->hdr, n);
	for (unsigned int i = 0; i < s->iov_n; n += s->iov[i++].iov_len)
		memcpy(out + n, s->iov[i].iov_base, s->iov[i].iov_len);
	return n;
}

static void assert_tcp_sum(const uint8_t *p, uint32_t len, bool v6, unsigned int l3, unsigned int l4)
{
	uint32_t sum = plain_sum(p + l3 + (v6 ? 8 : 12), v6 ? 32 : 8, IPPROTO_TCP + len - l4);

	assert_int_equal(plain_sum(p + l4, len - l4, sum), 0xffff);
}

static void checksum(void **state)
{
	static uint8_t out[NFVD_FRAME_MAX];

	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t payload = 0; payload < 3000; payload = payload * 3 + 1) {
			tcp_frame(v6, 0, payload);
			assert_int_equal(nfvd_offload_check(&f), NFVD_N_REASONS);
			nfvd_offload_checksum(&f);
			assert_int_equal(f.vnet.hdr.flags, 0);
			assert_tcp_sum(out, flatten(&f, out), v6, 14, v6 ? 54 : 34);
		}
}

static struct iovec whole[NFVD_IOV_MAX + 1];
static struct nfvd_frame segs[2000];

/* All segments of f, made a few at a time, each time with vectors from another pool. */
static unsigned int segment(unsigned int at_once)
{
	static struct iovec pool[20000];
	struct nfvd_cut cut;
	unsigned int n = 0, part, used = 0;

	if (!nfvd_cut_start(&cut, &f, whole))
		return 0;
	while ((part = nfvd_cut_next(&cut, &segs[n], at_once, pool + used, f.iov_n + 1 + at_once))) {
		n += part;
		used += f.iov_n + 1 + at_once;
		assert_in_range(n, 0, 2000);
		assert_in_range(used, 0, 20000);
	}
	assert_int_equal(n, cut.n);
	return n;
}

static void segment_one(bool v6, unsigned int tags, uint32_t payload, uint16_t mss)
{
	static uint8_t out[NFVD_FRAME_MAX];
	unsigned int data = tcp_frame(v6, tags, payload), l3 = 14 + 4 * tags, l4 = data - 32, n;
	uint32_t sent = 0;

	f.vnet.hdr.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	f.vnet.hdr.gso_size = mss;
	assert_int_equal(nfvd_offload_check(&f), NFVD_N_REASONS);
	assert_int_equal(f.vnet.hdr.hdr_len, data);
	n = segment(mss % 7 ? NFVD_BURST : 5);
	assert_int_equal(n, payload ? (payload + mss - 1) / mss : 1);
	assert_int_equal(nfvd_offload_segments(&f), n);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = flatten(&segs[i], out), part = len - data;

		assert_int_equal(len, segs[i].len);
		assert_true(part == mss || i == n - 1);
		assert_memory_equal(out + data, wire + data + sent, part);
		assert_int_equal(out[l4 + 4] << 24 | out[l4 + 5] << 16 | out[l4 + 6] << 8 | out[l4 + 7], 200 + sent);
		assert_int_equal(out[l4 + 13], 0x10 | (i ? 0 : 0x80) | (i == n - 1 ? 0x09 : 0));
		assert_int_equal(out[l3 + (v6 ? 4 : 2)] << 8 | out[l3 + (v6 ? 5 : 3)], len - l3 - (v6 ? 40 : 0));
		if (!v6)
			assert_int_equal(plain_sum(out + l3, 20, 0), 0xffff);
		assert_tcp_sum(out, len, v6, l3, l4);
		sent += part;
	}
	assert_int_equal(sent, payload);
}

static void segmentation(void **state)
{
	for (int v6 = 0; v6 < 2; v6++)
		for (unsigned int tags = 0; tags < 2; tags++) {
			segment_one(v6, tags, 60000, 1448);
			segment_one(v6, tags, 1449, 1448);
			segment_one(v6, tags, 30001, 536);
			/* As many as it makes, with the smallest MSS too. */
			segment_one(v6, tags, 65000, 500);
			segment_one(v6, tags, 38401, 300);
			segment_one(v6, tags, 65000, NFVD_MSS_MIN);
			segment_one(v6, tags, 0, 1448);
		}
}

/* UDP with a segmentation request, as a container's kernel makes them. */
static void udp_segmentation(void **state)
{
	static uint8_t out[NFVD_FRAME_MAX];
	uint32_t payload = 10001, mss = 1200, sent = 0;
	unsigned int n;

	tcp_frame(false, 0, payload - 24);	/* an 8-byte header in the place of 32 */
	wire[14 + 9] = IPPROTO_UDP;
	build(42 + payload);
	f.vnet.hdr.csum_offset = 6;
	f.vnet.hdr.gso_type = GSO_UDP_L4;
	f.vnet.hdr.gso_size = mss;
	assert_int_equal(nfvd_offload_check(&f), NFVD_N_REASONS);
	assert_int_equal(nfvd_offload_needs(&f), NFVD_ACCEPT_CSUM | NFVD_ACCEPT_USO);
	n = segment(NFVD_BURST);
	assert_int_equal(n, 9);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = flatten(&segs[i], out);

		assert_memory_equal(out + 42, wire + 42 + sent, len - 42);
		assert_int_equal(out[38] << 8 | out[39], len - 34);
		assert_int_equal(plain_sum(out + 34, len - 34, plain_sum(out + 26, 8, IPPROTO_UDP + len - 34)), 0xffff);
		sent += len - 42;
	}
	assert_int_equal(sent, payload);
}

static enum nfvd_drop check_size(bool udp, uint32_t payload, uint16_t gso_size)
{
	tcp_frame(false, 0, payload - (udp ? 24 : 0));
	f.vnet.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	if (udp) {
		wire[14 + 9] = IPPROTO_UDP;
		build(42 + payload);
		f.vnet.hdr.csum_offset = 6;
		f.vnet.hdr.gso_type = GSO_UDP_L4;
	}
	f.vnet.hdr.gso_size = gso_size;
	return nfvd_offload_check(&f);
}

/* A segment of a few bytes costs as much as one of 1448, and a frame would be thousands of them. */
static void segment_size_is_bounded(void **state)
{
	for (uint16_t size = 1; size < NFVD_MSS_MIN; size++)
		assert_int_equal(check_size(false, 60000, size), NFVD_DROP_BAD_GSO);
	assert_int_equal(check_size(false, 100, 1), NFVD_DROP_BAD_GSO);
	assert_int_equal(check_size(false, 60000, NFVD_MSS_MIN), NFVD_N_REASONS);
	assert_int_equal(check_size(true, 1281, 10), NFVD_DROP_BAD_GSO);
	assert_int_equal(check_size(true, 1280, 10), NFVD_N_REASONS);
	assert_int_equal(check_size(true, 60000, 1), NFVD_DROP_BAD_GSO);
}

static void bad_requests(void **state)
{
	static const struct {
		uint8_t flags, type;
		uint16_t gso_size, csum_start, csum_offset;
		enum nfvd_drop why;
	} bad[] = {
		{ 1, 0, 0, 34, 0xffff, NFVD_DROP_BAD_CSUM },
		{ 1, 0, 0, 0xffff, 16, NFVD_DROP_BAD_CSUM },
		{ 1, 0, 0, 0xffff, 0xffff, NFVD_DROP_BAD_CSUM },
		{ 1, 0, 0, 13, 16, NFVD_DROP_BAD_CSUM },
		{ 1, 0, 0, 120, 7, NFVD_DROP_BAD_CSUM },
		{ 0, 1, 1000, 34, 16, NFVD_DROP_BAD_GSO },	/* no checksum requested */
		{ 1, 1, 0, 34, 16, NFVD_DROP_BAD_GSO },		/* no size */
		{ 1, 1, 1000, 34, 6, NFVD_DROP_BAD_GSO },	/* UDP's offset */
		{ 1, 4, 1000, 34, 16, NFVD_DROP_BAD_GSO },	/* v6 asked for v4 */
		{ 1, 1, 1000, 38, 16, NFVD_DROP_BAD_GSO },	/* not where TCP begins */
		{ 1, 3, 1000, 34, 6, NFVD_DROP_GSO_UNSUP },
		{ 1, 5, 1000, 34, 6, NFVD_DROP_BAD_GSO },	/* UDP asked for TCP */
		{ 1, 0x80, 1000, 34, 16, NFVD_DROP_BAD_GSO },	/* ECN alone */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tcp_frame(false, 0, 5000);
		f.vnet.hdr.flags = bad[i].flags;
		f.vnet.hdr.gso_type = bad[i].type;
		f.vnet.hdr.gso_size = bad[i].gso_size;
		f.vnet.hdr.csum_start = bad[i].csum_start;
		f.vnet.hdr.csum_offset = bad[i].csum_offset;
		if (nfvd_offload_check(&f) != bad[i].why)
			fail_msg("case %zu", i);
	}
}

static void lengths(void **state)
{
	memset(&f, 0, sizeof(f));
	build(13);
	assert_int_equal(nfvd_offload_check(&f), NFVD_DROP_RUNT);
	build(14);
	assert_int_equal(nfvd_offload_check(&f), NFVD_N_REASONS);
	f.len = NFVD_FRAME_MAX + 1;
	assert_int_equal(nfvd_offload_check(&f), NFVD_DROP_OVERSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum),	cmocka_unit_test(segmentation), cmocka_unit_test(segment_size_is_bounded),
		cmocka_unit_test(udp_segmentation), cmocka_unit_test(bad_requests), cmocka_unit_test(lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
