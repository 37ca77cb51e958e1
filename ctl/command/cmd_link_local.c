// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>
#include "ctl.h"

/* What nfvd has it set to, as an object of its own; or NULL with *err. */
static json_t *ask(struct ctl_err *err)
{
	json_t *info = rpc_call("daemon.info", NULL, err), *now = json_object_get(info, "link_local"), *obj = NULL;

	if (json_is_string(now))
		obj = json_pack("{sO}", "link_local", now);
	else if (info)
		ctl_fail(err, NFV_RPC_E_FAILED, "this nfvd does not know link-local");
	json_decref(info);
	return obj;
}

int cmd_link_local(int argc, char **argv, struct ctl_err *err)
{
	json_t *result;
	bool forward;

	if (argc > 1)
		return ctl_usage(err, "takes one argument");
	forward = argc && !strcmp(argv[0], "forward");
	if (argc && !forward && strcmp(argv[0], "drop"))
		return ctl_usage(err, "'link-local' takes 'forward' or 'drop', not '%s'", argv[0]);
	result = argc ? rpc_call("link_local.set", json_pack("{sb}", "forward", forward), err) : ask(err);
	if (!result)
		return CTL_FAILED;
	out_text(result, "link-local %s", argc ? argv[0] : json_string_value(json_object_get(result, "link_local")));
	json_decref(result);
	return CTL_OK;
}
