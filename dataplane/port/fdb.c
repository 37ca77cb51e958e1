/* SPDX-License-Identifier: BSD-3-Clause */
#include "port/fdb.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "policy/policy.h"

#define BUCKETS		16384	/* at first */
#define CHAIN		2	/* entries of a bucket from which on there are more buckets */
/*
 * Hashes are so short that a walk can begin at each: a place is a hash with its bits reversed, and the table keeps its
 * entries in the order of their places, whatever its size (split ordering).
 */
#define HASH_BITS	17
_Static_assert(NFVD_FDB_END == 1 << HASH_BITS, "a place for each hash");

static struct cds_lfht *table;
static unsigned long buckets;
static atomic_ulong entries;
static uint64_t hash_key;	/* random: addresses that collide cannot be chosen */
static atomic_bool changed, disputed;
static int moved_fd = -1;
static atomic_bool woken;	/* moved_fd was, or is about to be, written */

_Static_assert(sizeof(struct nfvd_fdb_where) == sizeof(uint64_t), "it changes as one");

struct name {
	uint64_t key;
	uint16_t zone;
};

static inline unsigned long hash(uint16_t zone, uint64_t key)
{
	uint64_t h = (key ^ hash_key ^ (uint64_t)zone << 24) * 0x9e3779b97f4a7c15u;

	h ^= h >> 32;
	return h * 0xd6e8feb86659fd93u >> 20 & (NFVD_FDB_END - 1);
}

/* Return the place of a hash, or the hash of a place. */
static uint32_t reversed(uint32_t bits)
{
	uint32_t to = 0;

	for (unsigned int i = 0; i < HASH_BITS; i++)
		to = to << 1 | (bits >> i & 1);
	return to;
}

static int match(struct cds_lfht_node *node, const void *key)
{
	const struct nfvd_fdb_entry *e = caa_container_of(node, struct nfvd_fdb_entry, node);
	const struct name *name = key;

	return e->key == name->key && e->zone == name->zone;
}

int nfvd_fdb_init(void)
{
	if (getrandom(&hash_key, sizeof(hash_key), 0) != sizeof(hash_key))
		return -errno;
	moved_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (moved_fd < 0)
		return -errno;
	buckets = BUCKETS;
	atomic_store(&entries, 0);
	table = cds_lfht_new(BUCKETS, BUCKETS, NFVD_FDB_END, 0, NULL);
	return table ? 0 : -ENOMEM;
}

struct nfvd_fdb_entry *nfvd_fdb_lookup(uint16_t zone, uint64_t key)
{
	struct name name = { key, zone };
	struct cds_lfht_iter it;
	struct cds_lfht_node *node;

	cds_lfht_lookup(table, hash(zone, key), match, &name, &it);
	node = cds_lfht_iter_get_node(&it);
	return node ? caa_container_of(node, struct nfvd_fdb_entry, node) : NULL;
}

static void free_entry(struct rcu_head *rcu)
{
	free(caa_container_of(rcu, struct nfvd_fdb_entry, rcu));
}

/* Count one more address of port, and return true, if the port may have one. */
static bool reserve(struct nfvd_port *port)
{
	/* Read first, so that a full port does not take the cache line from other workers. */
	if (atomic_load_explicit(&port->macs, memory_order_relaxed) >= port->macs_max)
		return false;
	if (atomic_fetch_add(&port->macs, 1) < port->macs_max)
		return true;
	atomic_fetch_sub(&port->macs, 1);
	return false;
}

static __attribute__((noinline)) enum nfvd_learnt add(struct nfvd_port *src, uint16_t zone, uint64_t key, uint32_t now_ms)
{
	struct name name = { key, zone };
	struct nfvd_fdb_entry *e;
	struct cds_lfht_node *got;

	if (!reserve(src))
		return NFVD_LEARNT_LIMIT;
	e = calloc(1, sizeof(*e));
	if (!e) {
		atomic_fetch_sub(&src->macs, 1);
		return NFVD_LEARNT_LIMIT;
	}
	cds_lfht_node_init(&e->node);
	e->key = key;
	e->zone = zone;
	atomic_init(&e->where, (struct nfvd_fdb_where){ .at = src->id });
	atomic_init(&e->seen_ms, now_ms);
	got = cds_lfht_add_unique(table, hash(zone, key), match, &name, &e->node);
	if (got != &e->node) {
		/* Another worker was first; the next frame will find its entry. */
		free(e);
		atomic_fetch_sub(&src->macs, 1);
	} else {
		atomic_fetch_add(&entries, 1);
	}
	atomic_store_explicit(&src->learnt, key, memory_order_relaxed);
	atomic_store(&changed, true);
	return NFVD_LEARNT;
}

/* Return the port at which an entry counts; NULL: it has been detached. */
static struct nfvd_port *holder(struct nfvd_fdb_where w)
{
	return rcu_dereference(nfvd_ports[w.at % NFVD_PORTS_MAX]);
}

/* A port that is held speaks no more than one that is down. */
static bool is_up(const struct nfvd_port *port)
{
	return port && atomic_load_explicit(&port->state, memory_order_relaxed) == NFVD_STATE_UP &&
	       !atomic_load_explicit(&port->held, memory_order_relaxed);
}

/*
 * Return the entry that was (not frozen) becomes when its address is seen at src. .at is a port that is assumed to
 * have room.
 */
static struct nfvd_fdb_where moved(struct nfvd_fdb_where was, const struct nfvd_port *src, uint32_t now_ms)
{
	uint32_t since_ms = nfvd_elapsed_ms28(now_ms, was.moved_ms);
	struct nfvd_fdb_where next = { .at = src->id, .home = was.home, .moved_ms = now_ms };

	/* Nobody else is there: this is no dispute. */
	if (!is_up(holder(was)))
		return next;
	if (!was.moves || was.moves == NFVD_FDB_CONTESTED || since_ms >= NFVD_FDB_WINDOW_MS) {
		next.home = was.at % NFVD_PORTS_MAX;
		next.moves = 1;
		return next;
	}
	/* A worker with an older time does not set the stamp back. */
	if (!since_ms)
		next.moved_ms = was.moved_ms;
	if (was.moves == 2 && since_ms + 4 * was.gap_4ms < NFVD_FDB_WINDOW_MS &&
	    is_up(rcu_dereference(nfvd_ports[was.home]))) {
		next.at = was.home;
		next.moves = NFVD_FDB_CONTESTED;
	} else {
		next.moves = 2;
		next.gap_4ms = since_ms / 4;
	}
	return next;
}

/* Contested, and claimed by others of late. */
static bool frozen(struct nfvd_fdb_where w, uint32_t now_ms)
{
	return w.moves == NFVD_FDB_CONTESTED && nfvd_elapsed_ms28(now_ms, w.moved_ms) < NFVD_FDB_CALM_MS && is_up(holder(w));
}

static void claim(struct nfvd_fdb_entry *e, struct nfvd_fdb_where was, const struct nfvd_port *src, uint32_t now_ms)
{
	struct nfvd_fdb_where next = was;

	if (src->id == was.home || !nfvd_elapsed_ms28(now_ms, was.moved_ms))
		return;
	next.moved_ms = now_ms;
	/* If this fails, another worker has written the same, or something that matters more. */
	atomic_compare_exchange_strong(&e->where, &was, next);
}

static void tell_moved(void)
{
	atomic_store(&changed, true);
	if (!atomic_exchange(&woken, true))
		eventfd_write(moved_fd, 1);
}

static void tell_dispute(struct nfvd_fdb_entry *e, uint32_t rival)
{
	atomic_store(&e->rival, rival + 1);
	atomic_store(&disputed, true);
}

/* The address turned up where it is not. */
static __attribute__((noinline)) enum nfvd_learnt move(struct nfvd_fdb_entry *e, struct nfvd_port *src, uint32_t now_ms)
{
	struct nfvd_fdb_where was = atomic_load(&e->where), next;
	struct nfvd_port *from, *to;
	bool full;

	do {
		/*
		 * The entry was deleted since this worker found it, and the next frame adds it anew. Or another
		 * worker was first.
		 */
		if (was.at == NFVD_FDB_GONE || was.at == src->id)
			return NFVD_LEARNT;
		if (frozen(was, now_ms)) {
			claim(e, was, src, now_ms);
			return src->id == was.home ? NFVD_LEARNT : NFVD_LEARNT_CONTESTED;
		}
		next = moved(was, src, now_ms);
		from = holder(was);
		to = holder(next);
		full = to != from && !(to && reserve(to));
		/* A frame that is dropped does not show where the address is. */
		if (full && (was.at >= NFVD_FDB_FLOODED || src->macs_drop))
			return NFVD_LEARNT_LIMIT;
		if (full)
			next.at = NFVD_FDB_FLOODED + was.at;
		if (atomic_compare_exchange_strong(&e->where, &was, next))
			break;
		if (to != from && !full)
			atomic_fetch_sub(&to->macs, 1);
	} while (true);
	if (to != from && !full && from)
		atomic_fetch_sub(&from->macs, 1);
	atomic_store_explicit(&e->seen_ms, now_ms, memory_order_relaxed);
	if (to && !full)
		atomic_store_explicit(&to->learnt, e->key, memory_order_relaxed);
	tell_moved();
	if (next.moves == NFVD_FDB_CONTESTED) {
		tell_dispute(e, src->id == next.home ? was.at % NFVD_PORTS_MAX : src->id);
		return src->id == next.home ? NFVD_LEARNT_MOVE : NFVD_LEARNT_CONTESTED;
	}
	return full ? NFVD_LEARNT_LIMIT : NFVD_LEARNT_MOVE;
}

enum nfvd_learnt nfvd_fdb_learn(struct nfvd_port *src, uint16_t zone, uint64_t key, uint32_t now_ms)
{
	struct nfvd_fdb_entry *e = nfvd_fdb_lookup(zone, key);

	if (!e)
		return add(src, zone, key, now_ms);
	if (nfvd_fdb_at(e) != src->id)
		return move(e, src, now_ms);
	/* Two queues of a port may be on two workers: its stamp never goes back. */
	if (nfvd_later(now_ms, atomic_load_explicit(&e->seen_ms, memory_order_relaxed)))
		atomic_store_explicit(&e->seen_ms, now_ms, memory_order_relaxed);
	return NFVD_LEARNT;
}

static void del(struct nfvd_fdb_entry *e)
{
	struct nfvd_fdb_where was;
	struct nfvd_port *port;

	if (cds_lfht_del(table, &e->node))
		return;
	atomic_fetch_sub(&entries, 1);
	/*
	 * A worker that found the entry before may still move it. Whoever takes the entry from a port gives the
	 * port's place back.
	 */
	was = atomic_exchange(&e->where, (struct nfvd_fdb_where){ .at = NFVD_FDB_GONE });
	port = holder(was);
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

static int any(struct cds_lfht_node *node, const void *key)
{
	return 1;
}

void nfvd_fdb_grow(void)
{
	if (buckets == NFVD_FDB_END || atomic_load(&entries) < CHAIN * buckets)
		return;
	buckets *= 2;
	cds_lfht_resize(table, buckets);
}

/* Set *it to the first entry from this place on, or to none. */
static void seek(struct cds_lfht_iter *it, uint32_t place)
{
	*it = (struct cds_lfht_iter){ NULL };
	if (!place)
		cds_lfht_first(table, it);
	for (; place && place < NFVD_FDB_END && !it->node; place++)
		cds_lfht_lookup(table, reversed(place), any, NULL, it);
}

uint32_t nfvd_fdb_part(uint32_t from, bool (*f)(struct nfvd_fdb_entry *e, void *arg), void *arg)
{
	uint32_t end = NFVD_FDB_END;
	unsigned int visits = 0;
	unsigned long last = 0;
	struct cds_lfht_iter it;
	bool more = true;

	rcu_thread_online();
	for (seek(&it, from); it.node; cds_lfht_next(table, &it)) {
		struct nfvd_fdb_entry *e = caa_container_of(it.node, struct nfvd_fdb_entry, node);
		unsigned long h = hash(e->zone, e->key);

		if (!more && h != last) {
			end = reversed(h);
			break;
		}
		last = h;
		more &= f(e, arg) && ++visits < NFVD_FDB_PART;
	}
	rcu_thread_offline();
	return end;
}

/* The moves of before mean nothing any more. */
static void forget_moves(struct nfvd_fdb_entry *e, struct nfvd_fdb_where was)
{
	struct nfvd_fdb_where next = { .at = was.at };

	/* If it fails, there was another move. */
	atomic_compare_exchange_strong(&e->where, &was, next);
}

static void flush_one(struct nfvd_fdb_entry *e, void *arg)
{
	struct nfvd_fdb_where w = atomic_load(&e->where);
	const struct nfvd_port *port = arg;

	if (!port || w.at % NFVD_PORTS_MAX == port->id)
		del(e);
	else if (w.moves && w.home == port->id)
		forget_moves(e, w);
}

void nfvd_fdb_flush(const struct nfvd_port *port)
{
	nfvd_fdb_each(flush_one, (void *)port);
}

struct search {
	const struct nfvd_port *port;
	uint64_t key;
};

static bool search(struct nfvd_fdb_entry *e, void *arg)
{
	struct search *s = arg;

	if (nfvd_fdb_at(e) == s->port->id)
		s->key = e->key;
	return !s->key;
}

uint64_t nfvd_fdb_one_of(const struct nfvd_port *port)
{
	struct search s = { port, atomic_load(&port->learnt) };
	struct nfvd_fdb_entry *e;

	rcu_thread_online();
	e = s.key ? nfvd_fdb_lookup(nfvd_policy_zone(port->policy), s.key) : NULL;
	s.key = e && nfvd_fdb_at(e) == port->id ? s.key : 0;
	rcu_thread_offline();
	if (!s.key && atomic_load(&port->macs))
		nfvd_fdb_part(0, search, &s);
	return s.key;
}

struct ageing {
	uint32_t now_ms, next_ms;
	uint32_t (*seen)(struct nfvd_fdb_entry *e);
};

static bool age_one(struct nfvd_fdb_entry *e, void *arg)
{
	static const uint32_t limit_ms = NFVD_FDB_AGEING_S * 1000;
	struct ageing *a = arg;
	struct nfvd_fdb_where w = atomic_load(&e->where);
	uint32_t silent_ms = nfvd_elapsed_ms(a->now_ms, atomic_load_explicit(&e->seen_ms, memory_order_relaxed));

	if (silent_ms > limit_ms) {
		uint32_t seen_ms = a->seen(e);

		if (nfvd_later(seen_ms, atomic_load(&e->seen_ms)))
			atomic_store(&e->seen_ms, seen_ms);
		silent_ms = nfvd_elapsed_ms(a->now_ms, seen_ms);
	}
	if (silent_ms > limit_ms) {
		del(e);
		return true;
	}
	if (limit_ms - silent_ms < a->next_ms)
		a->next_ms = limit_ms - silent_ms;
	if (w.moves && nfvd_elapsed_ms28(a->now_ms, w.moved_ms) >= NFVD_FDB_CALM_MS)
		forget_moves(e, w);
	else if (w.moves)
		a->next_ms = 0;
	return true;
}

uint32_t nfvd_fdb_age(uint32_t from, uint32_t now_ms, uint32_t (*seen)(struct nfvd_fdb_entry *e), uint32_t *next_ms)
{
	struct ageing a = { .now_ms = now_ms, .next_ms = *next_ms, .seen = seen };
	uint32_t end = nfvd_fdb_part(from, age_one, &a);

	*next_ms = a.next_ms;
	return end;
}

bool nfvd_fdb_changed(void)
{
	eventfd_t n;

	/*
	 * Keep this order: a worker that moves an address meanwhile writes to the eventfd again, or is seen in
	 * changed.
	 */
	eventfd_read(moved_fd, &n);
	atomic_store(&woken, false);
	return atomic_exchange(&changed, false);
}

bool nfvd_fdb_disputed(void)
{
	return atomic_exchange(&disputed, false);
}

int nfvd_fdb_moved_fd(void)
{
	return moved_fd;
}

void nfvd_fdb_fini(void)
{
	nfvd_fdb_flush(NULL);
	rcu_barrier();
	cds_lfht_destroy(table, NULL);
	close(moved_fd);
}
