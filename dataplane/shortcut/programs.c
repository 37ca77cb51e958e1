/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "shortcut/inherit.h"

#define ALIVE_NS	2000000000ull	/* how long nfvd is believed to live after it said so; it says so every tick */

struct shortcut_bpf *nfvd_programs;

uint64_t nfvd_programs_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

void nfvd_programs_alive(void)
{
	nfvd_programs->bss->alive_until_ns = nfvd_programs_now_ns() + ALIVE_NS;
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level != LIBBPF_WARN)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

/* With the maps of the store, if wanted and if they are there. NULL with errno. */
static struct shortcut_bpf *open_and_load(bool wanted, bool *stored)
{
	struct shortcut_bpf *obj = shortcut_bpf__open();
	int err;

	if (!obj)
		return NULL;
	*stored = wanted && nfvd_inherit_maps_take(obj->obj);
	err = shortcut_bpf__load(obj);
	if (!err)
		return obj;
	shortcut_bpf__destroy(obj);
	errno = -err;
	return NULL;
}

int nfvd_programs_load(bool *adopted)
{
	libbpf_set_print(quiet);
	/* It reads a file, the first time: counters are to be had without a descriptor left, too. */
	libbpf_num_possible_cpus();
	nfvd_programs = open_and_load(true, adopted);
	if (!nfvd_programs && *adopted) {
		nfvd_inherit_nothing("this nfvd's programs do not load with the maps that were kept");
		nfvd_programs = open_and_load(false, adopted);
	}
	if (!nfvd_programs)
		return -errno;
	nfvd_programs_alive();
	return 0;
}

void nfvd_programs_free(void)
{
	shortcut_bpf__destroy(nfvd_programs);
	nfvd_programs = NULL;
}

/* ---- orders ---- */

uint64_t nfvd_order_queued(unsigned int id)
{
	return nfvd_programs ? __atomic_load_n(&nfvd_programs->bss->orders[id].queued, __ATOMIC_RELAXED) : 0;
}

void nfvd_order_starts(unsigned int id, uint64_t done)
{
	if (nfvd_programs)
		__atomic_store_n(&nfvd_programs->bss->orders[id].done, done, __ATOMIC_RELEASE);
}

uint32_t *nfvd_order_position(unsigned int id)
{
	return nfvd_programs ? &nfvd_programs->bss->orders[id].position : NULL;
}

void nfvd_order_done(unsigned int id, uint64_t n)
{
	if (nfvd_programs)
		__atomic_fetch_add(&nfvd_programs->bss->orders[id].done, n, __ATOMIC_RELEASE);
}

uint64_t nfvd_order_lost(unsigned int id)
{
	return nfvd_programs ? __atomic_load_n(&nfvd_programs->bss->orders[id].lost, __ATOMIC_RELAXED) : 0;
}

/* ---- counters ---- */

void nfvd_programs_forget(unsigned int id)
{
	struct shortcut_pair key, next, *prev = NULL;

	while (!bpf_map__get_next_key(nfvd_programs->maps.counters, prev, &next, sizeof(next))) {
		if (prev && (prev->src == id || prev->dst == id))
			bpf_map__delete_elem(nfvd_programs->maps.counters, prev, sizeof(*prev), 0);
		key = next;
		prev = &key;
	}
	if (prev && (prev->src == id || prev->dst == id))
		bpf_map__delete_elem(nfvd_programs->maps.counters, prev, sizeof(*prev), 0);
}

#define PAIRS_AT_ONCE	1024	/* of up to 65536: a call for each pair would take longer than a response may */

void nfvd_programs_counters(void (*cb)(unsigned int src, unsigned int dst, const struct nfvd_programs_count *n, void *),
			    void *arg)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct shortcut_pair *keys;
	struct shortcut_count *counts;
	uint32_t position, n;

	if (!nfvd_programs || cpus < 1)
		return;
	keys = calloc(PAIRS_AT_ONCE, sizeof(*keys));
	counts = calloc((size_t)PAIRS_AT_ONCE * cpus, sizeof(*counts));
	for (bool first = true; keys && counts && !err; first = false) {
		n = PAIRS_AT_ONCE;
		/* ENOENT: these are the last. */
		err = bpf_map_lookup_batch(bpf_map__fd(nfvd_programs->maps.counters), first ? NULL : &position, &position, keys, counts,
					   &n, NULL);
		for (uint32_t i = 0; i < n && (!err || err == -ENOENT); i++) {
			struct nfvd_programs_count sum = { 0 };

			for (int cpu = 0; cpu < cpus; cpu++) {
				sum.frames += counts[i * cpus + cpu].frames;
				sum.bytes += counts[i * cpus + cpu].bytes;
				sum.stolen += counts[i * cpus + cpu].stolen;
			}
			cb(keys[i].src, keys[i].dst, &sum, arg);
		}
	}
	free(keys);
	free(counts);
}
