/* SPDX-License-Identifier: BSD-3-Clause */
/* For the cases of evil-ctl: their verdicts, and the checks after each case. */
#ifndef EVIL_CTL_H
#define EVIL_CTL_H

#include "ctl-client.h"

#define PROMPT_MS	1000				/* the longest wait of a well-behaved client */

/* A request as a string, from two literals. */
#define REQUEST(method, params)	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}"

/* evil-verdict.c */
extern unsigned int failures;
extern size_t ports_before;		/* other ports, which stay */

/* Print a case's line. fmt says what failed; empty: the case passed. */
void verdict(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t ports(void);			/* number of ports */
/* Return what is wrong with this reply, or "". */
const char *wrong_reply(const char *line, int code, const char *words, char *buf, size_t size);

/* evil-requests.c */
void bad_requests(void);

#endif
