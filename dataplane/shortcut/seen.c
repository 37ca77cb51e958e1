/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/seen.h"

#include "clock.h"
#include "shortcut/learnt.h"
#include "shortcut/table.h"

uint32_t nfvd_seen_ms(uint64_t key, unsigned int port, uint32_t then)
{
	struct nfvd_shortcut_entry e = { .vlan = key >> 48, .port = port };
	uint64_t age_ms;
	uint32_t seen;

	memcpy(e.mac, &key, 6);
	if (!nfvd_shortcut_last_seen(&e, &age_ms) || age_ms > 1000000000)
		return then;
	seen = nfvd_now_ms() - (uint32_t)age_ms;
	return nfvd_later(seen, then) ? seen : then;
}

/* The module forwards between ports without a policy only: they are in zone 0. */
static void freshen(const struct nfvd_shortcut_entry *seen, uint32_t idle_ms)
{
	struct nfvd_fdb_entry *e = nfvd_fdb_lookup(0, nfvd_fdb_key(seen->mac, seen->vlan));
	uint32_t then = nfvd_now_ms() - idle_ms;

	if (e && nfvd_fdb_at(e) == seen->port && nfvd_later(then, atomic_load(&e->seen_ms)))
		atomic_store(&e->seen_ms, then);
}

/* RCU: online. */
static void ask_module(void)
{
	nfvd_kmod_table_read();
	nfvd_kmod_table_seen(freshen);
}

void nfvd_seen_by_module(void)
{
	rcu_thread_online();
	ask_module();
	rcu_thread_offline();
}

static bool module_asked;	/* in this part */

static uint32_t last_seen(struct nfvd_fdb_entry *e)
{
	if (!module_asked)
		ask_module();
	module_asked = true;
	return nfvd_seen_ms(e->key, nfvd_fdb_at(e), atomic_load(&e->seen_ms));
}

uint32_t nfvd_seen_age(uint32_t from, uint32_t now_ms, uint32_t *next_ms)
{
	module_asked = false;
	return nfvd_fdb_age(from, now_ms, last_seen, next_ms);
}
