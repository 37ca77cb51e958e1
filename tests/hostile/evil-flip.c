/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups A11 to A14: memory that changes while nfvd reads it, notifications, and load. */
#include "evil.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT
#define FLIP_MS	700		/* for each kind of field */

/* ---- the flipper ---- */

enum field { F_LEN, F_ADDR, F_FLAGS, F_NEXT, F_IDX, F_HEADER, F_TABLE_LEN, F_TABLE, F_END };

static const char *const field_names[F_END] = {
	"len", "addr", "flags", "next", "avail idx and ring", "virtio_net_hdr", "indirect length", "indirect table",
};

static atomic_int field;
static atomic_bool flip_stop;

static uint32_t rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 33;
}

/* One change in the first descriptors of ring r, or what belongs to them. */
static void flip_once(struct vuf_vring *r, uint64_t *s)
{
	static const uint32_t lens[] = { 0, 1, HDR, HDR + 60, SMALL, BIG, 0xffffffff };
	volatile struct vring_desc *d = &r->desc[rnd(s) % 16];
	volatile struct vring_desc *t = &((struct vring_desc *)evil.ind)[rnd(s) % 16];

	switch (atomic_load(&field)) {
	case F_LEN:
		d->len = lens[rnd(s) % 7];
		break;
	case F_ADDR:
		d->addr = rnd(s) % 8 ? evil.f.region[1].gpa - rnd(s) % SMALL : (uint64_t)rnd(s) << (rnd(s) % 34);
		break;
	case F_FLAGS:
		d->flags = rnd(s) % 8;
		break;
	case F_NEXT:
		d->flags = rnd(s) % 2 ? NEXT : 0;
		d->next = rnd(s) % 8 ? rnd(s) % 16 : rnd(s);
		break;
	case F_IDX:
		r->avail->ring[rnd(s) % RING] = rnd(s) % 8 ? rnd(s) % RING : rnd(s);
		if (rnd(s) % 4 == 0)
			__atomic_store_n(&r->avail->idx, r->used->idx + rnd(s) % (RING + 2), __ATOMIC_RELEASE);
		break;
	case F_HEADER:
		((volatile uint8_t *)evil.big)[rnd(s) % 64] = rnd(s);
		break;
	case F_TABLE_LEN:
		d->len = 16 * (rnd(s) % 32) + (rnd(s) % 64 == 0);
		break;
	case F_TABLE:
		t->len = lens[rnd(s) % 7];
		t->flags = rnd(s) % 8;
		t->next = rnd(s) % 20;
		break;
	}
}

static void *flipper(void *arg)
{
	uint64_t seed = 1;

	while (!atomic_load(&flip_stop))
		for (int i = 0; i < 64; i++)
			flip_once(&evil.f.vq[rnd(&seed) % 4 ? TX : RX], &seed);
	return NULL;
}

/* Make valid chains in both rings, plain or indirect, all available at once. */
static void load_rings(bool indirect)
{
	struct vring_desc *t = (struct vring_desc *)evil.ind;

	memset(evil.big, 0, HDR);
	frame_make(evil.big + HDR, 400, peer.mac, evil.mac, 9);
	for (uint16_t i = 0; i < 16; i++)
		t[i] = (struct vring_desc){ gpa_of(evil.big) + i * 8, 8, i < 15 ? NEXT : 0, i + 1 };
	for (unsigned int q = 0; q < 2; q++)
		for (uint16_t i = 0; i < RING; i++) {
			if (indirect && q == TX)
				desc(q, i, gpa_of(evil.ind), 16 * 16, IND, 0);
			else
				desc(q, i, gpa_of(q == RX ? evil.rx[i] : evil.big), q == RX ? SMALL : HDR + 400,
				     q == RX ? WRITE : 0, 0);
			vuf_post(&evil.f.vq[q], i % 16);
		}
	vuf_publish(&evil.f.vq[RX]);
	vuf_publish(&evil.f.vq[TX]);
}

static void drain_peer(void)
{
	static uint8_t frame[BIG];

	while (vuf_used_ready(&peer.f.vq[RX]))
		guest_recv(&peer, NULL, frame, sizeof(frame), 0);
}

static void a11_flipper(void **state)
{
	uint8_t frame[300];
	unsigned int rounds = 0;
	pthread_t t;

	for (int what = 0; what < F_END; what++) {
		int64_t end = now_ms() + FLIP_MS;

		atomic_store(&flip_stop, false);
		atomic_store(&field, what);
		assert_int_equal(pthread_create(&t, NULL, flipper, NULL), 0);
		for (rounds = 0; now_ms() < end; rounds++) {
			load_rings(what == F_TABLE || what == F_TABLE_LEN);
			frame_make(frame, sizeof(frame), evil.mac, peer.mac, rounds);
			for (int i = 0; i < 8; i++)
				guest_send(&peer, NULL, frame, sizeof(frame));
			drain_peer();
			wait_until(evil.f.vq[TX].used->idx == evil.f.vq[TX].avail->idx, 5);
			/* Continue to change memory while the guest reboots. */
			for (unsigned int q = 0; q < 2; q++) {
				assert_int_equal(vuf_ring_stop(&evil.f, q, NULL), 0);
				vuf_ring_reset(&evil.f.vq[q]);
				assert_int_equal(vuf_ring_start(&evil.f, q), 0);
				assert_int_equal(vuf_ring_enable(&evil.f, q, true), 0);
			}
		}
		atomic_store(&flip_stop, true);
		pthread_join(t, NULL);
		print_message("    %s: %u rounds\n", field_names[what], rounds);
		sums_add_up();
		witness_check(field_names[what]);
	}
}

/* ---- A12 ---- */

static void *mac_flipper(void *arg)
{
	volatile uint64_t *at = (volatile uint64_t *)(evil.big + HDR);	/* destination, and two bytes of source */
	uint64_t good = *at, bad = good;

	/* Link-local destination; multicast source. */
	memcpy(&bad, "\x01\x80\xc2\x00\x00\x0e\x03\x00", 8);
	while (!atomic_load(&flip_stop)) {
		*at = bad;
		*at = good;
	}
	*at = good;
	return NULL;
}

static unsigned int good_frames;

static void check_policy(void)
{
	uint8_t f[SMALL];
	int n;

	while (vuf_used_ready(&peer.f.vq[RX])) {
		n = guest_recv(&peer, NULL, f, sizeof(f), 0);
		assert_int_equal(n, 64);
		assert_false(f[6] & 1);
		assert_memory_not_equal(f, "\x01\x80\xc2\x00\x00", 5);
		good_frames++;
	}
}

static void a12_header_races(void **state)
{
	struct vuf_vring *r = &evil.f.vq[TX];
	int64_t end = now_ms() + 2000;
	unsigned int sent = 0;
	uint32_t id, len;
	pthread_t t;

	memset(evil.big, 0, HDR);
	frame_make(evil.big + HDR, 64, peer.mac, evil.mac, 12);
	atomic_store(&flip_stop, false);
	good_frames = 0;
	assert_int_equal(pthread_create(&t, NULL, mac_flipper, NULL), 0);
	while (now_ms() < end) {
		for (uint16_t i = 0; i < 32; i++) {
			desc(TX, i, gpa_of(evil.big), HDR + 64, 0, 0);
			vuf_post(r, i);
		}
		vuf_publish(r);
		sent += 32;
		assert_true(wait_until(vuf_used_ready(r) == 32, PATIENCE_MS));
		while (vuf_used(r, &id, &len))
			;
		check_policy();
	}
	atomic_store(&flip_stop, true);
	pthread_join(t, NULL);
	assert_true(wait_until((check_policy(), true), 1));
	print_message("    %u sent, %u delivered, %lld and %lld dropped\n", sent, good_frames,
		      (long long)moved_by("evil", "ctrl_proto"), (long long)moved_by("evil", "bad_src_mac"));
	/* Both sides of the race were seen. */
	assert_true(good_frames && moved_by("evil", "ctrl_proto") + moved_by("evil", "bad_src_mac") > 0);
}

/* ---- A13 ---- */

static void a13_notifications(void **state)
{
	struct vuf_vring *rx = &evil.f.vq[RX], *tx = &evil.f.vq[TX];
	const uint64_t wanted = evil.f.wanted;
	uint64_t seed = 13, spurious, missing;
	uint8_t frame[100];

	evil.f.wanted |= 1ull << VIRTIO_RING_F_EVENT_IDX;
	guest_again(&evil, true);
	assert_true(evil.f.features >> VIRTIO_RING_F_EVENT_IDX & 1);
	assert_true(witness_pause(true));	/* nfvd shall sleep now and then */
	mark();
	for (unsigned int i = 0; i < 200; i++) {
		/* Overwrite the driver's interrupt settings while nfvd works; then restore them: this wake-up must come. */
		rx->avail->ring[RING] = rnd(&seed);
		tx->avail->ring[RING] = rnd(&seed);
		*vuf_avail_event(tx) = rnd(&seed);
		vuf_kick(tx);
		frame_make(frame, sizeof(frame), peer.mac, evil.mac, i);
		guest_send(&evil, NULL, frame, sizeof(frame));
		vuf_kick(tx);
		guest_gets(&peer, frame, sizeof(frame));

		rx->avail->ring[RING] = rx->last_used;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		frame_make(frame, sizeof(frame), evil.mac, peer.mac, i);
		guest_send(&peer, NULL, frame, sizeof(frame));
		do	/* interrupts of before may be pending */
			assert_int_equal(vuf_wait_call(&evil.f, rx), 0);
		while (!vuf_used_ready(rx));
		guest_gets(&evil, frame, sizeof(frame));
	}
	spurious = moved_by("evil", "kick_spurious");
	for (unsigned int i = 0; i < 1000; i++)
		vuf_kick(tx);
	assert_in_range(moved_by("evil", "kick_spurious") - spurious, 0, 1000);
	/* Frames without a kick while nfvd sleeps: nfvd finds them at its next check. */
	missing = moved_by("evil", "kick_missing");
	for (unsigned int i = 0; i < 5; i++) {
		usleep(50000);	/* it has fallen asleep by then */
		frame_make(evil.big + HDR, MIN, peer.mac, evil.mac, i);
		vuf_set_desc(&evil.f, tx, 0, evil.big, HDR + MIN, 0);
		vuf_post(tx, 0);
		tx->published = tx->avail_idx;
		__atomic_store_n(&tx->avail->idx, tx->avail_idx, __ATOMIC_RELEASE);
		guest_sent(&evil, 1);
		guest_gets(&peer, evil.big + HDR, MIN);
	}
	assert_in_range(moved_by("evil", "kick_missing") - missing, 1, 5);
	moved(NULL, NULL);
	witness_pause(false);

	/* Without event index: suppression toggled for each frame. */
	evil.f.wanted = wanted;
	guest_again(&evil, true);
	mark();
	for (unsigned int i = 0; i < 200; i++) {
		rx->avail->flags = i & 1;
		tx->avail->flags = i >> 1 & 1;
		tx->used->flags = i >> 2 & 1;
		traffic_flows();
	}
	moved(NULL, NULL);
}

/* ---- A14 ---- */

/* Keep the Tx ring full of chains of len bytes each for ms milliseconds. */
static void flood(uint32_t len, unsigned int segs, unsigned int ms)
{
	struct vuf_vring *r = &evil.f.vq[TX];
	uint64_t witness = witness_count(), sent = 0;
	int64_t end = now_ms() + ms;
	uint32_t id, used;

	memset(evil.big, 0, HDR);
	/* Frames to itself: nfvd takes, judges and drops them. */
	frame_make(evil.big + HDR, len, evil.mac, evil.mac, 14);
	for (uint16_t i = 0; i < RING; i++)
		desc(TX, i, gpa_of(evil.big) + (uint64_t)(i % segs) * ((HDR + len) / segs),
		     i % segs == segs - 1 ? HDR + len - (segs - 1) * ((HDR + len) / segs) : (HDR + len) / segs,
		     i % segs == segs - 1 ? 0 : NEXT, i + 1);
	for (uint16_t i = 0; i < RING; i += segs)
		vuf_post(r, i);
	vuf_publish(r);
	while (now_ms() < end) {
		while (vuf_used(r, &id, &used)) {
			vuf_post(r, id);
			sent++;
		}
		vuf_publish(r);
	}
	assert_true(wait_until(vuf_used_ready(r) == RING / segs, PATIENCE_MS));
	sent += RING / segs;
	print_message("    %llu chains of %u bytes in %u descriptors, the witness %llu frames\n",
		      (unsigned long long)sent, len, segs, (unsigned long long)(witness_count() - witness));
	moved("evil", "same_port", (int)sent, NULL);
	assert_true(witness_count() > witness + ms);
	witness_check("flood");
	guest_reset(&evil, true);
	mark();
}

static void a14_floods(void **state)
{
	flood(60, 1, 1000);
	flood(60, 2, 500);
	flood(65000, 1, 500);
	flood(65000, RING, 500);
}

int flip_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(a11_flipper),
		evil_test(a12_header_races),
		evil_test(a13_notifications),
		evil_test(a14_floods),
	};

	return cmocka_run_group_tests_name("races", tests, NULL, NULL);
}
