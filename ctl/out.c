// SPDX-License-Identifier: BSD-3-Clause
/*
 * Output: aligned text or JSON, from the same object.
 */
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <nfv/text.h>
#include "ctl.h"

#define COLUMNS_MAX	16
#define FOLDED_MIN	16	/* characters; to so few text is folded before a spare column is left out */

static bool json_printed;

/* Colours are meanings: fine, look here, broken. */
static const char *colour_of(const char *word)
{
	static const struct { const char *word, *colour; } map[] = {
		{ "up", "\033[32m" }, { "ok", "\033[32m" }, { "waiting", "\033[33m" }, { "down", "\033[33m" },
		{ "warn", "\033[33m" }, { "fenced", "\033[31m" }, { "gone", "\033[31m" }, { "bad", "\033[31m" },
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

/*
 * Print obj with everything escaped that could steer a terminal, so that nothing is lost. The library does not escape
 * DEL, which only strings can have.
 */
void out_json(json_t *obj)
{
	char *text = json_dumps(obj, (ctl_pretty ? JSON_INDENT(2) : JSON_COMPACT) | JSON_REAL_PRECISION(15) | JSON_ENSURE_ASCII);

	json_printed = true;
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

static void put_value(FILE *f, json_t *value)
{
	json_t *item;
	size_t i;

	if (json_is_string(value)) {
		fputs(json_string_value(value), f);
	} else if (json_is_integer(value)) {
		fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_real(value)) {
		double real = json_real_value(value), magnitude = fabs(real);

		/* What is not 0 is not printed as 0. */
		fprintf(f, "%.*f", magnitude > 0 && magnitude < 0.1 ? 1 - (int)floor(log10(magnitude)) : 2, real);
	} else if (json_is_boolean(value)) {
		fputs(json_is_true(value) ? "yes" : "no", f);
	} else if (json_is_array(value) && json_array_size(value)) {
		json_array_foreach(value, i, item) {
			fputs(i ? "," : "", f);
			if (json_is_object(item))
				fputs("...", f);
			else
				put_value(f, item);
		}
	} else {
		putc('-', f);
	}
}

/* ISO 8601, in this host's time. */
static void put_time(FILE *f, json_int_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char buf[32];

	if (localtime_r(&seconds, &tm) && strftime(buf, sizeof(buf), "%FT%T", &tm))
		fprintf(f, "%s.%03d", buf, (int)(ms % 1000));
}

/* As it is shown; to be freed. NULL: no memory. */
static char *text_of(json_t *value, unsigned int flags)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (flags & OUT_TIME && json_is_integer(value))
		put_time(f, json_integer_value(value));
	else
		put_value(f, value);
	fclose(f);
	if (text)
		nfv_text_clean(text);
	return text;
}

/* What is known of the column of a table before it is made. */
struct shape {
	const struct out_column *column;
	bool right;		/* of numbers */
	bool any;		/* a row has it */
	int width;		/* of all of it; then what it is folded to */
	bool folded;
};

/* widths: they matter, that is. */
static int measure(json_t *rows, const struct out_column *columns, struct shape *shapes, bool widths)
{
	json_t *row, *value;
	size_t i;
	int n = 0;

	for (; columns->key && n < COLUMNS_MAX; columns++) {
		struct shape *s = &shapes[n];

		*s = (struct shape){ .column = columns, .width = width(columns->title) };
		json_array_foreach(rows, i, row) {
			char *text;

			value = out_member(row, columns->key);
			text = widths ? text_of(value, columns->flags) : NULL;
			if (text && width(text) > s->width)
				s->width = width(text);
			free(text);
			s->any |= value != NULL;
			s->right |= json_is_number(value) && !(columns->flags & OUT_TIME);
		}
		n += s->any || !(columns->flags & OUT_IF_ANY);
	}
	return n;
}

static int least(const struct shape *s)
{
	return s->right || s->width < FOLDED_MIN ? s->width : FOLDED_MIN;
}

/* Leave spare columns out until the rest fits when it is folded; say which. Returns how many are left. */
static int leave_out(struct shape *shapes, int n, int fits, FILE *said)
{
	int sum = -2;

	for (int i = 0; i < n; i++)
		sum += 2 + least(&shapes[i]);
	for (int i = n - 1; i >= 0 && sum > fits; i--) {
		if (!(shapes[i].column->flags & OUT_SPARE))
			continue;
		fprintf(said, "%s%s", ftell(said) ? ", " : "", shapes[i].column->title);
		sum -= 2 + least(&shapes[i]);
		memmove(&shapes[i], &shapes[i + 1], (size_t)(--n - i) * sizeof(*shapes));
	}
	return n;
}

/* Narrow the widest column as long as the table is too wide. */
static void fold_columns(struct shape *shapes, int n, int fits)
{
	int sum = -2;

	for (int i = 0; i < n; i++)
		sum += 2 + shapes[i].width;
	for (; sum > fits; sum--) {
		struct shape *widest = NULL;

		for (int i = 0; i < n; i++)
			if (shapes[i].width > least(&shapes[i]) && (!widest || shapes[i].width > widest->width))
				widest = &shapes[i];
		if (!widest)
			return;
		widest->width--;
		widest->folded = true;
	}
}

/* Bytes of the first n characters; all, if there are no more. */
static size_t bytes_of(const char *s, int n)
{
	const char *at = s;

	for (; *at && n; n--)
		do
			at++;
		while (((unsigned char)*at & 0xc0) == 0x80);
	return (size_t)(at - s);
}

/* Break text into lines of at most limit characters, at a blank or behind a comma if there is one. Frees text. */
static char *fold(char *text, int limit)
{
	char *folded = NULL;
	size_t size;
	FILE *f = open_memstream(&folded, &size);
	const char *at = text;

	if (!f)
		return text;
	while (width(at) > limit) {
		size_t most = bytes_of(at, limit), n = most;

		if (at[n] != ' ')
			while (n && at[n - 1] != ' ' && at[n - 1] != ',')
				n--;
		if (!n)
			n = most;
		fprintf(f, "%.*s\n", (int)(n && at[n - 1] == ' ' ? n - 1 : n), at);
		at += n + (at[n] == ' ');
	}
	fputs(at, f);
	fclose(f);
	free(text);
	return folded;
}

static void add_columns(struct libscols_table *table, const struct shape *shapes, int n)
{
	for (int i = 0; i < n; i++) {
		struct libscols_column *c = scols_table_new_column(table, shapes[i].column->title, 0,
								   shapes[i].right ? SCOLS_FL_RIGHT : SCOLS_FL_WRAP);

		scols_column_set_safechars(c, "\n");
		scols_column_set_wrapfunc(c, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
	}
}

static void add_rows(struct libscols_table *table, json_t *rows, const struct shape *shapes, int n)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		struct libscols_line *line = scols_table_new_line(table, NULL);

		for (int c = 0; line && c < n; c++) {
			char *text = text_of(out_member(row, shapes[c].column->key), shapes[c].column->flags);

			if (text && shapes[c].folded)
				text = fold(text, shapes[c].width);
			if (!text)
				continue;
			scols_cell_set_color(scols_line_get_cell(line, (size_t)c), colour_of(text));
			scols_line_refer_data(line, (size_t)c, text);
		}
	}
}

void out_table(json_t *obj, const char *list, const struct out_column *columns, const char *empty)
{
	json_t *rows = json_object_get(obj, list);
	struct shape shapes[COLUMNS_MAX];
	bool terminal = isatty(STDOUT_FILENO);
	struct libscols_table *table;
	char *said = NULL;
	size_t size;
	FILE *f;
	int n;

	if (ctl_json) {
		out_json(obj);
		return;
	}
	if (!json_array_size(rows)) {
		puts(empty);
		return;
	}
	/*
	 * The library escapes characters that the locale does not have. nfv_text_clean() has left UTF-8 in the text,
	 * whatever the locale.
	 */
	setlocale(LC_CTYPE, "C.UTF-8");
	table = scols_new_table();
	f = open_memstream(&said, &size);
	if (!table || !f)
		abort();
	n = measure(rows, columns, shapes, terminal);
	if (terminal) {
		n = leave_out(shapes, n, (int)scols_table_get_termwidth(table), f);
		fold_columns(shapes, n, (int)scols_table_get_termwidth(table));
	}
	fclose(f);
	scols_table_set_column_separator(table, "  ");
	scols_table_enable_colors(table, colour_on(stdout));
	add_columns(table, shapes, n);
	add_rows(table, rows, shapes, n);
	scols_print_table(table);
	scols_unref_table(table);
	if (said[0])
		out_line("(without %s: no room; -j has all)", said);
	free(said);
}

static void print_members(json_t *obj, const char *prefix)
{
	const char *key, *colour;
	char *text, name[160];
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
		text = text_of(value, 0);
		if (!text)
			continue;
		nfv_text_clean(name);
		colour = colour_on(stdout) && !strcmp(key, "state") ? colour_of(text) : NULL;
		printf("%-24s %s%s%s\n", name, colour ? colour : "", text, colour ? "\033[0m" : "");
		free(text);
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

void out_picture(void)
{
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
}

int out_end(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	/* A reader that has read enough, as head does, gets no note. */
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
	/* A second object on standard output would not parse. */
	if (ctl_json && !json_printed) {
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
