/* SPDX-License-Identifier: BSD-3-Clause */
/* For the cases of evil-ctl: their verdicts, and what each of them looks at afterwards. */
#ifndef EVIL_CTL_H
#define EVIL_CTL_H

#include "ctl-client.h"

#define PROMPT_MS	1000				/* what a well-behaved client waits at most */

/* A request as a string, from two literals. */
#define REQUEST(method, params)	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}"

/* evil-verdict.c */
extern unsigned int failures;
extern size_t ports_before;		/* others', which stay */

/* Print a case's line. fmt says what went wrong; empty: nothing. */
void verdict(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t ports(void);			/* how many there are */
/* What is wrong with this reply, or "". */
const char *wrong_reply(const char *line, int code, const char *words, char *buf, size_t size);

/* evil-requests.c */
void bad_requests(void);

#endif
