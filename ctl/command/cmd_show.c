// SPDX-License-Identifier: BSD-3-Clause
/*
 * Everything that only looks.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ctl.h"

static json_int_t integer(json_t *obj, const char *key)
{
	return json_integer_value(json_object_get(obj, key));
}

/* Parameters with the port's name, if it is not NULL. */
static json_t *named(const char *key, const char *name)
{
	return json_pack("{ss*}", key, name);
}

/* ---- show ---- */

/* port.list of one port, or (NULL) of all, with counters of stats.get in each. */
static json_t *ports_with_counters(const char *name, struct ctl_err *err)
{
	static const char *const counters[] = {
		"rx_frames", "rx_bytes", "tx_frames", "tx_bytes", "dropped", "ledger_frames", "ledger_copies", "replayed", "paused_s",
		"bound", "bound_why", "pressure",
	};
	json_t *all = rpc_list("port.list", "ports", named("name", name), err), *stats = NULL, *port;
	/* One that is kept and not attached has no id, and no counters. */
	bool attached = !name || json_object_get(json_array_get(json_object_get(all, "ports"), 0), "id");
	size_t i;

	if (all)
		stats = attached ? rpc_list("stats.get", "ports", named("port", name), err) : json_object();
	if (!stats) {
		json_decref(all);
		return NULL;
	}
	json_array_foreach(json_object_get(all, "ports"), i, port) {
		json_t *s = find_named(json_object_get(stats, "ports"),
				       json_string_value(json_object_get(port, "name")));

		for (size_t c = 0; s && c < sizeof(counters) / sizeof(counters[0]); c++)
			json_object_set(port, counters[c], json_object_get(s, counters[c]));
	}
	json_decref(stats);
	return all;
}

/* Of what the port sent, since was (NULL: since it was attached); absent when it sent nothing. */
static void set_copies(json_t *port, json_t *was)
{
	double frames = (double)(integer(port, "ledger_frames") - integer(was, "ledger_frames"));
	double copies = (double)(integer(port, "ledger_copies") - integer(was, "ledger_copies"));

	if (frames > 0 && copies >= 0)
		json_object_set_new(port, "copies_per_frame", json_real(copies / frames));
	json_object_del(port, "ledger_frames");
	json_object_del(port, "ledger_copies");
}

static json_t *ports_in_all(const char *name, struct ctl_err *err)
{
	json_t *all = ports_with_counters(name, err), *port;
	size_t i;

	json_array_foreach(json_object_get(all, "ports"), i, port)
		set_copies(port, NULL);
	return all;
}

static void set_rate(json_t *port, const char *rate, json_t *was, const char *counter, double scale)
{
	double diff = (double)(integer(port, counter) - integer(was, counter));

	json_object_set_new(port, rate, json_real(diff * scale));
}

/* Two samples, that many seconds apart; rates of the ports that are in both. */
static json_t *ports_with_rates(const char *name, double seconds, struct ctl_err *err)
{
	struct timespec pause = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
	json_t *before = ports_with_counters(name, err), *after, *port;
	double t = now_s();
	size_t i;

	if (!before)
		return NULL;
	nanosleep(&pause, NULL);
	after = ports_with_counters(name, err);
	t = now_s() - t;
	json_array_foreach(json_object_get(after, "ports"), i, port) {
		json_t *was = find_named(json_object_get(before, "ports"),
					 json_string_value(json_object_get(port, "name")));

		/* A port that was attached anew counts from zero, and has no rates yet. */
		if (!was || integer(was, "serial") != integer(port, "serial")) {
			json_object_del(port, "ledger_frames");
			json_object_del(port, "ledger_copies");
			continue;
		}
		set_copies(port, was);
		set_rate(port, "rx_pps", was, "rx_frames", 1 / t);
		set_rate(port, "rx_gbps", was, "rx_bytes", 8e-9 / t);
		set_rate(port, "tx_pps", was, "tx_frames", 1 / t);
		set_rate(port, "tx_gbps", was, "tx_bytes", 8e-9 / t);
		set_rate(port, "dropped_pps", was, "dropped", 1 / t);
	}
	if (after)
		json_object_set_new(after, "time_s", json_real(t));
	json_decref(before);
	return after;
}

int cmd_show(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = { { "time", ARG_SECONDS, false, 0, 3600, NULL }, { .key = NULL } };
	static const struct out_column plain[] = {
		{ "name", "NAME" }, { "type", "TYPE" }, { "state", "STATE" }, { "via", "VIA", OUT_SPARE },
		{ "dev|socket", "AT", OUT_SPARE }, { "queues", "QUEUES", OUT_SPARE }, { "accepts", "ACCEPTS", OUT_SPARE },
		{ "rx_frames", "RX FRAMES" }, { "tx_frames", "TX FRAMES" }, { "dropped", "DROPPED" },
		{ "copies_per_frame", "COPIES/FRAME", OUT_SPARE }, { "bound", "BOUND", OUT_SPARE }, { "why", "WHY", OUT_IF_ANY }, { NULL, NULL }
	};
	static const struct out_column rates[] = {
		{ "name", "NAME" }, { "state", "STATE" }, { "rx_pps", "RX pps" }, { "rx_gbps", "RX Gb/s" },
		{ "tx_pps", "TX pps" }, { "tx_gbps", "TX Gb/s" }, { "dropped_pps", "DROPPED/S" },
		{ "copies_per_frame", "COPIES/FRAME", OUT_SPARE }, { NULL, NULL }
	};
	const char *name = argc % 2 ? argv[0] : NULL;	/* the rest are pairs */
	json_t *options = json_object(), *all, *seconds;
	int rc;

	/* No port has this name. */
	if (argc && !strcmp(argv[argc - 1], "time"))
		rc = ctl_usage(err, "'time' needs a value");
	else
		rc = args_parse(argc - argc % 2, argv + argc % 2, args, options, err);
	seconds = json_object_get(options, "time");
	all = rc ? NULL : seconds ? ports_with_rates(name, json_real_value(seconds), err) : ports_in_all(name, err);
	if (!rc)
		rc = all ? CTL_OK : CTL_FAILED;
	if (!rc && name && !seconds && !ctl_json)
		out_object(json_array_get(json_object_get(all, "ports"), 0));
	else if (!rc)
		out_table(all, "ports", seconds ? rates : plain, "no ports; 'nfvctl attach help' tells how to get one");
	json_decref(options);
	json_decref(all);
	return rc;
}

/* ---- one call, one table ---- */

struct view {
	const char *method, *list, *key, *key2, *empty;	/* the keys: parameters that take a port's name */
	const struct out_column *columns;
	int (*compare)(const void *a, const void *b);	/* of two json_t *; NULL: nfvd lists them in order */
};

static void sort(json_t *list, int (*compare)(const void *a, const void *b))
{
	size_t n = json_array_size(list);
	json_t **items = calloc(n + 1, sizeof(json_t *)), *item;
	size_t i;

	if (!items)
		return;
	json_array_foreach(list, i, item)
		items[i] = json_incref(item);
	qsort(items, n, sizeof(json_t *), compare);
	for (i = 0; i < n; i++)
		json_array_set_new(list, i, items[i]);
	free(items);
}

static int show_view(const struct view *v, json_t *params, int argc, char **argv, struct ctl_err *err)
{
	json_t *all;

	if (argc > (v->key2 ? 2 : v->key ? 1 : 0)) {
		json_decref(params);
		return ctl_usage(err, "too many arguments");
	}
	for (int i = 0; i < argc; i++)
		json_object_set_new(params, i ? v->key2 : v->key, json_string(argv[i]));
	all = rpc_list(v->method, v->list, params, err);
	if (!all)
		return CTL_FAILED;
	if (v->compare)
		sort(json_object_get(all, v->list), v->compare);
	out_table(all, v->list, v->columns, v->empty);
	json_decref(all);
	return CTL_OK;
}

int cmd_stats(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "name", "NAME" }, { "rx_frames", "RX FRAMES" }, { "rx_bytes", "RX BYTES" },
		{ "replicated", "REPLICATED", OUT_SPARE }, { "replayed", "REPLAYED", OUT_SPARE }, { "tx_frames", "TX FRAMES" }, { "tx_bytes", "TX BYTES" },
		{ "dropped", "DROPPED" }, { "rx_syscalls", "RX SYSCALLS", OUT_SPARE }, { NULL, NULL }
	};
	static const struct view view = { "stats.get", "ports", "port", NULL, "no ports", columns, NULL };

	return show_view(&view, json_object(), argc, argv, err);
}

int cmd_ledger(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "src", "FROM" }, { "dst", "TO" }, { "frames", "FRAMES" }, { "bytes", "BYTES" },
		{ "copies", "COPIES", OUT_SPARE }, { "copied_bytes", "COPIED BYTES", OUT_SPARE },
		{ "copies_per_frame", "COPIES/FRAME" }, { "syscalls", "SYSCALLS" },
		{ "shortcut_frames", "SHORTCUT FRAMES", OUT_SPARE }, { NULL, NULL }
	};
	static const struct view view = { "ledger.get", "pairs", "port", "peer", "nothing was forwarded yet", columns, NULL };

	return show_view(&view, json_object(), argc, argv, err);
}

int cmd_drops(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "port", "PORT" }, { "reason", "REASON" }, { "count", "COUNT" }, { "help", "MEANING" },
		{ NULL, NULL }
	};
	bool every = argc && !strcmp(argv[argc - 1], "all");
	json_t *all;

	argc -= every;
	if (argc > 1)
		return ctl_usage(err, "too many arguments");
	all = rpc_list("drops.get", "drops", json_pack("{sb ss*}", "all", every, "port", argc ? argv[0] : NULL), err);
	if (!all)
		return CTL_FAILED;
	out_table(all, "drops", columns, "nothing was dropped");
	json_decref(all);
	return CTL_OK;
}

/* By VLAN, then address, then zone. */
static int compare_entries(const void *a, const void *b)
{
	json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	json_int_t vlans = integer(x, "vlan") - integer(y, "vlan");
	const char *zone = json_string_value(json_object_get(x, "zone")), *other = json_string_value(json_object_get(y, "zone"));
	int macs = strcmp(json_string_value(json_object_get(x, "mac")), json_string_value(json_object_get(y, "mac")));

	if (vlans)
		return vlans < 0 ? -1 : 1;
	return macs ? macs : strcmp(zone ? zone : "", other ? other : "");
}

int cmd_fdb(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "mac", "MAC" }, { "zone", "ZONE", OUT_IF_ANY }, { "vlan", "VLAN" }, { "port", "PORT" }, { "age_ms", "AGE ms" }, { NULL, NULL }
	};
	static const struct view view = { "fdb.list", "entries", "port", NULL, "no address was learnt yet", columns, compare_entries };

	return show_view(&view, json_object(), argc, argv, err);
}
