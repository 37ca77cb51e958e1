/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters as a client gets them, a part at a time, when each port has sent to each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "frame/drop.c"
#include "rpc/params.c"
#include "rpc/stats.c"

const struct nfvd_reason nfvd_ctl_reasons[NFVD_N_CTL_REASONS];
uint64_t nfvd_ctl_counted(enum nfvd_ctl_reason why) { return 0; }

#define PORTS 300

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
struct nfvd_worker *nfvd_workers[NFVD_WORKERS_MAX];
unsigned int nfvd_n_workers = 2;
static struct nfvd_port port[PORTS];
static unsigned int looked;		/* at pairs */

/* Port src sent src + 1 frames to dst through each of two workers, and one past nfvd if dst is 7. */
unsigned int nfvd_row_next(const struct nfvd_row *row, unsigned int dst)
{
	looked++;
	return dst < PORTS ? dst : NFVD_PORTS_MAX;
}

void nfvd_programs_counters(void (*cb)(unsigned int src, unsigned int dst, const struct nfvd_programs_count *n, void *), void *arg)
{
	for (unsigned int src = 0; src < PORTS; src++)
		cb(src, 7, &(struct nfvd_programs_count){ .frames = 1, .bytes = 60 }, arg);
}

bool nfvd_counters_read(const struct nfvd_worker *w, unsigned int id, struct nfvd_counters *to)
{
	memset(to, 0, sizeof(*to));
	to->tx_frames = 5;
	return true;
}

void nfvd_kmod_table_counters(void (*cb)(unsigned int src, unsigned int dst, const struct nfv_pair *p, bool copied, void *), void *arg)
{
}

struct nfvd_kmod *nfvd_kmod_of(unsigned int id)
{
	return NULL;
}

int nfvd_kmod_stats(const struct nfvd_kmod *k, struct nfv_stats *stats)
{
	return -ENODEV;
}

void nfvd_tap_dropped(struct nfvd_tapped *t, const struct nfvd_port *at, const struct nfvd_port *dst, enum nfvd_drop why,
		      struct nfvd_frame *const *frames, unsigned int n)
{
}

void nfvd_pressure_add(struct nfvd_pressure *to, const struct nfvd_pressure *from)
{
}

void nfvd_pressure_show(const struct nfvd_port *p, json_t *obj)
{
}

json_t *nfvd_pressure_workers(void)
{
	return json_array();
}

struct nfvd_port *nfvd_port_find(const char *name)
{
	return &port[atoi(name)];
}

int nfvd_rpc_only(json_t *params, const char *const *names, struct nfvd_err *err)
{
	return 0;
}

int nfvd_err(struct nfvd_err *err, int code, const char *fmt, ...)
{
	return -1;
}

void nfvd_hint(struct nfvd_err *err, const char *fmt, ...)
{
}

static int setup(void **state)
{
	for (unsigned int i = 0; i < nfvd_n_workers; i++)
		nfvd_workers[i] = calloc(1, sizeof(struct nfvd_worker));
	for (unsigned int src = 0; src < PORTS; src++) {
		nfvd_ports[src] = &port[src];
		port[src].id = src;
		snprintf(port[src].name, sizeof(port[src].name), "%u", src);
		for (unsigned int i = 0; i < nfvd_n_workers; i++) {
			nfvd_workers[i]->row[src] = calloc(1, sizeof(struct nfvd_row));
			for (unsigned int dst = 0; dst < PORTS; dst++)
				nfvd_workers[i]->row[src]->to[dst].frames = src + 1;
		}
	}
	return 0;
}

/* Call f for each element of a list, and return their number. No part looks at more than so many pairs. */
static unsigned int list(json_t *(*method)(json_t *params, struct nfvd_err *err), const char *key, json_t *params, unsigned int pairs,
			 void (*f)(json_t *e))
{
	json_t *part, *more, *e;
	struct nfvd_err err;
	unsigned int n = 0;
	size_t i;

	do {
		looked = 0;
		part = method(params, &err);
		assert_non_null(part);
		assert_in_range(looked, 0, pairs);
		assert_true(json_array_size(json_object_get(part, key)) > 0);
		json_array_foreach(json_object_get(part, key), i, e)
			f(e);
		n += i;
		more = json_incref(json_object_get(part, "more"));
		if (more)
			json_object_set_new(params, "from", more);
		json_decref(part);
	} while (more);
	json_decref(params);
	return n;
}

static json_int_t number(json_t *e, const char *key)
{
	return json_integer_value(json_object_get(e, key));
}

static uint8_t seen[PORTS][PORTS];

static void check_pair(json_t *e)
{
	unsigned int src = atoi(json_string_value(json_object_get(e, "src"))), dst = atoi(json_string_value(json_object_get(e, "dst")));

	assert_int_equal(number(e, "frames"), 2 * (src + 1) + (dst == 7));
	assert_int_equal(number(e, "shortcut_frames"), dst == 7);
	seen[src][dst]++;
}

static void ledger_in_parts(void **state)
{
	/* Two workers, and a page is full after seven sources; the first one may have been in the page before. */
	assert_int_equal(list(nfvd_rpc_ledger_get, "pairs", json_object(), 8 * 2 * (PORTS + 1), check_pair), PORTS * PORTS);
	for (unsigned int src = 0; src < PORTS; src++)
		for (unsigned int dst = 0; dst < PORTS; dst++)
			assert_int_equal(seen[src][dst], 1);
	assert_int_equal(list(nfvd_rpc_ledger_get, "pairs", json_pack("{ss}", "port", "0"), 6 * (PORTS + 1), check_pair), 2 * PORTS - 1);
	assert_int_equal(list(nfvd_rpc_ledger_get, "pairs", json_pack("{ss ss}", "port", "9", "peer", "7"), 6 * (PORTS + 1), check_pair), 2);
}

static void check_stats(json_t *e)
{
	unsigned int src = atoi(json_string_value(json_object_get(e, "name")));

	assert_int_equal(number(e, "ledger_frames"), 2 * PORTS * (src + 1) + 1);
	assert_int_equal(number(e, "tx_frames"), 10 + (src == 7 ? PORTS : 0));
	seen[src][0]++;
}

static void stats_in_parts(void **state)
{
	memset(seen, 0, sizeof(seen));
	assert_int_equal(list(nfvd_rpc_stats_get, "ports", json_object(), 128 * 2 * (PORTS + 1), check_stats), PORTS);
	for (unsigned int src = 0; src < PORTS; src++)
		assert_int_equal(seen[src][0], 1);
	assert_int_equal(list(nfvd_rpc_stats_get, "ports", json_pack("{ss}", "port", "200"), 2 * (PORTS + 1), check_stats), 1);
}

static void check_drop(json_t *e)
{
	assert_int_equal(number(e, "count"), 0);
}

static void drops_without_pairs(void **state)
{
	assert_int_equal(list(nfvd_rpc_drops_get, "drops", json_pack("{sb}", "all", 1), 0, check_drop), PORTS * (NFVD_N_REASONS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ledger_in_parts), cmocka_unit_test(stats_in_parts), cmocka_unit_test(drops_without_pairs),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
