// SPDX-License-Identifier: BSD-3-Clause
/*
 * Each row of include/nfv/params.h: what nfvd's check makes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "control/params.c"
#include "err.c"

/* The longest line of either plane. */
#define TEXT_MAX_BYTES	4096

/* One type that takes the row, and one that does not (NULL: all do). */
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

/* The least and the most that the row accepts; beyond: one less and one more. */
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

/* A request of this type with all that must be there, and the row's member, whose reference it takes (NULL: without). */
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

/* The refusal names the row, and has these words. */
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

/* Numbers and choices have theirs; what is only described has none. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_out_of_range), cmocka_unit_test(test_of_another_kind),
		cmocka_unit_test(test_another_type), cmocka_unit_test(test_missing), cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
