/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control protocol without its transport: one line in, one line out.
 * For rpc/server.c, the unit test and the fuzzer.
 */
#ifndef NFVD_RPC_CORE_H
#define NFVD_RPC_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "control/role.h"
#include "err.h"
#include "frame/drop.h"

/* Reasons to refuse a client: X(enumerator, name, help). */
#define NFVD_CTL_REASONS(X)			\
	X(BAD_REQUEST, "ctl_bad_request", "requests to the control socket that are malformed") \
	X(TOO_BIG, "ctl_too_big", "requests to the control socket of more than 65536 bytes") \
	X(TIMEOUT, "ctl_timeout", "clients of the control socket that did not finish a request, or read no response") \
	X(LIMIT, "ctl_limit", "clients of the control socket, or responses to one, beyond the limit") \
	X(DENIED, "ctl_denied", "clients of the control socket, or requests, without the role that is needed") \
	X(BAD_FDS, "ctl_bad_fds", "clients of the control socket that sent file descriptors")

enum nfvd_ctl_reason {
#define X(e, name, help) NFVD_CTL_##e,
	NFVD_CTL_REASONS(X)
#undef X
	NFVD_N_CTL_REASONS
};

/* Count a refusal. Context of all functions here: control. */
void nfvd_ctl_count(enum nfvd_ctl_reason why);

extern const struct nfvd_reason nfvd_ctl_reasons[NFVD_N_CTL_REASONS];
uint64_t nfvd_ctl_counted(enum nfvd_ctl_reason why);

/*
 * A method: return a new reference to its result, or NULL with *err filled in. params is an object, possibly empty.
 * Context: control.
 */
struct nfvd_rpc_method {
	const char *name;
	json_t *(*call)(json_t *params, struct nfvd_err *err);
	enum nfvd_role role;	/* that a client needs; a method of more than read is audited */
	const char *const *admin_params;	/* parameters that need admin, "NAME" or "NAME=BEGIN OF ITS VALUE", then NULL. NULL: none */
};

/* Set the methods; the array ends with a NULL name. Before that no method exists. */
void nfvd_rpc_use(const struct nfvd_rpc_method *methods);

/* Return a new reference to the methods that *who may not call, as {method: the role that it needs}. */
json_t *nfvd_rpc_denied(const struct nfvd_caller *who);

/* Refuse members that are not in names, which ends with NULL. Return 0, or -1 with *err. */
int nfvd_rpc_only(json_t *params, const char *const *names, struct nfvd_err *err);

/*
 * Handle the request of *who in line[0..len), which has no newline. Return the response, which ends with a newline and is
 * to be freed; NULL only without memory. Set *hangup if the client exceeded a limit: disconnect it after the response.
 */
char *nfvd_rpc_handle(struct nfvd_caller *who, const char *line, size_t len, bool *hangup);

/* Return an error response to no request in particular ("id": null). hint may be NULL. */
char *nfvd_rpc_error(int code, const char *text, const char *hint);

#endif
