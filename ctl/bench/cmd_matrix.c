// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench matrix: every pair of ports that are up, one after the other.
 */
#include <string.h>
#include "bench/bench.h"

struct cost {
	json_int_t frames, copies, shortcut_frames;
};

static bool is(json_t *obj, const char *key, const char *value)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s && !strcmp(s, value);
}

/* What the ledger says of a pair, both directions together. */
static int read_cost(const char *a, const char *b, struct cost *c, struct ctl_err *err)
{
	json_t *ledger = rpc_list("ledger.get", "pairs", json_pack("{ss ss}", "port", a, "peer", b), err), *pair;
	size_t i;

	if (!ledger)
		return CTL_FAILED;
	*c = (struct cost){ 0 };
	json_array_foreach(json_object_get(ledger, "pairs"), i, pair) {
		c->frames += json_integer_value(json_object_get(pair, "frames"));
		c->copies += json_integer_value(json_object_get(pair, "copies"));
		c->shortcut_frames += json_integer_value(json_object_get(pair, "shortcut_frames"));
	}
	json_decref(ledger);
	return CTL_OK;
}

/* Frames on the shortcut are among the frames, and cost no copy. */
static void set_cost(json_t *pair, const struct cost *before, const struct cost *after)
{
	json_int_t shortcut = after->shortcut_frames - before->shortcut_frames;
	json_int_t frames = after->frames - before->frames;

	json_object_set_new(pair, "frames", json_integer(frames));
	json_object_set_new(pair, "shortcut_frames", json_integer(shortcut));
	json_object_set_new(pair, "copies_per_frame", frames <= 0 ? json_null() :
			    json_real((double)(after->copies - before->copies) / (double)frames));
}

static int measure(json_t *pair, const struct endpoint *a, const struct endpoint *b, unsigned int seconds,
		   struct ctl_err *err)
{
	struct cost before, after;
	json_t *rtt;

	if (read_cost(a->name, b->name, &before, err))
		return CTL_FAILED;
	rtt = rtt_between(a, b, 0, BENCH_RTT_SECONDS, err);
	if (!rtt)
		return CTL_FAILED;
	json_object_set(pair, "rtt_us", json_object_get(rtt, "rtt_us"));
	json_object_set(pair, "loss_percent", json_object_get(rtt, "loss_percent"));
	json_object_set(pair, "gap_ms", json_object_get(rtt, "gap_ms"));
	json_decref(rtt);
	if (bench_tcp(a, b, seconds, pair, NULL, err) || read_cost(a->name, b->name, &after, err))
		return CTL_FAILED;
	set_cost(pair, &before, &after);
	return CTL_OK;
}

/* Returns the pair's result; with "error" in it when it could not be measured. */
static json_t *measure_pair(const char *name_a, const char *name_b, unsigned int seconds)
{
	char *names[] = { (char *)name_a, (char *)name_b };
	struct endpoint a = { .netns = -1 }, b = { .netns = -1 };
	struct ctl_err err = { 0 };
	json_t *pair = json_pack("{ss ss}", "a", name_a, "b", name_b), *text;

	progress_step("%s - %s", name_a, name_b);
	if (endpoint_open_pair(&a, &b, "throughput", names, NULL, &err) || measure(pair, &a, &b, seconds, &err)) {
		text = json_string(err.text);
		json_object_set_new(pair, "error", text ? text : json_string("failed"));
	}
	endpoint_close(&a);
	endpoint_close(&b);
	return pair;
}

/* List the ports that are up: in names those that can be measured, in left_out the others with the reason. */
static int list_ports(json_t *names, json_t *left_out, struct ctl_err *err)
{
	json_t *all = rpc_list("port.list", "ports", NULL, err), *port, *name;
	const char *reason;
	size_t i;

	if (!all)
		return CTL_FAILED;
	json_array_foreach(json_object_get(all, "ports"), i, port) {
		name = json_object_get(port, "name");
		reason = endpoint_mute(port);
		if (!is(port, "state", "up"))
			continue;
		if (!reason)
			json_array_append(names, name);
		else
			json_array_append_new(left_out, json_pack("{sO ss}", "name", name, "reason", reason));
	}
	json_decref(all);
	if (json_array_size(names) >= 2)
		return CTL_OK;
	ctl_fail(err, NFV_RPC_E_FAILED, json_array_size(left_out) ? "fewer than two ports that are up can be measured without an address" :
		 "fewer than two ports are up");
	ctl_hint(err, "nfvctl show");
	return CTL_FAILED;
}

/*
 * Measure all pairs. Save each result at once, so that it stays if the run is interrupted. Return the number of pairs
 * that there are.
 */
static size_t measure_all(json_t *names, unsigned int seconds, json_t *out, const char *save, struct ctl_err *err)
{
	size_t n = json_array_size(names);
	json_t *pairs = json_object_get(out, "pairs"), *pair;

	run_catch_interrupts();
	progress_start((unsigned int)(n * (n - 1) / 2));
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n && !run_interrupted(); j++) {
			pair = measure_pair(json_string_value(json_array_get(names, i)),
					    json_string_value(json_array_get(names, j)), seconds);
			if (!run_interrupted() || !json_object_get(pair, "error"))
				json_array_append(pairs, pair);
			json_decref(pair);
			if (save)
				save_json(out, save, err);
		}
	progress_end();
	return n * (n - 1) / 2;
}

/* What failed is said once, after the table. */
static int check(json_t *pairs, struct ctl_err *err)
{
	json_t *pair, *error, *first = NULL;
	unsigned int failed = 0;
	size_t i;

	json_array_foreach(pairs, i, pair) {
		error = json_object_get(pair, "error");
		if (!error)
			continue;
		if (!failed++)
			first = pair;
		if (!ctl_json)
			out_note("%s - %s: %s", json_string_value(json_object_get(pair, "a")),
				json_string_value(json_object_get(pair, "b")), json_string_value(error));
	}
	if (!failed)
		return CTL_OK;
	return ctl_fail(err, NFV_RPC_E_FAILED, "%u of %zu pairs could not be measured, the first: %s - %s", failed,
			json_array_size(pairs), json_string_value(json_object_get(first, "a")),
			json_string_value(json_object_get(first, "b")));
}

int cmd_bench_matrix(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = {
		{ "time", ARG_NUMBER, false, 1, 3600, NULL },
		{ "save", ARG_STRING, false, 0, 0, NULL },
		{ .key = NULL }
	};
	static const struct out_column columns[] = {
		{ "a", "A" }, { "b", "B" }, { "gbps_ab", "A->B Gb/s" }, { "gbps_ba", "B->A Gb/s" },
		{ "rtt_us.p50", "RTT p50 us" }, { "rtt_us.p99", "p99" }, { "loss_percent", "LOSS %" }, { "gap_ms", "GAP ms" },
		{ "copies_per_frame", "COPIES/FRAME" },
		{ NULL, NULL }
	};
	json_t *options = json_object(), *names = json_array(), *out = json_pack("{s[] s[]}", "pairs", "left_out");
	json_t *pairs = json_object_get(out, "pairs"), *left_out = json_object_get(out, "left_out"), *time, *port;
	int rc = args_parse(argc, argv, args, options, err);
	const char *save = json_string_value(json_object_get(options, "save"));
	size_t wanted, i;

	if (!rc && save)
		rc = save_json(NULL, save, err);
	if (!rc)
		rc = list_ports(names, left_out, err);
	if (!rc) {
		time = json_object_get(options, "time");
		wanted = measure_all(names, time ? (unsigned int)json_integer_value(time) : BENCH_SECONDS, out, save, err);
		if (run_interrupted())
			json_object_set_new(out, "interrupted", json_true());
		out_table(out, "pairs", columns, "no pair was finished");
		json_array_foreach(left_out, i, port)
			out_note("%s is left out: it is %s, whose address is not known",
				 json_string_value(json_object_get(port, "name")),
				 json_string_value(json_object_get(port, "reason")));
		if (save)
			rc = save_json(out, save, err);
		if (!rc)
			rc = check(pairs, err);
		if (!rc && run_interrupted())
			rc = ctl_fail(err, NFV_RPC_E_FAILED, "interrupted: %zu of %zu pairs were measured",
				      json_array_size(pairs), wanted);
	}
	json_decref(options);
	json_decref(names);
	json_decref(out);
	return rc;
}
