// SPDX-License-Identifier: BSD-3-Clause
#include "ctl.h"

/* Succeeds without nfvd: then its version is null. */
int cmd_version(int argc, char **argv, struct ctl_err *err)
{
	struct ctl_err none = { 0 };
	json_t *info, *version, *obj;
	const char *daemon;

	if (argc)
		return ctl_usage(err, "takes no argument");
	info = rpc_call("daemon.info", NULL, &none);
	version = json_object_get(info, "version");
	daemon = json_string_value(version);
	obj = json_pack("{ss so}", "nfvctl", NFV_VERSION, "nfvd", version ? json_incref(version) : json_null());
	out_text(obj, "nfvctl %s, nfvd %s", NFV_VERSION, daemon ? daemon : "not running");
	json_decref(obj);
	json_decref(info);
	return CTL_OK;
}
