/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <nfv/rpc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LINES_PER_S	20
#define EVENTS_KEPT	256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uint64_t time_ms;
	char port[NFV_NAME_MAX + 1], text[200];
} events[EVENTS_KEPT];
static uint64_t next_seq = 1;

/* A peer can make us log; it cannot make us log without limit. */
static bool allowed(void)
{
	static time_t second;
	static unsigned int lines;
	time_t now = time(NULL);

	if (now != second) {
		if (lines > LINES_PER_S)
			fprintf(stderr, "<%d>nfvd: %u lines not shown\n", LOG_WARNING, lines - LINES_PER_S);
		second = now;
		lines = 0;
	}
	return ++lines <= LINES_PER_S;
}

static void put(int level, const char *text)
{
	if (allowed())
		fprintf(stderr, "<%d>nfvd: %s\n", level, text);
}

void nfvd_log(int level, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&lock);
	put(level, text);
	pthread_mutex_unlock(&lock);
}

void nfvd_event(const char *port, const char *fmt, ...)
{
	struct timespec ts;
	char text[300], line[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(line, sizeof(line), "%s%s%s", port ? port : "", port ? ": " : "", text);
	pthread_mutex_lock(&lock);
	put(LOG_NOTICE, line);
	events[next_seq % EVENTS_KEPT].time_ms = ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
	snprintf(events[next_seq % EVENTS_KEPT].port, sizeof(events[0].port), "%s", port ? port : "");
	snprintf(events[next_seq % EVENTS_KEPT].text, sizeof(events[0].text), "%.*s", (int)sizeof(events[0].text) - 1, text);
	next_seq++;
	pthread_mutex_unlock(&lock);
}

json_t *nfvd_events(uint64_t since)
{
	json_t *list = json_array();
	uint64_t next;

	pthread_mutex_lock(&lock);
	next = next_seq;
	if (next > EVENTS_KEPT && since < next - EVENTS_KEPT)
		since = next - EVENTS_KEPT;
	for (uint64_t seq = since ? since : 1; seq < next; seq++)
		json_array_append_new(list, json_pack("{s:I, s:I, s:s, s:s}", "seq", (json_int_t)seq,
			"time_ms", (json_int_t)events[seq % EVENTS_KEPT].time_ms,
			"port", events[seq % EVENTS_KEPT].port, "text", events[seq % EVENTS_KEPT].text));
	pthread_mutex_unlock(&lock);
	return json_pack("{s:o, s:I}", "events", list, "next", (json_int_t)next);
}
