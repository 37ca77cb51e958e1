/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines (stderr, rate limited; with sd-daemon levels where that is the journal) and events (the last few, by RPC). */
#ifndef NFVD_LOG_H
#define NFVD_LOG_H

#include <jansson.h>
#include <stdint.h>
#include <syslog.h>

void nfvd_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Log, and remember for events.get. port may be NULL. Any thread but a worker. A kind of event is a
 * place in the code, by its format string. A port that has many of a kind within a minute keeps a
 * few, of which the last says how many it stands for; and of 256 events the port that has
 * most loses one for the next. So nobody's events push out another's.
 */
void nfvd_event(const char *port, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Events after since, as {"events": [...], "next": seq}; a new reference. */
json_t *nfvd_events(uint64_t since);

#endif
