/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods that read counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "control/pressure.h"
#include "module/kmod.h"
#include "nfvd.h"
#include "rpc/methods.h"
#include "rpc/params.h"
#include "shortcut/programs.h"
#include "shortcut/table.h"
#include "switch/context.h"
#include "switch/move.h"

/* Elements of one reply: far from NFV_RPC_BACKLOG_MAX, and some 10 ms of work. */
#define PAIRS_PAGE	2048
#define DROPS_PAGE	2048
#define PORTS_PAGE	128

/*
 * Counts of frames that ports exchanged past nfvd with ports that have gone since. The shortcut and the module count
 * by pairs, and a pair is removed with either of its ports.
 */
static struct nfvd_counters retired[NFVD_PORTS_MAX];

/* What src sent to dst. */
struct pair {
	unsigned int src, dst;
	struct nfvd_ledger l;
	uint64_t shortcut;		/* frames, contained in l */
};

/* Everything that is counted, summed over workers; each worker's balance of a port is of one instant. */
struct totals {
	bool one;			/* only pairs that are removed with port id */
	unsigned int id;
	bool inexact;			/* a worker was stopped in the midst of a change */
	bool failed;			/* for want of memory */
	struct nfvd_counters port[NFVD_PORTS_MAX];
	/* What the sources from <= id < end sent: in sum, and if enough is not 0, by pairs; end is less once there are enough. */
	unsigned int from, end;
	struct nfvd_ledger sent[NFVD_PORTS_MAX];
	struct pair *pairs;		/* only those with a count; sorted by src, then dst, once complete */
	size_t n_pairs, room, enough;
};

static void add_counters(struct nfvd_counters *to, const struct nfvd_counters *from)
{
	nfvd_balance_add(&to->balance, &from->balance);
	to->rx_syscalls += from->rx_syscalls;
	to->tx_frames += from->tx_frames;
	to->tx_bytes += from->tx_bytes;
	nfvd_pressure_add(&to->pressure, &from->pressure);
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

/* Add a further part of what src sent to dst. */
static void add_pair(struct totals *t, const struct pair *part)
{
	if (part->src < t->from || part->src >= t->end)
		return;
	if (nfvd_ports[part->dst])
		add_ledger(&t->sent[part->src], &part->l);
	if (t->enough && t->n_pairs == t->room) {
		size_t room = t->room ? 2 * t->room : 1024;
		struct pair *pairs = realloc(t->pairs, room * sizeof(*pairs));

		t->failed |= !pairs;
		if (!pairs)
			return;
		t->pairs = pairs;
		t->room = room;
	}
	if (t->enough)
		t->pairs[t->n_pairs++] = *part;
}

static int by_ports(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return x->src != y->src ? (x->src < y->src ? -1 : 1) : x->dst < y->dst ? -1 : x->dst > y->dst;
}

/* Sort the parts, and join those of the same two ports. */
static void join_parts(struct totals *t)
{
	size_t n = 0;

	if (t->n_pairs)
		qsort(t->pairs, t->n_pairs, sizeof(*t->pairs), by_ports);
	for (size_t i = 0; i < t->n_pairs; i++) {
		struct pair *p = &t->pairs[i], *last = n ? &t->pairs[n - 1] : NULL;

		if (last && !by_ports(last, p)) {
			add_ledger(&last->l, &p->l);
			last->shortcut += p->shortcut;
		} else {
			t->pairs[n++] = *p;
		}
	}
	t->n_pairs = n;
}

/* Return the index of the first pair that is not before (src, dst), or t->n_pairs. */
static size_t first_pair(const struct totals *t, unsigned int src, unsigned int dst)
{
	const struct pair key = { .src = src, .dst = dst };
	size_t low = 0, high = t->n_pairs;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_ports(&t->pairs[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void free_totals(struct totals *t)
{
	free(t->pairs);
	free(t);
}

/* Frames that took the shortcut came in and went out, without a copy; stolen ones came in. */
static void add_shortcut(unsigned int src, unsigned int dst, const struct nfvd_programs_count *n, void *arg)
{
	struct pair p = { .src = src, .dst = dst, .l = { .frames = n->frames, .bytes = n->bytes }, .shortcut = n->frames };
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
	add_pair(t, &p);
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
	struct pair part = { .src = src, .dst = dst, .shortcut = p->frames };
	struct totals *t = arg;
	bool there = dst < NFVD_PORTS_MAX;
	uint64_t refused;

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
	part.l = (struct nfvd_ledger){ .frames = p->frames, .dropped = refused, .bytes = p->bytes };
	if (copied) {
		part.l.copies = p->frames;
		part.l.copied_bytes = p->bytes;
	}
	add_pair(t, &part);
}

void nfvd_stats_retire(unsigned int id)
{
	struct totals *t = calloc(1, sizeof(*t));

	if (!t)
		return;
	t->one = true;
	t->id = id;
	nfvd_programs_counters(add_shortcut, t);
	nfvd_kmod_table_counters(add_forwarded, t);
	for (unsigned int other = 0; other < NFVD_PORTS_MAX; other++)
		if (nfvd_ports[other])
			add_counters(&retired[other], &t->port[other]);
	free_totals(t);
	memset(&retired[id], 0, sizeof(retired[id]));
}

/* Add what src sent through the workers; only: to no other port, unless src is this one. */
static void add_rows(struct totals *t, unsigned int src, const struct nfvd_port *only)
{
	bool one = only && only->id != src;
	unsigned int first = one ? only->id : 0, last = one ? only->id : NFVD_PORTS_MAX - 1;

	for (unsigned int i = 0; i < nfvd_n_workers; i++) {
		const struct nfvd_row *row = nfvd_workers[i]->row[src];

		for (unsigned int dst = first; row && (dst = nfvd_row_next(row, dst)) <= last; dst++)
			add_pair(t, &(struct pair){ .src = src, .dst = dst, .l = row->to[dst] });
	}
}

/* Sum all counters; of pairs only those that are wanted: see struct totals. NULL: out of memory. */
static struct totals *sum(unsigned int from, unsigned int end, size_t enough, const struct nfvd_port *only, struct nfvd_err *err)
{
	struct totals *t = calloc(1, sizeof(*t));

	if (!t) {
		nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	t->from = from;
	t->end = end;
	t->enough = enough;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		if (!nfvd_ports[id])
			continue;
		add_counters(&t->port[id], &retired[id]);
		for (unsigned int i = 0; i < nfvd_n_workers; i++) {
			struct nfvd_counters c;

			t->inexact |= !nfvd_counters_read(nfvd_workers[i], id, &c);
			add_counters(&t->port[id], &c);
		}
		if (enough && t->n_pairs >= enough && id < t->end)
			t->end = id;
		if (id >= t->from && id < t->end)
			add_rows(t, id, only);
	}
	nfvd_programs_counters(add_shortcut, t);
	nfvd_kmod_table_counters(add_forwarded, t);
	if (t->failed) {
		free_totals(t);
		nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	join_parts(t);
	return t;
}

/* Delivered and lost, of what src took in; what is missing from the sum is in flight. */
static int64_t in_flight_of(const struct nfvd_balance *b)
{
	return (int64_t)(b->rx_frames + b->replicated - b->delivered - b->rx_dropped - b->lost);
}

static json_t *stats_of(const struct totals *t, unsigned int id)
{
	const struct nfvd_counters *c = &t->port[id];
	const struct nfvd_balance *b = &c->balance;
	const struct nfvd_ledger l = t->sent[id];
	uint64_t dropped = b->rx_dropped + b->lost;

	json_t *obj = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", nfvd_ports[id]->name,
		"rx_frames", (json_int_t)b->rx_frames, "rx_bytes", (json_int_t)b->rx_bytes,
		"replicated", (json_int_t)b->replicated, "delivered", (json_int_t)b->delivered,
		"dropped", (json_int_t)dropped, "in_flight", (json_int_t)in_flight_of(b),
		"tx_frames", (json_int_t)c->tx_frames, "tx_bytes", (json_int_t)c->tx_bytes,
		"rx_syscalls", (json_int_t)c->rx_syscalls, "ledger_frames", (json_int_t)l.frames,
		"ledger_copies", (json_int_t)l.copies, "ledger_copied_bytes", (json_int_t)l.copied_bytes,
		"ledger_syscalls", (json_int_t)l.syscalls);

	json_object_set_new(obj, "replayed", json_integer((json_int_t)atomic_load(&nfvd_ports[id]->replayed)));
	json_object_set_new(obj, "paused_s", json_real((double)c->pressure.paused_ns / 1e9));
	nfvd_pressure_show(nfvd_ports[id], obj);
	return obj;
}

/* Return where the page that begins with port from ends: at the next one's first port. */
static unsigned int page_end(uint64_t from)
{
	unsigned int n = 0;

	for (; from < NFVD_PORTS_MAX && (n < PORTS_PAGE || !nfvd_ports[from]); from++)
		n += !!nfvd_ports[from];
	return from < NFVD_PORTS_MAX ? from : NFVD_PORTS_MAX;
}

json_t *nfvd_rpc_stats_get(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "port", "from", NULL };
	json_t *list, *part;
	struct nfvd_port *only;
	struct totals *t;
	int64_t in_flight = 0;
	uint64_t sleeps = 0, from;
	unsigned int end;

	if (nfvd_rpc_only(params, names, err) || nfvd_rpc_port(params, "port", &only, err) || nfvd_rpc_from(params, &from, err))
		return NULL;
	if (only && from <= only->id)
		from = only->id;
	end = only && from == only->id ? only->id + 1 : page_end(from);
	t = sum(from, end, 0, NULL, err);
	if (!t)
		return NULL;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_ports[id])
			in_flight += in_flight_of(&t->port[id].balance);
	for (unsigned int i = 0; i < nfvd_n_workers; i++)
		sleeps += nfvd_workers[i]->sleeps;
	list = json_array();
	for (; from < end; from++)
		if (nfvd_ports[from] && (!only || only->id == from))
			json_array_append_new(list, stats_of(t, from));
	part = nfvd_rpc_part("ports", list, !only && end < NFVD_PORTS_MAX, end);
	json_object_update_new(part, json_pack("{s:I, s:I, s:b, s:o}", "in_flight", (json_int_t)in_flight, "sleeps", (json_int_t)sleeps,
					       "inexact", t->inexact, "workers", nfvd_pressure_workers()));
	free_totals(t);
	return part;
}

static json_t *show_pair(const struct pair *p)
{
	const struct nfvd_ledger *l = &p->l;

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I}", "src", nfvd_ports[p->src]->name,
		"dst", nfvd_ports[p->dst]->name, "frames", (json_int_t)l->frames, "bytes", (json_int_t)l->bytes,
		"copied_bytes", (json_int_t)l->copied_bytes, "copies", (json_int_t)l->copies,
		"copies_per_frame", l->frames ? (double)l->copies / l->frames : 0.0,
		"syscalls", (json_int_t)l->syscalls, "dropped", (json_int_t)l->dropped,
		"shortcut_frames", (json_int_t)p->shortcut);
}

/* Return whether the pair has a count, and belongs to port unless port is NULL. */
static bool listed(const struct pair *p, const struct nfvd_port *port)
{
	return nfvd_ports[p->src] && nfvd_ports[p->dst] && (p->l.frames || p->l.dropped) &&
	       (!port || port->id == p->src || port->id == p->dst);
}

json_t *nfvd_rpc_ledger_get(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "port", "peer", "from", NULL };
	struct nfvd_port *port, *peer;
	uint64_t from;
	json_t *list, *part;
	struct totals *t;
	bool more;
	size_t i;

	if (nfvd_rpc_only(params, names, err) || nfvd_rpc_port(params, "port", &port, err) ||
	    nfvd_rpc_port(params, "peer", &peer, err) || nfvd_rpc_from(params, &from, err))
		return NULL;
	t = sum(from / NFVD_PORTS_MAX < NFVD_PORTS_MAX ? from / NFVD_PORTS_MAX : NFVD_PORTS_MAX, NFVD_PORTS_MAX, PAIRS_PAGE, port, err);
	if (!t)
		return NULL;
	list = json_array();
	for (i = first_pair(t, from / NFVD_PORTS_MAX, from % NFVD_PORTS_MAX); i < t->n_pairs; i++) {
		if (!listed(&t->pairs[i], port) || !listed(&t->pairs[i], peer))
			continue;
		if (json_array_size(list) == PAIRS_PAGE)
			break;
		json_array_append_new(list, show_pair(&t->pairs[i]));
	}
	more = i < t->n_pairs || t->end < NFVD_PORTS_MAX;
	from = i < t->n_pairs ? (uint64_t)t->pairs[i].src * NFVD_PORTS_MAX + t->pairs[i].dst : (uint64_t)t->end * NFVD_PORTS_MAX;
	part = nfvd_rpc_part("pairs", list, more, from);
	free_totals(t);
	return part;
}

static uint64_t count(const struct totals *t, unsigned int id, unsigned int reason)
{
	uint64_t n = atomic_load(&nfvd_ports[id]->faults[reason]);

	return reason < NFVD_N_DROPS ? n + t->port[id].drops[reason] : n;
}

/* Of a port there is a row for each of our reasons, then one for each of the module's. */
#define ROWS (NFVD_N_REASONS + NFV_N_MISSES)

struct row {
	const char *port;		/* NULL: of the control socket */
	const char *reason, *help;
	uint64_t n;
	bool frames;			/* it counts frames */
};

/* What the module says of a port, asked for once. */
struct told {
	unsigned int id;		/* NFVD_PORTS_MAX: of none yet */
	struct nfv_stats stats;
};

/* Return what the module dropped of port id, before nfvd had it or behind it. */
static uint64_t missed(unsigned int id, unsigned int why, struct told *told)
{
	const struct nfvd_kmod *k = nfvd_kmod_of(id);

	/* Frames that expired in the module's ring are counted as `expired` by nfvd when it takes them. */
	if (!k || why == NFV_MISS_EXPIRED)
		return 0;
	if (told->id != id && nfvd_kmod_stats(k, &told->stats))
		return 0;
	told->id = id;
	return told->stats.missed[why];
}

/* Row r of port id; false: there is none. */
static bool drops_row(const struct totals *t, unsigned int id, unsigned int r, struct row *row, struct told *told)
{
	static const struct nfvd_reason module[NFV_N_MISSES] = {
#define X(e, name, help) [NFV_MISS_##e] = { name, help },
		NFV_MISSES(X)
#undef X
	};

	if (r == NFVD_PASS)
		return false;
	if (r < NFVD_N_REASONS) {
		*row = (struct row){ nfvd_ports[id]->name, nfvd_reasons[r].name, nfvd_reasons[r].help, count(t, id, r), r < NFVD_N_OF_FRAMES };
		return true;
	}
	r -= NFVD_N_REASONS;
	*row = (struct row){ nfvd_ports[id]->name, module[r].name, module[r].help, missed(id, r, told), true };
	return r != NFV_MISS_EXPIRED && nfvd_kmod_of(id);
}

/* All rows, in this order: those of each port, then one for each reason of the control socket. */
#define PORT_ROWS ((uint64_t)NFVD_PORTS_MAX * ROWS)
#define ALL_ROWS (PORT_ROWS + NFVD_N_CTL_REASONS)

/* Row i of all, or of only one port. Return false if there is none. */
static bool any_row(const struct totals *t, uint64_t i, const struct nfvd_port *only, struct row *row, struct told *told)
{
	unsigned int id = i / ROWS;

	if (i < PORT_ROWS)
		return nfvd_ports[id] && (!only || only->id == id) && drops_row(t, id, i % ROWS, row, told);
	i -= PORT_ROWS;
	*row = (struct row){ NULL, nfvd_ctl_reasons[i].name, nfvd_ctl_reasons[i].help, nfvd_ctl_counted(i), false };
	return !only;
}

json_t *nfvd_rpc_drops_get(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "all", "port", "from", NULL };
	json_t *all = json_object_get(params, "all"), *list;
	uint64_t i;
	struct nfvd_port *only;
	struct told told = { .id = NFVD_PORTS_MAX };
	struct totals *t;

	if (nfvd_rpc_only(params, names, err) || nfvd_rpc_port(params, "port", &only, err) || nfvd_rpc_from(params, &i, err))
		return NULL;
	if (all && !json_is_boolean(all)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'all' must be a boolean");
		return NULL;
	}
	t = sum(0, 0, 0, NULL, err);
	if (!t)
		return NULL;
	list = json_array();
	for (; i < ALL_ROWS; i++) {
		struct row row;

		if (!any_row(t, i, only, &row, &told) || (!row.n && !json_is_true(all)))
			continue;
		if (json_array_size(list) == DROPS_PAGE)
			break;
		json_array_append_new(list, json_pack("{s:s*, s:s, s:I, s:b, s:s}", "port", row.port, "reason", row.reason,
			"count", (json_int_t)row.n, "frames", row.frames, "help", row.help));
	}
	free_totals(t);
	return nfvd_rpc_part("drops", list, i < ALL_ROWS, i);
}
