/* SPDX-License-Identifier: BSD-3-Clause */
/* The FDB as a client gets it, a part at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "port/fdb.c"
#include "rpc/fdb.c"
#include "rpc/params.c"

#define MANY 50000

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
static struct nfvd_port crowd = { .id = 7, .macs_max = 2 * MANY, .name = "crowd" }, loner = { .id = 8, .macs_max = 2, .name = "loner" };
static unsigned int listed[MANY];

const char *nfvd_zone_name(unsigned int zone)
{
	return zone == 1 ? "blue" : "red";
}

uint32_t nfvd_seen_ms(uint64_t key, unsigned int port, uint32_t then)
{
	return then;
}

void nfvd_seen_by_module(void)
{
}

struct nfvd_port *nfvd_port_find(const char *name)
{
	return !strcmp(name, "loner") ? &loner : !strcmp(name, "crowd") ? &crowd : NULL;
}

int nfvd_rpc_only(json_t *params, const char *const *names, struct nfvd_err *err)
{
	return 0;
}

int nfvd_err(struct nfvd_err *err, int code, const char *fmt, ...)
{
	err->code = code;
	return -1;
}

void nfvd_hint(struct nfvd_err *err, const char *fmt, ...)
{
}

static uint64_t key(unsigned int n)
{
	const uint8_t mac[6] = { 2, 0, n >> 24, n >> 16, n >> 8, n };

	return nfvd_fdb_key(mac, n % 3);
}

static void learn(struct nfvd_port *port, uint16_t zone, unsigned int from, unsigned int to)
{
	for (unsigned int n = from; n < to; n++)
		assert_int_equal(nfvd_fdb_learn(port, zone, key(n), 0), NFVD_LEARNT);
}

static int setup(void **state)
{
	rcu_register_thread();
	nfvd_ports[7] = &crowd;
	nfvd_ports[8] = &loner;
	atomic_store(&crowd.state, NFVD_STATE_UP);
	atomic_store(&loner.state, NFVD_STATE_UP);
	crowd.macs = loner.macs = 0;
	memset(listed, 0, sizeof(listed));
	return nfvd_fdb_init();
}

static int teardown(void **state)
{
	nfvd_fdb_fini();
	rcu_unregister_thread();
	return 0;
}

/* Ask for the part from *from on, and count its entries; false: that was the last one. */
static bool ask(const char *port, json_int_t *from, unsigned int *n)
{
	json_t *params = json_pack("{ss* sI}", "port", port, "from", *from), *part, *e;
	struct nfvd_err err;
	bool more;
	size_t i;

	rcu_thread_offline();
	part = nfvd_rpc_fdb_list(params, &err);
	rcu_thread_online();
	assert_non_null(part);
	assert_int_equal(json_integer_value(json_object_get(part, "ageing_s")), NFVD_FDB_AGEING_S);
	json_array_foreach(json_object_get(part, "entries"), i, e) {
		unsigned int m[6];

		assert_int_equal(sscanf(json_string_value(json_object_get(e, "mac")), "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]), 6);
		listed[m[2] << 24 | m[3] << 16 | m[4] << 8 | m[5]]++;
	}
	*n = i;
	more = json_object_get(part, "more");
	assert_true(!more || json_integer_value(json_object_get(part, "more")) > *from);
	*from = json_integer_value(json_object_get(part, "more"));
	json_decref(part);
	json_decref(params);
	return more;
}

/* Entries of one address in two zones are two entries, and in one part or in two. */
static void each_entry_once(void **state)
{
	unsigned int total = 0, parts = 1, n;
	json_int_t from = 0;

	learn(&crowd, 0, 0, 10000);
	learn(&crowd, 1, 0, 100);
	for (; ask(NULL, &from, &n); parts++) {
		assert_in_range(n, 1024, 1024 + 100);
		total += n;
	}
	assert_int_equal(total + n, 10100);
	assert_int_equal(parts, 10);
	for (unsigned int i = 0; i < 10000; i++)
		assert_int_equal(listed[i], i < 100 ? 2 : 1);
}

/* What comes, goes and moves between two parts does not touch the rest. */
static void others_come_and_go(void **state)
{
	unsigned int n, next = 20000;
	json_int_t from = 0;

	learn(&crowd, 0, 0, 20000);
	while (ask(NULL, &from, &n)) {
		for (unsigned int i = next / 10; i < next / 10 + 500; i += 2) {
			struct nfvd_fdb_entry *e = nfvd_fdb_lookup(0, key(i));

			if (e)
				del(e);
		}
		learn(&crowd, 0, next, next + 300);
		next += 300;
	}
	for (unsigned int i = 0; i < 20000; i++)
		assert_in_range(listed[i], i % 2 || i < 2000, 1);
}

/* To find the only entry of a port, no part walks the whole table. */
static void one_among_many(void **state)
{
	unsigned int total = 0, parts = 1, n;
	json_int_t from = 0;

	learn(&crowd, 0, 0, MANY - 1);
	learn(&loner, 0, MANY - 1, MANY);
	for (; ask("loner", &from, &n); parts++)
		total += n;
	assert_int_equal(total + n, 1);
	assert_int_equal(listed[MANY - 1], 1);
	assert_in_range(parts, MANY / 17000, MANY / 16000 + 1);
}

static void behind_the_end(void **state)
{
	const json_int_t ends[] = { NFVD_FDB_END - 1, NFVD_FDB_END, UINT32_MAX, INT64_MAX };
	unsigned int n;

	for (unsigned int i = 0; i < 4; i++) {
		json_int_t from = ends[i];

		assert_false(ask(NULL, &from, &n));
		assert_int_equal(n, 0);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { T(each_entry_once), T(others_come_and_go), T(one_among_many), T(behind_the_end) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
