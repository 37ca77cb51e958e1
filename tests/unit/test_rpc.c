// SPDX-License-Identifier: BSD-3-Clause
/*
 * The control protocol, from request bytes to reply bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "rpc/audit.c"
#include "control/role.c"
#include "rpc/core.c"
#include "err.c"

static unsigned int calls;

static json_t *echo(json_t *params, struct nfvd_err *err)
{
	calls++;
	return json_incref(params);
}

/* Refuse with a message that has a newline and a byte that is not UTF-8, and with a hint. */
static json_t *refuse(json_t *params, struct nfvd_err *err)
{
	err->code = NFV_RPC_E_NOENT;
	snprintf(err->text, sizeof(err->text), "no port 'a\nb\xff'");
	snprintf(err->hint, sizeof(err->hint), "nfvctl show");
	return NULL;
}

static json_t *huge(json_t *params, struct nfvd_err *err)
{
	char *text = malloc(NFV_RPC_BACKLOG_MAX + 1);
	json_t *str;

	memset(text, 'x', NFV_RPC_BACKLOG_MAX);
	text[NFV_RPC_BACKLOG_MAX] = '\0';
	str = json_string(text);
	free(text);
	return str;
}

static const char *const admins[] = { "force", NULL };

static const struct nfvd_rpc_method some_methods[] = {
	{ "echo", echo, NFVD_ROLE_READ, NULL }, { "refuse", refuse, NFVD_ROLE_OPERATE, NULL }, { "huge", huge, NFVD_ROLE_READ, NULL },
	{ "operate", echo, NFVD_ROLE_OPERATE, admins }, { "admin", echo, NFVD_ROLE_ADMIN, NULL },
	{ NULL, NULL, NFVD_ROLE_NONE, NULL }
};

static struct nfvd_caller caller = { .uid = 1000, .pid = 42, .role = NFVD_ROLE_ADMIN, .comm = "a = \"b\"" };
static char audited[1024];	/* the last line */
static unsigned int n_audited;

void nfvd_log_audit(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(audited, sizeof(audited), fmt, ap);
	va_end(ap);
	n_audited++;
}

void nfvd_event(const char *port, const char *fmt, ...)
{
}

static bool hung_up;

/* Send a line. Return the parsed reply. */
static json_t *ask_bytes(const void *line, size_t len)
{
	char *reply = nfvd_rpc_handle(&caller, line, len, &hung_up);
	json_t *json;

	assert_non_null(reply);
	assert_ptr_equal(strchr(reply, '\n'), reply + strlen(reply) - 1);
	json = json_loads(reply, 0, NULL);
	assert_non_null(json);
	free(reply);
	return json;
}

static json_t *ask(const char *line)
{
	return ask_bytes(line, strlen(line));
}

/* The reply must be this error, with all of these words in its message; no method may have been called. */
static void refused_bytes(const void *line, size_t len, int code, const char *words)
{
	unsigned long long before = counters[NFVD_CTL_BAD_REQUEST];
	unsigned int called = calls;
	json_t *json = ask_bytes(line, len), *error = json_object_get(json, "error");
	const char *message = json_string_value(json_object_get(error, "message"));

	assert_non_null(message);
	if (!strstr(message, words))
		fail_msg("'%s' does not say '%s'", message, words);
	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	assert_int_equal(counters[NFVD_CTL_BAD_REQUEST], before + 1);
	assert_int_equal(calls, called);
	json_decref(json);
}

static void refused(const char *line, int code, const char *words)
{
	refused_bytes(line, strlen(line), code, words);
}

static void test_answers(void **state)
{
	json_t *json = ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\",\"params\":{\"a\":-0,\"b\":\"}]\\\"[\"}}");
	json_t *result = json_object_get(json, "result");

	assert_int_equal(json_integer_value(json_object_get(json, "id")), 7);
	assert_int_equal(json_integer_value(json_object_get(result, "a")), 0);
	assert_string_equal(json_string_value(json_object_get(result, "b")), "}]\"[");
	assert_false(hung_up);
	json_decref(json);

	json = ask("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"echo\"}\r");
	assert_string_equal(json_string_value(json_object_get(json, "id")), "x");
	assert_int_equal(json_object_size(json_object_get(json, "result")), 0);
	json_decref(json);
}

static void test_failure_is_one_clean_line(void **state)
{
	json_t *json = ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"refuse\"}");
	json_t *error = json_object_get(json, "error");

	assert_int_equal(json_integer_value(json_object_get(error, "code")), NFV_RPC_E_NOENT);
	assert_string_equal(json_string_value(json_object_get(error, "message")), "no port 'a?b?'");
	assert_string_equal(json_string_value(json_object_get(json_object_get(error, "data"), "hint")), "nfvctl show");
	assert_int_equal(json_integer_value(json_object_get(json, "id")), 1);
	json_decref(json);
}

static void test_parse_errors(void **state)
{
	static const char nul[] = "{\"a\":\"\0\"}";

	refused("", NFV_RPC_E_PARSE, "at byte 0");
	refused("{\"jsonrpc\"", NFV_RPC_E_PARSE, "at byte 10");
	refused("{\"a\":tru}", NFV_RPC_E_PARSE, "at byte 8");
	refused_bytes(nul, sizeof(nul) - 1, NFV_RPC_E_PARSE, "at byte 6: NUL");
	refused("{\"a\":\"\\u0000\"}", NFV_RPC_E_PARSE, "at byte 13");
	refused("{\"a\":\"\xff\"}", NFV_RPC_E_PARSE, "at byte 6");
	refused("{\"a\":\"\xc0\xaf\"}", NFV_RPC_E_PARSE, "at byte 6");
	refused("{\"a\":\"\xed\xa0\x80\"}", NFV_RPC_E_PARSE, "at byte 6");
	refused("{\"a\":1,\"a\":2}", NFV_RPC_E_PARSE, "duplicate");
	refused("{\"a\":1e999}", NFV_RPC_E_PARSE, "overflow");
	refused("{\"a\":99999999999999999999}", NFV_RPC_E_PARSE, "too big");
	refused("{} {}", NFV_RPC_E_PARSE, "end of file");
}

static void test_envelope(void **state)
{
	refused("[]", NFV_RPC_E_REQUEST, "batches");
	refused("7", NFV_RPC_E_REQUEST, "object");
	refused("{\"id\":1,\"method\":\"echo\"}", NFV_RPC_E_REQUEST, "'jsonrpc'");
	refused("{\"jsonrpc\":2.0,\"id\":1,\"method\":\"echo\"}", NFV_RPC_E_REQUEST, "'jsonrpc'");
	refused("{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}", NFV_RPC_E_REQUEST, "'id'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"echo\"}", NFV_RPC_E_REQUEST, "'id'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"echo\"}", NFV_RPC_E_REQUEST, "'id'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"echo\"}", NFV_RPC_E_REQUEST, "'id'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1}", NFV_RPC_E_REQUEST, "'method'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}", NFV_RPC_E_REQUEST, "'method'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[]}", NFV_RPC_E_REQUEST, "'params'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":null}", NFV_RPC_E_REQUEST, "'params'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"extra\":1}", NFV_RPC_E_REQUEST, "'extra'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nope\"}", NFV_RPC_E_METHOD, "'nope'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ech\"}", NFV_RPC_E_METHOD, "'ech'");
	refused("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%n%s\"}", NFV_RPC_E_METHOD, "'%n%s'");
}

/* params at the limit of depth are accepted; one level more, anywhere, is refused and ends the connection. */
static void test_depth(void **state)
{
	char line[256], open[64], close[64];
	json_t *json;

	for (int nested = NFV_RPC_DEPTH_MAX - 2; nested <= NFV_RPC_DEPTH_MAX - 1; nested++) {
		memset(open, '[', (size_t)nested);
		memset(close, ']', (size_t)nested);
		open[nested] = close[nested] = '\0';
		snprintf(line, sizeof(line),
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"a\":%s%s}}", open, close);
		if (nested == NFV_RPC_DEPTH_MAX - 2) {
			json = ask(line);
			assert_non_null(json_object_get(json, "result"));
			assert_false(hung_up);
			json_decref(json);
		} else {
			refused(line, NFV_RPC_E_PARSE, "deeper than 32 at byte");
			assert_true(hung_up);
		}
	}
	/* Brackets in strings do not count, also behind an escaped quote. */
	json = ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"a\":"
		   "\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}}");
	assert_non_null(json_object_get(json, "result"));
	json_decref(json);
}

static void test_depth_unbalanced(void **state)
{
	char line[4096];

	memset(line, '[', sizeof(line));
	refused_bytes(line, sizeof(line), NFV_RPC_E_PARSE, "deeper than 32 at byte 32");
	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = i % 2 ? '{' : '[';
	refused_bytes(line, sizeof(line), NFV_RPC_E_PARSE, "deeper than 32");
	memset(line, ']', sizeof(line));
	refused_bytes(line, sizeof(line), NFV_RPC_E_PARSE, "at byte");
	assert_false(hung_up);
}

static void test_result_too_large(void **state)
{
	unsigned long long before = counters[NFVD_CTL_LIMIT];
	json_t *json = ask("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"huge\"}");

	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "error"), "code")), NFV_RPC_E_LIMIT);
	assert_int_equal(json_integer_value(json_object_get(json, "id")), 5);
	assert_int_equal(counters[NFVD_CTL_LIMIT], before + 1);
	json_decref(json);
}

static void test_counters(void **state)
{
	assert_string_equal(nfvd_ctl_reasons[NFVD_CTL_BAD_REQUEST].name, "ctl_bad_request");
	assert_int_equal(nfvd_ctl_counted(NFVD_CTL_BAD_REQUEST), counters[NFVD_CTL_BAD_REQUEST]);
	for (unsigned int i = 0; i < NFVD_N_CTL_REASONS; i++)
		assert_true(nfvd_ctl_reasons[i].name && nfvd_ctl_reasons[i].help);
}

/* Which role may call which method; other calls are refused with a hint, and counted. */
static void test_roles(void **state)
{
	static const char *const methods_by_role[] = { "echo", "operate", "admin" };
	char line[128];

	for (enum nfvd_role role = NFVD_ROLE_NONE; role < NFVD_N_ROLES; role++) {
		for (unsigned int m = 0; m < 3; m++) {
			unsigned long long before = counters[NFVD_CTL_DENIED];
			bool may = role >= NFVD_ROLE_READ + m;
			json_t *json, *error;

			caller.role = role;
			snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}", methods_by_role[m]);
			json = ask(line);
			error = json_object_get(json, "error");
			assert_int_equal(!error, may);
			assert_int_equal(counters[NFVD_CTL_DENIED], before + !may);
			if (!may) {
				assert_int_equal(json_integer_value(json_object_get(error, "code")), NFV_RPC_E_DENIED);
				assert_non_null(strstr(json_string_value(json_object_get(error, "message")), names[NFVD_ROLE_READ + m]));
				assert_non_null(strstr(json_string_value(json_object_get(json_object_get(error, "data"), "hint")),
						       default_groups[NFVD_ROLE_READ + m]));
			}
			json_decref(json);
		}
	}
	caller.role = NFVD_ROLE_OPERATE;
	json_decref(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"operate\",\"params\":{\"force\":\"yes\"}}"));
	assert_non_null(strstr(audited, "result=-32003"));
	caller.role = NFVD_ROLE_ADMIN;
	json_decref(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"operate\",\"params\":{\"force\":\"yes\"}}"));
	assert_non_null(strstr(audited, "result=ok"));
}

static void test_role_options(void **state)
{
	static const char *const bad[] = { "", "=", "read", "read=", "root=x", "=x", "READ=x", "admin2=x" };
	unsigned int before = n_members;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(nfvd_role_option(bad[i]));
	assert_int_equal(n_members, before);
	assert_true(nfvd_role_option("operate=4711"));
	assert_true(nfvd_role_option("read=no such group"));
	nfvd_roles_start();
	assert_int_equal(role_of_group(4711), NFVD_ROLE_OPERATE);
	assert_int_equal(role_of_group(4712), NFVD_ROLE_NONE);
	assert_false(first_of(NFVD_ROLE_READ)->exists);
	assert_string_equal(first_of(NFVD_ROLE_ADMIN)->group, "nfv-admin");
}

/* Each change has one audit line, which input cannot forge; reading has none. */
static void test_audit(void **state)
{
	unsigned int before = n_audited;

	json_decref(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}"));
	assert_int_equal(n_audited, before);
	json_decref(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"operate\",\"params\":{\"name\":\"vm1 result=ok\\n\",\"n\":7,"
			"\"on\":true,\"list\":[1,2],\"a b\":\"\"}}"));
	assert_int_equal(n_audited, before + 1);
	assert_string_equal(audited, "uid=1000 pid=42 comm=a????b? role=admin method=operate name=vm1?result?ok? n=7 on=true list=(2) "
				     "a?b=- result=ok");
	json_decref(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"refuse\"}"));
	assert_non_null(strstr(audited, "method=refuse result=-32002 why=\"no port 'a"));
	before = n_audited;
	for (unsigned int i = 0; i < 1000; i++)
		json_decref(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"refuse\"}"));
	assert_in_range(n_audited - before, 0, 20 * FAILED_PER_S);
	before = n_audited;
	for (unsigned int i = 0; i < 1000; i++)
		json_decref(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"operate\"}"));
	assert_int_equal(n_audited, before + 1000);
}

static void test_denied(void **state)
{
	struct nfvd_caller who = { .role = NFVD_ROLE_OPERATE };
	json_t *all = nfvd_rpc_denied(&who);

	assert_int_equal(json_object_size(all), 1);
	assert_string_equal(json_string_value(json_object_get(all, "admin")), "admin");
	json_decref(all);
	who.role = NFVD_ROLE_READ;
	all = nfvd_rpc_denied(&who);
	assert_int_equal(json_object_size(all), 3);
	assert_string_equal(json_string_value(json_object_get(all, "operate")), "operate");
	json_decref(all);
	all = nfvd_rpc_denied(&caller);
	assert_int_equal(json_object_size(all), 0);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_failure_is_one_clean_line),
		cmocka_unit_test(test_parse_errors),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_unbalanced),
		cmocka_unit_test(test_result_too_large),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_role_options),
		cmocka_unit_test(test_audit),
	};

	nfvd_rpc_use(some_methods);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
