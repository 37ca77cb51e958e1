/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/params.h"

#include <nfv/rpc.h>
#include "port/port.h"

int nfvd_rpc_port(json_t *params, const char *key, struct nfvd_port **port, struct nfvd_err *err)
{
	json_t *name = json_object_get(params, key);

	*port = NULL;
	if (!name)
		return 0;
	if (!json_is_string(name))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be a string, the name of a port", key);
	*port = nfvd_port_find(json_string_value(name));
	if (*port)
		return 0;
	nfvd_err(err, NFV_RPC_E_NOENT, "no port '%.*s'", NFV_NAME_MAX, json_string_value(name));
	nfvd_hint(err, "nfvctl show");
	return -1;
}

int nfvd_rpc_from(json_t *params, uint64_t *from, struct nfvd_err *err)
{
	json_t *value = json_object_get(params, "from");

	*from = value ? (uint64_t)json_integer_value(value) : 0;
	if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'from' must be the 'more' of an earlier response");
	return 0;
}

json_t *nfvd_rpc_part(const char *name, json_t *list, bool more, uint64_t from)
{
	json_t *part = json_pack("{s:o}", name, list);

	if (more)
		json_object_set_new(part, "more", json_integer((json_int_t)from));
	return part;
}
