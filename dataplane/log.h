/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines go to stderr, rate limited, with sd-daemon levels if stderr is the journal. Events are the last few
 * things that happened to ports; clients fetch them by RPC.
 */
#ifndef NFVD_LOG_H
#define NFVD_LOG_H

#include <jansson.h>
#include <stdint.h>
#include <syslog.h>

void nfvd_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Log a line of rpc/audit.c, which is never left out. */
void nfvd_log_audit(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What an event is about. */
#define NFVD_EVENT_KINDS(X)			\
	X(NOTE, "note")				\
	X(STARTED, "started")			\
	X(ATTACHED, "attached")			\
	X(DETACHED, "detached")			\
	X(STATE, "state")			\
	X(FENCED, "fenced")			\
	X(POLICY, "policy")			\
	X(QUARANTINE, "quarantine")		\
	X(ADDRESS, "address")			\
	X(SETTING, "setting")			\
	X(SHORTCUT, "shortcut")			\
	X(CONFIG, "config")			\
	X(CAPTURE, "capture")

enum nfvd_event_kind {
#define X(e, name) NFVD_EVENT_##e,
	NFVD_EVENT_KINDS(X)
#undef X
};

/*
 * Log a line, and keep it for events.get; nfvd_event(): of kind "note". port may be NULL.
 *
 * Events of one format string are alike. If a port has many that are alike within a minute, only a few are kept, and
 * the last one says how many came before it. At most 256 events are kept: the port that has most of them loses
 * one for the next. So the events of one port never push out those of another.
 *
 * Context: any thread but a worker.
 */
void nfvd_event(const char *port, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void nfvd_event_of(enum nfvd_event_kind kind, const char *port, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Return a new reference to the events after since, as {"events": [...], "next": seq}. */
json_t *nfvd_events(uint64_t since);

#endif
