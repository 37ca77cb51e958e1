// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "ctl.h"

#define PAUSE_MS	200

static void print(json_t *event)
{
	json_int_t ms = json_integer_value(json_object_get(event, "time_ms"));
	const char *port = json_string_value(json_object_get(event, "port"));
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char when[32] = "";

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%FT%T", &tm);
	out_text(event, "%s.%03d %s%s%s", when, (int)(ms % 1000), port ? port : "", port && port[0] ? ": " : "",
		 json_string_value(json_object_get(event, "text")));
}

/* Say how many events are missing: they were not kept, or a later event of their kind stands for them. */
static void print_gap(json_int_t n)
{
	json_t *gap = json_pack("{sI}", "missing", n);

	out_text(gap, "(%" JSON_INTEGER_FORMAT " not kept, or told by a later one)", n);
	json_decref(gap);
}

/* Print the events since *next, and set *next. If it becomes smaller, the events are another nfvd's. */
static void print_new(json_t *all, json_int_t *next)
{
	json_int_t end = json_integer_value(json_object_get(all, "next")), at = *next, seq;
	json_t *event;
	size_t i;

	json_array_foreach(json_object_get(all, "events"), i, event) {
		seq = json_integer_value(json_object_get(event, "seq"));
		if (at && seq > at)
			print_gap(seq - at);
		print(event);
		at = seq + 1;
	}
	if (at && end > at)
		print_gap(end - at);
	*next = end;
}

static json_t *ask(json_int_t since, struct ctl_err *err)
{
	return rpc_call("events.get", json_pack("{sI}", "since", since), err);
}

/* Print events until nobody reads them any more, or a signal comes. nfvd may be restarted meanwhile. */
static int follow(json_int_t next, struct ctl_err *err)
{
	struct timespec pause = { 0, PAUSE_MS * 1000000 };
	bool there = true;

	for (;;) {
		json_t *all = ask(next, err);

		if (!all && next == 0)
			return CTL_FAILED;
		if (!all && there)
			out_note("%s; waiting for it", err->text);
		there = all;
		err->text[0] = '\0';
		if (all && json_integer_value(json_object_get(all, "next")) < next) {
			next = 0;
			json_decref(all);
			continue;
		}
		if (all)
			print_new(all, &next);
		json_decref(all);
		if (fflush(stdout))
			return CTL_OK;
		nanosleep(&pause, NULL);
	}
}

int cmd_events(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = { { "since", ARG_NUMBER, false, 0, INT32_MAX, NULL }, { .key = NULL } };
	static const struct out_column columns[] = {
		{ "seq", "SEQ" }, { "time_ms", "TIME", OUT_TIME }, { "kind", "KIND", OUT_SPARE }, { "port", "PORT" }, { "text", "EVENT" },
		{ NULL, NULL }
	};
	bool following = argc && (!strcmp(argv[argc - 1], "--follow") || !strcmp(argv[argc - 1], "follow"));
	json_t *params = json_object(), *all;
	int rc = args_parse(argc - following, argv, args, params, err);
	json_int_t since = json_integer_value(json_object_get(params, "since"));

	json_decref(params);
	if (rc)
		return rc;
	if (following)
		return follow(since, err);
	all = ask(since, err);
	if (!all)
		return CTL_FAILED;
	out_table(all, "events", columns, "nothing happened yet");
	json_decref(all);
	return CTL_OK;
}
