/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control protocol without its transport: one line in, one line out.
 * For rpc_server.c, the unit test and the fuzzer.
 */
#ifndef NFVD_RPC_CORE_H
#define NFVD_RPC_CORE_H

#include <stdbool.h>
#include <stddef.h>

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

/*
 * Answer the request in line[0..len), given without its newline. Returns the
 * reply, newline-terminated, to be freed; NULL only when out of memory. Sets
 * *hangup when the client exceeded a limit and is to be disconnected after the reply.
 */
char *nfvd_rpc_handle(const char *line, size_t len, bool *hangup);

/* An error reply that answers no request in particular ("id": null). hint may be NULL. */
char *nfvd_rpc_error(int code, const char *text, const char *hint);

#endif
