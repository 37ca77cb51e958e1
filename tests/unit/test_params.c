// SPDX-License-Identifier: BSD-3-Clause
/*
 * Each row of include/nfv/params.h: nfvd's check, and nfvctl's grammar, help, manual page and completion.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "control/params.c"
#include "err.c"

/* The longest line of either plane. */
#define TEXT_MAX_BYTES	4096
#define TERMINAL_COLUMNS	80

/* Return a type that takes the row, or one that does not (NULL: all do). */
static const char *taker_of(const struct nfv_param *p, bool takes)
{
	for (unsigned int i = 0; i < NFV_N_PORT_TYPES; i++)
		if (!(p->takers >> i & 1) == !takes)
			return types[i];
	return NULL;
}

static json_t *text_of(long len, char first)
{
	char text[TEXT_MAX_BYTES];

	memset(text, 'x', sizeof(text));
	text[0] = first;
	text[len] = '\0';
	return json_string(text);
}

/* Return the least or the most value that the row accepts; beyond: one less or one more. */
static json_t *edge_of(const struct nfv_param *p, bool most, bool beyond)
{
	long n = most ? p->most + beyond : p->least - beyond;
	size_t word = strcspn(p->values, "|");

	switch (p->kind) {
	case NFV_WORDS:
		return text_of(1 + most, 'x');
	case NFV_CHOICE:
		return beyond ? json_string(most ? p->values : "") : json_stringn(p->values, word);
	case NFV_LIMIT:
		return most ? json_sprintf("%ld drop", n) : json_integer(n);
	case NFV_OCTAL:
		return n < 0 ? json_string("") : json_sprintf("%04lo", (unsigned long)n);
	case NFV_PATH:
		return text_of(n, beyond && !most ? 'x' : '/');
	case NFV_NUMBER:
	case NFV_USER:
	case NFV_GROUP:
		return json_integer(n);
	default:
		return text_of(n, 'x');
	}
}

/* Make a request of this type with all mandatory members and the row's (NULL: without), taking its reference. */
static json_t *request(const char *type, const struct nfv_param *p, json_t *value)
{
	json_t *params = json_pack("{ss ss}", "type", type, "name", "a");

	for (const struct nfv_param *q = nfv_params; q->key; q++)
		if (!q->fallback && q->takers & type_bit(type))
			json_object_set_new(params, q->key, edge_of(q, true, false));
	json_object_del(params, p->key);
	if (value)
		json_object_set_new(params, p->key, value);
	return params;
}

static void accepted(const char *type, const struct nfv_param *p, json_t *value)
{
	json_t *params = request(type, p, value);
	struct nfvd_err err = { 0 };

	if (nfvd_params_check(params, &err))
		fail_msg("%s %s: %s", type, p->key, err.text);
	json_decref(params);
}

/* The request is refused; the message names the row and contains these words. */
static void refused(const char *type, const struct nfv_param *p, json_t *value, const char *words)
{
	json_t *params = request(type, p, value);
	struct nfvd_err err = { 0 };
	char name[64];

	if (!nfvd_params_check(params, &err))
		fail_msg("%s %s: taken: %s", type, p->key, json_dumps(params, 0));
	snprintf(name, sizeof(name), "'%s' %s", p->key, words);
	if (err.code != NFV_RPC_E_PARAMS || !strstr(err.text, words[0] ? name : p->key))
		fail_msg("%s %s: %s", type, p->key, err.text);
	snprintf(name, sizeof(name), "nfvctl attach %s help", type);
	assert_string_equal(err.hint, name);
	json_decref(params);
}

#define EACH(p) for (const struct nfv_param *p = nfv_params; p->key; p++)

static void test_accepted(void **state)
{
	EACH(p) {
		for (int most = 0; most < 2; most++)
			accepted(taker_of(p, true), p, edge_of(p, most, false));
	}
}

static void test_out_of_range(void **state)
{
	EACH(p) {
		for (int most = 0; most < 2 && p->kind != NFV_WORDS; most++)
			refused(taker_of(p, true), p, edge_of(p, most, true), "must be ");
	}
}

static void test_of_another_kind(void **state)
{
	EACH(p) {
		if (p->kind == NFV_WORDS)
			continue;
		refused(taker_of(p, true), p, json_true(), "must be ");
		refused(taker_of(p, true), p, json_array(), "must be ");
		refused(taker_of(p, true), p, json_real(1.5), "must be ");
	}
}

static void test_another_type(void **state)
{
	EACH(p) {
		const char *other = taker_of(p, false);

		if (!other || find(type_bit(other), p->key))
			continue;
		refused(other, p, edge_of(p, true, false), "");
	}
}

static void test_missing(void **state)
{
	EACH(p) {
		if (p->fallback)
			accepted(taker_of(p, true), p, NULL);
		else
			refused(taker_of(p, true), p, NULL, "is missing");
	}
}

static json_t *with_defaults(const char *type)
{
	static const struct nfv_param none = { .key = "none" };
	json_t *params = request(type, &none, NULL);
	struct nfvd_err err;

	assert_int_equal(nfvd_params_check(params, &err), 0);
	return params;
}

/* nfvd applies the defaults of numbers and choices; other defaults are only described. */
static void test_defaults(void **state)
{
	json_t *kvm = with_defaults("kvm"), *veth = with_defaults("veth");

	assert_int_equal(json_integer_value(json_object_get(kvm, "queues")), 1);
	assert_int_equal(json_integer_value(json_object_get(kvm, "macs")), 1024);
	assert_string_equal(json_string_value(json_object_get(kvm, "mode")), "server");
	assert_string_equal(json_string_value(json_object_get(kvm, "temporary")), "no");
	assert_null(json_object_get(kvm, "socket"));
	assert_null(json_object_get(kvm, "weight"));
	assert_string_equal(json_string_value(json_object_get(veth, "force")), "no");
	assert_null(json_object_get(veth, "mode"));
	assert_null(json_object_get(veth, "pid"));
	json_decref(kvm);
	json_decref(veth);
}

/* ---- nfvctl ---- */

static const char *nfvctl;
static char out[1 << 16];	/* what it last printed, lines between newlines */

/* Run nfvctl without an nfvd. Return its exit status. */
static int run(const char *fmt, ...)
{
	char command[2 * TEXT_MAX_BYTES];
	size_t n;
	va_list ap;
	FILE *f;

	n = (size_t)snprintf(command, sizeof(command), "%s --state-dir /nonexistent ", nfvctl);
	va_start(ap, fmt);
	n += (size_t)vsnprintf(command + n, sizeof(command) - n, fmt, ap);
	va_end(ap);
	snprintf(command + n, sizeof(command) - n, " 2>&1");
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(out + 1, 1, sizeof(out) - 2, f);
	out[0] = '\n';
	out[n + 1] = '\0';
	return WEXITSTATUS(pclose(f));
}

static void says(const struct nfv_param *p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!strstr(out, text))
		fail_msg("%s: no '%s' in: %s", p->key, text, out);
}

/* The usage line, which a terminal wraps, may be longer. */
static void fits_a_terminal(const struct nfv_param *p)
{
	for (const char *line = out + 1; *line; line += strcspn(line, "\n") + 1) {
		size_t bytes = strcspn(line, "\n");

		if (bytes > TERMINAL_COLUMNS && strncmp(line, "usage:", 6))
			fail_msg("%s: %zu columns: %.*s", p->key, bytes, (int)bytes, line);
	}
}

static void test_help(void **state)
{
	EACH(p) {
		bool policy = p->takers & NFV_SET;

		assert_int_equal(run(policy ? "help set" : "help attach"), 0);
		says(p, "\n  %-11s %s", p->key, p->values);
		says(p, "%s (%s)\n", p->help, p->fallback ? p->fallback : "needed");
		fits_a_terminal(p);
		if (policy)
			continue;
		assert_int_equal(run("help attach %s", taker_of(p, true)), 0);
		says(p, p->fallback ? " [%s %s]" : " %s %s", p->key, p->values);
		says(p, "\n  %-11s %s", p->key, p->values);
	}
}

static void test_manual(void **state)
{
	char *to = out;

	assert_int_equal(run("__man"), 0);
	for (const char *from = out; *from; from++)
		if (*from != '\\')
			*to++ = *from;
	*to = '\0';
	EACH(p) {
		says(p, "\n.TP\n.B %s %s", p->key, p->values);
		says(p, "%s (%s)\n", p->help, p->fallback ? p->fallback : "needed");
	}
}

static void test_completion(void **state)
{
	EACH(p) {
		const char *other = taker_of(p, false);

		assert_int_equal(run("__complete attach %s a", taker_of(p, true)), 0);
		says(p, "\n%s\n", p->key);
		assert_int_equal(run("__complete attach %s a %s", taker_of(p, true), p->key), 0);
		for (const char *word = p->values; word && p->kind == NFV_CHOICE; word = strchr(word, '|') ? strchr(word, '|') + 1 : NULL)
			says(p, "\n%.*s\n", (int)strcspn(word, "|"), word);
		if (other && !find(type_bit(other), p->key)) {
			char line[64];

			snprintf(line, sizeof(line), "\n%s\n", p->key);
			assert_int_equal(run("__complete attach %s a", other), 0);
			assert_null(strstr(out, line));
		}
		if (p->takers & NFV_SET) {
			assert_int_equal(run("__complete set a"), 0);
			says(p, "\n%s\n", p->key);
		}
	}
}

/* Run `attach` with all mandatory parameters, and the row's value as a user writes it. */
static int attach(const char *type, const struct nfv_param *p, const char *key, json_t *value)
{
	json_t *params = request(type, p, value), *v;
	char line[TEXT_MAX_BYTES] = "";
	const char *k;

	json_object_foreach(params, k, v) {
		size_t n = strlen(line);

		if (!strcmp(k, "type") || !strcmp(k, "name"))
			continue;
		if (json_is_string(v))
			snprintf(line + n, sizeof(line) - n, " %s %s", strcmp(k, p->key) ? k : key, json_string_value(v));
		else
			snprintf(line + n, sizeof(line) - n, " %s %lld", strcmp(k, p->key) ? k : key, json_integer_value(v));
	}
	json_decref(params);
	return run("attach %s a%s", type, line);
}

/* Exit status 1: the arguments are valid, only nfvd is missing. */
static void test_grammar(void **state)
{
	EACH(p) {
		const char *type = taker_of(p, true), *other = taker_of(p, false);
		struct nfvd_err err = { 0 };
		char mistyped[64];

		for (int most = 0; most < 2; most++) {
			if (attach(type, p, p->key, edge_of(p, most, false)) != 1)
				fail_msg("%s %s: %s", type, p->key, out);
			if (p->kind != NFV_NUMBER)
				continue;
			assert_int_equal(attach(type, p, p->key, edge_of(p, most, true)), 2);
			refuse(p, &err);
			says(p, "%s", err.text);
		}
		if (p->kind == NFV_CHOICE) {
			assert_int_equal(attach(type, p, p->key, json_string("no-such-choice")), 2);
			refuse(p, &err);
			says(p, "%s", err.text);
		}
		if (!p->fallback) {
			assert_int_equal(attach(type, p, p->key, NULL), 2);
			says(p, "'%s' is missing", p->key);
		}
		if (other && !find(type_bit(other), p->key)) {
			assert_int_equal(attach(other, p, p->key, edge_of(p, true, false)), 2);
			says(p, "unknown argument '%s'", p->key);
		}
		/* Shorter keys are too short for a suggestion. */
		snprintf(mistyped, sizeof(mistyped), "%sx", p->key);
		assert_int_equal(attach(type, p, mistyped, edge_of(p, true, false)), 2);
		if (strlen(p->key) > 2)
			says(p, "unknown argument '%s'; did you mean '%s'?", mistyped, p->key);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_out_of_range), cmocka_unit_test(test_of_another_kind),
		cmocka_unit_test(test_another_type), cmocka_unit_test(test_missing), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_help), cmocka_unit_test(test_manual), cmocka_unit_test(test_completion), cmocka_unit_test(test_grammar),
	};

	if (argc != 2)
		return 2;
	nfvctl = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
