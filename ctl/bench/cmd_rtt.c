// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench rtt and probe rtt.
 */
#include "bench/bench.h"

#define DEFAULT_SECONDS	2.0
#define SECONDS_MAX	20	/* a guest's agent ends a command after 30 s */

static const struct ctl_arg rtt_args[] = {
	{ "count", ARG_NUMBER, false, 1, 1000000000, NULL },
	{ "time", ARG_SECONDS, false, 0, SECONDS_MAX, NULL },
	{ "addr", ARG_STRING, false, 0, 0, NULL },
	{ .key = NULL }
};

static const struct ctl_arg probe_args[] = {
	{ "count", ARG_NUMBER, false, 1, 1000000000, NULL },
	{ "time", ARG_SECONDS, false, 0, 3600, NULL },
	{ .key = NULL }
};

/* Return how long to measure. If only a count is given, the time is just a bound. */
static double seconds_of(json_t *options, double bound)
{
	json_t *time = json_object_get(options, "time");

	if (time)
		return json_real_value(time);
	return json_object_get(options, "count") ? bound : DEFAULT_SECONDS;
}

int cmd_bench_rtt(int argc, char **argv, struct ctl_err *err)
{
	static const struct out_column columns[] = {
		{ "a", "A" }, { "b", "B" }, { "rtt_us.min", "MIN us" }, { "rtt_us.p50", "p50" },
		{ "rtt_us.p99", "p99" }, { "rtt_us.p999", "p99.9" }, { "rtt_us.max", "MAX" },
		{ "loss_percent", "LOSS %" }, { "gap_ms", "GAP ms" }, { "received", "ECHOES" }, { NULL, NULL }
	};
	struct endpoint a = { .netns = -1 }, b = { .netns = -1 };
	json_t *options = json_object(), *rtt = NULL, *out;
	int rc;

	if (argc < 2)
		rc = ctl_usage(err, "two endpoints are needed");
	else
		rc = args_parse(argc - 2, argv + 2, rtt_args, options, err);
	if (!rc)
		rc = endpoint_open_pair(&a, &b, "rtt", argv, json_string_value(json_object_get(options, "addr")), err);
	if (!rc) {
		run_catch_interrupts();
		rtt = rtt_between(&a, &b, (uint64_t)json_integer_value(json_object_get(options, "count")),
				  seconds_of(options, SECONDS_MAX), err);
		rc = rtt ? CTL_OK : CTL_FAILED;
	}
	if (rtt) {
		json_object_set_new(rtt, "a", json_string(a.name));
		json_object_set_new(rtt, "b", json_string(b.name));
		out = json_pack("{s[o]}", "pairs", rtt);
		out_table(out, "pairs", columns, "");
		json_decref(out);
	}
	endpoint_close(&a);
	endpoint_close(&b);
	json_decref(options);
	return rc;
}

int cmd_probe_rtt(int argc, char **argv, struct ctl_err *err)
{
	json_t *options = json_object(), *rtt = NULL;
	int rc;

	if (!argc)
		rc = ctl_usage(err, "an address is needed");
	else
		rc = args_parse(argc - 1, argv + 1, probe_args, options, err);
	if (!rc) {
		run_catch_interrupts();
		rtt = rtt_run(argv[0], (uint64_t)json_integer_value(json_object_get(options, "count")),
			      seconds_of(options, 3600), err);
		rc = rtt ? CTL_OK : CTL_FAILED;
	}
	if (rtt)
		out_object(rtt);
	json_decref(rtt);
	json_decref(options);
	return rc;
}
