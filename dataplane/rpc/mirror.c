/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about mirrors. */
#include <string.h>
#include "control/saved.h"
#include "log.h"
#include "rpc/methods.h"
#include "rpc/params.h"
#include "switch/mirror.h"

#define SNAP_MIN	64
#define SNAP_MAX	65535

/* -1: there is none of this name. */
static int index_of(const json_t *mirrors, const char *name)
{
	const json_t *m;
	size_t i;

	json_array_foreach(mirrors, i, m)
		if (!strcmp(json_string_value(json_object_get(m, "name")), name))
			return i;
	return -1;
}

/* The name of a port that there is, or that is kept and waits; NULL with *err. */
static const char *port_name(const json_t *value, const char *what, struct nfvd_err *err)
{
	const char *name = json_string_value(value);

	if (!name || !nfvd_name_ok(name)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' takes names of ports", what);
		return NULL;
	}
	if (!nfvd_saved_knows(name)) {
		nfvd_err(err, NFV_RPC_E_NOENT, "no port '%s'", name);
		nfvd_hint(err, "nfvctl show");
		return NULL;
	}
	return name;
}

static int check_from(const json_t *from, const char *to, struct nfvd_err *err)
{
	const json_t *value;
	size_t i;

	if (!json_array_size(from) || json_array_size(from) > NFVD_PORTS_MAX)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'from' must be a list of 1 to %d ports", NFVD_PORTS_MAX);
	json_array_foreach(from, i, value) {
		const char *name = port_name(value, "from", err);

		if (!name)
			return -1;
		if (!strcmp(name, to))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' cannot be mirrored to itself", name);
		for (size_t j = 0; j < i; j++)
			if (json_equal(json_array_get(from, j), value))
				return nfvd_err(err, NFV_RPC_E_PARAMS, "'from' contains %s twice", name);
	}
	return 0;
}

/* Are these the parameters of a mirror? 0, or -1 with *err. */
static int check(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "name", "from", "direction", "to", "snap", NULL };
	const char *name = json_string_value(json_object_get(params, "name")), *to, *direction;
	const json_t *snap = json_object_get(params, "snap");

	if (nfvd_rpc_only(params, names, err))
		return -1;
	if (!name || !nfvd_name_ok(name))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "a mirror's name is like a port's: letters, digits, '_', '.', '-', at most %d characters", NFV_NAME_MAX);
	to = port_name(json_object_get(params, "to"), "to", err);
	if (!to || check_from(json_object_get(params, "from"), to, err))
		return -1;
	if (!json_object_get(params, "direction"))
		json_object_set_new(params, "direction", json_string("both"));
	direction = json_string_value(json_object_get(params, "direction"));
	if (!direction || (strcmp(direction, "both") && strcmp(direction, "sent") && strcmp(direction, "received")))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'direction' must be both, sent or received, as seen by the port");
	if (snap && (json_integer_value(snap) < SNAP_MIN || json_integer_value(snap) > SNAP_MAX))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'snap' must be a number of bytes from %d to %d", SNAP_MIN, SNAP_MAX);
	return 0;
}

json_t *nfvd_rpc_mirror_list(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { NULL };

	return nfvd_rpc_only(params, names, err) ? NULL : json_pack("{s:o}", "mirrors", json_deep_copy(nfvd_saved_mirrors()));
}

json_t *nfvd_rpc_mirror_add(json_t *params, struct nfvd_err *err)
{
	json_t *mirrors = nfvd_saved_mirrors();
	const char *name;

	if (check(params, err))
		return NULL;
	name = json_string_value(json_object_get(params, "name"));
	if (index_of(mirrors, name) >= 0) {
		nfvd_err(err, NFV_RPC_E_EXIST, "there is a mirror '%s' already", name);
		nfvd_hint(err, "nfvctl mirror remove %s", name);
		return NULL;
	}
	if (json_array_size(mirrors) == NFVD_MIRRORS_MAX) {
		nfvd_err(err, NFV_RPC_E_LIMIT, "there are at most %d mirrors", NFVD_MIRRORS_MAX);
		return NULL;
	}
	mirrors = json_deep_copy(mirrors);
	json_array_append(mirrors, params);
	if (nfvd_saved_set_mirrors(mirrors, err))
		return NULL;
	nfvd_event(json_string_value(json_object_get(params, "to")), "mirror '%s': gets copies of %zu port(s)", name,
		   json_array_size(json_object_get(params, "from")));
	return json_deep_copy(params);
}

json_t *nfvd_rpc_mirror_remove(json_t *params, struct nfvd_err *err)
{
	static const char *const names[] = { "name", NULL };
	const char *name = json_string_value(json_object_get(params, "name"));
	json_t *mirrors = nfvd_saved_mirrors(), *result;
	int at = name ? index_of(mirrors, name) : -1;

	if (nfvd_rpc_only(params, names, err))
		return NULL;
	if (at < 0) {
		nfvd_err(err, name ? NFV_RPC_E_NOENT : NFV_RPC_E_PARAMS, "no mirror '%.*s'", NFV_NAME_MAX, name ? name : "");
		nfvd_hint(err, "nfvctl mirror show");
		return NULL;
	}
	mirrors = json_deep_copy(mirrors);
	result = json_incref(json_array_get(mirrors, at));
	json_array_remove(mirrors, at);
	if (nfvd_saved_set_mirrors(mirrors, err)) {
		json_decref(result);
		return NULL;
	}
	nfvd_event(json_string_value(json_object_get(result, "to")), "mirror '%s' removed", name);
	return result;
}
