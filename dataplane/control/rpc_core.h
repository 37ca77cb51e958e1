/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control protocol without its transport: one line in, one line out.
 * For rpc_server.c, the unit test and the fuzzer.
 */
#ifndef NFVD_RPC_CORE_H
#define NFVD_RPC_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "err.h"

/* Why a client was refused. X(enumerator, counter name). */
#define NFVD_CTL_REASONS(X)			\
	X(BAD_REQUEST, "ctl_bad_request")	\
	X(TOO_BIG, "ctl_too_big")		\
	X(TIMEOUT, "ctl_timeout")		\
	X(LIMIT, "ctl_limit")			\
	X(DENIED, "ctl_denied")			\
	X(BAD_FDS, "ctl_bad_fds")

enum nfvd_ctl_reason {
#define X(e, name) NFVD_CTL_##e,
	NFVD_CTL_REASONS(X)
#undef X
	NFVD_N_CTL_REASONS
};

/* Control thread, as everything here. */
void nfvd_ctl_count(enum nfvd_ctl_reason why);

/* Refused requests by reason, as {"ctl_bad_request": n, ...}; a new reference. */
json_t *nfvd_rpc_counters(void);

/*
 * A method: returns a new reference to its result, or NULL with *err filled in.
 * Runs on the control thread. params is an object, possibly empty.
 */
struct nfvd_rpc_method {
	const char *name;
	json_t *(*call)(json_t *params, struct nfvd_err *err);
};

/* The methods that there are; ends with a NULL name. Until then there is none. */
void nfvd_rpc_use(const struct nfvd_rpc_method *methods);

/* Refuse members that the method does not know. names ends with NULL. 0 or -1 with *err. */
int nfvd_rpc_only(json_t *params, const char *const *names, struct nfvd_err *err);

/*
 * Answer the request in line[0..len), given without its newline. Returns the
 * reply, newline-terminated, to be freed; NULL only when out of memory. Sets
 * *hangup when the client exceeded a limit and is to be disconnected after the reply.
 */
char *nfvd_rpc_handle(const char *line, size_t len, bool *hangup);

/* An error reply that answers no request in particular ("id": null). hint may be NULL. */
char *nfvd_rpc_error(int code, const char *text, const char *hint);

#endif
