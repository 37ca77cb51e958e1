/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups A and B: chains that are unusual but legal, and faults that affect one frame only. */
#include "evil.h"

#include <string.h>
#include <unistd.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT

static void a4_same_head_twice(void **state)
{
	struct vuf_vring *r = &evil.f.vq[TX];
	uint32_t id, len;

	load();
	desc(TX, 7, gpa_of(evil.big), HDR + MIN, 0, 0);
	vuf_post(r, 7);
	vuf_post(r, 7);
	vuf_publish(r);
	assert_true(wait_until(vuf_used_ready(r) == 2, PATIENCE_MS));
	for (int i = 0; i < 2; i++) {
		assert_true(vuf_used(r, &id, &len));
		assert_int_equal(id, 7);
		guest_gets(&peer, evil.big + HDR, MIN);
	}
	moved(NULL, NULL);

	/* The same in the Rx ring: two frames in one buffer, one after the other. */
	guest_reset(&evil, false);
	r = &evil.f.vq[RX];
	desc(RX, 7, gpa_of(evil.rx[7]), SMALL, WRITE, 0);
	vuf_post(r, 7);
	vuf_post(r, 7);
	vuf_publish(r);
	for (int i = 0; i < 2; i++) {
		uint8_t frame[MIN];

		frame_make(frame, MIN, evil.mac, peer.mac, 40 + i);
		guest_send(&peer, NULL, frame, MIN);
		assert_true(wait_until(vuf_used_ready(r), PATIENCE_MS));
		assert_true(vuf_used(r, &id, &len));
		assert_int_equal(id, 7);
		assert_memory_equal(evil.rx[7] + HDR, frame, MIN);
	}
	moved(NULL, NULL);
}

static void a7_short_chains(void **state)
{
	uint64_t gpa = gpa_of(evil.big);

	load();
	for (uint32_t len = 1; len < HDR; len++) {
		desc(TX, 0, gpa, len, 0, 0);
		guest_send_chain(&evil, 0);
	}
	moved("evil", "runt_chain", HDR - 1, NULL);
	mark();
	for (uint32_t len = HDR; len < HDR + 14; len++) {
		desc(TX, 0, gpa, len, 0, 0);
		guest_send_chain(&evil, 0);
	}
	moved("evil", "runt", 14, NULL);
	guest_gets_nothing(&peer);

	/* Each byte of the header, and of half the frame, in a descriptor of its own. */
	mark();
	for (uint16_t i = 0; i < HDR + MIN / 2; i++)
		desc(TX, i, gpa + i, 1, NEXT, i + 1);
	desc(TX, HDR + MIN / 2, gpa + HDR + MIN / 2, MIN / 2, 0, 0);
	guest_send_chain(&evil, 0);
	guest_gets(&peer, evil.big + HDR, MIN);
	moved(NULL, NULL);
}

/* Post n buffers of len bytes each in evil.big, with guard bytes between; all of it is 0xee. */
static void post_small(unsigned int n, uint32_t len)
{
	memset(evil.big, 0xee, BIG);
	for (uint16_t i = 0; i < n; i++) {
		desc(RX, i, gpa_of(evil.big) + i * 64, len, WRITE, 0);
		vuf_post(&evil.f.vq[RX], i);
	}
	vuf_publish(&evil.f.vq[RX]);
}

/* No byte is written outside the first len bytes of each of n slots. */
static void guards_are_whole(unsigned int n, uint32_t len)
{
	for (uint32_t i = 0; i < BIG; i++)
		if (i / 64 >= n || i % 64 >= len)
			assert_int_equal(evil.big[i], 0xee);
}

static void frame_to_evil(uint8_t *frame, uint32_t len)
{
	frame_make(frame, len, evil.mac, peer.mac, len);
	guest_send(&peer, NULL, frame, len);
}

static void rx_too_short(unsigned int n, uint32_t buf, uint32_t len, const char *reason)
{
	uint8_t frame[SMALL];

	print_message("    %u buffers of %u bytes for %u, %s\n", n, buf, len, reason ? reason : "delivered");
	guest_reset(&evil, false);
	mark();
	post_small(n, buf);
	frame_to_evil(frame, len);
	frame_to_evil(frame, len);
	moved("evil", reason, 2, NULL);
	assert_int_equal(evil.f.vq[RX].used->idx, 0);
	guards_are_whole(n, 0);
	queue_is("evil", RX, "running", NULL);
}

/* A frame that arrives in many small buffers is unchanged, and nothing is written outside them. */
static void rx_in_pieces(uint32_t buf)
{
	struct vuf_vring *r = &evil.f.vq[RX];
	uint8_t frame[MIN], got[RING * 64];
	uint32_t id, len, total = 0;
	unsigned int n = 0;

	guest_reset(&evil, false);
	post_small(RING, buf);
	frame_to_evil(frame, MIN);
	assert_true(wait_until(vuf_used_ready(r), PATIENCE_MS));
	while (vuf_used(r, &id, &len)) {
		assert_int_equal(id, n++);
		assert_true(len <= buf);
		memcpy(got + total, evil.big + id * 64, len);
		total += len;
	}
	assert_int_equal(n, (HDR + MIN + buf - 1) / buf);
	assert_int_equal(total, HDR + MIN);
	assert_int_equal(got[10] | got[11] << 8, n);
	assert_memory_equal(got + HDR, frame, MIN);
	guards_are_whole(n, buf);
}

static void a8_short_buffers(void **state)
{
	static const uint32_t sizes[] = { 1, 11, 12, 13 };
	unsigned int cpu;

	for (unsigned int i = 0; i < 4; i++) {
		rx_in_pieces(sizes[i]);
		rx_too_short(2, sizes[i], MIN, "dst_full");
	}
	rx_too_short(200, 1, 400, "dst_full");

	/* No more buffers are posted: waiting frames cost no CPU time. */
	assert_true(witness_pause(true));
	cpu = nfvd_cpu_ms();
	usleep(500000);	/* the time over which it is measured */
	cpu = nfvd_cpu_ms() - cpu;
	witness_pause(false);
	assert_in_range(cpu, 0, 100);

	evil.f.wanted &= ~(1ull << VIRTIO_NET_F_MRG_RXBUF);
	guest_again(&evil, true);
	traffic_flows();
	for (unsigned int i = 0; i < 4; i++)
		rx_too_short(8, sizes[i], MIN, "rx_buf_short");
	rx_too_short(1, HDR + MIN - 1, MIN, "rx_buf_short");
	evil.f.wanted |= 1ull << VIRTIO_NET_F_MRG_RXBUF;
	guest_again(&evil, true);
	mark();
}

static void post_few(void)
{
	for (uint16_t i = 0; i < 8; i++) {
		desc(RX, i, gpa_of(evil.rx[i]), SMALL, WRITE, 0);
		vuf_post(&evil.f.vq[RX], i);
	}
	vuf_publish(&evil.f.vq[RX]);
}

/* A guest with few buffers gets time to post more. Otherwise waiting frames are bounded, dropped, and cost nothing. */
static void a8_never_posted_again(void **state)
{
	uint8_t frame[MIN];
	unsigned int cpu;

	guest_reset(&evil, false);
	mark();
	post_few();
	for (unsigned int i = 0; i < 1500; i++)
		frame_to_evil(frame, MIN);
	moved("evil", "dst_queue", 1500 - 8, NULL);
	assert_int_equal(evil.f.vq[RX].used->idx, 8);
	sums_add_up();

	assert_true(witness_pause(true));
	frame_to_evil(frame, MIN);
	cpu = nfvd_cpu_ms();
	usleep(500000);	/* the time over which it is measured */
	cpu = nfvd_cpu_ms() - cpu;
	witness_pause(false);
	assert_in_range(cpu, 0, 100);
	moved("evil", "dst_queue", 1500 - 7, NULL);

	/* Waiting frames arrive when buffers are posted, or end with the rings. */
	frame_to_evil(frame, MIN);
	post_few();
	assert_true(wait_until(evil.f.vq[RX].used->idx == 9, PATIENCE_MS));
	for (unsigned int i = 0; i < 20; i++)
		frame_to_evil(frame, MIN);
	guest_down(&evil);
	guest_up(&evil, true);
	traffic_flows();
	sums_add_up();
	mark();
}

/* Two regions that are neighbours for the guest lie apart in nfvd: split there, and only there. */
static void a9_across_regions(void **state)
{
	uint8_t *edge = evil.f.mem + evil.f.region[1].mmap_offset;
	uint8_t saved[2 * SMALL], frame[1000];

	memcpy(saved, edge - SMALL, sizeof(saved));
	for (uint32_t before = 1; before <= 200; before += 7) {
		memset(edge - before, 0, HDR);
		frame_make(edge - before + HDR, 1000, peer.mac, evil.mac, before);
		desc(TX, 0, evil.f.region[1].gpa - before, HDR + 1000, 0, 0);
		guest_send_chain(&evil, 0);
		guest_gets(&peer, edge - before + HDR, 1000);
	}
	guest_reset(&evil, false);
	for (uint32_t before = 1; before <= 200; before += 7) {
		uint32_t id, len;

		desc(RX, 0, evil.f.region[1].gpa - before, HDR + 1000, WRITE, 0);
		vuf_post(&evil.f.vq[RX], 0);
		vuf_publish(&evil.f.vq[RX]);
		frame_to_evil(frame, 1000);
		assert_true(wait_until(vuf_used_ready(&evil.f.vq[RX]), PATIENCE_MS));
		assert_true(vuf_used(&evil.f.vq[RX], &id, &len));
		assert_int_equal(len, HDR + 1000);
		assert_memory_equal(edge - before + HDR, frame, 1000);
	}
	memcpy(edge - SMALL, saved, sizeof(saved));
	moved(NULL, NULL);
}

/* A guest may send its rings' memory, and receive into it: it harms only itself. */
static void a10_aliases(void **state)
{
	struct vuf_vring *rx = &evil.f.vq[RX], *tx = &evil.f.vq[TX];
	uint8_t frame[MIN];

	load();
	desc(TX, 0, gpa_of(evil.big), HDR + 14, NEXT, 1);
	desc(TX, 1, gpa_of(tx->desc), sizeof(*tx->desc) * RING, NEXT, 2);
	desc(TX, 2, gpa_of(tx->used), 512, 0, 0);
	guest_send_chain(&evil, 0);
	assert_int_equal(guest_recv(&peer, NULL, evil.big, BIG, PATIENCE_MS), 14 + 16 * RING + 512);
	moved(NULL, NULL);

	guest_reset(&evil, false);
	void *const victims[] = { rx->desc, rx->avail, rx->used, tx->desc, tx->avail, tx->used };

	for (unsigned int i = 0; i < sizeof(victims) / sizeof(victims[0]); i++) {
		desc(RX, 0, gpa_of(victims[i]), SMALL, WRITE, 0);
		vuf_post(rx, 0);
		vuf_publish(rx);
		frame_to_evil(frame, MIN);
		vuf_kick(tx);
		guest_again(&evil, false);
	}
	guest_again(&evil, true);
	mark();
}

static void b3_indirect_across_regions(void **state)
{
	uint8_t *edge = evil.f.mem + evil.f.region[1].mmap_offset;
	struct vring_desc t[16];
	uint8_t saved[1024];

	memcpy(saved, edge - 512, sizeof(saved));
	load();
	for (unsigned int i = 0; i < 16; i++)
		t[i] = (struct vring_desc){ gpa_of(evil.big) + i, 1, NEXT, i + 1 };
	t[15] = (struct vring_desc){ gpa_of(evil.big) + 15, HDR + MIN - 15, 0, 0 };
	for (unsigned int before = 1; before < sizeof(t); before += 5) {
		memcpy(edge - before, t, sizeof(t));
		desc(TX, 0, evil.f.region[1].gpa - before, sizeof(t), IND, 0);
		guest_send_chain(&evil, 0);
		guest_gets(&peer, evil.big + HDR, MIN);
	}
	memcpy(edge - 512, saved, sizeof(saved));
	moved(NULL, NULL);
}

/* virtio 1.2, 2.7.5.3.2: the device handles plain descriptors followed by one that points to a table. */
static void b2_indirect_behind_plain(void **state)
{
	struct vring_desc *t = (struct vring_desc *)evil.ind;
	uint8_t frame[MIN], got[MIN];
	uint32_t id, len;

	load();
	t[0] = (struct vring_desc){ gpa_of(evil.big) + 20, 30, NEXT, 1 };
	t[1] = (struct vring_desc){ gpa_of(evil.big) + 50, HDR + MIN - 50, 0, 0 };
	desc(TX, 0, gpa_of(evil.big), HDR, NEXT, 1);
	desc(TX, 1, gpa_of(evil.big) + HDR, 20 - HDR, NEXT, 2);
	desc(TX, 2, gpa_of(t), 2 * sizeof(*t), IND, 0);
	guest_send_chain(&evil, 0);
	guest_gets(&peer, evil.big + HDR, MIN);

	guest_reset(&evil, false);
	t[0] = (struct vring_desc){ gpa_of(evil.big) + HDR, MIN, WRITE, 0 };
	desc(RX, 0, gpa_of(evil.big), HDR, WRITE | NEXT, 1);
	desc(RX, 1, gpa_of(t), sizeof(*t), IND, 0);
	vuf_post(&evil.f.vq[RX], 0);
	vuf_publish(&evil.f.vq[RX]);
	frame_to_evil(frame, MIN);
	assert_true(wait_until(vuf_used_ready(&evil.f.vq[RX]), PATIENCE_MS));
	assert_true(vuf_used(&evil.f.vq[RX], &id, &len));
	assert_int_equal(len, HDR + MIN);
	memcpy(got, evil.big + HDR, MIN);
	assert_memory_equal(got, frame, MIN);
	moved(NULL, NULL);
}

int chain_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(a4_same_head_twice),
		evil_test(a7_short_chains),
		evil_test(a8_short_buffers),
		evil_test(a8_never_posted_again),
		evil_test(a9_across_regions),
		evil_test(a10_aliases),
		evil_test(b2_indirect_behind_plain),
		evil_test(b3_indirect_across_regions),
	};

	return cmocka_run_group_tests_name("chains", tests, NULL, NULL);
}
