// SPDX-License-Identifier: BSD-3-Clause
/*
 * Output: aligned text or JSON, from the same object.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <nfv/text.h>
#include "ctl.h"

#define COLUMNS_MAX	16
#define CELL_MAX	160

/* Colours are meanings: fine, look here, broken. */
static const char *colour_of(const char *word)
{
	static const struct { const char *word, *colour; } map[] = {
		{ "up", "32" }, { "ok", "32" }, { "waiting", "33" }, { "down", "33" }, { "warn", "33" },
		{ "fenced", "31" }, { "gone", "31" }, { "bad", "31" },
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (!strcmp(map[i].word, word))
			return map[i].colour;
	return NULL;
}

static bool colour_on(FILE *f)
{
	const char *no = getenv("NO_COLOR");

	return !(no && no[0]) && isatty(fileno(f));
}

/* Columns of a terminal that s takes: UTF-8 continuation bytes take none. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Nothing is lost: what could steer a terminal is escaped. DEL the library leaves as it is; only strings have one. */
void out_json(json_t *obj)
{
	char *text = json_dumps(obj, (ctl_pretty ? JSON_INDENT(2) : JSON_COMPACT) | JSON_REAL_PRECISION(15) | JSON_ENSURE_ASCII);

	for (char *at = text, *del; at; at = del) {
		del = strchr(at, 0x7f);
		printf("%.*s%s", del ? (int)(del - at) : (int)strlen(at), at, del ? "\\u007f" : "\n");
		del = del ? del + 1 : NULL;
	}
	free(text);
}

json_t *out_member(json_t *obj, const char *key)
{
	char buf[64], *save, *part, *name;

	snprintf(buf, sizeof(buf), "%s", key);
	for (char *alternatives = buf; (part = strtok_r(alternatives, "|", &save)); alternatives = NULL) {
		json_t *at = obj;

		while (at && (name = strsep(&part, ".")))
			at = json_object_get(at, name);
		if (at && !json_is_null(at))
			return at;
	}
	return NULL;
}

static void format(json_t *value, char *buf, size_t size)
{
	json_t *item;
	size_t i, n = 0;

	if (json_is_string(value)) {
		snprintf(buf, size, "%s", json_string_value(value));
	} else if (json_is_integer(value)) {
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_real(value)) {
		snprintf(buf, size, "%.2f", json_real_value(value));
	} else if (json_is_boolean(value)) {
		snprintf(buf, size, "%s", json_is_true(value) ? "yes" : "no");
	} else if (json_is_array(value) && json_array_size(value)) {
		json_array_foreach(value, i, item) {
			char one[CELL_MAX];

			if (json_is_object(item))
				snprintf(one, sizeof(one), "...");
			else
				format(item, one, sizeof(one));
			n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? "," : "", one);
			if (n >= size)
				break;
		}
	} else {
		snprintf(buf, size, "-");
	}
	nfv_text_clean(buf);
}

static void print_row(char cells[][CELL_MAX], const int *widths, const bool *right, int n, bool colour)
{
	for (int i = 0; i < n; i++) {
		int pad = widths[i] - width(cells[i]);
		const char *c = colour ? colour_of(cells[i]) : NULL;

		printf("%s", i ? "  " : "");
		if (right[i])
			printf("%*s", pad, "");
		if (c)
			printf("\033[%sm%s\033[0m", c, cells[i]);
		else
			fputs(cells[i], stdout);
		if (!right[i] && i + 1 < n)
			printf("%*s", pad, "");
	}
	putchar('\n');
}

/* format() of every cell; also finds widths, and which columns hold numbers. */
static int measure(json_t *rows, const struct out_column *columns, char titles[][CELL_MAX], int *widths, bool *right)
{
	char cell[CELL_MAX];
	json_t *row;
	size_t i;
	int n = 0;

	for (; n < COLUMNS_MAX && columns[n].key; n++) {
		snprintf(titles[n], CELL_MAX, "%s", columns[n].title);
		widths[n] = width(titles[n]);
		right[n] = false;
		json_array_foreach(rows, i, row) {
			json_t *value = out_member(row, columns[n].key);

			format(value, cell, sizeof(cell));
			if (width(cell) > widths[n])
				widths[n] = width(cell);
			right[n] |= json_is_number(value);
		}
	}
	return n;
}

void out_table(json_t *obj, const char *list, const struct out_column *columns, const char *empty)
{
	char cells[COLUMNS_MAX][CELL_MAX];
	int widths[COLUMNS_MAX], n;
	bool right[COLUMNS_MAX];
	json_t *rows = json_object_get(obj, list), *row;
	size_t i;

	if (ctl_json) {
		out_json(obj);
		return;
	}
	if (!json_array_size(rows)) {
		puts(empty);
		return;
	}
	n = measure(rows, columns, cells, widths, right);
	print_row(cells, widths, right, n, false);
	json_array_foreach(rows, i, row) {
		for (int c = 0; c < n; c++)
			format(out_member(row, columns[c].key), cells[c], CELL_MAX);
		print_row(cells, widths, right, n, colour_on(stdout));
	}
}

static void print_members(json_t *obj, const char *prefix)
{
	char cell[CELL_MAX], name[CELL_MAX];
	const char *key, *colour;
	json_t *value, *item;
	size_t i;

	json_object_foreach(obj, key, value) {
		snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "." : "", key);
		if (json_is_object(value)) {
			print_members(value, name);
			continue;
		}
		if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
			size_t len = strlen(name);

			json_array_foreach(value, i, item) {
				snprintf(name + len, sizeof(name) - len, "[%zu]", i);
				print_members(item, name);
			}
			continue;
		}
		format(value, cell, sizeof(cell));
		nfv_text_clean(name);
		colour = colour_on(stdout) && !strcmp(key, "state") ? colour_of(cell) : NULL;
		printf("%-24s %s%s%s%s%s\n", name, colour ? "\033[" : "", colour ? colour : "",
		       colour ? "m" : "", cell, colour ? "\033[0m" : "");
	}
}

void out_object(json_t *obj)
{
	if (ctl_json)
		out_json(obj);
	else
		print_members(obj, "");
}

/* A line, with all in it that steers a terminal taken out. */
static void print_line(FILE *f, const char *prefix, const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		return;
	nfv_text_clean(text);
	fprintf(f, "%s%s\n", prefix, text);
	free(text);
}

void out_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(stdout, "", fmt, ap);
	va_end(ap);
}

void out_note(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	print_line(stderr, "nfvctl: ", fmt, ap);
	va_end(ap);
}

void out_text(json_t *obj, const char *fmt, ...)
{
	va_list ap;

	if (ctl_json) {
		out_json(obj);
		return;
	}
	va_start(ap, fmt);
	print_line(stdout, "", fmt, ap);
	va_end(ap);
}

void out_status(const char *text)
{
	char line[256];

	snprintf(line, sizeof(line), "%s", text ? text : "");
	nfv_text_clean(line);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s", line);
	else if (text)
		fprintf(stderr, "%s\n", line);
	fflush(stderr);
}

int out_end(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	/* Who has read enough, as head does, need not be told. */
	if (errno != EPIPE)
		out_note("cannot write the output: %s", strerror(errno));
	return -1;
}

void out_error(const struct ctl_err *err, const char *command)
{
	json_t *obj;
	char object[sizeof(err->object)];

	snprintf(object, sizeof(object), "%s", err->object);	/* as typed; the rest ctl_fail() has cleaned */
	nfv_text_clean(object);
	if (ctl_json) {
		obj = json_pack("{s{si ss ss?}}", "error", "code", err->code, "message", err->text,
				"hint", err->hint[0] ? err->hint : NULL);
		out_json(obj);
		json_decref(obj);
		return;
	}
	fflush(stdout);
	fprintf(stderr, "nfvctl: %s%s%s%s%s\n", command, object[0] ? " " : "", object, command[0] ? ": " : "", err->text);
	if (err->hint[0])
		fprintf(stderr, "  try: %s\n", err->hint);
}
