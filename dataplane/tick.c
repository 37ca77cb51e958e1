/* SPDX-License-Identifier: BSD-3-Clause */
/* What control does by the clock: port ticks, ageing, keeping the shortcut in step with the FDB. */
#include <stdlib.h>
#include <urcu-qsbr.h>
#include "control.h"
#include "fdb.h"
#include "kmod_table.h"
#include "log.h"
#include "shortcut.h"
#include "worker.h"

#define TICK_US		100000
#define AGE_TICKS	10	/* ageing: once a second */
/*
 * The shortcut: what it has seen must be in the FDB well before NFVD_FDB_HOLD_MS
 * are over, or an address in use there could be taken over. So an address
 * can move after 0.7 to 1 s of silence, where it is always 1 s without shortcut.
 */
#define SYNC_TICKS	3

static sd_event_source *timer;

/* The FDB as the shortcut wants it. */
struct snapshot {
	struct nfvd_shortcut_entry *e;
	size_t n, room;
};

static void collect(struct nfvd_fdb_entry *e, void *arg)
{
	struct snapshot *s = arg;
	uint64_t age_ms;

	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		void *bigger = realloc(s->e, room * sizeof(*s->e));

		if (!bigger)
			return;
		s->e = bigger;
		s->room = room;
	}
	memcpy(s->e[s->n].mac, &e->key, 6);
	s->e[s->n].vlan = e->key >> 48;
	s->e[s->n].port = atomic_load(&e->port);
	/* Frames that took the shortcut kept the address in use as much as ours did. */
	if (nfvd_shortcut_last_seen(s->e[s->n].mac, s->e[s->n].vlan, &age_ms) && age_ms < 1000000000) {
		uint32_t then = nfvd_now_ms() - (uint32_t)age_ms;

		if (nfvd_later(then, atomic_load(&e->seen_ms)))
			atomic_store(&e->seen_ms, then);
	}
	s->n++;
}

/* The same of the module's table, which tells after each sync. */
static void freshen(const struct nfvd_shortcut_entry *seen, uint32_t idle_ms)
{
	struct nfvd_fdb_entry *e = nfvd_fdb_lookup(nfvd_fdb_key(seen->mac, seen->vlan));
	uint32_t then = nfvd_now_ms() - idle_ms;

	if (e && atomic_load(&e->port) == seen->port && nfvd_later(then, atomic_load(&e->seen_ms)))
		atomic_store(&e->seen_ms, then);
}

static void sync_shortcut(void)
{
	struct snapshot s = { 0 };

	nfvd_fdb_each(collect, &s);
	nfvd_shortcut_sync(s.e, s.n);
	rcu_thread_online();
	nfvd_kmod_table_seen(freshen);
	rcu_thread_offline();
	free(s.e);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	static unsigned int ticks;

	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id] && nfvd_ports[id]->ops->tick)
			nfvd_ports[id]->ops->tick(nfvd_ports[id]);
	if (nfvd_fdb_changed() || ticks % SYNC_TICKS == 0)
		sync_shortcut();
	if (++ticks % AGE_TICKS == 0)
		nfvd_fdb_age(nfvd_now_ms());
	/* From now on: ticks missed, as when the host was suspended, are not made up for. */
	return sd_event_source_set_time_relative(source, TICK_US);
}

int nfvd_ticks_start(void)
{
	int err = sd_event_add_time_relative(nfvd_event_loop, &timer, CLOCK_MONOTONIC, TICK_US, TICK_US / 4, on_tick, NULL);

	return err < 0 ? err : sd_event_source_set_enabled(timer, SD_EVENT_ON);
}
