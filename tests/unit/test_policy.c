/* SPDX-License-Identifier: BSD-3-Clause */
/* Adding and removing tags, meters over days, addresses in random frames. The policies themselves: tests/policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "policy/address.c"
#include "policy/policy.c"
#include "frame/layout.c"
#include "frame/offload.c"

static struct nfvd_frame f, g;

/* A frame of len bytes, numbered from 1 on behind its Ethernet header, with its first 128 in the header. */
static void make(uint32_t len, const char *type)
{
	memset(&f, 0, sizeof(f));
	f.len = len;
	f.hdr_len = len < NFVD_HDR_MAX ? len : NFVD_HDR_MAX;
	for (unsigned int i = 0; i < f.hdr_len; i++)
		f.hdr[i] = (uint8_t)(i + 1);
	memcpy(f.hdr + 12, type, (uint8_t)type[0] == 0x81 ? 6 : 2);
}

static void test_push_and_pop(void **state)
{
	make(1514, "\x08\x01");
	f.vnet.hdr = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16,
					      .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .hdr_len = 54, .gso_size = 1000 };
	assert_true(nfvd_retag(&g, &f, NFVD_RETAG_PUSH, 0x123));
	/* The tag does not fit the 128 copied bytes, but there is room behind them. */
	assert_int_equal(g.len, 1518);
	assert_int_equal(g.hdr_len, 132);
	assert_memory_equal(g.hdr, f.hdr, 12);
	assert_memory_equal(g.hdr + 12, "\x81\x00\x01\x23\x08\x01", 6);
	assert_memory_equal(g.hdr + 16, f.hdr + 12, 116);
	assert_int_equal(g.vnet.hdr.csum_start, 38);
	assert_int_equal(g.vnet.hdr.hdr_len, 58);
	assert_int_equal(g.vnet.hdr.gso_size, 1000);
	f = g;
	assert_true(nfvd_retag(&g, &f, NFVD_RETAG_POP, 0));
	assert_int_equal(g.len, 1514);
	assert_int_equal(g.hdr_len, 128);
	assert_memory_equal(g.hdr + 12, f.hdr + 16, 116);
	assert_int_equal(g.vnet.hdr.csum_start, 34);
	assert_int_equal(g.vnet.hdr.hdr_len, 54);
}

/* A program at a device's egress puts on a tunnel, but not beside a tag. */
static void test_tunnel(void **state)
{
	make(1514, "\x08\x00");
	memset(f.hdr + 14, 0, 114);
	memcpy(f.hdr + 14, "\x45\x00\x05\xdc\x00\x00\x00\x00\x40\x04", 10);
	memcpy(f.hdr + 34, "\x45\x00\x05\xc8\x00\x00\x00\x00\x40\x06", 10);
	f.hdr[44] = 0x75;	/* its checksum */
	f.hdr[45] = 0x31;
	f.hdr[54 + 12] = 0x50;
	f.vnet.hdr = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 54, .csum_offset = 16,
					      .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 };
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(f.needs, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_TSO4 | NFVD_ACCEPT_TUNNEL);
	assert_true(nfvd_retag(&g, &f, NFVD_RETAG_PUSH, 5));
	assert_int_equal(g.needs, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_TSO4 | NFVD_ACCEPT_NEVER);
	f = g;
	assert_true(nfvd_retag(&g, &f, NFVD_RETAG_POP, 0));
	assert_int_equal(g.needs, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_TSO4 | NFVD_ACCEPT_TUNNEL);
	assert_int_equal(g.outer, 20);
}

static void test_set_keeps_priority(void **state)
{
	make(64, "\x81\x00\xb0\x00\x08\x00");
	assert_true(nfvd_retag(&g, &f, NFVD_RETAG_SET, 0x0ff));
	assert_memory_equal(g.hdr + 12, "\x81\x00\xb0\xff\x08\x00", 6);
	assert_int_equal(g.len, 64);
}

static void test_shortest(void **state)
{
	make(14, "\x08\x00");
	assert_true(nfvd_retag(&g, &f, NFVD_RETAG_PUSH, 7));
	assert_int_equal(g.len, 18);
	f = g;
	assert_true(nfvd_retag(&g, &f, NFVD_RETAG_POP, 0));
	assert_int_equal(g.len, 14);
	assert_memory_equal(g.hdr + 12, "\x08\x00", 2);
}

/* A checksum that begins in the tag would begin before the frame's payload, or wrap around. */
static void test_checksum_in_the_way(void **state)
{
	static const struct {
		enum nfvd_retag how;
		uint16_t start;
		bool good;
	} cases[] = {
		{ NFVD_RETAG_POP, 14, false }, { NFVD_RETAG_POP, 17, false }, { NFVD_RETAG_POP, 18, true },
		{ NFVD_RETAG_PUSH, 14, true }, { NFVD_RETAG_PUSH, 65531, true }, { NFVD_RETAG_PUSH, 65532, false },
		{ NFVD_RETAG_PUSH, 65535, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(NFVD_FRAME_MAX - NFVD_TAG_LEN, "\x81\x00\x00\x05\x08\x00");
		f.vnet.hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		f.vnet.hdr.csum_start = cases[i].start;
		assert_int_equal(nfvd_retag(&g, &f, cases[i].how, 5), cases[i].good);
	}
}

/* ---- meters ---- */

#define MS (1000000 * NFVD_METER_NS)

/* Return how many bytes pass in so many ms, with frames offered every 0.1 ms. */
static uint64_t passed(struct nfvd_meter *m, const struct nfvd_rate *r, uint64_t from, unsigned int ms, unsigned int bytes, unsigned int segs)
{
	uint64_t n = 0;

	for (uint64_t t = 0; t < ms * MS; t += MS / 10)
		while (nfvd_meter_pass(m, r, bytes, segs, from + t))
			n++;
	return n * bytes;
}

static void test_rates(void **state)
{
	static const uint64_t rates[] = { 1000000, 100000000, 1000000000, 10000000000, 40000000000 };
	static const unsigned int sizes[] = { 64, 1500, 65562 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		for (size_t s = 0; s < 3; s++) {
			struct nfvd_rate r = { .bps = rates[i] };
			struct nfvd_meter m = { 0 };
			uint64_t now = 12345 * MS, got, want = rates[i] / 8 * 10;

			nfvd_rate_prepare(&r, NFVD_METER_WAIT_NS);
			/* The burst passes once, and the frame that exceeds it. */
			passed(&m, &r, now, 1000, sizes[s], 1);
			if (rates[i] > 1000000000 && sizes[s] == 64)
				continue;
			got = passed(&m, &r, now + 1000 * MS, 10000, sizes[s], 1);
			assert_in_range(got, want - want / 50 - 65562, want + want / 50 + 65562);
		}
}

static void test_frames_a_second(void **state)
{
	struct nfvd_rate r = { .pps = 10000 };
	struct nfvd_meter m = { 0 };

	nfvd_rate_prepare(&r, NFVD_METER_WAIT_NS);
	passed(&m, &r, 0, 1000, 64, 1);
	assert_in_range(passed(&m, &r, 1000 * MS, 1000, 64, 1) / 64, 9800, 10200);
	/* A super-frame costs its segments. */
	assert_in_range(passed(&m, &r, 2000 * MS, 1000, 65562, 45) / 65562, 200, 240);
}

static void test_wraps(void **state)
{
	struct nfvd_rate r = { .bps = 1000000 };
	struct nfvd_meter m = { 0 };
	uint64_t now = 0 - 500 * MS;

	nfvd_rate_prepare(&r, NFVD_METER_WAIT_NS);
	atomic_store(&m.bytes, now);
	passed(&m, &r, now, 400, 1500, 1);
	assert_in_range(passed(&m, &r, now + 400 * MS, 10000, 1500, 1), 1220000, 1280000);
	/* After weeks of silence. */
	assert_true(nfvd_meter_pass(&m, &r, 1500, 1, now + 2000000000ull * MS));
}

#define DAY	(86400000ull * MS)

/* On whatever day of the host's it begins, and however long nothing is charged. */
static void test_any_day(void **state)
{
	struct nfvd_rate r = { .bps = 1000, .pps = 1 };
	struct nfvd_meter m;

	nfvd_rate_prepare(&r, NFVD_METER_WAIT_NS);
	for (uint64_t day = 0; day < 120; day++) {
		nfvd_meter_start(&m, day * DAY);
		assert_int_equal(nfvd_meter_wait(&m, &r, day * DAY), 0);
	}
	for (uint64_t now = 120 * DAY; now < 240 * DAY; now += DAY / 2) {
		nfvd_meter_look_after(&m, now);
		assert_int_equal(nfvd_meter_wait(&m, &r, now), 0);
	}
	/* What is still to be paid for stays so. */
	nfvd_meter_charge(&m, &r, 3 * NFVD_FRAME_MAX, 45, 240 * DAY);
	nfvd_meter_look_after(&m, 240 * DAY + MS);
	assert_true(nfvd_meter_wait(&m, &r, 240 * DAY + MS) > 0);
}

static void test_wait_and_room(void **state)
{
	struct nfvd_rate r = { .bps = 1000000 };
	struct nfvd_meter m = { 0 };

	nfvd_rate_prepare(&r, NFVD_METER_WAIT_NS);
	assert_int_equal(nfvd_meter_wait(&m, &r, MS), 0);
	assert_int_equal(nfvd_meter_room(&m, &r, MS, 64), 1);
	nfvd_meter_charge(&m, &r, 3 * NFVD_FRAME_MAX, 1, MS);
	assert_true(nfvd_meter_wait(&m, &r, MS) > 1000 * MS);
	r = (struct nfvd_rate){ .bps = 10000000000 };
	nfvd_rate_prepare(&r, NFVD_METER_WAIT_NS);
	m = (struct nfvd_meter){ 0 };
	assert_int_equal(nfvd_meter_room(&m, &r, MS, 64), 64);
}

/* ---- addresses ---- */

/* Only private memory is read, whatever it contains; the sanitizer checks this. */
static void test_any_bytes(void **state)
{
	static const char *const types[] = { "\x08\x00", "\x08\x06", "\x86\xdd", "\x81\x00\x00\x01\x86\xdd", "\x88\xa8\x00\x01\x81\x00", "\x80\x35" };
	struct nfvd_policy *p = calloc(1, sizeof(*p));
	struct nfvd_address_state address = { 0 };
	unsigned int reasons[NFVD_N_REASONS] = { 0 }, behind = 0;
	enum nfvd_drop why;

	p->n_macs = p->n_ip4 = p->n_ip6 = 1;
	p->guard = NFVD_GUARD_DHCP | NFVD_GUARD_RA;
	memset(p->vlans, 0xff, sizeof(p->vlans));
	srand(1);
	for (unsigned int n = 0; n < 300000; n++) {
		/* The bytes end at the end of a block, so that the sanitizer sees a read beyond them. */
		unsigned int len = 14 + (unsigned int)rand() % 115, i;
		struct nfvd_frame *frame = malloc(offsetof(struct nfvd_frame, hdr) + sizeof(frame->hdr));

		memset(frame, 0, offsetof(struct nfvd_frame, hdr));
		for (i = 0; i < sizeof(frame->hdr); i++)
			frame->hdr[i] = (uint8_t)(rand() % 4 ? rand() % 64 : rand());
		memset(frame->hdr + 6, 0, 6);
		memcpy(frame->hdr + 12, types[n % 6], n % 6 == 3 || n % 6 == 4 ? 6 : 2);
		frame->len = len + (unsigned int)rand() % 1400;
		frame->hdr_len = frame->len < NFVD_HDR_MAX ? frame->len : NFVD_HDR_MAX;
		why = nfvd_address_check(&address, p, frame);
		/* Its vectors end before its bytes do. */
		frame->origin_copies = 1;
		behind += why == NFVD_ADDRESS_BEHIND;
		reasons[nfvd_address_check(&address, p, frame)]++;
		free(frame);
	}
	assert_true(reasons[NFVD_PASS] + reasons[NFVD_DROP_SPOOFED_IP] + reasons[NFVD_DROP_SPOOFED_MAC] + reasons[NFVD_DROP_GUARD] == 300000);
	assert_true(reasons[NFVD_DROP_SPOOFED_IP] && reasons[NFVD_DROP_SPOOFED_MAC] && reasons[NFVD_DROP_GUARD] && behind);
	free(p);
}

/* A wire pads a frame to 60 bytes: the beginning of a tag becomes one. */
static void test_cut_in_the_tag(void **state)
{
	struct nfvd_policy trunk = { .native = 30, .vlans[0] = ~0ull };
	uint16_t vlan;

	for (uint32_t len = NFVD_FRAME_MIN; len < 18; len++) {
		make(18, "\x81\x00\x00\x63\x00\x00");
		f.len = f.hdr_len = len;
		assert_int_equal(nfvd_policy_classify(&trunk, &f, &vlan), NFVD_DROP_VLAN);
		assert_int_equal(nfvd_policy_classify(NULL, &f, &vlan), NFVD_DROP_VLAN);
	}
}

/* What the kernel held is not what it holds of a copy: an SCTP sum has to be made. */
static void test_copy_is_not_held(void **state)
{
	make(114, "\x08\x00");
	f.held = true;
	f.vnet.hdr = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 8 };
	assert_int_equal(nfvd_offload_check(&f), NFVD_PASS);
	assert_int_equal(f.needs, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_SKB);
	assert_true(nfvd_retag(&g, &f, NFVD_RETAG_PUSH, 5));
	assert_int_equal(g.needs, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_NEVER);
}

static enum nfvd_drop guarded(void)
{
	struct nfvd_policy p = { .guard = NFVD_GUARD_DHCP | NFVD_GUARD_RA };
	struct nfvd_address_state state = { 0 };

	return nfvd_address_check(&state, &p, &f);
}

/* A first fragment without its upper header is not judged by the padding behind it. */
static void test_padding_is_no_header(void **state)
{
	static const uint8_t fragment[] = { 0x60, 0, 0, 0, 0, 16, IPPROTO_FRAGMENT, 255 };
	static const uint8_t first[] = { IPPROTO_DSTOPTS, 0, 0, 1, 0, 0, 0, 0, IPPROTO_UDP, 0, 1, 4 };
	static const uint8_t ip4[] = { 0x45, 0, 0, 20, 0, 0, 0x20, 0, 64, IPPROTO_UDP };

	make(90, "\x86\xdd");
	memset(f.hdr + 14, 0, 76);
	memcpy(f.hdr + 14, fragment, sizeof(fragment));
	memcpy(f.hdr + 54, first, sizeof(first));
	assert_int_equal(guarded(), NFVD_DROP_GUARD);
	/* With it, and not to a client, it passes. */
	f.hdr[19] = 24;
	assert_int_equal(guarded(), NFVD_PASS);
	make(60, "\x08\x00");
	memset(f.hdr + 14, 0, 46);
	memcpy(f.hdr + 14, ip4, sizeof(ip4));
	assert_int_equal(guarded(), NFVD_DROP_GUARD);
	f.hdr[17] = 28;
	assert_int_equal(guarded(), NFVD_PASS);
}

/* An address that is nobody's is not pinned. */
static void test_nobody_is_not_pinned(void **state)
{
	struct nfvd_policy p = { .pin = true };
	struct nfvd_address_state pin = { 0 };

	make(60, "\x08\x01");
	memset(f.hdr + 6, 0, 6);
	assert_int_equal(nfvd_address_check(&pin, &p, &f), NFVD_DROP_SPOOFED_MAC);
	f.hdr[6] = 2;
	assert_int_equal(nfvd_address_check(&pin, &p, &f), NFVD_PASS);
	f.hdr[11] = 1;
	assert_int_equal(nfvd_address_check(&pin, &p, &f), NFVD_DROP_SPOOFED_MAC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_and_pop), cmocka_unit_test(test_tunnel), cmocka_unit_test(test_set_keeps_priority), cmocka_unit_test(test_shortest),
		cmocka_unit_test(test_checksum_in_the_way), cmocka_unit_test(test_rates), cmocka_unit_test(test_frames_a_second),
		cmocka_unit_test(test_cut_in_the_tag), cmocka_unit_test(test_copy_is_not_held), cmocka_unit_test(test_padding_is_no_header),
		cmocka_unit_test(test_nobody_is_not_pinned), cmocka_unit_test(test_wraps), cmocka_unit_test(test_any_day), cmocka_unit_test(test_wait_and_room), cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
