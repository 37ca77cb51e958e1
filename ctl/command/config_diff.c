// SPDX-License-Identifier: BSD-3-Clause
/* What is different between two configurations. */
#include <stdio.h>
#include <string.h>
#include "ctl.h"

static const char *const settings[] = { "link_local", "shortcut", NULL };	/* booleans of the configuration */

/* A setting that is not there has its default: link-local is dropped, the shortcut on. */
static bool setting_of(const json_t *config, const char *name)
{
	const json_t *value = json_object_get(config, name);

	return value ? json_is_true(value) : !strcmp(name, "shortcut");
}

/* list: "ports" or "mirrors". */
static const json_t *find(const json_t *config, const char *list, const char *name)
{
	const json_t *port;
	size_t i;

	json_array_foreach(json_object_get(config, list), i, port)
		/* One of which only the quarantine is left is none; a port of its name takes that over. */
		if (!json_object_get(port, "gone") && !strcmp(json_string_value(json_object_get(port, "name")), name))
			return port;
	return NULL;
}

static void add_step(json_t *steps, const char *op, const char *name, const json_t *old, const json_t *new)
{
	json_array_append_new(steps, json_pack("{ss ss so so}", "op", op, "name", name, "old",
		old ? json_deep_copy(old) : json_null(), "new", new ? json_deep_copy(new) : json_null()));
}

/* Of a list: what is not wanted any more. */
static void goes(json_t *steps, const char *list, const json_t *now, const json_t *wanted)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(now, list), i, one) {
		const char *name = json_string_value(json_object_get(one, "name"));

		if (!find(wanted, list, name) && !json_object_get(one, "temporary"))
			add_step(steps, "-", name, one, NULL);
	}
}

/*
 * Is the entry as wanted? nfvd adds to a port by number that it is of this boot, and of which process. "wait" is of the
 * request, not of the port.
 */
static bool is_as_wanted(const json_t *entry, const json_t *wanted_one)
{
	static const char *const added[] = { "temporary", "started" };
	bool by_number = json_object_get(entry, "pid") || json_object_get(entry, "domid");
	json_t *copy = json_copy((json_t *)entry), *wanted = json_copy((json_t *)wanted_one);
	bool same;

	json_object_del(wanted, "wait");
	for (size_t i = 0; by_number && i < sizeof(added) / sizeof(added[0]); i++)
		if (!json_object_get(wanted, added[i]))
			json_object_del(copy, added[i]);
	same = json_equal(copy, wanted);
	json_decref(copy);
	json_decref(wanted);
	return same;
}

/* Of a list: what is new, or another. */
static void comes(json_t *steps, const char *list, const json_t *now, const json_t *wanted)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(wanted, list), i, one) {
		const char *name = json_string_value(json_object_get(one, "name"));
		const json_t *old = find(now, list, name);

		if (!old || !is_as_wanted(old, one))
			add_step(steps, old ? "~" : "+", name, old, one);
	}
}

/* Removals come first, because another port may need the device or the name. A mirror comes after its ports. */
json_t *config_difference(const json_t *now, const json_t *wanted)
{
	json_t *steps = json_array();

	goes(steps, "mirrors", now, wanted);
	goes(steps, "ports", now, wanted);
	comes(steps, "ports", now, wanted);
	comes(steps, "mirrors", now, wanted);
	for (size_t i = 0; settings[i]; i++)
		if (setting_of(now, settings[i]) != setting_of(wanted, settings[i]))
			add_step(steps, "~", settings[i], setting_of(now, settings[i]) ? json_true() : json_false(),
				 setting_of(wanted, settings[i]) ? json_true() : json_false());
	return steps;
}

static int check_mirrors(const json_t *wanted, const char *path, struct ctl_err *err)
{
	const json_t *list = json_object_get(wanted, "mirrors"), *m;
	size_t i;

	if (list && !json_is_array(list))
		return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: 'mirrors' is not a list", path);
	json_array_foreach(list, i, m)
		if (!json_is_string(json_object_get(m, "name")) || !json_is_array(json_object_get(m, "from")))
			return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: mirror %zu needs 'name' and 'from'", path, i + 1);
	return CTL_OK;
}

/* Return a member of a port that is of another type than it has to be, and that nfvd does not see as it is in the file; or NULL. */
static const char *wrong_member(const json_t *port)
{
	const json_t *quarantine = json_object_get(port, "quarantine"), *shortcut = json_object_get(port, "shortcut");

	return quarantine && !json_is_string(quarantine) ? "quarantine" : shortcut && !json_is_boolean(shortcut) ? "shortcut" : NULL;
}

int config_check(const json_t *wanted, const char *path, struct ctl_err *err)
{
	const json_t *list = json_object_get(wanted, "ports"), *port, *other;
	size_t i, k;

	if (json_integer_value(json_object_get(wanted, "version")) != 1 || !json_is_array(list)) {
		ctl_hint(err, "nfvctl save FILE writes one");
		return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: not a configuration of version 1: {\"version\": 1, \"ports\": [...]}", path);
	}
	for (i = 0; settings[i]; i++)
		if (json_object_get(wanted, settings[i]) && !json_is_boolean(json_object_get(wanted, settings[i])))
			return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: '%s' is not true or false", path, settings[i]);
	json_array_foreach(list, i, port) {
		const char *name = json_string_value(json_object_get(port, "name"));
		const char *wrong = wrong_member(port);

		if (!name || !json_is_string(json_object_get(port, "type")))
			return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: port %zu needs 'name' and 'type'", path, i + 1);
		if (wrong)
			return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: '%s' of port '%s' is not %s", path, wrong, name,
					strcmp(wrong, "shortcut") ? "a text" : "true or false");
		json_array_foreach(list, k, other)
			if (k < i && !strcmp(json_string_value(json_object_get(other, "name")), name))
				return ctl_fail(err, NFV_RPC_E_PARAMS, "%s: there are two ports '%s'", path, name);
	}
	return check_mirrors(wanted, path, err);
}
