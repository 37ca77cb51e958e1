// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench throughput: TCP between two endpoints, one way and then the other.
 */
#include "bench/bench.h"

static int one_way(const struct endpoint *from, const struct endpoint *to, unsigned int seconds,
		   const char *key, const char *retransmits, json_t *result, json_t *raw, struct ctl_err *err)
{
	json_t *iperf = iperf_run(from, to, seconds, err), *sent;

	if (!iperf)
		return CTL_FAILED;
	json_object_set_new(result, key, json_real(iperf_gbps(iperf)));
	sent = json_object_get(json_object_get(json_object_get(iperf, "end"), "sum_sent"), "retransmits");
	if (sent)
		json_object_set(result, retransmits, sent);
	if (raw)
		json_array_append(raw, iperf);
	json_decref(iperf);
	return CTL_OK;
}

int bench_tcp(const struct endpoint *a, const struct endpoint *b, unsigned int seconds, json_t *result,
	      json_t *raw, struct ctl_err *err)
{
	int rc = one_way(a, b, seconds, "gbps_ab", "retransmits_ab", result, raw, err);

	return rc ? rc : one_way(b, a, seconds, "gbps_ba", "retransmits_ba", result, raw, err);
}

int cmd_bench_throughput(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = {
		{ "time", ARG_NUMBER, false, 1, 3600, NULL },
		{ "addr", ARG_STRING, false, 0, 0, NULL },
		{ "save", ARG_STRING, false, 0, 0, NULL },
		{ .key = NULL }
	};
	static const struct out_column columns[] = {
		{ "a", "A" }, { "b", "B" }, { "gbps_ab", "A->B Gb/s" }, { "gbps_ba", "B->A Gb/s" },
		{ "retransmits_ab", "A->B RETRANSMITS" }, { "retransmits_ba", "B->A RETRANSMITS" }, { NULL, NULL }
	};
	struct endpoint a = { .netns = -1 }, b = { .netns = -1 };
	json_t *options = json_object(), *raw = json_array(), *pair = json_object(), *out, *seconds;
	const char *save;
	int rc;

	if (argc < 2)
		rc = ctl_usage(err, "two endpoints are needed");
	else
		rc = args_parse(argc - 2, argv + 2, args, options, err);
	save = json_string_value(json_object_get(options, "save"));
	if (!rc && save)
		rc = save_json(NULL, save, err);
	if (!rc)
		rc = endpoint_open_pair(&a, &b, "throughput", argv, json_string_value(json_object_get(options, "addr")), err);
	if (!rc) {
		json_object_set_new(pair, "a", json_string(a.name));
		json_object_set_new(pair, "b", json_string(b.name));
		seconds = json_object_get(options, "time");
		rc = bench_tcp(&a, &b, seconds ? (unsigned int)json_integer_value(seconds) : BENCH_SECONDS,
			       pair, raw, err);
	}
	out = json_pack("{s[o] so}", "pairs", pair, "iperf3", raw);
	if (!rc)
		out_table(out, "pairs", columns, "");
	if (!rc && save)
		rc = save_json(out, save, err);
	endpoint_close(&a);
	endpoint_close(&b);
	json_decref(options);
	json_decref(out);
	return rc;
}
