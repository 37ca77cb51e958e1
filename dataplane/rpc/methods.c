/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/methods.h"

#include <nfv/params.h>

/*
 * An operator of guests may not use these: they take a device from the host, or make nfvd, which is root, open
 * sockets anywhere.
 */
#define IF_OPERATE(key)
#define IF_ADMIN(key) key,
#define X(key, takers, kind, least, most, role, values, fallback, help) IF_##role(#key)
static const char *const attach_admin[] = { NFV_ATTACH_PARAMS(X) "quarantine=mirror", NULL };
#undef X

/* An operator may not see what others send, either. port.attach has the same word. */
static const char *const quarantine_admin[] = { "mirror", NULL };

const struct nfvd_rpc_method nfvd_rpc_methods[] = {
#define X(role, name, call, admin_params) { name, call, NFVD_ROLE_##role, admin_params },
	NFVD_RPC_METHODS(X)
#undef X
	{ NULL, NULL, NFVD_ROLE_NONE, NULL },
};
