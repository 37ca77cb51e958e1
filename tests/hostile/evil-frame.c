/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups I and O: frames. */
#include "evil.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void dropped(const struct virtio_net_hdr *h, const void *frame, uint32_t len, const char *port,
		    const char *reason)
{
	mark();
	guest_send(&evil, h, frame, len);
	moved(port, reason, 1, NULL);
	guest_gets_nothing(&peer);
}

static void delivered(const void *frame, uint32_t len)
{
	guest_send(&evil, NULL, frame, len);
	guest_gets(&peer, frame, len);
}

/* ---- I1 ---- */

static void i1_lengths(void **state)
{
	static const uint32_t good[] = { 14, 15, 59, 60, 127, 128, 129, 1514, 1518, 1519, 9000, 9216, 65535, 65562 };
	static uint8_t frame[BIG];

	for (uint32_t len = 0; len < 14; len++) {
		frame_make(frame, len, peer.mac, evil.mac, len);
		dropped(NULL, frame, len, "evil", "runt");
	}
	mark();
	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		frame_make(frame, good[i], peer.mac, evil.mac, i);
		delivered(frame, good[i]);
	}
	moved(NULL, NULL);
	frame_make(frame, 65563, peer.mac, evil.mac, 1);
	dropped(NULL, frame, 65563, "evil", "oversize");
	frame_make(frame, 100000, peer.mac, evil.mac, 1);
	dropped(NULL, frame, 100000, "evil", "oversize");

	/* Many of them: nfvd keeps no state. */
	mark();
	for (unsigned int i = 0; i < 20; i++) {
		struct vuf_vring *r = &evil.f.vq[TX];

		for (uint16_t k = 0; k < RING; k++) {
			desc(TX, k, gpa_of(evil.big), HDR + k % 14, 0, 0);
			vuf_post(r, k);
		}
		vuf_publish(r);
		guest_sent(&evil, RING);
	}
	moved("evil", "runt", 20 * RING, NULL);
}

/* ---- I2 ---- */

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = v >> 8;
	at[1] = v;
}

static void i2_tags(void **state)
{
	static const uint16_t types[] = { 0x8847, 0x8848, 0x894f, 0x88a8, 0x9100, 0x0000, 0x05dc, 0xffff };
	uint8_t f[200];

	/* Eight tags, in one buffer, and split at each byte. */
	frame_make(f, sizeof(f), peer.mac, evil.mac, 2);
	for (unsigned int tag = 0; tag < 8; tag++) {
		put16(f + 12 + 4 * tag, tag & 1 ? 0x88a8 : 0x8100);
		put16(f + 14 + 4 * tag, 100);
	}
	/* A truncated tag has no VLAN; on a wire it would have one. */
	for (uint32_t len = 14; len < 18; len++)
		if (with_policy)
			dropped(NULL, f, len, "evil", "vlan");
		else
			delivered(f, len);
	mark();
	for (uint32_t len = 18; len <= 60; len++)
		delivered(f, len);
	/* MPLS stacks, NSH, lengths instead of types: opaque. */
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		frame_make(f, sizeof(f), peer.mac, evil.mac, i);
		put16(f + 12, types[i]);
		memset(f + 14, i % 2 ? 0 : 0xff, 100);
		delivered(f, sizeof(f));
	}
	moved(NULL, NULL);
}

/* ---- I3, I4: offloads ---- */

struct tcp_frame {
	uint8_t dst[6], src[6];
	uint16_t type;
	uint8_t ip[20];
	uint8_t tcp[20];
	uint8_t data[65000];
} __attribute__((packed));

static struct tcp_frame tcp;

#define HEADERS 54u	/* bytes before tcp.data */

static uint32_t add_up(const void *p, size_t n, uint32_t sum)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? b[i] : b[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* TCP over IPv4 with n bytes of data, as a guest leaves it: only the pseudo header summed. */
static void tcp_make(uint32_t n)
{
	memset(&tcp, 0, sizeof(tcp));
	memcpy(tcp.dst, peer.mac, 6);
	memcpy(tcp.src, evil.mac, 6);
	tcp.type = htons(0x0800);
	tcp.ip[0] = 0x45;
	put16(tcp.ip + 2, n + 40 > 65535 ? 0 : n + 40);
	tcp.ip[8] = 64;
	tcp.ip[9] = IPPROTO_TCP;
	memcpy(tcp.ip + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
	put16(tcp.ip + 10, ~fold(add_up(tcp.ip, 20, 0)));
	put16(tcp.tcp + 2, 80);
	tcp.tcp[12] = 0x50;
	tcp.tcp[13] = 0x18;
	put16(tcp.tcp + 16, fold(add_up(tcp.ip + 12, 8, IPPROTO_TCP + 20 + n)));
	for (uint32_t i = 0; i < n; i++)
		tcp.data[i] = i * 13 + (i >> 8);
}

static const struct virtio_net_hdr sound_gso = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	.hdr_len = HEADERS, .gso_size = 1000, .csum_start = 34, .csum_offset = 16,
};

static void i3_offload_requests(void **state)
{
	struct virtio_net_hdr h;
	static const struct { uint16_t start, offset; const char *what; } csums[] = {
		{ 0xffff, 16, "start 0xffff" }, { 34, 0xffff, "offset 0xffff" }, { 0xffff, 0xffff, "both 0xffff" },
		{ 0, 16, "in the Ethernet header" }, { 13, 0, "in the Ethernet header" }, { 60, 0, "start at the end" },
		{ 59, 0, "one byte from the end" }, { 34, 26, "just behind the end" },
	};

	tcp_make(6);	/* 60 bytes in all */
	for (unsigned int i = 0; i < sizeof(csums) / sizeof(csums[0]); i++) {
		print_message("    csum: %s\n", csums[i].what);
		h = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = csums[i].start,
					     .csum_offset = csums[i].offset };
		dropped(&h, &tcp, 60, "evil", "bad_csum");
	}
	tcp_make(3000);
	h = sound_gso;
	h.gso_size = 0;
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	h = sound_gso;
	h.flags = 0;
	h.csum_start = h.csum_offset = 0;
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	h = sound_gso;
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;	/* on IPv4 */
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	h = sound_gso;
	h.gso_type = VIRTIO_NET_HDR_GSO_ECN;	/* and nothing else */
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	h = sound_gso;
	h.csum_offset = 6;	/* UDP's */
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	h = sound_gso;
	h.csum_start = 38;	/* not behind the IP header */
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	h = sound_gso;
	h.gso_type = 0x42;
	dropped(&h, &tcp, HEADERS + 3000, "evil", "gso_unsup");
	h = sound_gso;
	h.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	dropped(&h, &tcp, HEADERS + 3000, "evil", "gso_unsup");
	h = sound_gso;
	tcp.tcp[12] = 0xf0;	/* TCP header of 60 bytes in what is */
	dropped(&h, &tcp, HEADERS + 4, "evil", "bad_gso");
	tcp.tcp[12] = 0x40;	/* of 16 */
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	tcp_make(3000);
	tcp.ip[0] = 0x4f;
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	tcp_make(3000);
	tcp.type = htons(ETHERTYPE);
	dropped(&h, &tcp, HEADERS + 3000, "evil", "bad_gso");
	/* nfvd must not rely on hdr_len, which the sender chooses. */
	tcp_make(600);
	h = sound_gso;
	h.hdr_len = 0xffff;
	mark();
	guest_send(&evil, &h, &tcp, HEADERS + 600);
	assert_true(guest_recv(&peer, NULL, evil.big, BIG, PATIENCE_MS) > 0);
	moved(NULL, NULL);
}

/* One segment: headers adjusted, checksums right. Returns its bytes of data. */
static uint32_t check_segment(const uint8_t *f, int len, uint32_t at, uint32_t gso_size)
{
	uint32_t n = len - HEADERS, seq;

	memcpy(&seq, f + 38, sizeof(seq));
	assert_true(len > (int)HEADERS && n <= gso_size);
	assert_int_equal(f[16] << 8 | f[17], n + 40);
	assert_int_equal(fold(add_up(f + 14, 20, 0)), 0xffff);
	assert_int_equal(ntohl(seq), at);
	assert_int_equal(fold(add_up(f + 34, n + 20, add_up(f + 26, 8, IPPROTO_TCP + 20 + n))), 0xffff);
	assert_memory_equal(f + HEADERS, tcp.data + at, n);
	return n;
}

static void segmented(uint32_t n, uint16_t gso_size)
{
	struct virtio_net_hdr_mrg_rxbuf got;
	static uint8_t f[BIG];
	struct virtio_net_hdr h = sound_gso;
	uint32_t at = 0;

	tcp_make(n);
	h.gso_size = gso_size;
	guest_send(&evil, &h, &tcp, HEADERS + n);
	while (at < n) {
		int len = guest_recv(&peer, &got, f, sizeof(f), PATIENCE_MS);

		assert_int_equal(got.hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_false(got.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
		at += check_segment(f, len, at, gso_size);
	}
	assert_int_equal(at, n);
}

static void i4_segmentation(void **state)
{
	struct virtio_net_hdr h = sound_gso;
	struct virtio_net_hdr_mrg_rxbuf got;
	uint8_t f[1000];

	segmented(5000, 1000);
	segmented(1001, 1000);
	segmented(1000, 1000);
	segmented(999, 1000);
	segmented(64000, 1448);
	segmented(30000, 300);
	segmented(5000, 48);
	moved(NULL, NULL);

	/* Segments of a few bytes: no stack makes them, and each one costs a delivery. */
	tcp_make(100);
	h.gso_size = 1;
	dropped(&h, &tcp, HEADERS + 100, "evil", "bad_gso");
	tcp_make(64000);
	h.gso_size = 47;
	dropped(&h, &tcp, HEADERS + 64000, "evil", "bad_gso");

	/* A partial checksum, for a receiver that does not accept it. */
	mark();
	tcp_make(333);
	h = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 };
	guest_send(&evil, &h, &tcp, HEADERS + 333);
	assert_int_equal(guest_recv(&peer, &got, f, sizeof(f), PATIENCE_MS), HEADERS + 333);
	assert_false(got.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	check_segment(f, HEADERS + 333, 0, 333);
	moved(NULL, NULL);
}

/* ---- I7 ---- */

static void i7_link_local(void **state)
{
	uint8_t f[60], dst[6] = { 0x01, 0x80, 0xc2, 0, 0, 0 };

	/* Spanning tree, pause, LACP, LLDP, and all others of the block. */
	for (dst[5] = 0; dst[5] < 16; dst[5]++) {
		frame_make(f, sizeof(f), dst, evil.mac, dst[5]);
		dropped(NULL, f, sizeof(f), "evil", "ctrl_proto");
	}
	/* The next address is an ordinary multicast. */
	frame_make(f, sizeof(f), dst, evil.mac, 1);
	mark();
	delivered(f, sizeof(f));
	moved(NULL, NULL);
}

/* ---- O ---- */

/* A number that port.list has about port. */
static json_int_t shown(const char *port, const char *key)
{
	json_t *r = rpc("port.list", json_pack("{ss}", "name", port)), *p = json_array_get(json_object_get(r, "ports"), 0);
	json_int_t n;

	assert_true(json_is_integer(json_object_get(p, key)));
	n = json_integer_value(json_object_get(p, key));
	json_decref(r);
	return n;
}

static void o1_source_addresses(void **state)
{
	static const uint8_t bad[][6] = {
		{ 0 }, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, { 0x01, 0, 0x5e, 0, 0, 1 }, { 0x33, 0x33, 0, 0, 0, 1 },
		{ 3, 0, 0, 0, 0, 0xbb },
	};
	uint8_t f[60];

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		frame_make(f, sizeof(f), peer.mac, bad[i], i);
		dropped(NULL, f, sizeof(f), "evil", "bad_src_mac");
		frame_make(f, sizeof(f), broadcast, bad[i], i);
		dropped(NULL, f, sizeof(f), "evil", "bad_src_mac");
	}
	/* The address of another port, which uses it: no frame is dropped, and after a few it stays with its owner. */
	mark();
	for (uint8_t i = 0; i < 20; i++) {
		frame_make(f, sizeof(f), broadcast, peer.mac, 2 * i);
		guest_send(&peer, NULL, f, sizeof(f));
		guest_gets(&evil, f, sizeof(f));
		frame_make(f, sizeof(f), broadcast, peer.mac, 2 * i + 1);
		delivered(f, sizeof(f));
	}
	assert_true(shown("evil", "mac_contested") > 0);
	frame_make(f, sizeof(f), peer.mac, evil.mac, 100);
	delivered(f, sizeof(f));
	traffic_flows();
	moved(NULL, NULL);
}

static unsigned int learnt(const char *port)
{
	json_t *r = rpc("fdb.list", NULL), *e;
	unsigned int n = 0;
	size_t i;

	json_array_foreach(json_object_get(r, "entries"), i, e)
		n += !strcmp(json_string_value(json_object_get(e, "port")), port);
	json_decref(r);
	return n;
}

static void o3_many_addresses(void **state)
{
	uint8_t f[60], mac[6] = { 2, 0xde, 0xad };
	json_int_t beyond;
	unsigned int room, others = learnt("peer") + learnt("w0") + learnt("w1");

	/* An earlier test may have used some of the port's addresses. */
	room = MACS - learnt("evil");
	beyond = shown("evil", "mac_limit");
	mark();
	for (unsigned int i = 0; i < 5000; i++) {
		mac[3] = i >> 16;
		mac[4] = i >> 8;
		mac[5] = i;
		frame_make(f, sizeof(f), peer.mac, mac, i);
		delivered(f, sizeof(f));
	}
	moved(NULL, NULL);
	assert_int_equal(shown("evil", "mac_limit") - beyond, 5000 - room);
	assert_int_equal(learnt("evil"), MACS);
	assert_int_equal(learnt("peer") + learnt("w0") + learnt("w1"), others);
	mark();
	traffic_flows();
	moved(NULL, NULL);
}

int frame_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(i1_lengths),
		evil_test(i2_tags),
		evil_test(i3_offload_requests),
		evil_test(i4_segmentation),
		evil_test(i7_link_local),
		evil_test(o1_source_addresses),
		evil_test(o3_many_addresses),
	};

	/* Changed memory has taught the switch random addresses: start with a new port. */
	return cmocka_run_group_tests_name("frames", tests, attach_anew, NULL);
}
