// SPDX-License-Identifier: BSD-3-Clause
/*
 * The five tables, ours beside the published. Only what depends neither on the hardware nor on the way
 * of a frame, size and memory, is set in relation to that, and memory not of an emulated guest.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "draft/draft.h"

#define SAMPLES_MAX	4096

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Three digits that count. */
static void number(char *buf, size_t size, double value)
{
	double magnitude = fabs(value);

	snprintf(buf, size, "%.*f", magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3, value);
}

/* {median, min, max, n, text} of one member of the samples, of one way unless NULL; NULL when there is none. */
static json_t *summary(json_t *samples, const char *key, const char *way, double scale)
{
	char median[32], min[32], max[32], text[128];
	double values[SAMPLES_MAX], middle;
	json_t *sample;
	size_t i, n = 0;

	json_array_foreach(samples, i, sample) {
		const char *its_way = json_string_value(json_object_get(sample, "way"));

		if (n < SAMPLES_MAX && json_object_get(sample, key) && (!way || (its_way && !strcmp(way, its_way))))
			values[n++] = json_number_value(json_object_get(sample, key)) * scale;
	}
	if (!n)
		return NULL;
	qsort(values, n, sizeof(values[0]), compare);
	middle = (values[(n - 1) / 2] + values[n / 2]) / 2;
	number(median, sizeof(median), middle);
	number(min, sizeof(min), values[0]);
	number(max, sizeof(max), values[n - 1]);
	snprintf(text, sizeof(text), n > 1 ? "%s (%s-%s)" : "%s", median, min, max);
	return json_pack("{sf sf sf sI ss}", "median", middle, "min", values[0], "max", values[n - 1],
			 "n", (json_int_t)n, "text", text);
}

static void set(json_t *row, const char *key, json_t *value)
{
	if (value)
		json_object_set_new(row, key, value);
}

/* The published figure, and ours as a multiple of it. */
static void set_published(json_t *row, const char *ours, const char *key, double published, bool comparable)
{
	json_t *median = json_object_get(json_object_get(row, ours), "median");
	char name[32];

	if (published <= 0)
		return;
	json_object_set_new(row, key, json_real(published));
	snprintf(name, sizeof(name), "%s_ratio", key);
	if (median && comparable)
		json_object_set_new(row, name, json_real(json_real_value(median) / published));
}

static json_t *new_row(const struct draft_row *r, json_t *tech, const char *measure)
{
	json_t *row = json_pack("{ss}", "technology", r->name);
	json_t *note = json_object_get(tech, "reason");

	if (!note)
		note = json_object_get(json_object_get(tech, "errors"), measure);
	if (note)
		json_object_set(row, "note", note);
	else if (json_is_true(json_object_get(tech, "emulated")) && strcmp(measure, "image"))
		json_object_set_new(row, "note", json_string("emulated"));
	else
		json_object_set_new(row, "note", json_string(""));
	return row;
}

static bool native(json_t *tech)
{
	return !json_is_true(json_object_get(tech, "emulated"));
}

static json_t *instantiation(const struct draft_row *r, json_t *tech)
{
	json_t *row = new_row(r, tech, "instantiation");
	json_t *samples = json_object_get(json_object_get(tech, "samples"), "instantiation");
	static const char *const steps[] = { "attach_ms", "create_ms", "boot_ms", "network_ms" };

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		set(row, steps[i], summary(samples, steps[i], "nfvd", 1));
	set(row, "nfvd", summary(samples, "total_ms", "nfvd", 1));
	set(row, "ahead", summary(samples, "total_ms", "ahead", 1));
	set(row, "bridge", summary(samples, "total_ms", "bridge", 1));
	set(row, "bridge_ahead", summary(samples, "total_ms", "bridge-ahead", 1));
	set(row, "bridge_attach_ms", summary(samples, "attach_ms", "bridge", 1));
	set_published(row, "nfvd", "published_ms", r->instantiation_ms, false);
	return row;
}

static json_t *throughput(const struct draft_row *r, json_t *tech)
{
	json_t *row = new_row(r, tech, "throughput");
	json_t *samples = json_object_get(json_object_get(tech, "samples"), "throughput");

	set(row, "tx", summary(samples, "tx_gbps", NULL, 1));
	set(row, "rx", summary(samples, "rx_gbps", NULL, 1));
	set_published(row, "tx", "published_tx", r->tx_gbps, false);
	set_published(row, "rx", "published_rx", r->rx_gbps, false);
	return row;
}

static json_t *rtt(const struct draft_row *r, json_t *tech)
{
	json_t *row = new_row(r, tech, "rtt");
	json_t *samples = json_object_get(json_object_get(tech, "samples"), "rtt");

	set(row, "avg", summary(samples, "avg", NULL, 1e-3));
	set(row, "p50", summary(samples, "p50", NULL, 1e-3));
	set(row, "p99", summary(samples, "p99", NULL, 1e-3));
	set_published(row, "avg", "published_ms", r->rtt_ms, false);
	return row;
}

static json_t *image(const struct draft_row *r, json_t *tech)
{
	json_t *row = new_row(r, tech, "image"), *bytes = json_object_get(json_object_get(tech, "image"), "bytes");
	json_t *samples = json_array();

	if (bytes)
		json_array_append_new(samples, json_pack("{sO}", "bytes", bytes));
	set(row, "size", summary(samples, "bytes", NULL, 1e-6));
	json_decref(samples);
	set_published(row, "size", "published_mb", r->image_mb, true);
	return row;
}

static json_t *memory(const struct draft_row *r, json_t *tech)
{
	json_t *row = new_row(r, tech, "memory"), *samples = json_object_get(tech, "samples");

	set(row, "used", summary(json_object_get(samples, "memory"), "mb", NULL, 1));
	set(row, "need", summary(json_object_get(samples, "need"), "mib", NULL, 1));
	set_published(row, "used", "published_mb", r->memory_mb, native(tech));
	return row;
}

static const struct table {
	const char *measure, *title;
	json_t *(*row)(const struct draft_row *r, json_t *tech);
	struct out_column columns[12];
} tables[] = {
	{ "instantiation", "Instantiation, ms: from create to the first RST in response to a SYN (published: other hardware)", instantiation, {
		{ "technology", "TECHNOLOGY" }, { "nfvd.text", "NFVD" }, { "attach_ms.text", "attach" },
		{ "create_ms.text", "create" }, { "boot_ms.text", "boot" }, { "network_ms.text", "network" },
		{ "ahead.text", "PORT AHEAD" }, { "bridge.text", "BRIDGE" }, { "bridge_ahead.text", "PORT AHEAD" },
		{ "published_ms", "PUBLISHED" }, { "note", "NOTE" } } },
	{ "throughput", "Throughput, Gb/s: TCP between guest and a container of the host (published: other hardware)", throughput, {
		{ "technology", "TECHNOLOGY" }, { "tx.text", "TX" }, { "rx.text", "RX" }, { "published_tx", "PUBLISHED TX" },
		{ "published_rx", "RX" }, { "note", "NOTE" } } },
	{ "rtt", "Round trip, ms: echoes from a container of the host (published: from another machine)", rtt, {
		{ "technology", "TECHNOLOGY" }, { "avg.text", "AVERAGE" }, { "p50.text", "p50" }, { "p99.text", "p99" },
		{ "published_ms", "PUBLISHED" }, { "note", "NOTE" } } },
	{ "image", "Image, MB: all files that are loaded", image, {
		{ "technology", "TECHNOLOGY" }, { "size.text", "SIZE" }, { "published_mb", "PUBLISHED" },
		{ "published_mb_ratio", "x PUBLISHED" }, { "note", "NOTE" } } },
	{ "memory", "Memory, MB: resident of the VMM or control group, or what xl says; and the least MiB a guest boots with", memory, {
		{ "technology", "TECHNOLOGY" }, { "used.text", "USED" }, { "need.text", "NEED MiB" },
		{ "published_mb", "PUBLISHED" }, { "published_mb_ratio", "x PUBLISHED" }, { "note", "NOTE" } } },
};

void tables_make(json_t *result)
{
	json_t *all = json_object(), *techs = json_object_get(result, "technologies"), *rows;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		rows = json_array();
		for (const struct draft_row *r = draft_rows; r->name; r++)
			if (json_object_get(techs, r->name))
				json_array_append_new(rows, tables[i].row(r, json_object_get(techs, r->name)));
		json_object_set_new(all, tables[i].measure, rows);
	}
	json_object_set_new(result, "tables", all);
}

void tables_print(json_t *result, const bool *shown)
{
	bool shown_before = false;

	if (ctl_json) {
		out_json(result);
		return;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (!shown[i])
			continue;
		if (shown_before)
			out_line("%s", "");
		out_line("%s", tables[i].title);
		out_line("%s", "");
		out_table(json_object_get(result, "tables"), tables[i].measure, tables[i].columns, "");
		shown_before = true;
	}
}
