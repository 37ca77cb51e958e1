// SPDX-License-Identifier: BSD-3-Clause
/*
 * Fuzz target: one line of the control protocol. Whatever comes in, one line of
 * valid JSON-RPC comes out, with either a result or an error.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "rpc/audit.c"
#include "control/role.c"
#include "rpc/core.c"
#include "err.c"

static json_t *echo(json_t *params, struct nfvd_err *err)
{
	return json_incref(params);
}

/* Refuse with a message that quotes the request, truncated at the buffer's end, as port types do. */
static json_t *refuse(json_t *params, struct nfvd_err *err)
{
	const char *name = json_string_value(json_object_get(params, "name"));

	nfvd_err(err, NFV_RPC_E_PARAMS, "bad name '%s'", name ? name : "");
	return NULL;
}

static const struct nfvd_rpc_method some_methods[] = {
	{ "echo", echo, NFVD_ROLE_OPERATE, NULL }, { "refuse", refuse, NFVD_ROLE_READ, NULL },
	{ "forbidden", echo, NFVD_ROLE_ADMIN, NULL }, { NULL, NULL, NFVD_ROLE_NONE, NULL }
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz_rpc: %s\n", what);
	abort();
}

/* Text of a client must not look like another field or line. */
void nfvd_log_audit(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	must((size_t)vsnprintf(line, sizeof(line), fmt, ap) < sizeof(line), "an audit line is cut");
	va_end(ap);
	if (strstr(line, " result=ok"))
		must(!strpbrk(line, "\n\"\\") && strstr(line, " result=") == strrchr(line, ' '), "an audit line says more than it should");
}

void nfvd_event(const char *port, const char *fmt, ...)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nfvd_caller who = { .uid = 1000, .role = NFVD_ROLE_OPERATE, .comm = "a b" };
	char *line, *reply;
	json_t *json, *error;
	bool hangup;
	size_t len;

	if (size > NFV_RPC_LINE_MAX)
		return 0;
	line = malloc(size + !size);	/* exactly its size, so that a read past it is detected */
	must(line, "no memory");
	memcpy(line, data, size);
	nfvd_rpc_use(some_methods);
	reply = nfvd_rpc_handle(&who, line, size, &hangup);
	must(reply, "no reply");
	len = strlen(reply);
	must(len && reply[len - 1] == '\n' && !memchr(reply, '\n', len - 1), "the reply is not one line");
	json = json_loadb(reply, len, 0, NULL);
	must(json, "the reply is not JSON");
	error = json_object_get(json, "error");
	must(!error == !!json_object_get(json, "result"), "neither or both of result and error");
	must(!error || json_is_string(json_object_get(error, "message")), "an error without a message");
	must(json_object_get(json, "id") && json_object_get(json, "jsonrpc"), "no id");
	must(!hangup || error, "hung up without saying why");
	json_decref(json);
	free(reply);
	free(line);
	return 0;
}
