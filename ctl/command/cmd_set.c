// SPDX-License-Identifier: BSD-3-Clause
/*
 * What ports may do: set, limit, storm, quarantine, release. The words mean to nfvd what they mean.
 */
#include <stdio.h>
#include <string.h>
#include "ctl.h"

#define WORD(name) { name, ARG_WORDS, false, 0, 0, NULL }
#define END { NULL, 0, false, 0, 0, NULL }

static const struct ctl_arg limit_words[] = { WORD("from"), WORD("to"), END };
static const struct ctl_arg storm_words[] = { WORD("broadcast"), WORD("unknown"), WORD("multicast"), END };

/* {port: argv[0]}; NULL with *err. */
static json_t *named(int argc, char **argv, struct ctl_err *err)
{
	json_t *params = argc ? json_pack("{ss}", "port", argv[0]) : NULL;

	if (!argc)
		ctl_usage(err, "NAME is missing");
	else
		snprintf(err->object, sizeof(err->object), "%s", argv[0]);
	return params;
}

/* "vm1: vlan 10, from 1Gbit" */
static void print(json_t *result)
{
	json_t *policy = json_object_get(result, "policy"), *value;
	char text[2048] = "";
	const char *key;
	size_t n = 0;

	json_object_foreach(policy, key, value) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s %s", n ? ", " : "", key, json_string_value(value));
		if (n >= sizeof(text))
			break;
	}
	out_text(result, "%s: %s", json_string_value(json_object_get(result, "name")), n ? text : "no policy");
}

static int call(const char *method, json_t *params, struct ctl_err *err)
{
	json_t *result = rpc_call(method, params, err);

	if (!result)
		return CTL_FAILED;
	print(result);
	json_decref(result);
	return CTL_OK;
}

static int show(const char *name, struct ctl_err *err)
{
	json_t *port = port_get(name, err), *policy, *result;

	if (!port)
		return CTL_FAILED;
	policy = json_object_get(port, "policy");
	result = json_pack("{ss so}", "name", name, "policy", policy ? json_incref(policy) : json_object());
	print(result);
	json_decref(result);
	json_decref(port);
	return CTL_OK;
}

static int set(int argc, char **argv, const struct ctl_arg *words, struct ctl_err *err)
{
	json_t *params = named(argc, argv, err);

	if (!params)
		return CTL_USAGE;
	if (argc > 1 && !args_parse(argc - 1, argv + 1, words, params, err))
		return call("policy.set", params, err);
	json_decref(params);
	return argc > 1 ? CTL_USAGE : show(argv[0], err);
}

int cmd_set(int argc, char **argv, struct ctl_err *err)
{
	struct ctl_arg words[NFV_N_PARAMS];

	args_of_params(NFV_SET, words);
	return set(argc, argv, words, err);
}

int cmd_limit(int argc, char **argv, struct ctl_err *err)
{
	return set(argc, argv, limit_words, err);
}

int cmd_storm(int argc, char **argv, struct ctl_err *err)
{
	return set(argc, argv, storm_words, err);
}

static int quarantine(int argc, char **argv, bool on, struct ctl_err *err)
{
	bool mirror = on && argc == 3 && !strcmp(argv[1], "mirror");
	json_t *params;

	if (argc > 1 && !mirror)
		return ctl_usage(err, on ? "one NAME is needed, and perhaps 'mirror PORT'" : "one NAME is needed");
	params = named(argc, argv, err);
	if (!params)
		return CTL_USAGE;
	json_object_set_new(params, "on", json_boolean(on));
	if (mirror)
		json_object_set_new(params, "mirror", json_string(argv[2]));
	return call("quarantine.set", params, err);
}

int cmd_quarantine(int argc, char **argv, struct ctl_err *err)
{
	return quarantine(argc, argv, true, err);
}

int cmd_release(int argc, char **argv, struct ctl_err *err)
{
	return quarantine(argc, argv, false, err);
}
