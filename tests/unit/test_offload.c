/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of offload requests; software checksums and segmentation, verified by an independent sum. */
#include "offload_frames.h"

static struct nfvd_sum_room room;

static void checksum(void **state)
{
	static uint8_t out[NFVD_FRAME_MAX];

	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t payload = 0; payload < 3000; payload = payload * 3 + 1) {
			tcp_frame(v6, 0, payload);
			assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
			nfvd_offload_checksum(&f, &room);
			assert_int_equal(f.vnet.hdr.flags, 0);
			assert_tcp_sum(out, flatten(&f, out), v6, 14, v6 ? 54 : 34);
		}
}

/* Make all segments of f, a few at a time, each time with vectors from another pool. */
static unsigned int segment(unsigned int at_once)
{
	static struct iovec pool[20000];
	static struct nfvd_cut cut;	/* long headers of the segments lie in it */
	unsigned int n = 0, part, used = 0;

	if (!nfvd_cut_start(&cut, &f, 0, whole))
		return 0;
	while ((part = nfvd_cut_next(&cut, &segs[n], at_once, pool + used, NFVD_CUT_IOVS(f.iov_n) + 2 * at_once))) {
		n += part;
		used += NFVD_CUT_IOVS(f.iov_n) + 2 * at_once;
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
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
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

/* A virtio_net_hdr cannot say that there are labels. */
static void behind_labels(void **state)
{
	labelled = true;
	for (int v6 = 0; v6 < 2; v6++)
		for (unsigned int labels = 1; labels < 8; labels += 3) {
			segment_one(v6, labels, 60000, 1440);
			segment_one(v6, labels, 1441, 1440);
			assert_true(f.needs & NFVD_ACCEPT_NEVER);
		}
	/* The bottom is missing. */
	tcp_frame(false, 3, 5000);
	wire[14 + 10] &= ~1;
	build(f.len);
	f.vnet.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	f.vnet.hdr.gso_size = 1440;
	assert_int_equal(nfvd_offload_check(&f), NFVD_DROP_BAD_GSO);
	labelled = false;
}

static void segmentation(void **state)
{
	for (int v6 = 0; v6 < 2; v6++)
		for (unsigned int tags = 0; tags < 2; tags++) {
			segment_one(v6, tags, 60000, 1448);
			segment_one(v6, tags, 1449, 1448);
			segment_one(v6, tags, 30001, 536);
			/* The predicted number of segments is right, with the smallest MSS, too. */
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
	f.vnet.hdr.gso_type = NFVD_GSO_UDP_L4;
	f.vnet.hdr.gso_size = mss;
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(f.needs, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_USO);
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

/* ---- checksums of other kinds, and in other places ---- */

/* RFC 3720 12.1, bit by bit. */
static uint32_t slow_crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* An SCTP packet as a socket leaves it to veth, from where the switch reads it. */
static void sctp_frame(bool v6, uint32_t chunks)
{
	unsigned int l4 = 14 + (v6 ? 40 : 20);

	tcp_frame(v6, 0, chunks + 12 - 32);
	wire[14 + (v6 ? 6 : 9)] = IPPROTO_SCTP;
	memset(wire + l4 + 8, 0, 4);
	build(l4 + 12 + chunks);
	f.vnet.hdr.csum_offset = SCTP_CSUM_OFFSET;
}

static void sctp(void **state)
{
	static uint8_t out[NFVD_FRAME_MAX], zero[32];

	/* RFC 3720 B.4. */
	assert_int_equal(slow_crc32c(zero, sizeof(zero)), 0x8a9136aa);
	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t chunks = 20; chunks < 60000; chunks = chunks * 3 + 1) {
			unsigned int l4 = v6 ? 54 : 34;
			uint32_t len, sum, right;

			sctp_frame(v6, chunks);
			assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
			/* A receiver cannot be told that this is not an Internet checksum. */
			assert_int_equal(nfvd_offload_fit(&f, NFVD_ACCEPT_ALL, 0), NFVD_FIT_FINISHED);
			nfvd_offload_checksum(&f, &room);
			assert_int_equal(f.vnet.hdr.flags, 0);
			assert_int_equal(f.needs, 0);
			len = flatten(&f, out);
			memcpy(&sum, out + l4 + 8, 4);
			right = slow_crc32c(wire + l4, len - l4);
			assert_int_equal(sum, right);
		}
	/* A frame that is not SCTP has the Internet checksum, also in this place. */
	tcp_frame(false, 0, 100);
	wire[14 + 9] = 200;
	memset(wire + 34 + 8, 0, 2);
	build(f.len);
	f.vnet.hdr.csum_offset = SCTP_CSUM_OFFSET;
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	nfvd_offload_checksum(&f, &room);
	flatten(&f, out);
	assert_int_equal(plain_sum(out + 34, f.len - 34, 0), 0xffff);
}

/* The field is in the private header, across its end, in the payload, across two vectors, or at the payload's end. */
static void checksum_anywhere(void **state)
{
	static uint8_t out[NFVD_FRAME_MAX], before[NFVD_FRAME_MAX];

	for (uint32_t at = 120; at < 2500; at += at < 140 ? 1 : 59)
		for (uint32_t start = 30; start <= at; start += 49) {
			uint32_t len;

			tcp_frame(false, 0, 2500 - 66);
			memcpy(before, wire, f.len);
			f.vnet.hdr.csum_start = start;
			f.vnet.hdr.csum_offset = at - start;
			if (at - start == SCTP_CSUM_OFFSET)
				continue;
			if (at == 2499) {
				assert_int_equal(nfvd_offload_check(&f), NFVD_DROP_BAD_CSUM);
				continue;
			}
			assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
			assert_int_equal(nfvd_offload_fit(&f, NFVD_ACCEPT_CSUM, 0), NFVD_FIT_AS_IS);
			nfvd_offload_checksum(&f, &room);
			len = flatten(&f, out);
			assert_int_equal(len, 2500);
			assert_memory_equal(out, before, at);
			assert_memory_equal(out + at + 2, before + at + 2, len - at - 2);
			assert_int_equal(get16(out + at), (uint16_t)~plain_sum(before + start, len - start, 0) ?: 0xffff);
			/* The original frame is not changed. */
			assert_memory_equal(wire, before, len);
		}
}

/* ---- fitting a frame to a receiver ---- */

static enum nfvd_fit fit(uint32_t len, unsigned int tags, uint16_t gso_size, uint32_t mtu)
{
	unsigned int data = tcp_frame(false, tags, 0);

	tcp_frame(false, tags, len - data);
	if (gso_size) {
		f.vnet.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		f.vnet.hdr.gso_size = gso_size;
	}
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	return nfvd_offload_fit(&f, NFVD_ACCEPT_ALL, mtu);
}

/* The result is the same for a frame and for a super-frame of such frames; tags do not count as payload. */
static void mtu(void **state)
{
	assert_int_equal(fit(9014, 0, 0, 0), NFVD_FIT_AS_IS);
	assert_int_equal(fit(1514, 0, 0, 1500), NFVD_FIT_AS_IS);
	assert_int_equal(fit(1515, 0, 0, 1500), NFVD_FIT_NOT);
	for (unsigned int tags = 0; tags <= 2; tags++) {
		assert_int_equal(fit(1514 + 4 * tags, tags, 0, 1500), NFVD_FIT_AS_IS);
		assert_int_equal(fit(1515 + 4 * tags, tags, 0, 1500), NFVD_FIT_NOT);
		assert_int_equal(fit(24000, tags, 1448, 1500), NFVD_FIT_AS_IS);
		assert_int_equal(fit(24000, tags, 1449, 1500), NFVD_FIT_NOT);
		assert_int_equal(fit(24000, tags, 8000, 1500), NFVD_FIT_NOT);
		/* Less than one segment. */
		assert_int_equal(fit(1514, tags, 8000, 1500), NFVD_FIT_AS_IS);
	}
}

static enum nfvd_drop check_size(bool udp, uint32_t payload, uint16_t gso_size)
{
	tcp_frame(false, 0, payload - (udp ? 24 : 0));
	f.vnet.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	if (udp) {
		wire[14 + 9] = IPPROTO_UDP;
		build(42 + payload);
		f.vnet.hdr.csum_offset = 6;
		f.vnet.hdr.gso_type = NFVD_GSO_UDP_L4;
	}
	f.vnet.hdr.gso_size = gso_size;
	return nfvd_offload_check(&f);
}

/* A segment of a few bytes costs as much as one of 1448, and a super-frame would have thousands of them. */
static void segment_size_is_bounded(void **state)
{
	for (uint16_t size = 1; size < NFVD_MSS_MIN; size++)
		assert_int_equal(check_size(false, 60000, size), NFVD_DROP_BAD_GSO);
	assert_int_equal(check_size(false, 100, 1), NFVD_DROP_BAD_GSO);
	assert_int_equal(check_size(false, 60000, NFVD_MSS_MIN), NFVD_PASS);
	assert_int_equal(check_size(true, 1281, 10), NFVD_DROP_BAD_GSO);
	assert_int_equal(check_size(true, 1280, 10), NFVD_PASS);
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
		{ 1, 0, 0, 5050, 15, NFVD_DROP_BAD_CSUM },
		{ 1, 0, 0, 5065, 0, NFVD_DROP_BAD_CSUM },
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
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	f.len = NFVD_FRAME_MAX + 1;
	assert_int_equal(nfvd_offload_check(&f), NFVD_DROP_OVERSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum), cmocka_unit_test(behind_labels), cmocka_unit_test(segmentation), cmocka_unit_test(segment_size_is_bounded),
		cmocka_unit_test(udp_segmentation), cmocka_unit_test(bad_requests), cmocka_unit_test(lengths),
		cmocka_unit_test(sctp), cmocka_unit_test(checksum_anywhere), cmocka_unit_test(mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
