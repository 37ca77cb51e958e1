/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtqueue engine against well-formed and malformed rings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include "guest.h"
#include "vhost/vring_split.c"
#include "vhost/gmem.c"
#include "switch/call.c"
#include "module.h"

#define W VRING_DESC_F_WRITE
#define N VRING_DESC_F_NEXT
#define I VRING_DESC_F_INDIRECT

static struct nfvd_frame frames[NFVD_BURST];
static struct iovec pool[4096];
static struct nfvd_take_drops drops;

static unsigned int taken;

static unsigned int take(struct guest *g)
{
	taken = nfvd_vring_take(&g->vr, frames, NFVD_BURST, pool, 4096, &drops);
	return taken;
}

static unsigned int done(struct guest *g)
{
	return nfvd_vring_take_done(&g->vr, taken);
}

/* The frame's byte at offset off, wherever it lies. */
static uint8_t byte_of(const struct nfvd_frame *f, uint32_t off)
{
	if (off < f->hdr_len)
		return f->hdr[off];
	off -= f->hdr_len;
	for (unsigned int i = 0; i < f->iov_n; off -= f->iov[i++].iov_len)
		if (off < f->iov[i].iov_len)
			return ((uint8_t *)f->iov[i].iov_base)[off];
	fail_msg("frame is shorter than its length");
	return 0;
}

static void assert_frame(const struct nfvd_frame *f, uint32_t len, uint8_t seed)
{
	assert_int_equal(f->len, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(byte_of(f, i), (uint8_t)(seed + i));
}

static void take_one_descriptor(void **state)
{
	struct guest g;

	guest_init(&g, 16, false, true);
	for (unsigned int i = 0; i < 3; i++) {
		guest_fill(&g, GUEST_DATA + i * 4096, 60 + 1000 * i, i);
		guest_desc(&g, i, GUEST_DATA + i * 4096, 12 + 60 + 1000 * i, 0, 0);
		guest_post(&g, i);
	}
	assert_int_equal(take(&g), 3);
	for (unsigned int i = 0; i < 3; i++)
		assert_frame(&frames[i], 60 + 1000 * i, i);
	assert_int_equal(g.vr.used->idx, 0);
	done(&g);
	assert_int_equal(g.vr.used->idx, 3);
	assert_int_equal(g.vr.used->ring[2].id, 2);
	assert_int_equal(take(&g), 0);
	guest_free(&g);
}

/* The header over twelve one-byte descriptors, then the frame over two, one of them across regions. */
static void take_split_header(void **state)
{
	uint64_t edge = GUEST_GPA + GUEST_SIZE - 100;
	struct guest g;

	guest_init(&g, 32, false, true);
	guest_fill(&g, GUEST_DATA, 300, 7);
	for (unsigned int i = 0; i < 300; i++)
		*guest_at(&g, edge + i) = 7 + 30 + i;
	for (unsigned int i = 0; i < 12; i++)
		guest_desc(&g, i, GUEST_DATA + i, 1, N, i + 1);
	guest_desc(&g, 12, GUEST_DATA + 12, 30, N, 13);
	guest_desc(&g, 13, edge, 270, 0, 0);
	guest_post(&g, 0);
	assert_int_equal(take(&g), 1);
	assert_frame(&frames[0], 300, 7);
	guest_free(&g);
}

/* The guest's own business: the header's bytes are read from one place, twelve times. */
static void take_aliased_header(void **state)
{
	struct guest g;

	guest_init(&g, 32, false, true);
	guest_fill(&g, GUEST_DATA, 300, 7);
	for (unsigned int i = 0; i < 12; i++)
		guest_desc(&g, i, GUEST_DATA, 1, N, i + 1);
	guest_desc(&g, 12, GUEST_DATA + 8, 30, N, 13);
	guest_desc(&g, 13, GUEST_DATA + 8, 100, 0, 0);
	guest_post(&g, 0);
	assert_int_equal(take(&g), 1);
	assert_int_equal(frames[0].len, 130);
	assert_int_equal(g.vr.fault, NFVD_PASS);
	guest_free(&g);
}

static void take_indirect_across_regions(void **state)
{
	uint64_t table = GUEST_GPA + GUEST_SIZE - 24;	/* the second entry is cut in the middle */
	struct vring_desc d[3] = { { GUEST_DATA, 12, N, 1 }, { GUEST_DATA + 12, 50, N, 2 }, { GUEST_DATA + 62, 50, 0, 0 } };
	struct guest g;

	guest_init(&g, 16, true, true);
	guest_fill(&g, GUEST_DATA, 100, 3);
	for (unsigned int i = 0; i < sizeof(d); i++)
		*guest_at(&g, table + i) = ((uint8_t *)d)[i];
	guest_desc(&g, 0, table, sizeof(d), I, 0);
	guest_post(&g, 0);
	assert_int_equal(take(&g), 1);
	assert_frame(&frames[0], 100, 3);
	guest_free(&g);
}

/* virtio 1.2, 2.7.5.3.2: plain descriptors may come before the one that points to a table. */
static void take_indirect_behind_plain(void **state)
{
	struct vring_desc d[2] = { { GUEST_DATA + 42, 50, N, 1 }, { GUEST_DATA + 92, 20, 0, 0 } };
	struct guest g;

	guest_init(&g, 4, false, true);
	guest_fill(&g, GUEST_DATA, 100, 3);
	memcpy(guest_at(&g, GUEST_DATA + 8192), d, sizeof(d));
	guest_desc(&g, 0, GUEST_DATA, 12, N, 1);
	guest_desc(&g, 1, GUEST_DATA + 12, 20, N, 2);
	guest_desc(&g, 2, GUEST_DATA + 32, 10, N, 3);
	guest_desc(&g, 3, GUEST_DATA + 8192, sizeof(d), I, 0);
	guest_post(&g, 0);
	assert_int_equal(take(&g), 1);
	assert_frame(&frames[0], 100, 3);
	assert_int_equal(g.vr.fault, NFVD_PASS);
	guest_free(&g);
}

static void short_chains_are_dropped(void **state)
{
	struct guest g;

	guest_init(&g, 32, false, true);
	for (unsigned int len = 0; len <= 26; len++) {
		guest_desc(&g, len, GUEST_DATA, len, 0, 0);
		guest_post(&g, len);
	}
	assert_int_equal(take(&g), 1);
	assert_int_equal(drops.n, 26);
	for (unsigned int i = 0; i < 26; i++)
		assert_int_equal(drops.why[i], i < 12 ? NFVD_DROP_RUNT_CHAIN : NFVD_DROP_RUNT);
	done(&g);
	assert_int_equal(g.vr.used->idx, 27);
	assert_int_equal(g.vr.fault, NFVD_PASS);
	guest_free(&g);
}

/* What a turn does not come to stays in the ring, malformed frames in between as well: nothing is lost or counted twice. */
static void take_in_parts(void **state)
{
	static const uint8_t step[] = { 1, 0, 3, 2, 7, 64 };
	unsigned int next = 0, bad = 0;
	struct guest g;

	guest_init(&g, 64, false, true);
	for (unsigned int i = 0; i < 50; i++) {
		guest_fill(&g, GUEST_DATA + i * 256, 100, i);
		/* Each seventh is too short. */
		guest_desc(&g, i, GUEST_DATA + i * 256, i % 7 == 3 ? 20 : 112, 0, 0);
		guest_post(&g, i);
	}
	for (unsigned int round = 0; next < 50; round++) {
		unsigned int n = step[round % sizeof(step)];

		assert_in_range(round, 0, 100);
		taken = take(&g);
		bad += drops.n;
		if (n > taken)
			n = taken;
		for (unsigned int i = 0; i < n; i++, next++) {
			if (next % 7 == 3)
				next++;
			assert_frame(&frames[i], 100, next);
		}
		taken = n;
		done(&g);
		assert_int_equal(g.vr.used->idx, g.vr.last_avail);
	}
	assert_int_equal(bad, 7);
	assert_int_equal(g.vr.used->idx, 50);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(g.vr.used->ring[i].id, i);
	guest_free(&g);
}

/* Many bytes end a burst: a guest with super-frames has no longer turns than one without. */
static void take_ends_after_a_megabyte(void **state)
{
	struct guest g;

	guest_init(&g, 64, false, true);
	for (unsigned int i = 0; i < 40; i++) {
		guest_desc(&g, i, GUEST_DATA, 12 + 65000, 0, 0);
		guest_post(&g, i);
	}
	assert_int_equal(take(&g), NFVD_BURST_BYTES / 65012 + 1);
	done(&g);
	assert_int_equal(take(&g), NFVD_BURST_BYTES / 65012 + 1);
	done(&g);
	assert_int_equal(take(&g), 40 - 2 * (NFVD_BURST_BYTES / 65012 + 1));
	guest_free(&g);
}

struct bad {
	const char *name;
	struct vring_desc d[3];
	enum nfvd_drop why;
};

/* Each is posted behind one good frame: that one still comes, then the ring is fenced for good. */
static void bad_chains_fence(void **state)
{
	static const struct bad bad[] = {
		{ "next outside", { { GUEST_DATA, 12, N, 16 } }, NFVD_DROP_BAD_DESC_NEXT },
		{ "self loop", { { GUEST_DATA, 12, N, 1 } }, NFVD_DROP_DESC_LOOP },
		{ "two-cycle", { { GUEST_DATA, 12, N, 2 }, { GUEST_DATA, 12, N, 1 } }, NFVD_DROP_DESC_LOOP },
		{ "writable", { { GUEST_DATA, 99, W, 0 } }, NFVD_DROP_DESC_PERM },
		{ "null", { { 0, 99, 0, 0 } }, NFVD_DROP_BAD_GPA },
		{ "null, empty", { { 0, 0, 0, 0 } }, NFVD_DROP_BAD_GPA },
		{ "beyond the end", { { GUEST_GPA + 2 * GUEST_SIZE - 10, 20, 0, 0 } }, NFVD_DROP_BAD_GPA },
		{ "wraps", { { ~0ull - 10, 99, 0, 0 } }, NFVD_DROP_BAD_GPA },
		{ "huge", { { GUEST_DATA, ~0u, 0, 0 } }, NFVD_DROP_BAD_GPA },
		{ "indirect empty", { { GUEST_DATA, 0, I, 0 } }, NFVD_DROP_BAD_INDIRECT },
		{ "indirect 15", { { GUEST_DATA, 15, I, 0 } }, NFVD_DROP_BAD_INDIRECT },
		{ "indirect 17", { { GUEST_DATA, 17, I, 0 } }, NFVD_DROP_BAD_INDIRECT },
		{ "indirect large", { { GUEST_DATA, 16 * 17, I, 0 } }, NFVD_DROP_BAD_INDIRECT },
		{ "indirect unmapped", { { 8, 32, I, 0 } }, NFVD_DROP_BAD_INDIRECT },
		{ "indirect and next", { { GUEST_DATA, 32, I | N, 2 } }, NFVD_DROP_BAD_INDIRECT },
		{ "indirect second, and next", { { GUEST_DATA, 12, N, 2 }, { GUEST_DATA, 32, I | N, 3 } }, NFVD_DROP_BAD_INDIRECT },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct guest g;

		guest_init(&g, 16, false, true);
		guest_fill(&g, GUEST_DATA + 8192, 60, 1);
		guest_desc(&g, 0, GUEST_DATA + 8192, 72, 0, 0);
		memcpy(&g.desc[1], bad[i].d, sizeof(bad[i].d));
		guest_post(&g, 0);
		guest_post(&g, 1);
		assert_int_equal(take(&g), 1);
		if (g.vr.fault != bad[i].why)
			fail_msg("%s: got %d, not %d", bad[i].name, (int)g.vr.fault, bad[i].why);
		done(&g);
		assert_int_equal(g.vr.used->idx, 1);
		guest_post(&g, 0);
		assert_int_equal(take(&g), 0);
		assert_false(nfvd_vring_arm(&g.vr, true));
		guest_free(&g);
	}
}

static void nested_indirect_fences(void **state)
{
	struct vring_desc inner = { GUEST_DATA, 32, I, 0 };
	struct guest g;

	guest_init(&g, 16, false, true);
	memcpy(guest_at(&g, GUEST_DATA), &inner, sizeof(inner));
	guest_desc(&g, 0, GUEST_DATA, 32, I, 0);
	guest_post(&g, 0);
	assert_int_equal(take(&g), 0);
	assert_int_equal(g.vr.fault, NFVD_DROP_BAD_INDIRECT);
	guest_free(&g);
}

static void bad_indices_fence(void **state)
{
	static const uint16_t ahead[] = { 17, 32768, 65535 };

	for (unsigned int i = 0; i < 3; i++) {
		struct guest g;

		guest_init(&g, 16, false, true);
		g.vr.avail->idx = ahead[i];
		assert_int_equal(take(&g), 0);
		assert_int_equal(g.vr.fault, NFVD_DROP_BAD_AVAIL_IDX);
		guest_free(&g);
	}
	struct guest g;

	guest_init(&g, 16, false, true);
	guest_post(&g, 16);
	assert_int_equal(take(&g), 0);
	assert_int_equal(g.vr.fault, NFVD_DROP_BAD_DESC_HEAD);
	guest_free(&g);
}

/* A frame of len bytes in this process's memory. */
static struct nfvd_frame *make(uint32_t len, uint8_t seed)
{
	static struct nfvd_frame f;
	static struct iovec iov;
	static uint8_t rest[NFVD_FRAME_MAX];

	memset(&f, 0, sizeof(f));
	f.len = len;
	f.hdr_len = len < NFVD_HDR_MAX ? len : NFVD_HDR_MAX;
	for (uint32_t i = 0; i < len; i++)
		*(i < f.hdr_len ? f.hdr + i : rest + i - f.hdr_len) = seed + i;
	iov = (struct iovec){ rest, len - f.hdr_len };
	f.iov = &iov;
	f.iov_n = len > f.hdr_len;
	return &f;
}

static enum nfvd_drop deliver(struct guest *g, struct nfvd_frame *f, struct nfvd_ledger *l)
{
	enum nfvd_drop result = NFVD_N_REASONS + 1;

	nfvd_vring_deliver(&g->vr, &f, 1, &result, l);
	return result;
}

static void rx_buffers(struct guest *g, unsigned int n, uint32_t len)
{
	for (unsigned int i = 0; i < n; i++) {
		guest_desc(g, i, GUEST_DATA + i * 4096, len, W, 0);
		memset(guest_at(g, GUEST_DATA + i * 4096), 0xee, 4096);
		guest_post(g, i);
	}
}

static void deliver_mergeable(void **state)
{
	struct nfvd_ledger l = { 0 };
	struct guest g;
	uint32_t at = 0;

	guest_init(&g, 16, false, true);
	rx_buffers(&g, 8, 500);
	assert_int_equal(deliver(&g, make(1200, 9), &l), NFVD_PASS);
	assert_int_equal(g.vr.used->idx, 3);
	assert_int_equal(*(uint16_t *)(guest_at(&g, GUEST_DATA) + 10), 3);
	for (unsigned int b = 0; b < 3; b++) {
		uint32_t len = g.vr.used->ring[b].len;
		uint8_t *p = guest_at(&g, GUEST_DATA + b * 4096);

		assert_int_equal(len, b < 2 ? 500 : 212);
		for (uint32_t i = b ? 0 : 12; i < len; i++)
			assert_int_equal(p[i], (uint8_t)(9 + at++));
		/* Not a byte more than the buffer took. */
		for (uint32_t i = len; i < 4096; i++)
			assert_int_equal(p[i], 0xee);
	}
	assert_int_equal(at, 1200);
	assert_int_equal(l.frames, 1);
	assert_int_equal(l.copies, 1);
	assert_int_equal(l.copied_bytes, 1200);
	guest_free(&g);
}

static void deliver_needs_room(void **state)
{
	static const uint32_t sizes[] = { 1, 11, 12, 13, 100 };

	for (unsigned int i = 0; i < 5; i++)
		for (int mergeable = 0; mergeable < 2; mergeable++) {
			struct nfvd_ledger l = { 0 };
			struct guest g;
			enum nfvd_drop why;

			guest_init(&g, 16, false, mergeable);
			rx_buffers(&g, 2, sizes[i]);
			why = deliver(&g, make(1000, 1), &l);
			assert_int_equal(why, mergeable ? NFVD_DROP_DST_FULL : NFVD_DROP_RX_BUF_SHORT);
			assert_int_equal(g.vr.used->idx, 0);
			for (unsigned int b = 0; b < 2; b++)
				for (unsigned int k = 0; k < 4096; k++)
					assert_int_equal(*guest_at(&g, GUEST_DATA + b * 4096 + k), 0xee);
			assert_int_equal(l.frames, 0);
			guest_free(&g);
		}
}

static void deliver_not_mergeable(void **state)
{
	struct nfvd_ledger l = { 0 };
	struct guest g;

	guest_init(&g, 16, true, false);
	guest_desc(&g, 0, GUEST_DATA, 12, W | N, 1);
	guest_desc(&g, 1, GUEST_DATA + 4096, 1514, W, 0);
	guest_post(&g, 0);
	assert_int_equal(deliver(&g, make(1514, 5), &l), NFVD_PASS);
	assert_int_equal(g.vr.used->ring[0].len, 1526);
	assert_int_equal(*guest_at(&g, GUEST_DATA + 4096 + 1513), (uint8_t)(5 + 1513));
	assert_int_equal(deliver(&g, make(60, 5), &l), NFVD_DROP_DST_QUEUE);
	guest_free(&g);
}

static void deliver_never_writes_read_only(void **state)
{
	struct nfvd_ledger l = { 0 };
	struct guest g;

	guest_init(&g, 16, false, true);
	guest_desc(&g, 0, GUEST_DATA, 2048, 0, 0);
	guest_post(&g, 0);
	assert_int_equal(deliver(&g, make(60, 5), &l), NFVD_DROP_DST_FENCED);
	assert_int_equal(g.vr.fault, NFVD_DROP_DESC_PERM);
	assert_int_equal(*guest_at(&g, GUEST_DATA + 12), 0);
	guest_free(&g);
}

/* One frame too large for a ring that cannot merge does not take the small ones with it. */
static void deliver_small_behind_large(void **state)
{
	struct nfvd_frame f[4] = { module_frame(3, 3000), module_frame(4, 60), module_frame(5, 2000), module_frame(6, 90) };
	struct nfvd_frame *list[4] = { &f[0], &f[1], &f[2], &f[3] };
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop results[4];
	struct guest g;

	guest_init(&g, 16, false, false);
	rx_buffers(&g, 8, 1526);
	nfvd_vring_deliver(&g.vr, list, 4, results, &l);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(results[i], i & 1 ? NFVD_PASS : NFVD_DROP_RX_BUF_SHORT);
	assert_int_equal(g.vr.used->idx, 2);
	guest_free(&g);
}

#define LONG_RING 8192

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* A ring whose entries are all the same chain of LONG_RING empty descriptors, n times; in a table or not. */
static void empty_chains(struct guest *g, bool mergeable, bool table, uint16_t flags, unsigned int n)
{
	struct vring_desc *d;

	guest_init(g, LONG_RING, false, mergeable);
	d = table ? (struct vring_desc *)guest_at(g, GUEST_DATA) : g->desc;
	for (unsigned int i = 0; i < LONG_RING; i++)
		d[i] = (struct vring_desc){ GUEST_GPA, 0, flags | (i + 1 < LONG_RING ? N : 0), i + 1 };
	if (table)
		guest_desc(g, 0, GUEST_DATA, LONG_RING * sizeof(*d), I, 0);
	while (n--)
		guest_post(g, 0);
}

/*
 * Descriptors without bytes are work as others are. Bounded are the descriptors of a call: without
 * that bound the calls here take 10 to 1000 times as long as they may.
 */
#define CALL_US	20000

static void empty_receive_chains(void **state)
{
	struct nfvd_frame f = module_frame(4, 60), *list[NFVD_BURST];
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop results[NFVD_BURST];
	struct guest g;

	for (unsigned int i = 0; i < NFVD_BURST; i++)
		list[i] = &f;
	for (int mergeable = 0; mergeable < 2; mergeable++)
		for (int table = 0; table < 2; table++) {
			uint64_t best = UINT64_MAX;

			empty_chains(&g, mergeable, table, W, LONG_RING);
			for (unsigned int round = 0; round < 5; round++) {
				uint64_t start = now_us();

				nfvd_vring_deliver(&g.vr, list, NFVD_BURST, results, &l);
				if (now_us() - start < best)
					best = now_us() - start;
				for (unsigned int i = 0; i < NFVD_BURST; i++)
					assert_int_equal(results[i], NFVD_DROP_RX_BUF_SHORT);
			}
			assert_in_range(best, 0, CALL_US);
			assert_int_equal(g.vr.used->idx, 0);
			assert_int_equal(g.vr.fault, NFVD_PASS);
			guest_free(&g);
		}
	assert_int_equal(l.frames, 0);
}

static void empty_send_chains(void **state)
{
	struct guest g;

	for (int table = 0; table < 2; table++) {
		unsigned int dropped = 0, calls = 0;

		empty_chains(&g, true, table, 0, 3 * NFVD_BURST);
		while (dropped < 3 * NFVD_BURST && calls++ < 1000) {
			assert_int_equal(take(&g), 0);
			/* The last chain may begin below the limit. */
			assert_in_range(drops.n, 1, NFVD_WALK_MAX / CHAIN_SEGS_MAX + 1);
			for (unsigned int i = 0; i < drops.n; i++)
				assert_int_equal(drops.why[i], NFVD_DROP_TOO_MANY_SEGS);
			dropped += drops.n;
			done(&g);
			assert_int_equal(g.vr.used->idx, dropped);
		}
		assert_int_equal(dropped, 3 * NFVD_BURST);
		guest_free(&g);
	}
}

static void assert_replays(uint16_t used, uint32_t taken, unsigned int n)
{
	struct guest g;

	guest_init(&g, 256, false, true);
	g.vr.used->idx = used;
	nfvd_vring_resume(&g.vr);
	assert_int_equal(nfvd_vring_replays(&g.vr, taken), n);
	guest_free(&g);
}

/* What an nfvd that was killed had taken, also where the index wraps; and marks that say nothing. */
static void taken_before(void **state)
{
	assert_replays(0, NFVD_TAKEN, 0);
	assert_replays(100, NFVD_TAKEN | 101, 1);
	assert_replays(100, NFVD_TAKEN | (100 + NFVD_BURST), NFVD_BURST);
	assert_replays(0xfffe, NFVD_TAKEN | 0xffff, 1);
	assert_replays(0xfffe, NFVD_TAKEN, 2);
	assert_replays(0xfff0, NFVD_TAKEN | 48, NFVD_BURST);
	assert_replays(0xfff0, NFVD_TAKEN | 49, 0);
	assert_replays(100, NFVD_TAKEN | (101 + NFVD_BURST), 0);
	assert_replays(100, NFVD_TAKEN | 99, 0);
	assert_replays(100, 0, 0);
	assert_replays(0, 1, 0);
	assert_replays(100, 101, 0);
	assert_replays(100, 2 * NFVD_TAKEN | 101, 0);
	assert_replays(100, 0x80000000 | NFVD_TAKEN | 101, 0);
	assert_replays(0xffff, UINT32_MAX, 0);
}

/* The mark of a turn that was not ended, and of one that was. */
static void taken_in_a_turn(void **state)
{
	struct guest g;
	uint32_t mark;

	guest_init(&g, 16, false, true);
	g.vr.avail->idx = g.avail = 0xfffd;
	g.vr.used->idx = 0xfffd;
	nfvd_vring_resume(&g.vr);
	for (unsigned int i = 0; i < 5; i++) {
		guest_desc(&g, i, GUEST_DATA, 12 + 60, 0, 0);
		guest_post(&g, i);
	}
	assert_int_equal(take(&g), 5);
	mark = NFVD_TAKEN | g.vr.last_avail;
	nfvd_vring_resume(&g.vr);
	assert_int_equal(nfvd_vring_replays(&g.vr, mark), 5);
	assert_int_equal(take(&g), 5);
	assert_int_equal(NFVD_TAKEN | g.vr.last_avail, mark);
	nfvd_vring_take_done(&g.vr, 3);
	nfvd_vring_resume(&g.vr);
	assert_int_equal(nfvd_vring_replays(&g.vr, mark), 2);
	assert_int_equal(take(&g), 2);
	done(&g);
	nfvd_vring_resume(&g.vr);
	assert_int_equal(nfvd_vring_replays(&g.vr, mark), 0);
	guest_free(&g);
}

/* Whoever is one byte short must not be cut: a ring that ends in its region, and one that does not. */
static void rings_are_checked(void **state)
{
	struct guest g;

	guest_init(&g, 256, true, true);
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_PASS);
	g.vr.used = (struct vring_used *)(g.mem[0] + GUEST_SIZE - (4 + 8 * 256 + 4));
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_PASS);
	g.vr.used = (struct vring_used *)(g.mem[0] + GUEST_SIZE - (4 + 8 * 256));
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_DROP_VU_BAD_ADDR);
	g.vr.used = (struct vring_used *)((uint8_t *)g.vr.avail + 8);
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_DROP_VU_BAD_ADDR);
	g.vr.used = (struct vring_used *)(g.mem[0] + 0x30002);
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_DROP_VU_BAD_ADDR);
	g.vr.size = 255;
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_DROP_VU_BAD_NUM);
	guest_free(&g);
}

static void broken_memory_fences(void **state)
{
	struct guest g;

	guest_init(&g, 16, false, true);
	guest_desc(&g, 0, GUEST_DATA, 99, 0, 0);
	guest_post(&g, 0);
	atomic_store(&g.gmem.broken, true);
	assert_int_equal(take(&g), 0);
	assert_int_equal(g.vr.fault, NFVD_DROP_MEM_SIGBUS);
	guest_free(&g);
}

static void event_index(void **state)
{
	struct guest g;
	uint64_t count;
	int fd = eventfd(0, EFD_NONBLOCK);

	guest_init(&g, 16, true, true);
	assert_int_equal(nfvd_call_init(0), 0);
	g.vr.call = fd;
	for (unsigned int i = 0; i < 3; i++) {
		guest_fill(&g, GUEST_DATA, 60, 1);
		guest_desc(&g, 0, GUEST_DATA, 72, 0, 0);
		guest_post(&g, 0);
		/* Asks for an interrupt at the second frame only. */
		g.vr.avail->ring[16] = 1;
		assert_int_equal(take(&g), 1);
		assert_int_equal(done(&g), i == 0 || i == 1);
		if (i < 2)
			assert_int_equal(read(fd, &count, sizeof(count)), 8);
	}
	assert_false(nfvd_vring_arm(&g.vr, true));
	assert_int_equal(*(uint16_t *)&g.vr.used->ring[16], 3);
	guest_post(&g, 0);
	assert_true(nfvd_vring_arm(&g.vr, true));
	close(fd);
	nfvd_call_fini();
	guest_free(&g);
}

/* A signal never waits: not for a full eventfd that its owner made blocking, not for a full socket. */
static void full_call(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	uint64_t full = 0xfffffffffffffffe, count;
	int fd = eventfd(0, 0), sock[2];

	assert_int_equal(nfvd_call_init(0), 0);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	/* More than one context keeps. */
	for (unsigned int i = 0; i < 5000; i++)
		assert_true(nfvd_call(fd));
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_true(nfvd_call(fd));
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	close(fd);
	for (unsigned int t = 0; t < 3; t++) {
		assert_int_equal(socketpair(AF_UNIX, types[t], 0, sock), 0);
		for (unsigned int i = 0; i < 5000; i++)
			assert_true(nfvd_call(NFVD_CALL_SOCKET | sock[0]));
		close(sock[1]);
		assert_false(nfvd_call(NFVD_CALL_SOCKET | sock[0]));
		close(sock[0]);
	}
	assert_false(nfvd_call(NFVD_CALL_NONE));
	assert_false(nfvd_call(9999));
	nfvd_call_fini();
}

/* A peer has its eventfd watched so often that each signal takes long: its queue is fenced, nobody else's. */
static void slow_call(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd, watch, copies = 0;
	struct rlimit limit, all;
	struct guest g;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	all = (struct rlimit){ limit.rlim_max < 100000 ? limit.rlim_max : 100000, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(nfvd_call_init(0), 0);
	guest_init(&g, 16, false, true);
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	watch = epoll_create1(EPOLL_CLOEXEC);
	g.vr.call = fd;
	for (int more; (more = dup(fd)) >= 0; copies++)
		assert_int_equal(epoll_ctl(watch, EPOLL_CTL_ADD, more, &ev), 0);
	/* So many that one takes a millisecond. */
	assert_true(copies > 15000);
	for (unsigned int i = 0; i < 1000 && g.vr.fault == NFVD_PASS; i++) {
		guest_fill(&g, GUEST_DATA, 60, 1);
		guest_desc(&g, 0, GUEST_DATA, 72, 0, 0);
		guest_post(&g, 0);
		assert_int_equal(take(&g), 1);
		assert_int_equal(done(&g), 1);
	}
	assert_int_equal(g.vr.fault, NFVD_DROP_CALL_SLOW);
	close_range(fd, watch, 0);
	close_range(watch + 1, watch + copies, 0);
	nfvd_call_fini();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	guest_free(&g);
}

static void assert_at_guest(struct guest *g, uint64_t gpa, uint32_t from, uint32_t n, uint8_t seed)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(*guest_at(g, gpa + i), (uint8_t)(seed + from + i));
}

/* Long and short frames of the kernel, over several buffers, in one call of the module. */
static void deliver_from_kernel(void **state)
{
	struct nfvd_frame f[3] = { module_frame(3, 1500), module_frame(4, 60), module_frame(5, 3000) };
	struct nfvd_frame *list[3] = { &f[0], &f[1], &f[2] };
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop results[3];
	struct guest g;

	guest_init(&g, 16, false, true);
	for (unsigned int i = 0; i < 8; i++) {
		guest_desc(&g, i, GUEST_DATA + i * 4096, 1000, W, 0);
		guest_post(&g, i);
	}
	module_calls = 0;
	nfvd_vring_deliver(&g.vr, list, 3, results, &l);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(results[i], NFVD_PASS);
	assert_int_equal(module_calls, 1);
	assert_int_equal(l.frames, 3);
	assert_int_equal(l.copies, 3);
	assert_int_equal(l.bytes, 4560);
	assert_int_equal(g.vr.used->idx, 7);	/* 2 + 1 + 4 */
	assert_int_equal(g.vr.used->ring[1].len, 512);
	assert_at_guest(&g, GUEST_DATA + 12, 0, 988, 3);
	assert_at_guest(&g, GUEST_DATA + 4096, 988, 512, 3);
	assert_at_guest(&g, GUEST_DATA + 2 * 4096 + 12, 0, 60, 4);
	assert_at_guest(&g, GUEST_DATA + 3 * 4096 + 12, 0, 988, 5);
	assert_at_guest(&g, GUEST_DATA + 6 * 4096, 2988, 12, 5);
	guest_free(&g);
}

/* A frame that the kernel has let go: its buffers come back empty, its neighbours whole. */
static void deliver_expired(void **state)
{
	struct nfvd_frame f[3] = { module_frame(3, 900), module_frame(MODULE_STALE, 1500), module_frame(5, 900) };
	struct nfvd_frame *list[3] = { &f[0], &f[1], &f[2] };
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop results[3];
	struct guest g;

	guest_init(&g, 16, false, true);
	for (unsigned int i = 0; i < 4; i++) {
		guest_desc(&g, i, GUEST_DATA + i * 4096, 1000, W, 0);
		guest_post(&g, i);
	}
	nfvd_vring_deliver(&g.vr, list, 3, results, &l);
	assert_int_equal(results[0], NFVD_PASS);
	assert_int_equal(results[1], NFVD_DROP_EXPIRED);
	assert_int_equal(results[2], NFVD_PASS);
	assert_int_equal(l.frames, 2);
	assert_int_equal(g.vr.used->idx, 4);
	assert_int_equal(g.vr.used->ring[0].len, 912);
	assert_int_equal(g.vr.used->ring[1].len, 0);
	assert_int_equal(g.vr.used->ring[2].len, 0);
	assert_int_equal(g.vr.used->ring[3].len, 912);
	assert_at_guest(&g, GUEST_DATA + 3 * 4096 + 12, 0, 900, 5);
	assert_int_equal(g.vr.fault, NFVD_PASS);
	guest_free(&g);
}

static void deliver_to_memory_that_is_gone(void **state)
{
	struct nfvd_frame f = module_frame(MODULE_FAULT, 900), *list[1] = { &f };
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop result;
	struct guest g;

	guest_init(&g, 16, false, true);
	guest_desc(&g, 0, GUEST_DATA, 1000, W, 0);
	guest_post(&g, 0);
	nfvd_vring_deliver(&g.vr, list, 1, &result, &l);
	assert_int_equal(result, NFVD_DROP_DST_FENCED);
	assert_int_equal(g.vr.fault, NFVD_DROP_MEM_SIGBUS);
	guest_free(&g);
}

/* For receivers that want the payload in this process: whole, or still in the kernel. */
static void bring_to_memory(void **state)
{
	static struct nfvd_worker w;
	struct nfvd_frame *list[4];
	struct nfvd_ledger l = { 0 };

	w.bounce = malloc((size_t)NFVD_BURST * NFVD_FRAME_MAX);
	w.frames[0] = module_frame(9, 2000);
	w.frames[1] = module_frame(10, 100);
	w.frames[2] = module_frame(MODULE_STALE, 2000);
	w.frames[3] = module_frame(11, 65000);
	for (unsigned int i = 0; i < 4; i++)
		list[i] = &w.frames[i];
	module_calls = 0;
	nfvd_move_to_private(&w, list, 4, &l);
	assert_int_equal(module_calls, 1);
	assert_frame(list[0], 2000, 9);
	assert_frame(list[1], 100, 10);
	assert_true(nfvd_in_kernel(list[2]));
	assert_frame(list[3], 65000, 11);
	assert_int_equal(list[3]->origin_copies, 1);
	nfvd_move_to_private(&w, list, 1, &l);	/* is here already */
	assert_int_equal(module_calls, 1);
	free(w.bounce);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take_one_descriptor),
		cmocka_unit_test(take_split_header),
		cmocka_unit_test(take_aliased_header),
		cmocka_unit_test(take_indirect_across_regions),
		cmocka_unit_test(take_indirect_behind_plain),
		cmocka_unit_test(short_chains_are_dropped),
		cmocka_unit_test(take_in_parts),
		cmocka_unit_test(take_ends_after_a_megabyte),
		cmocka_unit_test(bad_chains_fence),
		cmocka_unit_test(nested_indirect_fences),
		cmocka_unit_test(bad_indices_fence),
		cmocka_unit_test(deliver_mergeable),
		cmocka_unit_test(deliver_needs_room),
		cmocka_unit_test(deliver_not_mergeable),
		cmocka_unit_test(deliver_never_writes_read_only),
		cmocka_unit_test(deliver_small_behind_large),
		cmocka_unit_test(empty_receive_chains),
		cmocka_unit_test(empty_send_chains),
		cmocka_unit_test(taken_before),
		cmocka_unit_test(taken_in_a_turn),
		cmocka_unit_test(rings_are_checked),
		cmocka_unit_test(broken_memory_fences),
		cmocka_unit_test(event_index),
		cmocka_unit_test(full_call),
		cmocka_unit_test(slow_call),
		cmocka_unit_test(deliver_from_kernel),
		cmocka_unit_test(deliver_expired),
		cmocka_unit_test(deliver_to_memory_that_is_gone),
		cmocka_unit_test(bring_to_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
