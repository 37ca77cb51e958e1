// SPDX-License-Identifier: BSD-3-Clause
/*
 * The control protocol of include/nfv/rpc.h: from the bytes of a request to the
 * bytes of its reply. Everything here may be malformed on purpose.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <nfv/text.h>
#include "rpc/audit.h"
#include "rpc/core.h"

const struct nfvd_reason nfvd_ctl_reasons[NFVD_N_CTL_REASONS] = {
#define X(e, name, help) { name, help },
	NFVD_CTL_REASONS(X)
#undef X
};

static uint64_t counters[NFVD_N_CTL_REASONS];

void nfvd_ctl_count(enum nfvd_ctl_reason why)
{
	counters[why]++;
}

uint64_t nfvd_ctl_counted(enum nfvd_ctl_reason why)
{
	return counters[why];
}

/* Text for an error message: it may quote the request, or be cut in the middle of a character. */
static json_t *one_line(const char *text)
{
	char buf[512];

	snprintf(buf, sizeof(buf), "%s", text);
	nfv_text_clean(buf);
	return json_string(buf);
}

/* Encodes and releases reply. */
static char *encode(json_t *reply)
{
	size_t len = reply ? json_dumpb(reply, NULL, 0, JSON_COMPACT) : 0;
	char *out = len ? malloc(len + 2) : NULL;

	if (out) {
		json_dumpb(reply, out, len, JSON_COMPACT);
		out[len] = '\n';
		out[len + 1] = '\0';
	}
	json_decref(reply);
	return out;
}

/* id is borrowed, or NULL. */
static char *error_reply(json_t *id, int code, const char *text, const char *hint)
{
	json_t *err = json_pack("{si so}", "code", code, "message", one_line(text));

	if (err && hint && hint[0])
		json_object_set_new(err, "data", json_pack("{so}", "hint", one_line(hint)));
	return encode(json_pack("{ss so so}", "jsonrpc", "2.0",
				"id", id ? json_incref(id) : json_null(), "error", err));
}

char *nfvd_rpc_error(int code, const char *text, const char *hint)
{
	return error_reply(NULL, code, text, hint);
}

static char *bad_request(json_t *id, int code, const char *text)
{
	nfvd_ctl_count(NFVD_CTL_BAD_REQUEST);
	return error_reply(id, code, text, NULL);
}

/*
 * The offset of the bracket that nests too deep, or -1. jansson recurses, and
 * its own limit is 2048; so the depth is known before it sees the text. In
 * malformed text the count may be wrong, but never below the parser's.
 */
static long too_deep_at(const char *line, size_t len)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = line[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > NFV_RPC_DEPTH_MAX)
				return (long)i;
		} else if ((c == ']' || c == '}') && depth) {
			depth--;
		}
	}
	return -1;
}

/* What is wrong with the envelope, or NULL. */
static const char *envelope_error(json_t *req, char *buf, size_t size)
{
	json_t *id, *params, *value;
	const char *key, *version;

	if (json_is_array(req))
		return "batches are not supported: send one request per line";
	if (!json_is_object(req))
		return "a request is an object";
	json_object_foreach(req, key, value) {
		if (strcmp(key, "jsonrpc") && strcmp(key, "id") && strcmp(key, "method") && strcmp(key, "params")) {
			snprintf(buf, size, "unknown member '%.64s' in the request", key);
			return buf;
		}
	}
	version = json_string_value(json_object_get(req, "jsonrpc"));
	if (!version || strcmp(version, "2.0"))
		return "'jsonrpc' must be \"2.0\"";
	id = json_object_get(req, "id");
	if (!json_is_integer(id) && !json_is_string(id))
		return "'id' must be an integer or a string";
	if (!json_is_string(json_object_get(req, "method")))
		return "'method' must be a string";
	params = json_object_get(req, "params");
	if (params && !json_is_object(params))
		return "'params' must be an object";
	return NULL;
}

static const struct nfvd_rpc_method no_methods[] = { { NULL, NULL } }, *methods = no_methods;

void nfvd_rpc_use(const struct nfvd_rpc_method *all)
{
	methods = all;
}

int nfvd_rpc_only(json_t *params, const char *const *names, struct nfvd_err *err)
{
	const char *key;
	json_t *val;

	json_object_foreach(params, key, val) {
		const char *const *n = names;

		while (*n && strcmp(*n, key))
			n++;
		if (!*n)
			return nfvd_err(err, NFV_RPC_E_PARAMS, "unknown parameter '%.32s'", key);
	}
	return 0;
}

json_t *nfvd_rpc_denied(const struct nfvd_caller *who)
{
	json_t *obj = json_object();

	for (const struct nfvd_rpc_method *m = methods; m->name; m++)
		if (m->role > who->role)
			json_object_set_new(obj, m->name, json_string(nfvd_role_name(m->role)));
	return obj;
}

static const struct nfvd_rpc_method *find_method(const char *name)
{
	for (const struct nfvd_rpc_method *m = methods; m->name; m++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

/*
 * Return whether params has what, one of a method's admin_params: a name, or "NAME=BEGIN", where BEGIN is how its
 * value begins.
 */
static bool has(json_t *params, const char *what)
{
	size_t len = strcspn(what, "=");
	char name[32];
	const char *text;

	snprintf(name, sizeof(name), "%.*s", (int)len, what);
	if (!what[len])
		return json_object_get(params, name);
	text = json_string_value(json_object_get(params, name));
	/* Its beginning is there, and there first. */
	return text && strstr(text, what + len + 1) == text;
}

/* Return 0, or -1 with *err. */
static int permit(const struct nfvd_caller *who, const struct nfvd_rpc_method *method, json_t *params, struct nfvd_err *err)
{
	char what[64];

	if (who->role < method->role)
		return nfvd_role_refuse(who, method->role, method->name, err);
	for (const char *const *p = method->admin_params; p && *p && who->role < NFVD_ROLE_ADMIN; p++) {
		if (!has(params, *p))
			continue;
		snprintf(what, sizeof(what), "'%s' of %s", *p, method->name);
		return nfvd_role_refuse(who, NFVD_ROLE_ADMIN, what, err);
	}
	return 0;
}

/*
 * Return the result, or NULL with *err. A method may take members out of params, so the audit gets a copy of params
 * from before.
 */
static json_t *perform(struct nfvd_caller *who, const struct nfvd_rpc_method *method, json_t *params, struct nfvd_err *err)
{
	json_t *asked = method->role > NFVD_ROLE_READ ? json_copy(params) : NULL, *result = NULL;

	who->method = method->name;
	if (permit(who, method, params, err)) {
		nfvd_ctl_count(NFVD_CTL_DENIED);
	} else {
		nfvd_caller = who;
		result = method->call(params, err);
		nfvd_caller = NULL;
	}
	if (asked)
		nfvd_audit(who, asked, result ? NULL : err);
	json_decref(asked);
	return result;
}

static char *call(struct nfvd_caller *who, json_t *id, const struct nfvd_rpc_method *method, json_t *params)
{
	struct nfvd_err err = { .code = NFV_RPC_E_FAILED };
	json_t *result = perform(who, method, params, &err);
	char *reply;

	if (!result) {
		if (err.code == NFV_RPC_E_PARAMS)
			nfvd_ctl_count(NFVD_CTL_BAD_REQUEST);
		return error_reply(id, err.code, err.text[0] ? err.text : "failed", err.hint);
	}
	reply = encode(json_pack("{ss sO so}", "jsonrpc", "2.0", "id", id, "result", result));
	if (reply && strlen(reply) > NFV_RPC_BACKLOG_MAX) {
		free(reply);
		nfvd_ctl_count(NFVD_CTL_LIMIT);
		reply = error_reply(id, NFV_RPC_E_LIMIT, "the result is larger than a reply may be", NULL);
	}
	return reply;
}

static char *handle_object(struct nfvd_caller *who, json_t *req)
{
	const struct nfvd_rpc_method *method;
	char text[160];
	json_t *id = json_is_object(req) ? json_object_get(req, "id") : NULL;
	const char *wrong = envelope_error(req, text, sizeof(text)), *name;
	json_t *params, *none = NULL;
	char *reply;

	if (!json_is_integer(id) && !json_is_string(id))
		id = NULL;
	if (wrong)
		return bad_request(id, NFV_RPC_E_REQUEST, wrong);
	name = json_string_value(json_object_get(req, "method"));
	method = find_method(name);
	if (!method) {
		snprintf(text, sizeof(text), "unknown method '%.64s'", name);
		return bad_request(id, NFV_RPC_E_METHOD, text);
	}
	params = json_object_get(req, "params");
	if (!params)
		params = none = json_object();
	reply = call(who, id, method, params);
	json_decref(none);
	return reply;
}

char *nfvd_rpc_handle(struct nfvd_caller *who, const char *line, size_t len, bool *hangup)
{
	const char *nul = memchr(line, '\0', len);
	long deep = too_deep_at(line, len);
	json_error_t where;
	char text[256];
	json_t *req;
	char *reply;

	*hangup = false;
	if (deep >= 0) {
		*hangup = true;
		snprintf(text, sizeof(text), "nested deeper than %d at byte %ld", NFV_RPC_DEPTH_MAX, deep);
		return bad_request(NULL, NFV_RPC_E_PARSE, text);
	}
	if (nul) {
		snprintf(text, sizeof(text), "parse error at byte %td: NUL", nul - line);
		return bad_request(NULL, NFV_RPC_E_PARSE, text);
	}
	req = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
	if (!req) {
		snprintf(text, sizeof(text), "parse error at byte %d: %s", where.position, where.text);
		return bad_request(NULL, NFV_RPC_E_PARSE, text);
	}
	reply = handle_object(who, req);
	json_decref(req);
	return reply;
}
