/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames to an Rx queue: over buffers of all shapes, and from the kernel. */
#include "vring_rig.h"

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
		/* No byte beyond the frame is written. */
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

/* A frame too large for a ring without mergeable buffers is lost; small ones behind it are not. */
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

/* A frame that the kernel has freed: its buffers are returned empty, other frames arrive whole. */
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
		cmocka_unit_test(deliver_mergeable),
		cmocka_unit_test(deliver_needs_room),
		cmocka_unit_test(deliver_not_mergeable),
		cmocka_unit_test(deliver_never_writes_read_only),
		cmocka_unit_test(deliver_small_behind_large),
		cmocka_unit_test(deliver_from_kernel),
		cmocka_unit_test(deliver_expired),
		cmocka_unit_test(deliver_to_memory_that_is_gone),
		cmocka_unit_test(bring_to_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
