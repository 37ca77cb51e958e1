/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control server: transport, limits and permissions of include/nfv/rpc.h.
 * What a method does is in rpc_port.c, rpc_stats.c, rpc_fdb.c.
 */
#ifndef NFVD_RPC_SERVER_H
#define NFVD_RPC_SERVER_H

#include <jansson.h>
#include <systemd/sd-event.h>
#include "port.h"

/*
 * A method: returns a new reference to its result, or NULL with *err filled in.
 * Runs on the control thread. params is an object, possibly empty.
 */
struct nfvd_rpc_method {
	const char *name;
	json_t *(*call)(json_t *params, struct nfvd_err *err);
};

extern const struct nfvd_rpc_method nfvd_rpc_methods[];	/* ends with a NULL name */

/* Listen on path (mode 0660). Returns 0 or -errno. The caller has removed a stale socket of its own. */
int nfvd_rpc_start(sd_event *event, const char *path);
void nfvd_rpc_stop(void);

/* Refused requests by reason, as {"ctl_bad_request": n, ...}; a new reference. */
json_t *nfvd_rpc_counters(void);

#endif
