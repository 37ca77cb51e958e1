/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdb.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <urcu-qsbr.h>
#include "clock.h"

#define BUCKETS 16384

static struct cds_lfht *table;
static uint64_t hash_key;	/* random: addresses that collide cannot be chosen */
static atomic_bool changed;

static inline unsigned long hash(uint64_t key)
{
	uint64_t h = (key ^ hash_key) * 0x9e3779b97f4a7c15u;

	h ^= h >> 32;
	return h * 0xd6e8feb86659fd93u >> 20;
}

static int match(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct nfvd_fdb_entry, node)->key == *(const uint64_t *)key;
}

int nfvd_fdb_init(void)
{
	if (getrandom(&hash_key, sizeof(hash_key), 0) != sizeof(hash_key))
		return -errno;
	table = cds_lfht_new(BUCKETS, BUCKETS, BUCKETS, 0, NULL);
	return table ? 0 : -ENOMEM;
}

struct nfvd_fdb_entry *nfvd_fdb_lookup(uint64_t key)
{
	struct cds_lfht_iter it;
	struct cds_lfht_node *node;

	cds_lfht_lookup(table, hash(key), match, &key, &it);
	node = cds_lfht_iter_get_node(&it);
	return node ? caa_container_of(node, struct nfvd_fdb_entry, node) : NULL;
}

static void free_entry(struct rcu_head *rcu)
{
	free(caa_container_of(rcu, struct nfvd_fdb_entry, rcu));
}

static enum nfvd_drop add(struct nfvd_port *src, uint64_t key, uint32_t now_ms)
{
	struct nfvd_fdb_entry *e;
	struct cds_lfht_node *got;

	if (atomic_fetch_add(&src->macs, 1) >= src->macs_max)
		goto full;
	e = calloc(1, sizeof(*e));
	if (!e)
		goto full;
	cds_lfht_node_init(&e->node);
	e->key = key;
	atomic_init(&e->port, src->id);
	atomic_init(&e->seen_ms, now_ms);
	got = cds_lfht_add_unique(table, hash(key), match, &key, &e->node);
	if (got != &e->node) {
		/* Another worker was first; the next frame will find its entry. */
		free(e);
		atomic_fetch_sub(&src->macs, 1);
	}
	atomic_store(&changed, true);
	return NFVD_N_REASONS;
full:
	atomic_fetch_sub(&src->macs, 1);
	return NFVD_DROP_MAC_LIMIT;
}

/* The address turned up at another port than its own. */
static enum nfvd_drop move(struct nfvd_fdb_entry *e, struct nfvd_port *src, uint32_t now_ms)
{
	uint32_t from = atomic_load(&e->port);
	struct nfvd_port *old;

	/* Forgotten since we found it: the next frame adds it anew. */
	if (from == NFVD_FDB_GONE)
		return NFVD_N_REASONS;
	if (nfvd_elapsed_ms(now_ms, atomic_load_explicit(&e->seen_ms, memory_order_relaxed)) < NFVD_FDB_HOLD_MS)
		return NFVD_DROP_MAC_FLAP;
	if (atomic_fetch_add(&src->macs, 1) >= src->macs_max) {
		atomic_fetch_sub(&src->macs, 1);
		return NFVD_DROP_MAC_LIMIT;
	}
	if (!atomic_compare_exchange_strong(&e->port, &from, src->id)) {
		atomic_fetch_sub(&src->macs, 1);
		return NFVD_DROP_MAC_FLAP;
	}
	old = rcu_dereference(nfvd_ports[from]);
	if (old)
		atomic_fetch_sub(&old->macs, 1);
	atomic_store_explicit(&e->seen_ms, now_ms, memory_order_relaxed);
	atomic_store(&changed, true);
	return NFVD_N_REASONS;
}

enum nfvd_drop nfvd_fdb_learn(struct nfvd_port *src, uint64_t key, uint32_t now_ms)
{
	struct nfvd_fdb_entry *e = nfvd_fdb_lookup(key);

	if (!e)
		return add(src, key, now_ms);
	if (atomic_load_explicit(&e->port, memory_order_relaxed) != src->id)
		return move(e, src, now_ms);
	/* Two queues of a port may be on two workers: its stamp never goes back. */
	if (nfvd_later(now_ms, atomic_load_explicit(&e->seen_ms, memory_order_relaxed)))
		atomic_store_explicit(&e->seen_ms, now_ms, memory_order_relaxed);
	return NFVD_N_REASONS;
}

static void del(struct nfvd_fdb_entry *e)
{
	struct nfvd_port *port;
	uint32_t from;

	if (cds_lfht_del(table, &e->node))
		return;
	/* A worker may move what it found before that: whoever takes the port off the entry gives its place back. */
	from = atomic_exchange(&e->port, NFVD_FDB_GONE);
	port = from < NFVD_PORTS_MAX ? rcu_dereference(nfvd_ports[from]) : NULL;
	if (port)
		atomic_fetch_sub(&port->macs, 1);
	atomic_store(&changed, true);
	call_rcu(&e->rcu, free_entry);
}

void nfvd_fdb_each(void (*f)(struct nfvd_fdb_entry *e, void *arg), void *arg)
{
	struct cds_lfht_iter it;
	struct cds_lfht_node *node;

	rcu_thread_online();
	cds_lfht_for_each(table, &it, node)
		f(caa_container_of(node, struct nfvd_fdb_entry, node), arg);
	rcu_thread_offline();
}

static void flush_one(struct nfvd_fdb_entry *e, void *arg)
{
	const struct nfvd_port *port = arg;

	if (!port || atomic_load(&e->port) == port->id)
		del(e);
}

void nfvd_fdb_flush(struct nfvd_port *port)
{
	nfvd_fdb_each(flush_one, port);
}

static void age_one(struct nfvd_fdb_entry *e, void *arg)
{
	if (nfvd_elapsed_ms(*(const uint32_t *)arg, atomic_load_explicit(&e->seen_ms, memory_order_relaxed)) >
	    NFVD_FDB_AGEING_S * 1000)
		del(e);
}

void nfvd_fdb_age(uint32_t now_ms)
{
	nfvd_fdb_each(age_one, &now_ms);
}

bool nfvd_fdb_changed(void)
{
	return atomic_exchange(&changed, false);
}

void nfvd_fdb_fini(void)
{
	nfvd_fdb_flush(NULL);
	rcu_barrier();
	cds_lfht_destroy(table, NULL);
}
