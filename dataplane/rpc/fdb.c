/* SPDX-License-Identifier: BSD-3-Clause */
/* The FDB for readers, a part at a time, in the order of the table. */
#include <stdio.h>
#include "clock.h"
#include "control/policy_words.h"
#include "port/fdb.h"
#include "rpc/methods.h"
#include "rpc/params.h"
#include "shortcut/seen.h"

/* Entries of one reply, or a few more: some 5 ms of work. To find them among NFVD_FDB_PART takes less. */
#define PAGE	1024

struct part {
	const struct nfvd_port *only;	/* NULL: any */
	json_t *entries;
};

static json_t *entry_json(struct nfvd_fdb_entry *e, struct nfvd_fdb_where where)
{
	uint32_t seen_ms = nfvd_seen_ms(e->key, where.at, atomic_load(&e->seen_ms));
	uint8_t m[6];
	char mac[18];

	memcpy(m, &e->key, 6);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return json_pack("{s:s, s:s*, s:i, s:s, s:i, s:b}", "mac", mac, "zone", e->zone ? nfvd_zone_name(e->zone) : NULL, "vlan", (int)(e->key >> 48), "port",
			 nfvd_ports[where.at]->name, "age_ms", (int)nfvd_elapsed_ms(nfvd_now_ms(), seen_ms),
			 "contested", where.moves == NFVD_FDB_CONTESTED);
}

/* Return whether the part has room for more. */
static bool collect(struct nfvd_fdb_entry *e, void *arg)
{
	struct nfvd_fdb_where where = atomic_load(&e->where);
	struct part *part = arg;

	if (where.at < NFVD_PORTS_MAX && nfvd_ports[where.at] && (!part->only || part->only->id == where.at))
		json_array_append_new(part->entries, entry_json(e, where));
	return json_array_size(part->entries) < PAGE;
}

json_t *nfvd_rpc_fdb_list(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "port", "from", NULL };
	struct part part;
	struct nfvd_port *only;
	json_t *result;
	uint64_t from;

	if (nfvd_rpc_only(params, names, err) || nfvd_rpc_port(params, "port", &only, err) || nfvd_rpc_from(params, &from, err))
		return NULL;
	part = (struct part){ only, json_array() };
	if (!from)
		nfvd_seen_by_module();
	from = nfvd_fdb_part(from < NFVD_FDB_END ? from : NFVD_FDB_END, collect, &part);
	result = nfvd_rpc_part("entries", part.entries, from < NFVD_FDB_END, from);
	json_object_set_new(result, "ageing_s", json_integer(NFVD_FDB_AGEING_S));
	return result;
}
