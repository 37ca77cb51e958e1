/* SPDX-License-Identifier: BSD-3-Clause */
/* Learning, limits, moving and ageing of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fdb.c"

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
static struct nfvd_port a = { .id = 0, .macs_max = 3 }, b = { .id = 1, .macs_max = 3 };

#define KEY(n) ((uint64_t)(n) << 8 | 2)

static int setup(void **state)
{
	rcu_register_thread();
	nfvd_ports[0] = &a;
	nfvd_ports[1] = &b;
	a.macs = b.macs = 0;
	return nfvd_fdb_init();
}

static int teardown(void **state)
{
	nfvd_fdb_fini();
	rcu_unregister_thread();
	return 0;
}

static void learns_and_finds(void **state)
{
	assert_null(nfvd_fdb_lookup(KEY(1)));
	assert_int_equal(nfvd_fdb_learn(&a, KEY(1), 0), NFVD_N_REASONS);
	assert_int_equal(nfvd_fdb_lookup(KEY(1))->port, 0);
	assert_true(nfvd_fdb_changed());
	assert_int_equal(nfvd_fdb_learn(&a, KEY(1), 5), NFVD_N_REASONS);
	assert_false(nfvd_fdb_changed());
	assert_int_equal(nfvd_fdb_lookup(KEY(1))->seen_ms, 5);
}

static void vlan_is_part_of_the_key(void **state)
{
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

	assert_int_equal(nfvd_fdb_learn(&a, nfvd_fdb_key(mac, 5), 0), NFVD_N_REASONS);
	assert_null(nfvd_fdb_lookup(nfvd_fdb_key(mac, 0)));
	assert_null(nfvd_fdb_lookup(nfvd_fdb_key(mac, 6)));
	assert_non_null(nfvd_fdb_lookup(nfvd_fdb_key(mac, 5)));
}

static void limit_is_per_port(void **state)
{
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(nfvd_fdb_learn(&a, KEY(i), 0), i < 3 ? NFVD_N_REASONS : NFVD_DROP_MAC_LIMIT);
	assert_int_equal(a.macs, 3);
	assert_int_equal(nfvd_fdb_learn(&b, KEY(5000), 0), NFVD_N_REASONS);
	for (unsigned int i = 0; i < 3; i++)
		assert_non_null(nfvd_fdb_lookup(KEY(i)));
}

static void moves_only_after_silence(void **state)
{
	uint32_t now = 0xffffff00;	/* the clock wraps in between */

	assert_int_equal(nfvd_fdb_learn(&a, KEY(1), now), NFVD_N_REASONS);
	assert_int_equal(nfvd_fdb_learn(&b, KEY(1), now + NFVD_FDB_HOLD_MS - 1), NFVD_DROP_MAC_FLAP);
	assert_int_equal(nfvd_fdb_lookup(KEY(1))->port, 0);
	assert_int_equal(nfvd_fdb_learn(&b, KEY(1), now + NFVD_FDB_HOLD_MS), NFVD_N_REASONS);
	assert_int_equal(nfvd_fdb_lookup(KEY(1))->port, 1);
	assert_int_equal(a.macs, 0);
	assert_int_equal(b.macs, 1);
}

/* A worker whose iteration began before the owner's frame was stamped by another: no time has passed. */
static void clocks_of_two_workers_differ(void **state)
{
	static const uint32_t starts[] = { 1000000, 2, 0xfffffffe };

	for (unsigned int i = 0; i < 3; i++) {
		uint32_t t = starts[i];

		assert_int_equal(nfvd_fdb_learn(&a, KEY(i), t), NFVD_N_REASONS);
		for (uint32_t ahead = 0; ahead <= 2000; ahead += 4) {
			assert_int_equal(nfvd_fdb_learn(&a, KEY(i), t + ahead), NFVD_N_REASONS);
			assert_int_equal(nfvd_fdb_learn(&b, KEY(i), t), NFVD_DROP_MAC_FLAP);
		}
		/* Nor does the owner's own slower worker make its address look idle. */
		assert_int_equal(nfvd_fdb_learn(&a, KEY(i), t), NFVD_N_REASONS);
		assert_int_equal(nfvd_fdb_lookup(KEY(i))->seen_ms, t + 2000);
		assert_int_equal(nfvd_fdb_learn(&b, KEY(i), t + 2999), NFVD_DROP_MAC_FLAP);
	}
	assert_int_equal(a.macs, 3);
	assert_int_equal(b.macs, 0);
}

/* A worker found an entry; control deleted it; the worker goes on with what it found. */
static void deleted_under_a_mover(void **state)
{
	struct nfvd_fdb_entry *e;

	nfvd_fdb_learn(&a, KEY(1), 0);
	e = nfvd_fdb_lookup(KEY(1));
	del(e);
	assert_int_equal(move(e, &b, 100000), NFVD_N_REASONS);
	assert_int_equal(a.macs, 0);
	assert_int_equal(b.macs, 0);
	assert_int_equal(nfvd_fdb_learn(&b, KEY(1), 100000), NFVD_N_REASONS);
	assert_int_equal(b.macs, 1);
}

static void ages_and_flushes(void **state)
{
	nfvd_fdb_learn(&a, KEY(1), 1000);
	nfvd_fdb_learn(&a, KEY(2), 200000);
	nfvd_fdb_learn(&b, KEY(3), 200000);
	nfvd_fdb_age(1000 + NFVD_FDB_AGEING_S * 1000 + 1);
	rcu_thread_online();
	assert_null(nfvd_fdb_lookup(KEY(1)));
	assert_non_null(nfvd_fdb_lookup(KEY(2)));
	/* Stamped by a worker just after control read the clock. */
	nfvd_fdb_age(199990);
	rcu_thread_online();
	assert_non_null(nfvd_fdb_lookup(KEY(2)));
	nfvd_fdb_flush(&a);
	rcu_thread_online();
	assert_null(nfvd_fdb_lookup(KEY(2)));
	assert_non_null(nfvd_fdb_lookup(KEY(3)));
	assert_int_equal(a.macs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(learns_and_finds, setup, teardown),
		cmocka_unit_test_setup_teardown(vlan_is_part_of_the_key, setup, teardown),
		cmocka_unit_test_setup_teardown(limit_is_per_port, setup, teardown),
		cmocka_unit_test_setup_teardown(moves_only_after_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(clocks_of_two_workers_differ, setup, teardown),
		cmocka_unit_test_setup_teardown(deleted_under_a_mover, setup, teardown),
		cmocka_unit_test_setup_teardown(ages_and_flushes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
