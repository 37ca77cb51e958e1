/* SPDX-License-Identifier: BSD-3-Clause */
/* What control does by the clock: port ticks, ageing, keeping the shortcut in step with the FDB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "control/pressure.h"
#include "control/saved.h"
#include "log.h"
#include "nfvd.h"
#include "port/fdb.h"
#include "shortcut/learnt.h"
#include "shortcut/seen.h"
#include "shortcut/shortcut.h"
#include "switch/context.h"
#include "worker/watch.h"

#define TICK_US		100000
#define AGE_MS		1000	/* ageing: of all entries not more often, and of control's time a hundredth */
#define SYNC_TICKS	300	/* the shortcut is set anew even if nothing changed, in case a sync has failed */
#define SYNC_US		10000	/* of two syncs for addresses that moved, the second waits so long */

static sd_event_source *timer, *moved, *later;
static uint64_t next_sync_us, age_due_us;

/* The FDB as the shortcut wants it. */
struct snapshot {
	struct nfvd_shortcut_entry *e;
	size_t n, room;
};

static void collect(struct nfvd_fdb_entry *e, void *arg)
{
	struct nfvd_shortcut_entry *to;
	struct snapshot *s = arg;
	uint32_t at = nfvd_fdb_at(e);

	if (at >= NFVD_PORTS_MAX || !nfvd_ports[at] || atomic_load(&nfvd_ports[at]->state) != NFVD_STATE_UP)
		return;
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		void *bigger = realloc(s->e, room * sizeof(*s->e));

		if (!bigger)
			return;
		s->e = bigger;
		s->room = room;
	}
	to = &s->e[s->n++];
	memcpy(to->mac, &e->key, 6);
	to->vlan = e->key >> 48;
	to->port = at;
}

static void sync_shortcut(void)
{
	struct snapshot s = { 0 };
	uint64_t start_us = nfvd_now_us(), took_us;

	nfvd_fdb_each(collect, &s);
	nfvd_shortcut_sync(s.e, s.n);
	free(s.e);
	/* The next sync is so late that control has time for other work, however many addresses there are. */
	age_due_us = 0;		/* a change may be a move, and ageing ends its dispute */
	took_us = nfvd_now_us() - start_us;
	next_sync_us = start_us + took_us + (4 * took_us > SYNC_US ? 4 * took_us : SYNC_US);
}

static int on_later(sd_event_source *source, uint64_t usec, void *arg)
{
	if (nfvd_fdb_changed())
		sync_shortcut();
	return sd_event_source_set_enabled(moved, SD_EVENT_ON);
}

/* Tell the shortcut of a moved address before the next tick. */
static int on_moved(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	uint64_t now_us = nfvd_now_us();
	int err;

	if (now_us >= next_sync_us)
		return on_later(NULL, 0, NULL);
	err = sd_event_source_set_time_relative(later, next_sync_us - now_us);
	if (err >= 0)
		err = sd_event_source_set_enabled(later, SD_EVENT_ONESHOT);
	return err < 0 ? err : sd_event_source_set_enabled(moved, SD_EVENT_OFF);
}

/* ---- what workers cannot say themselves ---- */

static bool tell_dispute(struct nfvd_fdb_entry *e, void *arg)
{
	uint32_t rival = atomic_load(&e->rival) ? atomic_exchange(&e->rival, 0) : 0, at = nfvd_fdb_at(e) % NFVD_PORTS_MAX;
	char vlan[24] = "";
	uint8_t m[6];

	if (!rival || !nfvd_ports[at] || !nfvd_ports[rival - 1])
		return true;
	memcpy(m, &e->key, 6);
	if (e->key >> 48)
		snprintf(vlan, sizeof(vlan), " in VLAN %u", (unsigned int)(e->key >> 48));
	nfvd_event_of(NFVD_EVENT_ADDRESS, nfvd_ports[at]->name, "%02x:%02x:%02x:%02x:%02x:%02x%s is claimed by %s and %s: it stays at %s until only that "
		   "has claimed it for %d s", m[0], m[1], m[2], m[3], m[4], m[5], vlan, nfvd_ports[at]->name,
		   nfvd_ports[rival - 1]->name, nfvd_ports[at]->name, NFVD_FDB_CALM_MS / 1000);
	return true;
}

/* Tell of the disputes in a part of the FDB. Those since this pass began are told by the next one. */
static void tell_disputes(void)
{
	static uint32_t place = NFVD_FDB_END;

	if (place == NFVD_FDB_END && nfvd_fdb_disputed())
		place = 0;
	if (place != NFVD_FDB_END)
		place = nfvd_fdb_part(place, tell_dispute, NULL);
}

static void tell_full(struct nfvd_port *port)
{
	bool full = atomic_load(&port->macs_full);

	if (full && !port->macs_full_told)
		nfvd_event_of(NFVD_EVENT_ADDRESS, port->name, "has taught its share of %u addresses: frames %s; 'macs N' at attach raises it", port->macs_max,
			   port->macs_drop ? "from further ones are dropped" : "to further ones are flooded");
	port->macs_full_told = full;
	if (full && atomic_load(&port->macs) < port->macs_max)
		atomic_store(&port->macs_full, false);
}

static void tell_spoofed(struct nfvd_port *port)
{
	uint64_t mac = atomic_load(&port->address.spoofed) ? atomic_exchange(&port->address.spoofed, 0) : 0;
	uint8_t m[6];

	if (!mac)
		return;
	memcpy(m, &mac, 6);
	nfvd_event_of(NFVD_EVENT_ADDRESS, port->name, "a frame from %02x:%02x:%02x:%02x:%02x:%02x is dropped, for it is none of the port's addresses, or claims one "
		   "that is not; 'nfvctl set %s address ...' says which are", m[0], m[1], m[2], m[3], m[4], m[5], port->name);
}

/* Age a part of the FDB. Between parts other work has its time. */
static void age(void)
{
	static uint64_t earliest_us, began_us;
	static uint32_t place = NFVD_FDB_END, next_ms;
	uint64_t start_us = nfvd_now_us();

	if (start_us < earliest_us || (place == NFVD_FDB_END && start_us < age_due_us))
		return;
	if (place == NFVD_FDB_END) {
		place = 0;
		began_us = start_us;
		age_due_us = UINT64_MAX;
		next_ms = NFVD_FDB_AGEING_S * 1000;
	}
	place = nfvd_seen_age(place, nfvd_now_ms(), &next_ms);
	earliest_us = start_us + 100 * (nfvd_now_us() - start_us);
	if (place != NFVD_FDB_END)
		return;
	if (earliest_us < began_us + AGE_MS * 1000)
		earliest_us = began_us + AGE_MS * 1000;
	/* Unless it is due at once, for what changed meanwhile. */
	if (age_due_us > began_us + next_ms * 1000ull)
		age_due_us = began_us + next_ms * 1000ull;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	static unsigned int ticks;

	uint64_t meter_now = nfvd_now_ns() * NFVD_METER_NS;

	nfvd_shortcut_tick();
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		struct nfvd_port *port = nfvd_ports[id];

		if (!port)
			continue;
		if (port->ops->tick)
			port->ops->tick(port);
		nfvd_watch_release(port);
		nfvd_meter_look_after(&port->from, meter_now);
		nfvd_meter_look_after(&port->to, meter_now);
		tell_full(port);
		tell_spoofed(port);
	}
	nfvd_pressure_tick();
	nfvd_saved_tick();
	tell_disputes();
	if (nfvd_now_us() >= next_sync_us && (nfvd_fdb_changed() || ticks % SYNC_TICKS == 0))
		sync_shortcut();
	ticks++;
	nfvd_fdb_grow();
	age();
	/* Count from now on, so that ticks missed while the host was suspended are not made up for. */
	return sd_event_source_set_time_relative(source, TICK_US);
}

int nfvd_ticks_start(void)
{
	int err = sd_event_add_time_relative(nfvd_event_loop, &timer, CLOCK_MONOTONIC, TICK_US, TICK_US / 4, on_tick, NULL);

	if (err >= 0)
		err = sd_event_add_time_relative(nfvd_event_loop, &later, CLOCK_MONOTONIC, 0, 1, on_later, NULL);
	if (err >= 0)
		err = sd_event_add_io(nfvd_event_loop, &moved, nfvd_fdb_moved_fd(), EPOLLIN, on_moved, NULL);
	return err < 0 ? err : sd_event_source_set_enabled(timer, SD_EVENT_ON);
}
