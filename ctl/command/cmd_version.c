// SPDX-License-Identifier: BSD-3-Clause
#include "ctl.h"

/* Succeeds without nfvd: then its version is null. */
int cmd_version(int argc, char **argv, struct ctl_err *err)
{
	struct ctl_err none = { 0 };
	json_t *info, *version, *obj;
	const char *daemon, *link_local, *error;

	if (argc)
		return ctl_usage(err, "takes no argument");
	info = rpc_call("daemon.info", NULL, &none);
	version = json_object_get(info, "version");
	daemon = json_string_value(version);
	link_local = json_string_value(json_object_get(info, "link_local"));
	/* None is no failure; one that may not be asked, or does not respond, is another thing than none. */
	error = daemon || none.code == NFV_RPC_E_NOENT ? NULL : none.text;
	obj = json_pack("{ss so ss* sO* sO*}", "nfvctl", NFV_VERSION, "nfvd", version ? json_incref(version) : json_null(),
			"nfvd_error", error, "shortcut", json_object_get(info, "shortcut"), "link_local", json_object_get(info, "link_local"));
	if (daemon)
		out_text(obj, "nfvctl %s, nfvd %s (shortcut %s, link-local %s)", NFV_VERSION, daemon,
			 json_is_true(json_object_get(info, "shortcut")) ? "on" : "off",
			 link_local ? link_local : "drop");
	else
		out_text(obj, "nfvctl %s, nfvd %s%s", NFV_VERSION, error ? "unknown: " : "not running", error ? error : "");
	if (error && none.hint[0] && !ctl_json)
		out_line("  try: %s", none.hint);
	json_decref(obj);
	json_decref(info);
	return CTL_OK;
}
