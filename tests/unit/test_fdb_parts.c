/* SPDX-License-Identifier: BSD-3-Clause */
/* The address table as a whole: walked in parts, aged in parts, and grown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "port/fdb.c"

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
static struct nfvd_port a = { .id = 0 }, b = { .id = 1 };

#define KEY(n) ((uint64_t)(n) << 8 | 2)

static int setup(void **state)
{
	struct nfvd_port *ports[] = { &a, &b };

	rcu_register_thread();
	for (unsigned int i = 0; i < 2; i++) {
		nfvd_ports[i] = ports[i];
		atomic_store(&ports[i]->state, NFVD_STATE_UP);
		ports[i]->macs = 0;
		ports[i]->macs_max = 3;
		ports[i]->learnt = 0;
	}
	return nfvd_fdb_init();
}

static int teardown(void **state)
{
	nfvd_fdb_fini();
	rcu_unregister_thread();
	return 0;
}

/* Return the port of the address; NFVD_PORTS_MAX: none is known. */
static uint32_t at(uint64_t key)
{
	struct nfvd_fdb_entry *e = nfvd_fdb_lookup(0, key);

	return e ? nfvd_fdb_at(e) : NFVD_PORTS_MAX;
}

static uint32_t stamp(struct nfvd_fdb_entry *e)
{
	return atomic_load(&e->seen_ms);
}

/* The last address that was learnt at a port, or any other that is there. */
static void one_of_a_port(void **state)
{
	assert_int_equal(nfvd_fdb_one_of(&a), 0);
	rcu_thread_online();
	nfvd_fdb_learn(&a, 0, KEY(1), 0);
	nfvd_fdb_learn(&a, 0, KEY(2), 0);
	assert_int_equal(nfvd_fdb_one_of(&a), KEY(2));
	rcu_thread_online();
	nfvd_fdb_learn(&b, 0, KEY(2), 0);
	assert_int_equal(nfvd_fdb_one_of(&a), KEY(1));
	assert_int_equal(nfvd_fdb_one_of(&b), KEY(2));
	rcu_thread_online();
	del(nfvd_fdb_lookup(0, KEY(1)));
	assert_int_equal(nfvd_fdb_one_of(&a), 0);
	assert_int_equal(nfvd_fdb_one_of(&b), KEY(2));
	rcu_thread_online();
}

#define MANY 5000

static unsigned int visits[MANY + 1];

static bool visit_one(struct nfvd_fdb_entry *e, void *arg)
{
	visits[(e->key - 2) >> 8]++;
	return false;
}

/* Call it for the whole table, with at most one place for each part; return the number of parts. */
static unsigned int walk_in_parts(void (*between)(unsigned int part))
{
	unsigned int parts = 0;

	memset(visits, 0, sizeof(visits));
	for (uint32_t from = 0, next; from != NFVD_FDB_END; from = next, parts++) {
		next = nfvd_fdb_part(from, visit_one, NULL);
		assert_true(next > from);
		rcu_thread_online();
		if (between)
			between(parts);
	}
	return parts;
}

/* The even addresses come and go meanwhile. */
static void churn(unsigned int part)
{
	unsigned int n = part * 7919 % MANY & ~1u;
	struct nfvd_fdb_entry *e = nfvd_fdb_lookup(0, KEY(n));

	if (e)
		del(e);
	else
		nfvd_fdb_learn(&b, 0, KEY(n), 0);
}

static bool visit(struct nfvd_fdb_entry *e, void *arg)
{
	++*(unsigned int *)arg;
	return true;
}

/* Look-ups find the same, and the list has the same parts, whatever the table's size. */
static void more_entries_more_buckets(void **state)
{
	unsigned int n = 0;

	a.macs_max = 5 * BUCKETS;
	nfvd_fdb_grow();
	assert_int_equal(buckets, BUCKETS);
	for (unsigned int i = 0; i < 5 * BUCKETS; i++)
		assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(i), 0), NFVD_LEARNT);
	for (unsigned int i = 0; i < 4; i++)
		nfvd_fdb_grow();
	assert_int_equal(buckets, 4 * BUCKETS);
	for (unsigned int i = 0; i < 5 * BUCKETS; i++)
		assert_int_equal(at(KEY(i)), 0);
	for (uint32_t from = 0; from != NFVD_FDB_END;)
		from = nfvd_fdb_part(from, visit, &n);
	assert_int_equal(n, 5 * BUCKETS);
	nfvd_fdb_flush(NULL);
	assert_int_equal(atomic_load(&entries), 0);
	assert_null(nfvd_fdb_lookup(0, KEY(1)));
}

/* No part is long, whatever its caller wants; nor is what ageing does at a time. */
static void parts_are_bounded(void **state)
{
	unsigned int n = 0, rest = 0;
	uint32_t next_ms = NFVD_FDB_AGEING_S * 1000, from;

	a.macs_max = 2 * NFVD_FDB_PART;
	for (unsigned int i = 0; i < 2 * NFVD_FDB_PART; i++)
		nfvd_fdb_learn(&a, 0, KEY(i), 1000);
	from = nfvd_fdb_part(0, visit, &n);
	assert_in_range(n, NFVD_FDB_PART, NFVD_FDB_PART + 100);
	assert_int_equal(nfvd_fdb_part(from, visit, &rest), NFVD_FDB_END);
	assert_int_equal(n + rest, 2 * NFVD_FDB_PART);
	assert_int_equal(nfvd_fdb_age(0, 2000000, stamp, &next_ms), from);
	assert_int_equal(a.macs, rest);
	assert_int_equal(nfvd_fdb_age(from, 2000, stamp, &next_ms), NFVD_FDB_END);
	assert_int_equal(next_ms, NFVD_FDB_AGEING_S * 1000 - 1000);
	assert_int_equal(nfvd_fdb_age(from, 2000000, stamp, &next_ms), NFVD_FDB_END);
	assert_int_equal(a.macs, 0);
	rcu_thread_online();
}

static void parts_have_each_address_once(void **state)
{
	unsigned int parts;

	a.macs_max = b.macs_max = MANY;
	assert_int_equal(walk_in_parts(NULL), 1);
	for (unsigned int i = 0; i < MANY; i++)
		nfvd_fdb_learn(&a, 0, KEY(i), 0);
	parts = walk_in_parts(NULL);
	assert_in_range(parts, MANY * 9 / 10, MANY);
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(visits[i], 1);
	walk_in_parts(churn);
	for (unsigned int i = 0; i < MANY; i++)
		assert_in_range(visits[i], i % 2, 1);
	assert_int_equal(nfvd_fdb_part(NFVD_FDB_END, visit_one, NULL), NFVD_FDB_END);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(one_of_a_port), T(parts_have_each_address_once), T(parts_are_bounded), T(more_entries_more_buckets) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
