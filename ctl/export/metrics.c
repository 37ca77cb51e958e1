// SPDX-License-Identifier: BSD-3-Clause
#include "export/metrics.h"

#include <stdio.h>
#include <string.h>
#include "ctl.h"

struct text {
	FILE *f;
	bool openmetrics;
};

/* What nfvd said, for one text. */
struct view {
	json_t *info, *ports, *stats, *drops;	/* ports, drops: the lists */
};

/* ---- lines ---- */

static void family(const struct text *t, const char *name, const char *type, const char *help)
{
	/* OpenMetrics: a counter's family is named without the suffix of its samples. */
	size_t n = strlen(name) - (t->openmetrics && !strcmp(type, "counter") ? strlen("_total") : 0);

	fprintf(t->f, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)n, name, help, (int)n, name, type);
}

static void label(const struct text *t, const char *key, const char *value, char before)
{
	fprintf(t->f, "%c%s=\"", before, key);
	for (; value && *value; value++) {
		if (*value == '"' || *value == '\\')
			putc('\\', t->f);
		putc(*value == '\n' ? ' ' : *value, t->f);
	}
	putc('"', t->f);
}

static void end(const struct text *t, json_t *value)
{
	if (json_is_integer(value))
		fprintf(t->f, "} %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	else
		fprintf(t->f, "} %.9g\n", json_real_value(value));
}

static void sample(const struct text *t, const char *name, const char *key, json_t *of, json_t *value)
{
	fputs(name, t->f);
	label(t, key, json_string_value(of), '{');
	end(t, value);
}

static void flag(const struct text *t, const char *name, json_t *port, bool on)
{
	fputs(name, t->f);
	label(t, "port", json_string_value(json_object_get(port, "name")), '{');
	fprintf(t->f, "} %d\n", on);
}

static void one(const struct text *t, const char *name, const char *help, json_int_t value)
{
	family(t, name, "gauge", help);
	fprintf(t->f, "%s %" JSON_INTEGER_FORMAT "\n", name, value);
}

/* ---- families ---- */

static void counters(const struct text *t, const struct view *v)
{
	static const struct { const char *name, *key, *help; } all[] = {
		{ "nfv_port_receive_packets_total", "rx_frames", "Frames taken from the endpoint." },
		{ "nfv_port_receive_bytes_total", "rx_bytes", "Bytes taken from the endpoint." },
		{ "nfv_port_transmit_packets_total", "tx_frames", "Frames delivered to the endpoint." },
		{ "nfv_port_transmit_bytes_total", "tx_bytes", "Bytes delivered to the endpoint." },
		{ "nfv_port_dropped_packets_total", "dropped", "The endpoint's frames that were dropped, for any reason." },
		{ "nfv_port_replicated_packets_total", "replicated", "Additional frames made from the endpoint's frames, by flooding or segmentation." },
		{ "nfv_port_replayed_packets_total", "replayed", "Frames taken again after a killed nfvd had taken them." },
		{ "nfv_port_copies_total", "ledger_copies", "Copies made of the endpoint's frames." },
		{ "nfv_port_copied_bytes_total", "ledger_copied_bytes", "Bytes copied of the endpoint's frames." },
		{ "nfv_port_paused_seconds_total", "paused_s", "Time in which the port's limit let no frame be taken." },
	};
	json_t *port;
	size_t i;

	for (size_t c = 0; c < sizeof(all) / sizeof(all[0]); c++) {
		family(t, all[c].name, "counter", all[c].help);
		json_array_foreach(json_object_get(v->stats, "ports"), i, port)
			sample(t, all[c].name, "port", json_object_get(port, "name"), json_object_get(port, all[c].key));
	}
	family(t, "nfv_port_syscalls_total", "counter", "System calls made to take and deliver the endpoint's frames.");
	json_array_foreach(json_object_get(v->stats, "ports"), i, port) {
		json_t *sum = json_integer(json_integer_value(json_object_get(port, "rx_syscalls")) +
					   json_integer_value(json_object_get(port, "ledger_syscalls")));

		sample(t, "nfv_port_syscalls_total", "port", json_object_get(port, "name"), sum);
		json_decref(sum);
	}
}

static void pressure(const struct text *t, const struct view *v)
{
	static const char *const ways[][2] = { { "receive", "from" }, { "transmit", "to" } };
	json_t *port;
	size_t i;

	family(t, "nfv_port_queue_pressure_ratio", "gauge",
	       "Share of the last second's turns that found more frames waiting, or too few buffers.");
	json_array_foreach(json_object_get(v->stats, "ports"), i, port)
		for (unsigned int way = 0; way < 2; way++) {
			fputs("nfv_port_queue_pressure_ratio", t->f);
			label(t, "port", json_string_value(json_object_get(port, "name")), '{');
			label(t, "direction", ways[way][0], ',');
			end(t, json_object_get(json_object_get(port, "pressure"), ways[way][1]));
		}
	family(t, "nfv_port_bound", "gauge", "What limited the port in the last second: guest, switch, peer or idle.");
	json_array_foreach(json_object_get(v->stats, "ports"), i, port) {
		fputs("nfv_port_bound", t->f);
		label(t, "port", json_string_value(json_object_get(port, "name")), '{');
		label(t, "bound", json_string_value(json_object_get(port, "bound")), ',');
		fputs("} 1\n", t->f);
	}
}

static const char *word_of(json_t *port, const char *word, const char *otherwise)
{
	const char *value = json_string_value(json_object_get(json_object_get(port, "policy"), word));

	return value ? value : otherwise;
}

static void states(const struct text *t, const struct view *v)
{
	json_t *port, *state;
	size_t i;

	family(t, "nfv_port_up", "gauge", "Whether the port forwards.");
	json_array_foreach(v->ports, i, port) {
		state = json_object_get(port, "state");
		flag(t, "nfv_port_up", port, json_is_string(state) && !strcmp(json_string_value(state), "up"));
	}
	family(t, "nfv_port_fenced", "gauge", "Whether the port was stopped after malformed input.");
	json_array_foreach(v->ports, i, port) {
		state = json_object_get(port, "state");
		flag(t, "nfv_port_fenced", port, json_is_string(state) && !strcmp(json_string_value(state), "fenced"));
	}
	family(t, "nfv_port_info", "gauge", "What the port is.");
	json_array_foreach(v->ports, i, port) {
		fputs("nfv_port_info", t->f);
		label(t, "port", json_string_value(json_object_get(port, "name")), '{');
		label(t, "type", json_string_value(json_object_get(port, "type")), ',');
		label(t, "via", json_string_value(json_object_get(port, "via")), ',');
		label(t, "zone", word_of(port, "zone", "default"), ',');
		label(t, "vlan", word_of(port, "vlan", "trunk all"), ',');
		fputs("} 1\n", t->f);
	}
}

static void drops(const struct text *t, const struct view *v)
{
	json_t *drop;
	size_t i;

	family(t, "nfv_port_drops_total", "counter", "Frames dropped, and requests and faults refused, by reason.");
	json_array_foreach(v->drops, i, drop) {
		if (!json_object_get(drop, "port"))
			continue;
		fputs("nfv_port_drops_total", t->f);
		label(t, "port", json_string_value(json_object_get(drop, "port")), '{');
		label(t, "reason", json_string_value(json_object_get(drop, "reason")), ',');
		end(t, json_object_get(drop, "count"));
	}
}

static void refusals(const struct text *t, const struct view *v)
{
	json_t *drop;
	size_t i;

	family(t, "nfv_control_refusals_total", "counter", "Clients and requests that the control socket refused, by reason.");
	json_array_foreach(v->drops, i, drop)
		if (!json_object_get(drop, "port"))
			sample(t, "nfv_control_refusals_total", "reason", json_object_get(drop, "reason"), json_object_get(drop, "count"));
}

static void workers(const struct text *t, const struct view *v)
{
	static const struct { const char *name, *key, *help; } all[] = {
		{ "nfv_worker_busy_seconds_total", "busy_s", "Time in rounds that took frames." },
		{ "nfv_worker_sleep_seconds_total", "sleep_s", "Time asleep, waiting for an endpoint." },
	};
	json_t *worker;
	size_t i;

	for (size_t c = 0; c < sizeof(all) / sizeof(all[0]); c++) {
		family(t, all[c].name, "counter", all[c].help);
		json_array_foreach(json_object_get(v->stats, "workers"), i, worker) {
			fprintf(t->f, "%s{worker=\"%zu\"", all[c].name, i);
			end(t, json_object_get(worker, all[c].key));
		}
	}
}

static void rounds(const struct text *t, const struct view *v)
{
	json_t *worker, *list, *n;
	size_t i, bin;

	family(t, "nfv_worker_round_seconds", "histogram", "Rounds over all queues that took frames, by duration.");
	json_array_foreach(json_object_get(v->stats, "workers"), i, worker) {
		json_int_t sum = 0;

		list = json_object_get(worker, "rounds");
		json_array_foreach(list, bin, n) {
			sum += json_integer_value(n);
			fprintf(t->f, "nfv_worker_round_seconds_bucket{worker=\"%zu\",le=\"", i);
			if (bin + 1 < json_array_size(list))
				fprintf(t->f, "%.9g\"} %" JSON_INTEGER_FORMAT "\n", (double)(1024u << bin) / 1e9, sum);
			else
				fprintf(t->f, "+Inf\"} %" JSON_INTEGER_FORMAT "\n", sum);
		}
		fprintf(t->f, "nfv_worker_round_seconds_sum{worker=\"%zu\"", i);
		end(t, json_object_get(worker, "busy_s"));
		fprintf(t->f, "nfv_worker_round_seconds_count{worker=\"%zu\"} %" JSON_INTEGER_FORMAT "\n", i, sum);
	}
}

/* Addresses by zone: a port's are all in its own. */
static void fdb(const struct text *t, const struct view *v)
{
	json_t *zones = json_object(), *port, *n;
	const char *zone;
	size_t i;

	json_array_foreach(v->ports, i, port) {
		json_int_t macs = json_integer_value(json_object_get(port, "macs"));

		zone = word_of(port, "zone", "default");
		json_object_set_new(zones, zone, json_integer(json_integer_value(json_object_get(zones, zone)) + macs));
	}
	family(t, "nfv_fdb_entries", "gauge", "Learnt addresses.");
	json_object_foreach(zones, zone, n) {
		fputs("nfv_fdb_entries", t->f);
		label(t, "zone", zone, '{');
		end(t, n);
	}
	json_decref(zones);
}

static void daemon_itself(const struct text *t, const struct view *v)
{
	json_int_t missing = 0;
	json_t *port;
	size_t i;

	json_array_foreach(v->ports, i, port)
		missing += !json_object_get(port, "id");
	family(t, "nfv_build_info", "gauge", "Version of nfvd.");
	fputs("nfv_build_info", t->f);
	label(t, "version", json_string_value(json_object_get(v->info, "version")), '{');
	fputs("} 1\n", t->f);
	one(t, "nfv_config_generation", "Generation of the kept configuration; 0 if none is kept.",
	    json_integer_value(json_object_get(v->info, "generation")));
	one(t, "nfv_config_ports_missing", "Ports of that configuration that could not be attached yet.", missing);
	one(t, "nfv_workers", "Worker threads.", json_integer_value(json_object_get(v->info, "workers")));
}

/* ---- all of it ---- */

static bool ask(struct view *v, struct ctl_err *err)
{
	json_t *ports, *dropped;

	*v = (struct view){ .info = rpc_call("daemon.info", NULL, err) };
	if (!v->info)
		return false;
	v->stats = rpc_list("stats.get", "ports", NULL, err);
	ports = v->stats ? rpc_list("port.list", "ports", NULL, err) : NULL;
	dropped = ports ? rpc_list("drops.get", "drops", NULL, err) : NULL;
	v->ports = json_incref(json_object_get(ports, "ports"));
	v->drops = json_incref(json_object_get(dropped, "drops"));
	json_decref(ports);
	json_decref(dropped);
	return v->drops != NULL;
}

char *metrics_text(bool openmetrics, size_t *len)
{
	struct ctl_err err = { .code = NFV_RPC_E_FAILED };
	char *text = NULL;
	struct text t = { open_memstream(&text, len), openmetrics };
	struct view v;
	bool up;

	if (!t.f)
		return NULL;
	up = ask(&v, &err);
	one(&t, "nfv_up", "Whether nfvd responds.", up);
	if (up) {
		daemon_itself(&t, &v);
		states(&t, &v);
		counters(&t, &v);
		pressure(&t, &v);
		drops(&t, &v);
		refusals(&t, &v);
		workers(&t, &v);
		rounds(&t, &v);
		fdb(&t, &v);
	}
	if (openmetrics)
		fputs("# EOF\n", t.f);
	json_decref(v.info);
	json_decref(v.ports);
	json_decref(v.stats);
	json_decref(v.drops);
	return fclose(t.f) ? NULL : text;
}
