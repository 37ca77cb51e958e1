/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/rpc_methods.h"

const struct nfvd_rpc_method nfvd_rpc_methods[] = {
	{ "daemon.info", nfvd_rpc_daemon_info },   { "port.attach", nfvd_rpc_port_attach },
	{ "port.detach", nfvd_rpc_port_detach },   { "port.list", nfvd_rpc_port_list },
	{ "stats.get", nfvd_rpc_stats_get },	   { "ledger.get", nfvd_rpc_ledger_get },
	{ "drops.get", nfvd_rpc_drops_get },	   { "fdb.list", nfvd_rpc_fdb_list },
	{ "shortcut.set", nfvd_rpc_shortcut_set }, { "link_local.set", nfvd_rpc_link_local_set },
	{ "events.get", nfvd_rpc_events_get },	   { "findings.get", nfvd_rpc_findings_get },
	{ "config.get", nfvd_rpc_config_get },
	{ NULL, NULL },
};
