/* SPDX-License-Identifier: BSD-3-Clause */
/* The FDB for readers: by VLAN and address, a part at a time. */
#include <stdio.h>
#include <stdlib.h>
#include "clock.h"
#include "control/policy_words.h"
#include "port/fdb.h"
#include "rpc/methods.h"
#include "rpc/params.h"
#include "shortcut/seen.h"

#define PAGE	2048	/* entries of one reply */

struct entry {
	uint64_t order;		/* VLAN, then the address as one reads it: this is what "from" counts */
	uint64_t key;
	uint16_t zone;
	struct nfvd_fdb_where where;
	uint32_t seen_ms;
};

/* The first PAGE entries that match, and for a while up to as many again behind them. */
struct selection {
	uint64_t from, end;		/* end: no entry from there on is among the first PAGE */
	const struct nfvd_port *only;	/* NULL: any */
	struct entry *e;
	size_t n;
	bool more;
};

static uint64_t order(uint64_t key)
{
	return (key & 0xffffull << 48) | __builtin_bswap64(key << 16);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->order, y = ((const struct entry *)b)->order;

	return x < y ? -1 : x > y;
}

/* In order, and no more than the first. */
static void cut(struct selection *s)
{
	qsort(s->e, s->n, sizeof(*s->e), compare);
	if (s->n <= PAGE)
		return;
	/* Do not split the entries of one address, which may be in many zones. */
	for (s->n = PAGE; s->e[s->n].order == s->e[s->n - 1].order; s->n--)
		;
	s->end = s->e[s->n - 1].order + 1;
	s->more = true;
}

static void collect(struct nfvd_fdb_entry *e, void *arg)
{
	struct selection *s = arg;
	struct entry new = {
		.order = order(e->key), .key = e->key, .zone = e->zone, .where = atomic_load(&e->where), .seen_ms = atomic_load(&e->seen_ms),
	};
	unsigned int at = new.where.at;

	if (new.order < s->from || at >= NFVD_PORTS_MAX || !nfvd_ports[at] || (s->only && s->only->id != at))
		return;
	if (new.order >= s->end) {
		s->more = true;
		return;
	}
	s->e[s->n++] = new;
	if (s->n == 2 * PAGE)
		cut(s);
}

static json_t *entry_json(const struct entry *e)
{
	uint8_t m[6];
	char mac[18];

	memcpy(m, &e->key, 6);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return json_pack("{s:s, s:s*, s:i, s:s, s:i, s:b}", "mac", mac, "zone", e->zone ? nfvd_zone_name(e->zone) : NULL, "vlan", (int)(e->key >> 48), "port",
			 nfvd_ports[e->where.at]->name, "age_ms",
			 (int)nfvd_elapsed_ms(nfvd_now_ms(), nfvd_seen_ms(e->key, e->where.at, e->seen_ms)),
			 "contested", e->where.moves == NFVD_FDB_CONTESTED);
}

json_t *nfvd_rpc_fdb_list(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "port", "from", NULL };
	struct selection s = { .end = UINT64_MAX };
	struct nfvd_port *only;
	json_t *list, *part;

	if (nfvd_rpc_only(params, names, err) || nfvd_rpc_port(params, "port", &only, err) ||
	    nfvd_rpc_from(params, &s.from, err))
		return NULL;
	s.only = only;
	s.e = calloc(2 * PAGE, sizeof(*s.e));
	if (!s.e) {
		nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	if (!s.from)
		nfvd_seen_by_module();
	nfvd_fdb_each(collect, &s);
	cut(&s);
	list = json_array();
	for (size_t i = 0; i < s.n; i++)
		json_array_append_new(list, entry_json(&s.e[i]));
	part = nfvd_rpc_part("entries", list, s.more, s.n ? s.e[s.n - 1].order + 1 : 0);
	json_object_set_new(part, "ageing_s", json_integer(NFVD_FDB_AGEING_S));
	free(s.e);
	return part;
}
