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

/* Log a line of control/audit.c, which is never left out. */
void nfvd_log_audit(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Log a line, and keep it for events.get. port may be NULL.
 *
 * Events of one format string are of one kind. If a port has many of a kind within a minute, only a few are kept, and
 * the last one says how many came before it. At most 256 events are kept: the port that has most of them loses
 * one for the next. So the events of one port never push out those of another.
 *
 * Context: any thread but a worker.
 */
void nfvd_event(const char *port, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Return a new reference to the events after since, as {"events": [...], "next": seq}. */
json_t *nfvd_events(uint64_t since);

#endif
