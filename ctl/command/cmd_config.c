// SPDX-License-Identifier: BSD-3-Clause
/*
 * The whole of what is attached and set, as a file: save, diff, apply; and as it was: history, rollback.
 *
 * A difference is a list of steps, {op, name, old, new}. op is "+" or "-" for a port that comes or goes, and "~" for
 * a port that is attached anew with other parameters, or for a setting. apply carries the steps out one by one. If
 * one fails, those before it are undone. Temporary ports belong to a toolstack: they are neither saved nor detached.
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "bench/bench.h"

#define CONFIRM_MAX	3600	/* s */

/* NULL with *err. */
static json_t *read_wanted(const char *path, struct ctl_err *err)
{
	json_error_t error;
	json_t *wanted = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (!wanted && error.line < 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "%s", error.text);	/* the file cannot be opened, and why */
	else if (!wanted)
		ctl_fail(err, NFV_RPC_E_FAILED, "%s: line %d: %s", path, error.line, error.text);
	else if (config_check(wanted, path, err)) {
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

int config_attach(const json_t *port, bool wait, struct ctl_err *err)
{
	const json_t *shortcut = json_object_get(port, "shortcut");
	json_t *params = json_deep_copy(port), *result;
	int rc = CTL_OK;

	json_object_del(params, "shortcut");
	if (wait)
		json_object_set_new(params, "wait", json_string("yes"));
	result = rpc_call("port.attach", params, err);
	if (!result)
		return CTL_FAILED;
	if (!json_object_get(result, "id"))
		out_note("%s: kept, and attached as soon as it can be; now: %s", json_string_value(json_object_get(port, "name")),
			 json_string_value(json_object_get(result, "why")));
	json_decref(result);
	if (json_is_false(shortcut))
		rc = call("shortcut.set", json_pack("{sb sO}", "on", false, "port", json_object_get(port, "name")), err);
	return rc;
}

int config_detach(const char *name, struct ctl_err *err)
{
	return call("port.detach", json_pack("{ss}", "name", name), err);
}

/* Of a port "from" is a limit. */
static bool is_mirror(const json_t *obj)
{
	return json_is_array(json_object_get(obj, "from"));
}

static int add_one(const json_t *new, bool wait, struct ctl_err *err)
{
	return is_mirror(new) ? call("mirror.add", json_deep_copy(new), err) : config_attach(new, wait, err);
}

static int remove_one(const json_t *old, const char *name, struct ctl_err *err)
{
	return is_mirror(old) ? call("mirror.remove", json_pack("{ss}", "name", name), err) : config_detach(name, err);
}

/* Return whether a and b differ only in their policies, so that the port need not be attached anew. */
static bool same_but_policy(const json_t *a, const json_t *b)
{
	json_t *x = json_deep_copy(a), *y = json_deep_copy(b);
	bool same;

	for (const struct nfv_param *p = nfv_params; p->key; p++) {
		if (!(p->takers & NFV_SET))
			continue;
		json_object_del(x, p->key);
		json_object_del(y, p->key);
	}
	json_object_del(x, "wait");	/* of the request, not of the port */
	json_object_del(y, "wait");
	same = json_is_object(a) && json_is_object(b) && !is_mirror(a) && json_equal(x, y);
	json_decref(x);
	json_decref(y);
	return same;
}

/* Return the parameters of quarantine.set for value: "on", "off" or "mirror PORT"; NULL, as "off": it is not there. */
static json_t *quarantine_of(const char *name, const char *value)
{
	if (!value || !strcmp(value, "off"))
		return json_pack("{ss sb}", "port", name, "on", false);
	return strncmp(value, "mirror ", 7) ? json_pack("{ss sb}", "port", name, "on", true) :
		json_pack("{ss sb ss}", "port", name, "on", true, "mirror", value + 7);
}

static int set_policy(const char *name, const json_t *port, struct ctl_err *err)
{
	json_t *params = json_pack("{ss}", "port", name);
	json_t *stop = NULL;
	int rc = CTL_OK;

	for (const struct nfv_param *p = nfv_params; p->key; p++) {
		json_t *value = json_object_get(port, p->key);

		if (!(p->takers & NFV_SET))
			continue;
		/* Of another type than a text it is nfvd that refuses it. */
		if (!strcmp(p->key, "quarantine"))
			stop = quarantine_of(name, json_string_value(value));
		else
			json_object_set_new(params, p->key, value ? json_incref(value) : json_string("default"));
	}
	/* Keep the order: in between, the port must not be allowed more than before and after. */
	if (json_is_true(json_object_get(stop, "on")))
		rc = call("quarantine.set", json_incref(stop), err);
	if (rc)
		json_decref(params);
	else
		rc = call("policy.set", params, err);
	if (!rc && json_is_false(json_object_get(stop, "on")))
		rc = call("quarantine.set", json_incref(stop), err);
	json_decref(stop);
	return rc;
}

/* Carry out one step, from old to new. NULL or null: there is no such port or setting. wait: as in config_attach(). */
static int change(const char *name, const json_t *old, const json_t *new, bool wait, struct ctl_err *err)
{
	int rc = CTL_OK;

	if (json_is_boolean(new))
		return !strcmp(name, "shortcut") ? call("shortcut.set", json_pack("{sb}", "on", json_is_true(new)), err) :
						   call("link_local.set", json_pack("{sb}", "forward", json_is_true(new)), err);
	if (same_but_policy(old, new))
		return set_policy(name, new, err);
	if (json_is_object(old))
		rc = remove_one(old, name, err);
	if (!rc && json_is_object(new))
		rc = add_one(new, wait, err);
	return rc;
}

/* Undo a step that failed and may be half done. Return CTL_OK, or CTL_FAILED with *err. */
static int undo_half(const json_t *step, struct ctl_err *err)
{
	const json_t *old = json_object_get(step, "old");
	const char *name = json_string_value(json_object_get(step, "name"));
	struct ctl_err ignored = { 0 };

	if (same_but_policy(old, json_object_get(step, "new")))
		return set_policy(name, old, err);
	if (json_is_object(json_object_get(step, "new")))
		remove_one(json_object_get(step, "new"), name, &ignored);
	return !json_is_object(old) || !add_one(old, true, err) || err->code == NFV_RPC_E_EXIST ? CTL_OK : CTL_FAILED;
}

/* Undo the steps before n, and step n, too, if it failed. Say in *err what could not be undone. */
static void undo(const json_t *steps, size_t n, bool failed, struct ctl_err *err)
{
	char left[256] = "";

	for (size_t i = n + failed; i--;) {
		const json_t *step = json_array_get(steps, i);
		const char *name = json_string_value(json_object_get(step, "name"));
		struct ctl_err why = { 0 };
		size_t at = strlen(left);

		if (i == n ? !undo_half(step, &why) :
			     !change(name, json_object_get(step, "new"), json_object_get(step, "old"), true, &why))
			continue;
		snprintf(left + at, sizeof(left) - at, "%s%s (%.60s)", at ? ", " : "", name, why.text);
	}
	if (left[0])
		ctl_hint(err, "not undone: %s", left);
	else
		ctl_hint(err, "all earlier steps are undone; nothing has changed");
}

/*
 * Return a descriptor that is readable after a signal to end. The signals are blocked, so that no step is left half
 * done.
 */
static int block_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC);
}

static bool interrupted(int signals)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Wait up to that many seconds for a line "yes". A user whose own connection was cut cannot confirm. */
static bool confirmed(unsigned int seconds, int signals)
{
	double end = now_s() + seconds;
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
	char line[sizeof("yes\n")] = "";
	size_t n = 0;

	out_note("the change is undone in %u s unless you confirm it with 'yes' and Enter", seconds);
	/* Byte by byte: the rest of a line may never come. */
	while (n < sizeof(line) - 1 && !strchr(line, '\n')) {
		int ready = poll(p, 2, end > now_s() ? (int)((end - now_s()) * 1000) + 1 : 0);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || p[1].revents || read(STDIN_FILENO, &line[n], 1) != 1)
			return false;
		n++;
	}
	return !strcmp(line, "yes\n");
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

/* A number from 1 to max, or 0. */
static unsigned int number(const char *text, unsigned int max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && n <= max ? n : 0;
}

/* How to carry out steps. */
struct how {
	bool dry;			/* show them only */
	bool wait;			/* as in config_attach() */
	unsigned int confirm_s;		/* the user has to confirm within so many seconds; 0: no confirmation is needed */
};

static int take(json_t *steps, struct how how, struct ctl_err *err)
{
	int signals = block_signals(), rc = CTL_OK;
	size_t n = json_array_size(steps), i;
	struct ctl_err ignored = { 0 };

	if (n)
		call("config.group", NULL, &ignored);
	for (i = 0; i < n && !rc && !interrupted(signals); i++) {
		const json_t *step = json_array_get(steps, i);

		rc = change(json_string_value(json_object_get(step, "name")), json_object_get(step, "old"),
			    json_object_get(step, "new"), how.wait, err);
	}
	if (rc) {
		/* A port or mirror that somebody else has made meanwhile is his. */
		undo(steps, i - 1, err->code != NFV_RPC_E_EXIST || !json_is_null(json_object_get(json_array_get(steps, i - 1), "old")), err);
	} else if (i < n) {
		rc = ctl_fail(err, NFV_RPC_E_FAILED, "interrupted");
		undo(steps, i, false, err);
	} else {
		print(steps);
		if (how.confirm_s && n && !confirmed(how.confirm_s, signals)) {
			rc = ctl_fail(err, NFV_RPC_E_FAILED, "not confirmed");
			undo(steps, n, false, err);
		}
	}
	close(signals);
	return rc;
}

/* Change the configuration to wanted, which it takes, and which may be NULL with *err. */
static int become(json_t *wanted, struct how how, struct ctl_err *err)
{
	json_t *now = wanted ? rpc_call("config.get", NULL, err) : NULL, *steps;
	int rc = now ? CTL_OK : CTL_FAILED;

	if (now) {
		steps = config_difference(json_object_get(now, "config"), wanted);
		if (how.dry)
			print(steps);
		else
			rc = take(steps, how, err);
		json_decref(steps);
	}
	json_decref(now);
	json_decref(wanted);
	return rc;
}

int cmd_apply(int argc, char **argv, struct ctl_err *err)
{
	struct how how = { .dry = argc == 2 && !strcmp(argv[1], "dry-run") };

	if (argc == 3 && !strcmp(argv[1], "confirm") && !(how.confirm_s = number(argv[2], CONFIRM_MAX)))
		return ctl_usage(err, "'confirm' needs a number of seconds from 1 to %d", CONFIRM_MAX);
	if (argc < 1 || (argc > 1 && !how.dry && !how.confirm_s))
		return ctl_usage(err, "needs a file, which 'dry-run' or 'confirm SECONDS' may follow");
	return become(read_wanted(argv[0], err), how, err);
}

int cmd_diff(int argc, char **argv, struct ctl_err *err)
{
	return argc == 1 ? become(read_wanted(argv[0], err), (struct how){ .dry = true }, err) : ctl_usage(err, "needs a file");
}

/* What is somebody else's, or of one boot, is not for a file, nor to come back. */
static void strip(json_t *config)
{
	json_t *ports = json_object_get(config, "ports");

	for (size_t i = json_array_size(ports); i; i--)
		if (json_object_get(json_array_get(ports, i - 1), "temporary"))
			json_array_remove(ports, i - 1);
	json_object_del(config, "boot");
	json_object_del(config, "by");
}

int cmd_save(int argc, char **argv, struct ctl_err *err)
{
	json_t *now, *config;
	int rc;

	if (argc != 1)
		return ctl_usage(err, "needs a file");
	now = rpc_call("config.get", NULL, err);
	if (!now)
		return CTL_FAILED;
	config = json_object_get(now, "config");
	strip(config);
	rc = save_json(config, argv[0], err);
	if (!rc)
		out_text(config, "%zu port(s) saved in %s", json_array_size(json_object_get(config, "ports")), argv[0]);
	json_decref(now);
	return rc;
}

/*
 * Return {uid, comm, ...} with the user's name, a new reference. nfvctl looks it up, because nfvd would wait for a
 * directory service.
 */
static json_t *with_user(json_t *by)
{
	json_int_t uid = json_integer_value(json_object_get(by, "uid"));
	const struct passwd *user = by ? getpwuid((uid_t)uid) : NULL;

	if (by)
		json_object_set_new(by, "user", user ? json_string(user->pw_name) : json_sprintf("uid %lld", (long long)uid));
	return json_incref(by);
}

/*
 * Return the configuration of a generation without temporary ports, or NULL with *err. Set *by to who made it, if
 * that is known.
 */
static json_t *config_of(json_int_t generation, json_t **by, struct ctl_err *err)
{
	json_t *result = rpc_call("config.get", json_pack("{sI}", "generation", generation), err), *config;

	if (!result)
		return NULL;
	config = json_incref(json_object_get(result, "config"));
	json_decref(result);
	if (by)
		*by = with_user(json_object_get(config, "by"));
	strip(config);
	return config;
}

/* Return the changes from one configuration to the next, as "+vm1 -c2 ~shortcut". */
static json_t *changes(const json_t *before, const json_t *after)
{
	json_t *steps = config_difference(before, after), *step;
	char text[120] = "";
	size_t i;

	json_array_foreach(steps, i, step) {
		size_t at = strlen(text);

		snprintf(text + at, sizeof(text) - at, "%s%s%s", at ? " " : "", json_string_value(json_object_get(step, "op")),
			 json_string_value(json_object_get(step, "name")));
	}
	json_decref(steps);
	return json_string(text);
}

int cmd_history(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "generation", "GENERATION" }, { "time", "TIME", OUT_TIME }, { "by.user", "USER" },
		{ "by.comm", "WITH", OUT_SPARE }, { "ports", "PORTS" }, { "changes", "CHANGES" }, { NULL, NULL }
	};
	json_t *now, *history, *entry, *after = NULL, *newer = NULL;
	size_t i;

	if (argc)
		return ctl_usage(err, "takes nothing");
	now = rpc_call("config.get", NULL, err);
	if (!now)
		return CTL_FAILED;
	history = json_object_get(now, "history");
	json_array_foreach(history, i, entry) {
		/* A generation that is damaged, or has gone meanwhile, is only listed. */
		json_t *by = NULL, *config = config_of(json_integer_value(json_object_get(entry, "generation")), &by, err);

		if (by)
			json_object_set_new(entry, "by", by);
		if (config)
			json_object_set_new(entry, "ports", json_integer((json_int_t)json_array_size(json_object_get(config, "ports"))));
		if (config && after)
			json_object_set_new(newer, "changes", changes(config, after));
		json_decref(after);
		after = config;
		newer = entry;
	}
	json_decref(after);
	out_table(now, "history", columns, "nfvd keeps no configurations: it runs without --keep");
	json_decref(now);
	return CTL_OK;
}

int cmd_rollback(int argc, char **argv, struct ctl_err *err)
{
	json_t *now;
	unsigned int generation = 0;

	if (argc > 1 || (argc && !(generation = number(argv[0], UINT32_MAX))))
		return ctl_usage(err, "needs a generation of 'nfvctl history', or nothing for the previous one");
	if (!generation) {
		now = rpc_call("config.get", NULL, err);
		if (!now)
			return CTL_FAILED;
		generation = json_integer_value(json_object_get(json_array_get(json_object_get(now, "history"), 1), "generation"));
		json_decref(now);
		if (!generation)
			return ctl_fail(err, NFV_RPC_E_NOENT, "there is no previous generation");
	}
	return become(config_of(generation, NULL, err), (struct how){ .wait = true }, err);
}
