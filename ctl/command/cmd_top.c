// SPDX-License-Identifier: BSD-3-Clause
/*
 * The ports, busiest first, anew each second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "ctl.h"

struct rate {
	json_t *port;
	double frames;
};

static double number(json_t *port, const char *key, json_t *was)
{
	return (double)(json_integer_value(json_object_get(port, key)) - json_integer_value(json_object_get(was, key)));
}

/* Add to the port what it did since was, s seconds ago. Return its frames a second. */
static double rates(json_t *port, json_t *was, double s)
{
	static const struct { const char *rate, *counter; double scale; } all[] = {
		{ "rx_pps", "rx_frames", 1 }, { "rx_gbps", "rx_bytes", 8e-9 }, { "tx_pps", "tx_frames", 1 },
		{ "tx_gbps", "tx_bytes", 8e-9 }, { "dropped_pps", "dropped", 1 },
	};
	json_t *pressure = json_object_get(port, "pressure");

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		double n = number(port, all[i].counter, was);

		/* Attached anew it counts anew. */
		json_object_set_new(port, all[i].rate, json_real(n > 0 ? n * all[i].scale / s : 0));
	}
	json_object_set_new(port, "from_percent", json_real(100 * json_real_value(json_object_get(pressure, "from"))));
	json_object_set_new(port, "to_percent", json_real(100 * json_real_value(json_object_get(pressure, "to"))));
	return json_real_value(json_object_get(port, "rx_pps")) + json_real_value(json_object_get(port, "tx_pps"));
}

static int by_rate(const void *a, const void *b)
{
	double x = ((const struct rate *)a)->frames, y = ((const struct rate *)b)->frames;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The ports of now by rate, as a new list; was: the statistics of s seconds ago. */
static json_t *sorted(json_t *now, json_t *was, double s)
{
	json_t *ports = json_object_get(now, "ports"), *before = json_object(), *list = json_array(), *port;
	struct rate *all = calloc(json_array_size(ports) + 1, sizeof(*all));
	size_t n = 0, i;

	/* Find the ports by name in an object: to search a list for each of 4096 ports would take too long. */
	json_array_foreach(json_object_get(was, "ports"), i, port)
		json_object_set(before, json_string_value(json_object_get(port, "name")), port);
	json_array_foreach(ports, i, port) {
		json_t *then = json_object_get(before, json_string_value(json_object_get(port, "name")));

		if (all && then)
			all[n++] = (struct rate){ port, rates(port, then, s) };
	}
	if (all)
		qsort(all, n, sizeof(*all), by_rate);
	for (i = 0; i < n; i++)
		json_array_append(list, all[i].port);
	free(all);
	json_decref(before);
	return list;
}

static void print_workers(json_t *workers)
{
	char text[256] = "";
	json_t *worker;
	size_t i, n = 0;

	json_array_foreach(workers, i, worker)
		n += (size_t)snprintf(text + n, n < sizeof(text) ? sizeof(text) - n : 0, "%s%.0f %%", i ? ", " : "",
				      100 * json_real_value(json_object_get(worker, "busy")));
	out_line("workers busy: %s", text);
}

static void print(json_t *now, json_t *ports, double s)
{
	static const struct out_column columns[] = {
		{ "name", "NAME" }, { "rx_pps", "RX pps" }, { "rx_gbps", "RX Gb/s" }, { "tx_pps", "TX pps" }, { "tx_gbps", "TX Gb/s" },
		{ "dropped_pps", "DROPPED/S" }, { "from_percent", "WAITING %", OUT_SPARE }, { "to_percent", "NO BUFFER %", OUT_SPARE },
		{ "bound", "BOUND" }, { NULL, NULL }
	};
	json_t *picture = json_pack("{sf sO sO}", "time_s", s, "ports", ports, "workers", json_object_get(now, "workers"));

	if (!ctl_json) {
		out_picture();
		print_workers(json_object_get(now, "workers"));
	}
	out_table(picture, "ports", columns, "no ports; 'nfvctl attach help' tells how to get one");
	json_decref(picture);
}

/* On a terminal no more ports than lines. */
static void fit(json_t *ports)
{
	struct winsize size = { 0 };
	size_t most;

	if (ctl_json || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 5)
		return;
	most = size.ws_row - 3u;
	while (json_array_size(ports) > most)
		json_array_remove(ports, json_array_size(ports) - 1);
}

static int pictures(double s, json_int_t count, struct ctl_err *err)
{
	struct timespec pause = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };
	json_t *was = rpc_list("stats.get", "ports", NULL, err), *now, *ports;
	double since = now_s(), at;

	for (json_int_t i = 0; was && (!count || i < count); i++) {
		nanosleep(&pause, NULL);
		now = rpc_list("stats.get", "ports", NULL, err);
		at = now_s();
		if (now) {
			ports = sorted(now, was, at - since);
			fit(ports);
			print(now, ports, at - since);
			json_decref(ports);
		}
		since = at;
		json_decref(was);
		was = now;
		if (fflush(stdout))
			break;
	}
	json_decref(was);
	return err->text[0] ? CTL_FAILED : CTL_OK;
}

int cmd_top(int argc, char **argv, struct ctl_err *err)
{
	static const struct ctl_arg args[] = {
		{ "time", ARG_SECONDS, false, 0, 3600, NULL }, { "count", ARG_NUMBER, false, 1, INT32_MAX, NULL }, { .key = NULL }
	};
	json_t *options = json_object(), *s;
	int rc = args_parse(argc, argv, args, options, err);

	s = json_object_get(options, "time");
	if (!rc)
		rc = pictures(s && json_real_value(s) >= 0.1 ? json_real_value(s) : s ? 0.1 : 1,
			      json_integer_value(json_object_get(options, "count")), err);
	json_decref(options);
	return rc;
}
