// SPDX-License-Identifier: BSD-3-Clause
/*
 * attach and detach. nfvd checks what the arguments mean; here is only their grammar.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

#define FORCE { "force", ARG_CHOICE, false, 0, 0, "no|yes" }
/* Of each type. */
#define X(name, otherwise, args, help) { #name, ARG_WORDS, false, 0, 0, NULL },
#define COMMON NFV_POLICY_WORDS(X) { "macs", ARG_WORDS, false, 0, 0, NULL }, { "temporary", ARG_CHOICE, false, 0, 0, "no|yes" }

static const struct ctl_arg kvm_args[] = {
	{ "socket", ARG_PATH, false, 0, 0, NULL },
	{ "mode", ARG_CHOICE, false, 0, 0, "server|client" },
	{ "queues", ARG_NUMBER, false, 1, 8, NULL },
	{ "owner", ARG_STRING, false, 0, 0, NULL },
	{ "group", ARG_STRING, false, 0, 0, NULL },
	{ "permissions", ARG_STRING, false, 0, 0, NULL },
	COMMON,
	{ NULL, 0, false, 0, 0, NULL }
};

static const struct ctl_arg veth_args[] = {
	{ "dev", ARG_STRING, true, 0, 0, NULL },
	{ "netns", ARG_NETNS, false, 0, 0, NULL },
	{ "pid", ARG_NUMBER, false, 1, 4194304, NULL },
	{ "mode", ARG_CHOICE, false, 0, 0, "module|packet" },
	FORCE,
	COMMON,
	{ NULL, 0, false, 0, 0, NULL }
};

static const struct ctl_arg netdev_args[] = {
	{ "dev", ARG_STRING, true, 0, 0, NULL },
	FORCE,
	COMMON,
	{ NULL, 0, false, 0, 0, NULL }
};

static const struct ctl_arg xen_args[] = {
	{ "domid", ARG_NUMBER, true, 1, 0x7fef, NULL },
	{ "devid", ARG_NUMBER, false, 0, 65535, NULL },
	COMMON,
	{ NULL, 0, false, 0, 0, NULL }
};

#undef X

/* "open 0.1, bind 0.3" from {"open": 100, "bind": 300}. */
static void steps_text(json_t *steps, char *buf, size_t size)
{
	const char *key;
	json_t *us;
	size_t n = 0;

	buf[0] = '\0';
	json_object_foreach(steps, key, us) {
		n += (size_t)snprintf(buf + n, size - n, "%s%s %.1f", n ? ", " : " (", key,
				      (double)json_integer_value(us) / 1000);
		if (n >= size)
			return;
	}
	if (n)
		snprintf(buf + n, size - n, ")");
}

/* nfvd takes numbers of users and groups: who is called how is the caller's to know. */
static int to_number(json_t *params, const char *key, struct ctl_err *err)
{
	const char *name = json_string_value(json_object_get(params, key));
	bool user = !strcmp(key, "owner");
	json_int_t id = -1;
	char *end;

	if (!name)
		return CTL_OK;
	if (name[0] >= '0' && name[0] <= '9') {
		id = (json_int_t)strtoul(name, &end, 10);
		id = *end ? -1 : id;
	} else if (user) {
		struct passwd *p = getpwnam(name);

		id = p ? (json_int_t)p->pw_uid : -1;
	} else {
		struct group *g = getgrnam(name);

		id = g ? (json_int_t)g->gr_gid : -1;
	}
	if (id < 0)
		return ctl_fail(err, NFV_RPC_E_PARAMS, "no %s '%s'", user ? "user" : "group", name);
	json_object_set_new(params, key, json_integer(id));
	return CTL_OK;
}

static int attach(const char *type, const struct ctl_arg *args, int argc, char **argv, struct ctl_err *err)
{
	json_t *params, *port;
	const char *state, *path, *why, *hint;
	char steps[256];
	int rc;

	if (!argc)
		return ctl_usage(err, "NAME is missing");
	snprintf(err->object, sizeof(err->object), "%s", argv[0]);
	params = json_pack("{ss ss}", "type", type, "name", argv[0]);
	if (!params)
		return ctl_usage(err, "the name is not valid UTF-8");
	rc = args_parse(argc - 1, argv + 1, args, params, err);
	if (!rc)
		rc = to_number(params, "owner", err);
	if (!rc)
		rc = to_number(params, "group", err);
	if (rc) {
		json_decref(params);
		return rc;
	}
	port = rpc_call("port.attach", params, err);
	if (!port)
		return CTL_FAILED;

	steps_text(out_member(port, "attach_breakdown|attach_steps"), steps, sizeof(steps));
	state = json_string_value(json_object_get(port, "state"));
	path = json_string_value(json_object_get(port, "socket"));
	why = json_string_value(json_object_get(port, "why"));
	hint = json_string_value(json_object_get(port, "hint"));
	out_text(port, "%s: %s attached in %.1f ms%s%s%s%s%s%s%s", argv[0], type,
		 (double)json_integer_value(json_object_get(port, "attach_us")) / 1000, steps,
		 state ? ", " : "", state ? state : "", path ? " at " : "", path ? path : "", why ? ": " : "", why ? why : "");
	if (hint && !ctl_json)
		out_line("  try: %s", hint);
	json_decref(port);
	return CTL_OK;
}

int cmd_attach_kvm(int argc, char **argv, struct ctl_err *err)
{
	return attach("kvm", kvm_args, argc, argv, err);
}

int cmd_attach_veth(int argc, char **argv, struct ctl_err *err)
{
	return attach("veth", veth_args, argc, argv, err);
}

int cmd_attach_netdev(int argc, char **argv, struct ctl_err *err)
{
	return attach("netdev", netdev_args, argc, argv, err);
}

int cmd_attach_xen(int argc, char **argv, struct ctl_err *err)
{
	return attach("xen", xen_args, argc, argv, err);
}

int cmd_detach(int argc, char **argv, struct ctl_err *err)
{
	json_t *params, *result;

	if (argc != 1)
		return ctl_usage(err, "one NAME is needed");
	snprintf(err->object, sizeof(err->object), "%s", argv[0]);
	params = json_pack("{ss}", "name", argv[0]);
	if (!params)
		return ctl_usage(err, "the name is not valid UTF-8");
	result = rpc_call("port.detach", params, err);
	if (!result)
		return CTL_FAILED;
	out_text(result, "%s: detached", argv[0]);
	json_decref(result);
	return CTL_OK;
}
