/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods that read counters, and the FDB. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "control.h"
#include "fdb.h"
#include "kmod_table.h"
#include "move.h"
#include "rpc_methods.h"
#include "shortcut.h"
#include "worker.h"

static const char *const none[] = { NULL };

/*
 * Of what ports exchanged past nfvd with others that have gone since: the shortcut and the module count by
 * pairs, and a pair goes with one of its ports.
 */
static struct nfvd_counters retired[NFVD_PORTS_MAX];

/* Everything that is counted, summed over workers; each worker's balance of a port is of one instant. */
struct totals {
	bool one;			/* only pairs with this port, as far as they go with it */
	unsigned int id;
	bool inexact;			/* a worker was stopped in the midst of a change */
	struct nfvd_counters port[NFVD_PORTS_MAX];
	struct nfvd_ledger pair[NFVD_PORTS_MAX][NFVD_PORTS_MAX];
	uint64_t shortcut[NFVD_PORTS_MAX][NFVD_PORTS_MAX];	/* frames, contained in pair */
};

static void add_counters(struct nfvd_counters *to, const struct nfvd_counters *from)
{
	nfvd_balance_add(&to->balance, &from->balance);
	to->rx_syscalls += from->rx_syscalls;
	to->tx_frames += from->tx_frames;
	to->tx_bytes += from->tx_bytes;
	for (unsigned int i = NFVD_PASS + 1; i < NFVD_N_DROPS; i++)
		to->drops[i] += from->drops[i];
}

static void add_ledger(struct nfvd_ledger *to, const struct nfvd_ledger *from)
{
	to->frames += from->frames;
	to->dropped += from->dropped;
	to->bytes += from->bytes;
	to->copies += from->copies;
	to->copied_bytes += from->copied_bytes;
	to->syscalls += from->syscalls;
}

/* Frames that took the shortcut came in and went out, without a copy; stolen ones came in. */
static void add_shortcut(unsigned int src, unsigned int dst, const struct nfvd_shortcut_count *n, void *arg)
{
	struct totals *t = arg;

	if (src >= NFVD_PORTS_MAX || dst >= NFVD_PORTS_MAX || (t->one && src != t->id && dst != t->id))
		return;
	t->port[src].balance.rx_frames += n->frames + n->stolen;
	t->port[src].balance.rx_bytes += n->bytes;
	t->port[src].balance.delivered += n->frames;
	t->port[src].balance.rx_dropped += n->stolen;
	t->port[src].drops[NFVD_DROP_OTHER_PROGRAM] += n->stolen;
	t->port[dst].tx_frames += n->frames;
	t->port[dst].tx_bytes += n->bytes;
	t->pair[src][dst].frames += n->frames;
	t->pair[src][dst].bytes += n->bytes;
	t->shortcut[src][dst] += n->frames;
}

static uint64_t add_refused(struct nfvd_counters *c, const struct nfv_pair *p)
{
	static const int results[NFV_N_REFUSALS] = {
		[NFV_REFUSED_FULL] = -ENOBUFS, [NFV_REFUSED_DOWN] = -ENETDOWN, [NFV_REFUSED_MTU] = -EMSGSIZE,
		[NFV_REFUSED_OTHER] = -EINVAL,
	};
	uint64_t n = 0;

	for (unsigned int i = 0; i < NFV_N_REFUSALS; i++) {
		n += p->refused[i];
		if (c)
			c->drops[nfvd_kernel_reason(results[i])] += p->refused[i];
	}
	return n;
}

/* Frames that the module forwarded. */
static void add_forwarded(unsigned int src, unsigned int dst, const struct nfv_pair *p, bool copied, void *arg)
{
	struct totals *t = arg;
	bool there = dst < NFVD_PORTS_MAX;
	uint64_t refused;
	struct nfvd_ledger *l;

	/* What its destination's going leaves, the module keeps for the source. */
	if (t->one && src != t->id)
		return;
	refused = add_refused(there ? &t->port[dst] : NULL, p);

	t->port[src].balance.rx_frames += p->frames + refused;
	t->port[src].balance.rx_bytes += p->bytes;
	t->port[src].balance.delivered += p->frames;
	t->port[src].balance.lost += refused;
	if (!there)
		return;
	t->port[dst].tx_frames += p->frames;
	t->port[dst].tx_bytes += p->bytes;
	l = &t->pair[src][dst];
	l->frames += p->frames;
	l->dropped += refused;
	l->bytes += p->bytes;
	if (copied) {
		l->copies += p->frames;
		l->copied_bytes += p->bytes;
	}
	t->shortcut[src][dst] += p->frames;
}

void nfvd_stats_retire(unsigned int id)
{
	struct totals *t = calloc(1, sizeof(*t));

	if (!t)
		return;
	t->one = true;
	t->id = id;
	nfvd_shortcut_counters(add_shortcut, t);
	nfvd_kmod_table_counters(add_forwarded, t);
	for (unsigned int other = 0; other < NFVD_PORTS_MAX; other++)
		add_counters(&retired[other], &t->port[other]);
	free(t);
	memset(&retired[id], 0, sizeof(retired[id]));
}

static struct totals *sum(void)
{
	struct totals *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	for (unsigned int i = 0; i < nfvd_n_workers; i++) {
		const struct nfvd_worker *w = nfvd_workers[i];

		for (unsigned int src = 0; src < NFVD_PORTS_MAX; src++) {
			struct nfvd_counters c;

			if (!nfvd_ports[src])
				continue;
			t->inexact |= !nfvd_counters_read(w, src, &c);
			add_counters(&t->port[src], &c);
			for (unsigned int dst = 0; w->row[src] && dst < NFVD_PORTS_MAX; dst++)
				add_ledger(&t->pair[src][dst], &w->row[src][dst]);
		}
	}
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		add_counters(&t->port[id], &retired[id]);
	nfvd_shortcut_counters(add_shortcut, t);
	nfvd_kmod_table_counters(add_forwarded, t);
	return t;
}

/* Delivered and lost, of what src took in; what is missing from the sum is in flight. */
static json_t *stats_of(const struct totals *t, unsigned int id, int64_t *in_flight)
{
	const struct nfvd_counters *c = &t->port[id];
	const struct nfvd_balance *b = &c->balance;
	uint64_t dropped = b->rx_dropped + b->lost;

	*in_flight = (int64_t)(b->rx_frames + b->replicated - b->delivered - dropped);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", nfvd_ports[id]->name,
		"rx_frames", (json_int_t)b->rx_frames, "rx_bytes", (json_int_t)b->rx_bytes,
		"replicated", (json_int_t)b->replicated, "delivered", (json_int_t)b->delivered,
		"dropped", (json_int_t)dropped, "in_flight", (json_int_t)*in_flight,
		"tx_frames", (json_int_t)c->tx_frames, "tx_bytes", (json_int_t)c->tx_bytes,
		"rx_syscalls", (json_int_t)c->rx_syscalls);
}

json_t *nfvd_rpc_stats_get(json_t *params, struct nfvd_err *err)
{
	json_t *list;
	struct totals *t;
	int64_t in_flight, total = 0;
	uint64_t sleeps = 0;
	bool inexact;

	if (nfvd_rpc_only(params, none, err))
		return NULL;
	t = sum();
	if (!t) {
		nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	list = json_array();
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id]) {
			json_array_append_new(list, stats_of(t, id, &in_flight));
			total += in_flight;
		}
	inexact = t->inexact;
	free(t);
	for (unsigned int i = 0; i < nfvd_n_workers; i++)
		sleeps += nfvd_workers[i]->sleeps;
	return json_pack("{s:o, s:I, s:I, s:b}", "ports", list, "in_flight", (json_int_t)total, "sleeps", (json_int_t)sleeps,
			 "inexact", inexact);
}

static json_t *pair(const struct totals *t, unsigned int src, unsigned int dst)
{
	const struct nfvd_ledger *l = &t->pair[src][dst];

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I}", "src", nfvd_ports[src]->name,
		"dst", nfvd_ports[dst]->name, "frames", (json_int_t)l->frames, "bytes", (json_int_t)l->bytes,
		"copied_bytes", (json_int_t)l->copied_bytes, "copies", (json_int_t)l->copies,
		"copies_per_frame", l->frames ? (double)l->copies / l->frames : 0.0,
		"syscalls", (json_int_t)l->syscalls, "dropped", (json_int_t)l->dropped,
		"shortcut_frames", (json_int_t)t->shortcut[src][dst]);
}

json_t *nfvd_rpc_ledger_get(json_t *params, struct nfvd_err *err)
{
	json_t *list;
	struct totals *t;

	if (nfvd_rpc_only(params, none, err))
		return NULL;
	t = sum();
	if (!t) {
		nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	list = json_array();
	for (unsigned int src = 0; src < NFVD_PORTS_MAX; src++)
		for (unsigned int dst = 0; nfvd_ports[src] && dst < NFVD_PORTS_MAX; dst++)
			if (nfvd_ports[dst] && (t->pair[src][dst].frames || t->pair[src][dst].dropped))
				json_array_append_new(list, pair(t, src, dst));
	free(t);
	return json_pack("{s:o}", "pairs", list);
}

static uint64_t count(const struct totals *t, unsigned int id, unsigned int reason)
{
	uint64_t n = atomic_load(&nfvd_ports[id]->faults[reason]);

	return reason < NFVD_N_DROPS ? n + t->port[id].drops[reason] : n;
}

json_t *nfvd_rpc_drops_get(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "all", NULL };
	json_t *all = json_object_get(params, "all"), *list;
	struct totals *t;

	if (nfvd_rpc_only(params, names, err))
		return NULL;
	if (all && !json_is_boolean(all)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'all' is a boolean");
		return NULL;
	}
	t = sum();
	if (!t) {
		nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	list = json_array();
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		for (unsigned int r = NFVD_PASS + 1; nfvd_ports[id] && r < NFVD_N_REASONS; r++) {
			uint64_t n = count(t, id, r);

			if (n || json_is_true(all))
				json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:b, s:s}", "port",
					nfvd_ports[id]->name, "reason", nfvd_reasons[r].name, "count", (json_int_t)n,
					"frames", r < NFVD_N_DROPS, "help", nfvd_reasons[r].help));
		}
	free(t);
	return json_pack("{s:o}", "drops", list);
}

static void list_entry(struct nfvd_fdb_entry *e, void *arg)
{
	struct nfvd_fdb_where w = atomic_load(&e->where);
	struct nfvd_port *port = w.at < NFVD_PORTS_MAX ? nfvd_ports[w.at] : NULL;
	uint8_t m[6];
	char mac[18];

	memcpy(m, &e->key, 6);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	if (port)
		json_array_append_new(arg, json_pack("{s:s, s:i, s:s, s:i, s:b}", "mac", mac, "vlan", (int)(e->key >> 48),
			"port", port->name, "age_ms", (int)nfvd_elapsed_ms(nfvd_now_ms(), atomic_load(&e->seen_ms)),
			"contested", w.moves == NFVD_FDB_CONTESTED));
}

json_t *nfvd_rpc_fdb_list(json_t *params, struct nfvd_err *err)
{
	json_t *list;

	if (nfvd_rpc_only(params, none, err))
		return NULL;
	list = json_array();
	nfvd_fdb_each(list_entry, list);
	return json_pack("{s:o, s:i}", "entries", list, "ageing_s", NFVD_FDB_AGEING_S);
}
