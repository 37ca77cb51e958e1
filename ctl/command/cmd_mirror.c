// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <string.h>
#include "ctl.h"

static const char usage[] = "NAME from PORT[,PORT]... [both|sent|received] to PORT [snap N]";

/* "a,b" */
static json_t *names(const char *list)
{
	json_t *array = json_array();

	while (*list) {
		size_t n = strcspn(list, ",");

		json_array_append_new(array, json_stringn(list, n));
		list += n + (list[n] == ',');
	}
	return array;
}

/* NAME from LIST [direction] to PORT [snap N], into params. */
static int parse(int argc, char **argv, json_t *params, struct ctl_err *err)
{
	static const struct ctl_arg rest[] = {
		{ "to", ARG_STRING, true, 0, 0, NULL }, { "snap", ARG_NUMBER, false, 64, 65535, NULL }, { NULL, 0, false, 0, 0, NULL }
	};
	int at = 3;

	if (argc < 5 || strcmp(argv[1], "from"))
		return ctl_usage(err, "%s", usage);
	json_object_set_new(params, "name", json_string(argv[0]));
	json_object_set_new(params, "from", names(argv[2]));
	if (!strcmp(argv[at], "both") || !strcmp(argv[at], "sent") || !strcmp(argv[at], "received"))
		json_object_set_new(params, "direction", json_string(argv[at++]));
	return args_parse(argc - at, argv + at, rest, params, err);
}

static void print(json_t *mirror, const char *what)
{
	json_t *name;
	char text[256] = "";
	size_t i, n = 0;

	json_array_foreach(json_object_get(mirror, "from"), i, name)
		if (n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? "," : "", json_string_value(name));
	out_text(mirror, "%s: %s%s to %s", json_string_value(json_object_get(mirror, "name")), what, text,
		 json_string_value(json_object_get(mirror, "to")));
}

int cmd_mirror_add(int argc, char **argv, struct ctl_err *err)
{
	json_t *params = json_object(), *result;

	if (parse(argc, argv, params, err)) {
		json_decref(params);
		return CTL_USAGE;
	}
	snprintf(err->object, sizeof(err->object), "%s", argv[0]);
	result = rpc_call("mirror.add", params, err);
	if (!result)
		return CTL_FAILED;
	print(result, "");
	json_decref(result);
	return CTL_OK;
}

int cmd_mirror_remove(int argc, char **argv, struct ctl_err *err)
{
	json_t *result;

	if (argc != 1)
		return ctl_usage(err, "one NAME is needed");
	snprintf(err->object, sizeof(err->object), "%s", argv[0]);
	result = rpc_call("mirror.remove", json_pack("{ss}", "name", argv[0]), err);
	if (!result)
		return CTL_FAILED;
	print(result, "removed, ");
	json_decref(result);
	return CTL_OK;
}

int cmd_mirror_show(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "name", "NAME" }, { "ports", "FROM" }, { "direction", "DIRECTION" }, { "to", "TO" }, { "snap", "SNAP", OUT_SPARE }, { NULL, NULL }
	};
	json_t *result, *mirror, *name;
	size_t i, k;

	if (argc)
		return ctl_usage(err, "takes nothing");
	result = rpc_call("mirror.list", NULL, err);
	if (!result)
		return CTL_FAILED;
	json_array_foreach(json_object_get(result, "mirrors"), i, mirror) {
		char text[256] = "";
		size_t n = 0;

		json_array_foreach(json_object_get(mirror, "from"), k, name)
			if (n < sizeof(text))
				n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", k ? "," : "", json_string_value(name));
		json_object_set_new(mirror, "ports", json_string(text));
	}
	out_table(result, "mirrors", columns, "no mirrors");
	json_decref(result);
	return CTL_OK;
}
