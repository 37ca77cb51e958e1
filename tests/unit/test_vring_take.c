/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from a Tx queue: valid chains of all shapes, and faults that fence the queue. */
#include "vring_rig.h"

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

/* All twelve header bytes are read from one place: unusual but legal. */
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

/* Frames beyond the turn's limit stay in the ring, malformed ones too: none is lost or counted twice. */
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

/* A burst also ends after many bytes, so that super-frames do not make a guest's turns longer. */
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

/* Each bad chain is posted behind a good frame, which still arrives; then the ring stays fenced. */
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
