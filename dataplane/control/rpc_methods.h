/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods of include/nfv/rpc.h; params and results are described there. */
#ifndef NFVD_RPC_METHODS_H
#define NFVD_RPC_METHODS_H

#include "control/rpc_core.h"

json_t *nfvd_rpc_daemon_info(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_port_attach(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_port_detach(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_port_list(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_stats_get(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_ledger_get(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_drops_get(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_fdb_list(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_findings_get(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_shortcut_set(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_link_local_set(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_events_get(json_t *params, struct nfvd_err *err);
json_t *nfvd_rpc_config_get(json_t *params, struct nfvd_err *err);

extern const struct nfvd_rpc_method nfvd_rpc_methods[];	/* all of these, by name; ends with a NULL name */

#endif
