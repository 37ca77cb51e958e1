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

static bool is(json_t *obj, const char *key, const char *value)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s && !strcmp(s, value);
}

/* Keep the elements of obj[list] in which one of the keys is name. An unknown name is an error. */
static int filter(json_t *obj, const char *list, const char *key, const char *key2, const char *name,
		  struct ctl_err *err)
{
	json_t *items = json_object_get(obj, list), *port;
	size_t i = 0;

	port = port_get(name, err);
	if (!port)
		return CTL_FAILED;
	json_decref(port);
	while (i < json_array_size(items)) {
		json_t *item = json_array_get(items, i);

		if (is(item, key, name) || (key2 && is(item, key2, name)))
			i++;
		else
			json_array_remove(items, i);
	}
	return CTL_OK;
}

/* ---- show ---- */

/* Copies over frames, of what the port sent; absent when it sent nothing. */
static void add_copies(json_t *port, json_t *pairs)
{
	const char *name = json_string_value(json_object_get(port, "name"));
	json_int_t frames = 0, copies = 0;
	json_t *pair;
	size_t i;

	json_array_foreach(pairs, i, pair) {
		if (!name || !is(pair, "src", name))
			continue;
		frames += integer(pair, "frames");
		copies += integer(pair, "copies");
	}
	if (frames)
		json_object_set_new(port, "copies_per_frame", json_real((double)copies / (double)frames));
}

/* port.list, with counters of stats.get and copies of ledger.get in each port. */
static json_t *ports_with_counters(struct ctl_err *err)
{
	static const char *const counters[] = { "rx_frames", "rx_bytes", "tx_frames", "tx_bytes", "dropped" };
	json_t *all = rpc_call("port.list", NULL, err);
	json_t *stats = all ? rpc_call("stats.get", NULL, err) : NULL;
	json_t *ledger = stats ? rpc_call("ledger.get", NULL, err) : NULL;
	json_t *port;
	size_t i;

	if (!ledger) {
		json_decref(all);
		json_decref(stats);
		return NULL;
	}
	json_array_foreach(json_object_get(all, "ports"), i, port) {
		json_t *s = find_named(json_object_get(stats, "ports"),
				       json_string_value(json_object_get(port, "name")));

		for (size_t c = 0; s && c < sizeof(counters) / sizeof(counters[0]); c++)
			json_object_set(port, counters[c], json_object_get(s, counters[c]));
		add_copies(port, json_object_get(ledger, "pairs"));
	}
	json_decref(stats);
	json_decref(ledger);
	return all;
}


static void set_rate(json_t *port, const char *rate, json_t *was, const char *counter, double scale)
{
	double diff = (double)(integer(port, counter) - integer(was, counter));

	json_object_set_new(port, rate, json_real(diff * scale));
}

/* Two samples, that many seconds apart; rates of the ports that are in both. */
static json_t *ports_with_rates(double seconds, struct ctl_err *err)
{
	struct timespec pause = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
	json_t *before = ports_with_counters(err), *after, *port;
	double t = now_s();
	size_t i;

	if (!before)
		return NULL;
	nanosleep(&pause, NULL);
	after = ports_with_counters(err);
	t = now_s() - t;
	json_array_foreach(json_object_get(after, "ports"), i, port) {
		json_t *was = find_named(json_object_get(before, "ports"),
					 json_string_value(json_object_get(port, "name")));

		if (!was || integer(was, "id") != integer(port, "id"))
			continue;
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
		{ "dev|socket", "AT" }, { "queues", "QUEUES", OUT_SPARE }, { "accepts", "ACCEPTS", OUT_SPARE },
		{ "rx_frames", "RX FRAMES" }, { "tx_frames", "TX FRAMES" }, { "dropped", "DROPPED" },
		{ "copies_per_frame", "COPIES/FRAME", OUT_SPARE }, { "why", "WHY", OUT_IF_ANY }, { NULL, NULL }
	};
	static const struct out_column rates[] = {
		{ "name", "NAME" }, { "state", "STATE" }, { "rx_pps", "RX pps" }, { "rx_gbps", "RX Gb/s" },
		{ "tx_pps", "TX pps" }, { "tx_gbps", "TX Gb/s" }, { "dropped_pps", "DROPPED/S" },
		{ "copies_per_frame", "COPIES/FRAME", OUT_SPARE }, { NULL, NULL }
	};
	const char *name = argc % 2 ? argv[0] : NULL;	/* the rest are pairs */
	json_t *options = json_object(), *all, *seconds;
	int rc = args_parse(argc - argc % 2, argv + argc % 2, args, options, err);

	seconds = json_object_get(options, "time");
	all = rc ? NULL : seconds ? ports_with_rates(json_real_value(seconds), err) : ports_with_counters(err);
	if (!rc)
		rc = all ? CTL_OK : CTL_FAILED;
	if (!rc && name)
		rc = filter(all, "ports", "name", NULL, name, err);
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
	const char *method, *list, *key, *key2, *empty;
	const struct out_column *columns;
};

static int show_view(const struct view *v, json_t *params, int argc, char **argv, struct ctl_err *err)
{
	json_t *all;
	int rc = CTL_OK;

	if (argc > (v->key2 ? 2 : 1)) {
		json_decref(params);
		return ctl_usage(err, "too many arguments");
	}
	all = rpc_call(v->method, params, err);
	if (!all)
		return CTL_FAILED;
	for (int i = 0; i < argc && !rc; i++)
		rc = filter(all, v->list, v->key, v->key2, argv[i], err);
	if (!rc)
		out_table(all, v->list, v->columns, v->empty);
	json_decref(all);
	return rc;
}

int cmd_stats(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "name", "NAME" }, { "rx_frames", "RX FRAMES" }, { "rx_bytes", "RX BYTES" },
		{ "replicated", "REPLICATED", OUT_SPARE }, { "tx_frames", "TX FRAMES" }, { "tx_bytes", "TX BYTES" },
		{ "dropped", "DROPPED" }, { "rx_syscalls", "RX SYSCALLS", OUT_SPARE }, { NULL, NULL }
	};
	static const struct view view = { "stats.get", "ports", "name", NULL, "no ports", columns };

	return show_view(&view, NULL, argc, argv, err);
}

int cmd_ledger(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "src", "FROM" }, { "dst", "TO" }, { "frames", "FRAMES" }, { "bytes", "BYTES" },
		{ "copies", "COPIES", OUT_SPARE }, { "copied_bytes", "COPIED BYTES", OUT_SPARE },
		{ "copies_per_frame", "COPIES/FRAME" }, { "syscalls", "SYSCALLS" },
		{ "shortcut_frames", "SHORTCUT FRAMES", OUT_SPARE }, { NULL, NULL }
	};
	static const struct view view = { "ledger.get", "pairs", "src", "dst", "nothing was forwarded yet", columns };

	return show_view(&view, NULL, argc, argv, err);
}

/* Requests that the control socket refused, as further rows; "control" is what nfvd counts, by reason. */
static void add_control(json_t *all, json_t *control)
{
	const char *reason;
	json_t *count;

	json_object_foreach(control, reason, count)
		if (json_integer_value(count))
			json_array_append_new(json_object_get(all, "drops"),
					      json_pack("{ss sO ss}", "reason", reason, "count", count,
							"help", "refused by the control socket"));
}

int cmd_drops(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "port", "PORT" }, { "reason", "REASON" }, { "count", "COUNT" }, { "help", "MEANING" },
		{ NULL, NULL }
	};
	bool every = argc && !strcmp(argv[argc - 1], "all");
	json_t *all, *info;
	int rc = CTL_OK;

	argc -= every;
	if (argc > 1)
		return ctl_usage(err, "too many arguments");
	all = rpc_call("drops.get", json_pack("{sb}", "all", every), err);
	info = all ? rpc_call("daemon.info", NULL, err) : NULL;
	if (!info)
		rc = CTL_FAILED;
	else if (argc)
		rc = filter(all, "drops", "port", NULL, argv[0], err);
	else
		add_control(all, json_object_get(info, "control"));
	if (!rc)
		out_table(all, "drops", columns, "nothing was dropped");
	json_decref(all);
	json_decref(info);
	return rc;
}

int cmd_fdb(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "mac", "MAC" }, { "vlan", "VLAN" }, { "port", "PORT" }, { "age_ms", "AGE ms" }, { NULL, NULL }
	};
	static const struct view view = { "fdb.list", "entries", "port", NULL, "no address was learnt yet", columns };

	return show_view(&view, NULL, argc, argv, err);
}

int cmd_events(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = { { "since", ARG_NUMBER, false, 0, INT32_MAX, NULL }, { .key = NULL } };
	static const struct out_column columns[] = {
		{ "seq", "SEQ" }, { "time_ms", "TIME", OUT_TIME }, { "port", "PORT" }, { "text", "EVENT" }, { NULL, NULL }
	};
	static const struct view view = { "events.get", "events", "port", NULL, "nothing happened yet", columns };
	json_t *params = json_object();
	int rc = args_parse(argc, argv, args, params, err);

	if (rc) {
		json_decref(params);
		return rc;
	}
	return show_view(&view, params, 0, NULL, err);
}
