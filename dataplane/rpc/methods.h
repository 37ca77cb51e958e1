/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods of include/nfv/rpc.h; params and results are described there. */
#ifndef NFVD_RPC_METHODS_H
#define NFVD_RPC_METHODS_H

#include "rpc/core.h"

/* X(role that it needs, name, function, parameters that need admin) */
#define NFVD_RPC_METHODS(X)								\
	X(READ, "daemon.info", nfvd_rpc_daemon_info, NULL)				\
	X(READ, "port.list", nfvd_rpc_port_list, NULL)					\
	X(READ, "stats.get", nfvd_rpc_stats_get, NULL)					\
	X(READ, "ledger.get", nfvd_rpc_ledger_get, NULL)				\
	X(READ, "drops.get", nfvd_rpc_drops_get, NULL)					\
	X(READ, "fdb.list", nfvd_rpc_fdb_list, NULL)					\
	X(READ, "events.get", nfvd_rpc_events_get, NULL)				\
	X(READ, "findings.get", nfvd_rpc_findings_get, NULL)				\
	X(READ, "config.get", nfvd_rpc_config_get, NULL)				\
	X(READ, "config.group", nfvd_rpc_config_group, NULL)				\
	X(READ, "why.get", nfvd_rpc_why_get, NULL)					\
	X(OPERATE, "port.attach", nfvd_rpc_port_attach, attach_admin)			\
	X(OPERATE, "port.detach", nfvd_rpc_port_detach, NULL)				\
	X(OPERATE, "capture.start", nfvd_rpc_capture_start, NULL)			\
	X(OPERATE, "quarantine.set", nfvd_rpc_quarantine_set, quarantine_admin)		\
	X(READ, "mirror.list", nfvd_rpc_mirror_list, NULL)				\
	X(ADMIN, "mirror.add", nfvd_rpc_mirror_add, NULL)				\
	X(ADMIN, "mirror.remove", nfvd_rpc_mirror_remove, NULL)				\
	X(ADMIN, "policy.set", nfvd_rpc_policy_set, NULL)				\
	X(ADMIN, "shortcut.set", nfvd_rpc_shortcut_set, NULL)				\
	X(ADMIN, "link_local.set", nfvd_rpc_link_local_set, NULL)

#define X(role, name, call, admin_params) json_t *call(json_t *params, struct nfvd_err *err);
NFVD_RPC_METHODS(X)
#undef X

extern const struct nfvd_rpc_method nfvd_rpc_methods[];	/* all of these, by name; ends with a NULL name */

#endif
