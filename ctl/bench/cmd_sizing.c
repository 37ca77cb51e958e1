// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench sizing: what one worker holds of a pair's traffic, and what limits it.
 *
 * The worker's share of time for the traffic is measured together with the traffic. The traffic divided by that share
 * is what a whole worker could carry. It says nothing about what the endpoints can do.
 */
#include <stdio.h>
#include <string.h>
#include "bench/bench.h"

#define SECONDS		2
#define SESSION_FRAMES	10	/* of a TCP session with one request and one response: 3 to open, 4 to close, 3 between */
#define BUSY_MIN	0.01	/* share of a worker's time; with less the quotient means nothing */

/* What was counted at one moment. */
struct moment {
	double time_s, busy_s, frames, bytes, shortcut;
};

static int look(const char *a, const char *b, struct moment *m, struct ctl_err *err)
{
	json_t *stats = rpc_list("stats.get", "ports", NULL, err), *ledger, *item;
	size_t i;

	*m = (struct moment){ .time_s = now_s() };
	ledger = stats ? rpc_list("ledger.get", "pairs", json_pack("{ss ss}", "port", a, "peer", b), err) : NULL;
	json_array_foreach(json_object_get(stats, "workers"), i, item)
		m->busy_s += json_real_value(json_object_get(item, "busy_s"));
	json_array_foreach(json_object_get(ledger, "pairs"), i, item) {
		m->frames += (double)json_integer_value(json_object_get(item, "frames"));
		m->bytes += (double)json_integer_value(json_object_get(item, "bytes"));
		m->shortcut += (double)json_integer_value(json_object_get(item, "shortcut_frames"));
	}
	json_decref(stats);
	json_decref(ledger);
	return ledger ? CTL_OK : CTL_FAILED;
}

/* What limited the sender, in the last second. */
static json_t *bound_of(const char *port)
{
	struct ctl_err ignored = { 0 };
	json_t *stats = rpc_call("stats.get", json_pack("{ss}", "port", port), &ignored);
	json_t *bound = json_incref(json_object_get(json_array_get(json_object_get(stats, "ports"), 0), "bound"));

	json_decref(stats);
	return bound ? bound : json_string("idle");
}

static const char *limit_of(const char *bound, double shortcut, double busy)
{
	if (shortcut > 0.9)
		return "the endpoints: the shortcut carries it, and no worker is needed";
	if (!strcmp(bound, "switch") || busy > 0.9)
		return "the worker";
	return strcmp(bound, "peer") ? "the sender: a worker has time left" : "the receiver: it has too few buffers";
}

/* One row: what passed in s seconds, and what a whole worker would hold. */
static json_t *row(const char *name, const struct moment *from, const struct moment *to, const char *bound)
{
	double s = to->time_s - from->time_s, frames = to->frames - from->frames, bytes = to->bytes - from->bytes;
	double busy = (to->busy_s - from->busy_s) / s, shortcut = frames > 0 ? (to->shortcut - from->shortcut) / frames : 0;
	json_t *obj = json_pack("{ss sf sf sf ss}", "traffic", name, "fps", frames / s, "gbps", bytes * 8e-9 / s, "busy_percent", 100 * busy,
				"limit", limit_of(bound, shortcut, busy));

	if (shortcut <= 0.9 && busy >= BUSY_MIN) {
		json_object_set_new(obj, "worker_fps", json_real(frames / s / busy));
		json_object_set_new(obj, "worker_gbps", json_real(bytes * 8e-9 / s / busy));
	}
	return obj;
}

static int measure(const struct endpoint *a, const struct endpoint *b, const char *name, const char *const *options, unsigned int seconds,
		   json_t *rows, struct ctl_err *err)
{
	struct moment from, to;
	json_t *iperf, *bound;
	int rc = look(a->name, b->name, &from, err);

	if (rc)
		return rc;
	iperf = iperf_run_with(a, b, seconds, options, err);
	if (!iperf)
		return CTL_FAILED;
	json_decref(iperf);
	bound = bound_of(a->name);
	rc = look(a->name, b->name, &to, err);
	if (!rc)
		json_array_append_new(rows, row(name, &from, &to, json_string_value(bound)));
	json_decref(bound);
	return rc;
}

/*
 * Add how many new sessions a worker can carry, from its frames per second, and how many sessions there can be at a
 * time.
 */
static void add_sessions(json_t *all, json_t *small)
{
	json_t *fps = json_object_get(small, "worker_fps");

	if (fps)
		json_object_set_new(all, "new_sessions_per_s", json_real(json_real_value(fps) / SESSION_FRAMES));
	json_object_set_new(all, "concurrent_sessions", json_string("any number: nfvd keeps no state of sessions"));
}

static void print(json_t *all)
{
	static const struct out_column columns[] = {
		{ "traffic", "TRAFFIC" }, { "fps", "FRAMES/S" }, { "gbps", "Gb/s" }, { "busy_percent", "WORKER %" },
		{ "worker_fps", "ONE HOLDS FRAMES/S" }, { "worker_gbps", "ONE HOLDS Gb/s" }, { "limit", "LIMITED BY" }, { NULL, NULL }
	};
	json_t *sessions = json_object_get(all, "new_sessions_per_s");

	out_table(all, "rows", columns, "");
	if (ctl_json)
		return;
	if (sessions)
		out_line("new sessions: %.0f a second and worker, of %d frames each", json_real_value(sessions), SESSION_FRAMES);
	out_line("concurrent sessions: %s", json_string_value(json_object_get(all, "concurrent_sessions")));
}

int cmd_bench_sizing(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = { { "time", ARG_NUMBER, false, 1, 3600, NULL }, { "addr", ARG_STRING, false, 0, 0, NULL }, { .key = NULL } };
	static const char *const bulk[] = { NULL }, *const small[] = { "-u", "-b", "0", "-l", "18", NULL };
	struct endpoint a = { .netns = -1 }, b = { .netns = -1 };
	json_t *options = json_object(), *all = json_pack("{s[]}", "rows"), *rows = json_object_get(all, "rows"), *given;
	unsigned int seconds = SECONDS;
	int rc = argc < 2 ? ctl_usage(err, "two endpoints are needed") : args_parse(argc - 2, argv + 2, args, options, err);

	given = json_object_get(options, "time");
	if (given)
		seconds = (unsigned int)json_integer_value(given);
	if (!rc)
		rc = endpoint_open_pair(&a, &b, "sizing", argv, json_string_value(json_object_get(options, "addr")), err);
	if (!rc)
		rc = measure(&a, &b, "TCP, as large as it gets", bulk, seconds, rows, err);
	if (!rc)
		rc = measure(&a, &b, "UDP, 60 bytes a frame", small, seconds, rows, err);
	if (!rc) {
		add_sessions(all, json_array_get(rows, 1));
		print(all);
	}
	endpoint_close(&a);
	endpoint_close(&b);
	json_decref(options);
	json_decref(all);
	return rc;
}
