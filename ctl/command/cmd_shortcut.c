// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <string.h>
#include "ctl.h"

int cmd_shortcut(int argc, char **argv, struct ctl_err *err)
{
	json_t *params, *result;
	bool on;

	if (argc < 1 || argc > 2)
		return ctl_usage(err, "'on' or 'off' is needed, and at most one NAME");
	on = !strcmp(argv[0], "on");
	if (!on && strcmp(argv[0], "off"))
		return ctl_usage(err, "'on' or 'off' is needed, not '%s'", argv[0]);
	params = json_pack("{sb}", "on", on);
	if (argc == 2) {
		snprintf(err->object, sizeof(err->object), "%s", argv[1]);
		json_object_set_new(params, "port", json_string(argv[1]));
	}
	result = rpc_call("shortcut.set", params, err);
	if (!result)
		return CTL_FAILED;
	out_text(result, "shortcut %s%s%s", argv[0], argc == 2 ? " for " : "", argc == 2 ? argv[1] : "");
	json_decref(result);
	return CTL_OK;
}
