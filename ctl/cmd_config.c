// SPDX-License-Identifier: BSD-3-Clause
/*
 * The whole of what is attached and set, as a file: save, diff, apply.
 *
 * A difference is a list of steps, {op, name, old, new}: op "+" and "-" for a port that comes and goes,
 * "~" for one that is attached anew, with other parameters, or for a setting. apply takes them one by
 * one; if one fails, those before it are undone. Temporary ports are a toolstack's: they are neither saved
 * nor detached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/bench.h"

static const char *const settings[] = { "link_local", "shortcut", NULL };	/* booleans of the configuration */

/* A setting that is not there has its default: link-local is dropped, the shortcut on. */
static bool setting_of(const json_t *config, const char *name)
{
	const json_t *value = json_object_get(config, name);

	return value ? json_is_true(value) : !strcmp(name, "shortcut");
}

static const json_t *find(const json_t *config, const char *name)
{
	const json_t *port;
	size_t i;

	json_array_foreach(json_object_get(config, "ports"), i, port)
		if (!strcmp(json_string_value(json_object_get(port, "name")), name))
			return port;
	return NULL;
}

static void add_step(json_t *steps, const char *op, const char *name, const json_t *old, const json_t *new)
{
	json_array_append_new(steps, json_pack("{ss ss so so}", "op", op, "name", name, "old",
		old ? json_deep_copy(old) : json_null(), "new", new ? json_deep_copy(new) : json_null()));
}

/* What goes goes first: another may want its device, or its name. */
static json_t *difference(const json_t *now, const json_t *wanted)
{
	json_t *steps = json_array(), *port;
	size_t i;

	json_array_foreach(json_object_get(now, "ports"), i, port) {
		const char *name = json_string_value(json_object_get(port, "name"));

		if (!find(wanted, name) && !json_object_get(port, "temporary"))
			add_step(steps, "-", name, port, NULL);
	}
	json_array_foreach(json_object_get(wanted, "ports"), i, port) {
		const char *name = json_string_value(json_object_get(port, "name"));
		const json_t *old = find(now, name);

		if (!old || !json_equal(old, port))
			add_step(steps, old ? "~" : "+", name, old, port);
	}
	for (i = 0; settings[i]; i++)
		if (setting_of(now, settings[i]) != setting_of(wanted, settings[i]))
			add_step(steps, "~", settings[i], setting_of(now, settings[i]) ? json_true() : json_false(),
				 setting_of(wanted, settings[i]) ? json_true() : json_false());
	return steps;
}

/* Is it what nfvctl save writes? CTL_OK or CTL_FAILED with *err. */
static int check(const json_t *wanted, const char *path, struct ctl_err *err)
{
	const json_t *list = json_object_get(wanted, "ports"), *port, *other;
	size_t i, k;

	if (json_integer_value(json_object_get(wanted, "version")) != 1 || !json_is_array(list)) {
		ctl_hint(err, "nfvctl save FILE writes one");
		return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: no configuration of version 1: {\"version\": 1, \"ports\": [...]}", path);
	}
	json_array_foreach(list, i, port) {
		const char *name = json_string_value(json_object_get(port, "name"));

		if (!name || !json_is_string(json_object_get(port, "type")))
			return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: port %zu has no name and type", path, i + 1);
		json_array_foreach(list, k, other)
			if (k < i && !strcmp(json_string_value(json_object_get(other, "name")), name))
				return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: there are two ports '%s'", path, name);
	}
	return CTL_OK;
}

/* NULL with *err. */
static json_t *read_wanted(const char *path, struct ctl_err *err)
{
	json_error_t error;
	json_t *wanted = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (!wanted)
		ctl_fail(err, NFV_RPC_E_FAILED, "%s: line %d: %s", path, error.line, error.text);
	else if (check(wanted, path, err)) {
		json_decref(wanted);
		wanted = NULL;
	}
	return wanted;
}

static int call(const char *method, json_t *params, struct ctl_err *err)
{
	json_t *result = rpc_call(method, params, err);

	json_decref(result);
	return result ? CTL_OK : CTL_FAILED;
}

static int attach(const json_t *port, struct ctl_err *err)
{
	const json_t *shortcut = json_object_get(port, "shortcut");
	json_t *params = json_deep_copy(port);
	int rc;

	json_object_del(params, "shortcut");
	rc = call("port.attach", params, err);
	if (!rc && json_is_false(shortcut))
		rc = call("shortcut.set", json_pack("{sb sO}", "on", false, "port", json_object_get(port, "name")), err);
	return rc;
}

static int detach(const char *name, struct ctl_err *err)
{
	return call("port.detach", json_pack("{ss}", "name", name), err);
}

/* From old to new, of one step; NULL or null: it is not there. */
static int change(const char *name, const json_t *old, const json_t *new, struct ctl_err *err)
{
	int rc = CTL_OK;

	if (json_is_boolean(new))
		return !strcmp(name, "shortcut") ? call("shortcut.set", json_pack("{sb}", "on", json_is_true(new)), err) :
						   call("link_local.set", json_pack("{sb}", "forward", json_is_true(new)), err);
	if (json_is_object(old))
		rc = detach(name, err);
	if (!rc && json_is_object(new))
		rc = attach(new, err);
	return rc;
}

/* Back from where step n failed. Says in *err what could not be undone. */
static void undo(const json_t *steps, size_t n, struct ctl_err *err)
{
	char left[256] = "";

	for (size_t i = n + 1; i--;) {
		const json_t *step = json_array_get(steps, i), *old = json_object_get(step, "old"), *new = json_object_get(step, "new");
		const char *name = json_string_value(json_object_get(step, "name"));
		struct ctl_err ignored = { 0 };
		size_t at = strlen(left);

		/* The one that failed is half done, perhaps. */
		if (i == n) {
			if (json_is_object(new))
				detach(name, &ignored);
			if (!json_is_object(old))
				continue;
			new = NULL;
			memset(&ignored, 0, sizeof(ignored));
			if (!attach(old, &ignored) || ignored.code == NFV_RPC_E_EXIST)
				continue;
		} else if (!change(name, new, old, &ignored)) {
			continue;
		}
		snprintf(left + at, sizeof(left) - at, "%s%s (%.60s)", at ? ", " : "", name, ignored.text);
	}
	if (left[0])
		ctl_hint(err, "not undone: %s", left);
	else
		ctl_hint(err, "all that was done before is undone; nothing has changed");
}

static void print(json_t *steps)
{
	static const struct out_column columns[] = { { "op", "" }, { "name", "NAME" }, { "what", "WHAT" }, { NULL, NULL } };
	json_t *all = json_pack("{sO}", "steps", steps), *step;
	size_t i;

	json_array_foreach(steps, i, step) {
		json_t *what = json_object_get(step, "new"), *text;
		char *dump;

		if (json_is_null(what))
			what = json_object_get(step, "old");
		dump = json_dumps(what, JSON_ENCODE_ANY | JSON_SORT_KEYS);
		text = json_string(dump ? dump : "");
		free(dump);
		json_object_set_new(step, "what", text);
	}
	out_table(all, "steps", columns, "no difference");
	json_decref(all);
}

static int run(const char *path, bool dry, struct ctl_err *err)
{
	json_t *wanted = read_wanted(path, err), *now = wanted ? rpc_call("config.get", NULL, err) : NULL, *steps, *step;
	int rc = CTL_OK;
	size_t i;

	if (!now) {
		json_decref(wanted);
		return CTL_FAILED;
	}
	steps = difference(json_object_get(now, "config"), wanted);
	if (!dry)
		json_array_foreach(steps, i, step) {
			const char *name = json_string_value(json_object_get(step, "name"));

			rc = change(name, json_object_get(step, "old"), json_object_get(step, "new"), err);
			if (rc) {
				undo(steps, i, err);
				break;
			}
		}
	if (!rc)
		print(steps);
	json_decref(steps);
	json_decref(now);
	json_decref(wanted);
	return rc;
}

int cmd_apply(int argc, char **argv, struct ctl_err *err)
{
	bool dry = argc == 2 && !strcmp(argv[1], "dry-run");

	if (argc < 1 || argc > 2 || (argc == 2 && !dry))
		return ctl_usage(err, "takes a file, and perhaps 'dry-run'");
	return run(argv[0], dry, err);
}

int cmd_diff(int argc, char **argv, struct ctl_err *err)
{
	return argc == 1 ? run(argv[0], true, err) : ctl_usage(err, "takes a file");
}

int cmd_save(int argc, char **argv, struct ctl_err *err)
{
	json_t *now, *config, *ports;
	int rc;

	if (argc != 1)
		return ctl_usage(err, "takes a file");
	now = rpc_call("config.get", NULL, err);
	if (!now)
		return CTL_FAILED;
	config = json_object_get(now, "config");
	ports = json_object_get(config, "ports");
	for (size_t i = json_array_size(ports); i; i--)
		if (json_object_get(json_array_get(ports, i - 1), "temporary"))
			json_array_remove(ports, i - 1);
	json_object_del(config, "boot");
	rc = save_json(config, argv[0], err);
	if (!rc)
		out_text(config, "%zu port(s) saved in %s", json_array_size(ports), argv[0]);
	json_decref(now);
	return rc;
}
