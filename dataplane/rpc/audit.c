/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/audit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "log.h"

#define FAILED_PER_S	10
#define VALUE_MAX	64	/* bytes of one parameter */

/* What is one word to whoever reads the line: other bytes than these are '?'. */
static const char *word(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	for (; n < size - 1 && text[n]; n++)
		buf[n] = text[n] > ' ' && text[n] < 0x7f && !strchr("\"=\\", text[n]) ? text[n] : '?';
	buf[n] = '\0';
	return n ? buf : "-";
}

/* A parameter is not to look like a field of ours. */
static bool is_ours(const char *key)
{
	static const char *const fields[] = { "uid", "pid", "comm", "role", "method", "result", "why" };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(fields[i], key))
			return true;
	return false;
}

/* " key=value" for each; what is no number, string or boolean by its length only. */
static void put_params(json_t *params, char *line, size_t size)
{
	char key_word[VALUE_MAX], value[VALUE_MAX];
	const char *key;
	json_t *val;
	size_t at;

	json_object_foreach(params, key, val) {
		if (json_is_string(val))
			word(json_string_value(val), value, sizeof(value));
		else if (json_is_integer(val))
			snprintf(value, sizeof(value), "%lld", (long long)json_integer_value(val));
		else if (json_is_boolean(val))
			strcpy(value, json_is_true(val) ? "true" : "false");
		else
			snprintf(value, sizeof(value), "(%zu)", json_is_array(val) ? json_array_size(val) : json_object_size(val));
		at = strlen(line);
		if (at + strlen(value) + sizeof(key_word) + 8 > size) {
			snprintf(line + at, size - at, " ...");
			return;
		}
		snprintf(line + at, size - at, " %s=%s", is_ours(key) ? "?" : word(key, key_word, sizeof(key_word)), value[0] ? value : "-");
	}
}

/* A client that is refused could fill the log. */
static bool allowed(unsigned int *skipped)
{
	static time_t second;
	static unsigned int lines, left_out;
	time_t now = time(NULL);

	if (now != second) {
		second = now;
		lines = 0;
	}
	if (lines++ >= FAILED_PER_S) {
		left_out++;
		return false;
	}
	*skipped = left_out;
	left_out = 0;
	return true;
}

void nfvd_audit(const struct nfvd_caller *who, json_t *params, const struct nfvd_err *err)
{
	char text[400] = "", comm[sizeof(who->comm)], more[48] = "", why[sizeof(err->text)];
	unsigned int skipped = 0;

	if (err && !allowed(&skipped))
		return;
	if (skipped)
		snprintf(more, sizeof(more), " (and %u refused before it)", skipped);
	put_params(params, text, sizeof(text));
	word(who->comm, comm, sizeof(comm));
	if (!err) {
		nfvd_log_audit("uid=%u pid=%d comm=%s role=%s method=%s%s result=ok", who->uid, who->pid, comm,
			       nfvd_role_name(who->role), who->method, text);
		return;
	}
	snprintf(why, sizeof(why), "%s", err->text);
	for (char *c = why; (c = strchr(c, '"'));)
		*c = '\'';
	nfvd_log_audit("uid=%u pid=%d comm=%s role=%s method=%s%s result=%d why=\"%s\"%s", who->uid, who->pid, comm,
		       nfvd_role_name(who->role), who->method, text, err->code, why, more);
}
