/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <nfv/rpc.h>
#include <nfv/text.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINES_PER_S	20
#define EVENTS_KEPT	256
/* The number of events of one kind that a port may have within KIND_MS. Each further one replaces the last. */
#define KIND_MAX	8
#define KIND_MS		60000
#define LINE_MS		1000	/* between two log lines of those */

struct event {
	uint64_t seq, time_ms, shown_ms;
	unsigned int like, unshown;	/* further events that this one stands for; those of them without a line */
	enum nfvd_event_kind kind;
	const char *place;		/* the format string: one place in the code */
	char port[NFV_NAME_MAX + 1], text[200];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event events[EVENTS_KEPT];	/* the first n_events, in order of seq */
static unsigned int n_events;
static uint64_t next_seq = 1;

/*
 * Return whether standard error is the journal, which takes a level in front of a line. systemd tells that to the
 * programs that it starts.
 */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == dev && st.st_ino == ino;
}

static void write_line(int level, const char *text)
{
	static int journal = -1;

	if (journal < 0)
		journal = to_journal();
	if (journal)
		fprintf(stderr, "<%d>", level);
	fprintf(stderr, "nfvd: %s\n", text);
}

/* Return whether a line may be written. This bounds the log, because peers can cause lines. */
static bool allowed(void)
{
	static time_t second;
	static unsigned int lines;
	time_t now = time(NULL);
	char text[40];

	if (now != second) {
		if (lines > LINES_PER_S) {
			snprintf(text, sizeof(text), "%u lines not shown", lines - LINES_PER_S);
			write_line(LOG_WARNING, text);
		}
		second = now;
		lines = 0;
	}
	return ++lines <= LINES_PER_S;
}

static void put(int level, const char *text)
{
	if (allowed())
		write_line(level, text);
}

void nfvd_log(int level, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	nfv_text_clean(text);	/* names of devices and files are others' bytes */
	pthread_mutex_lock(&lock);
	put(level, text);
	pthread_mutex_unlock(&lock);
}

void nfvd_log_audit(const char *fmt, ...)
{
	char text[1024] = "audit: ";
	size_t at = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + at, sizeof(text) - at, fmt, ap);
	va_end(ap);
	nfv_text_clean(text);
	pthread_mutex_lock(&lock);
	write_line(LOG_NOTICE, text);
	pthread_mutex_unlock(&lock);
}

static void take_out(unsigned int i)
{
	n_events--;
	memmove(&events[i], &events[i + 1], (n_events - i) * sizeof(events[0]));
}

/*
 * Return the oldest event of the port that has most events. So the events of one port never push out those of
 * another.
 */
static unsigned int victim(void)
{
	unsigned int best = 0, most = 0;

	for (unsigned int i = 0; i < n_events && n_events - i > most; i++) {
		unsigned int n = 0;

		for (unsigned int k = i; k < n_events; k++)
			n += !strcmp(events[k].port, events[i].port);
		if (n > most) {
			best = i;
			most = n;
		}
	}
	return best;
}

/* Return the last event of this kind and port if the port has as many of the kind as it may have, else n_events. */
static unsigned int stand_in(const struct event *e)
{
	unsigned int last = 0, n = 0;

	for (unsigned int i = 0; i < n_events; i++) {
		if (events[i].place != e->place || events[i].time_ms + KIND_MS < e->time_ms ||
		    strcmp(events[i].port, e->port))
			continue;
		last = i;
		n++;
	}
	return n < KIND_MAX ? n_events : last;
}

static void print(struct event *e)
{
	char line[400], more[48] = "";

	if (e->unshown)
		snprintf(more, sizeof(more), " (and %u like it before)", e->unshown);
	snprintf(line, sizeof(line), "%s%s%s%s", e->port, e->port[0] ? ": " : "", e->text, more);
	put(LOG_NOTICE, line);
	e->shown_ms = e->time_ms;
	e->unshown = 0;
}

static void add(struct event *e)
{
	unsigned int i = stand_in(e);

	if (i < n_events) {
		e->like = events[i].like + 1;
		e->unshown = events[i].unshown;
		e->shown_ms = events[i].shown_ms;
		take_out(i);
	} else if (n_events == EVENTS_KEPT) {
		take_out(victim());
	}
	if (e->time_ms - e->shown_ms >= LINE_MS || !e->like)
		print(e);
	else
		e->unshown++;
	e->seq = next_seq++;
	events[n_events++] = *e;
}

static void vevent(enum nfvd_event_kind kind, const char *port, const char *fmt, va_list ap)
{
	struct event e = { .kind = kind, .place = fmt };
	struct timespec ts;

	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	nfv_text_clean(e.text);
	snprintf(e.port, sizeof(e.port), "%s", port ? port : "");
	clock_gettime(CLOCK_REALTIME, &ts);
	e.time_ms = ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
	pthread_mutex_lock(&lock);
	add(&e);
	pthread_mutex_unlock(&lock);
}

void nfvd_event(const char *port, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vevent(NFVD_EVENT_NOTE, port, fmt, ap);
	va_end(ap);
}

void nfvd_event_of(enum nfvd_event_kind kind, const char *port, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vevent(kind, port, fmt, ap);
	va_end(ap);
}

static json_t *to_json(const struct event *e)
{
	static const char *const kinds[] = {
#define X(e, name) name,
		NFVD_EVENT_KINDS(X)
#undef X
	};
	char text[sizeof(e->text) + 48];

	if (e->like)
		snprintf(text, sizeof(text), "%s (and %u like it before)", e->text, e->like);
	else
		snprintf(text, sizeof(text), "%s", e->text);
	return json_pack("{s:I, s:I, s:s, s:s, s:s}", "seq", (json_int_t)e->seq, "time_ms", (json_int_t)e->time_ms,
			 "kind", kinds[e->kind], "port", e->port, "text", text);
}

json_t *nfvd_events(uint64_t since)
{
	json_t *list = json_array();
	uint64_t next;

	pthread_mutex_lock(&lock);
	next = next_seq;
	for (unsigned int i = 0; i < n_events; i++)
		if (events[i].seq >= since)
			json_array_append_new(list, to_json(&events[i]));
	pthread_mutex_unlock(&lock);
	return json_pack("{s:o, s:I}", "events", list, "next", (json_int_t)next);
}
