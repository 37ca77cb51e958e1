// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include "ctl.h"

int cmd_why(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = {
		{ "src", ARG_STRING, false, 0, 0, NULL }, { "dst", ARG_STRING, false, 0, 0, NULL }, { "vlan", ARG_NUMBER, false, 1, 4094, NULL },
		{ "ip", ARG_STRING, false, 0, 0, NULL }, { "kind", ARG_CHOICE, false, 0, 0, "ip|arp|dhcp|ra" },
		{ "length", ARG_NUMBER, false, 60, 65562, NULL }, { .key = NULL }
	};
	static const struct out_column columns[] = {
		{ "stage", "STAGE" }, { "verdict", "VERDICT" }, { "rule", "RULE" }, { "command", "CHANGED BY", OUT_IF_ANY }, { NULL, NULL }
	};
	json_t *params, *all, *reason;
	int rc;

	if (argc < 2)
		return ctl_usage(err, "two ports are needed");
	params = json_pack("{ss ss}", "from", argv[0], "to", argv[1]);
	rc = args_parse(argc - 2, argv + 2, args, params, err);
	if (rc) {
		json_decref(params);
		return rc;
	}
	all = rpc_call("why.get", params, err);
	if (!all)
		return CTL_FAILED;
	out_table(all, "stages", columns, "");
	reason = json_object_get(all, "reason");
	if (!ctl_json)
		out_line("%s > %s: %s%s%s", json_string_value(json_object_get(all, "src")), json_string_value(json_object_get(all, "dst")),
			 json_string_value(json_object_get(all, "verdict")), reason ? ", " : "", reason ? json_string_value(reason) : "");
	json_decref(all);
	return CTL_OK;
}
