/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/params.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <nfv/rpc.h>

static const char *const types[NFV_N_PORT_TYPES] = {
#define X(e, name, help) #name,
	NFV_PORT_TYPES(X)
#undef X
};

static const struct nfv_param *find(unsigned int takers, const char *key)
{
	for (const struct nfv_param *p = nfv_params; p->key; p++)
		if (p->takers & takers && !strcmp(p->key, key))
			return p;
	return NULL;
}

/* ---- one value ---- */

static bool in_range(const struct nfv_param *p, json_int_t n)
{
	return n >= p->least && n <= p->most;
}

static bool is_limit(const struct nfv_param *p, const char *text)
{
	char *end;

	return text[0] >= '0' && text[0] <= '9' && in_range(p, strtol(text, &end, 10)) &&
	       (!*end || !strcmp(end, " drop") || !strcmp(end, " flood"));
}

static bool is_choice(const struct nfv_param *p, const char *text)
{
	size_t len = strlen(text);

	for (const char *word = p->values; word; word = strchr(word, '|') ? strchr(word, '|') + 1 : NULL)
		if (strcspn(word, "|") == len && !strncmp(word, text, len))
			return true;
	return false;
}

static bool is_octal(const struct nfv_param *p, const char *text)
{
	size_t len = strlen(text);

	return len && len <= 4 && strspn(text, "01234567") == len && in_range(p, strtol(text, NULL, 8));
}

static bool is_valid(const struct nfv_param *p, const json_t *value)
{
	bool number = json_is_integer(value) && in_range(p, json_integer_value(value));
	const char *text = json_string_value(value);

	switch (p->kind) {
	case NFV_NUMBER:
	case NFV_USER:
	case NFV_GROUP:
		return number;
	case NFV_LIMIT:
		return number || (text && is_limit(p, text));
	case NFV_CHOICE:
		return text && is_choice(p, text);
	case NFV_OCTAL:
		return text && is_octal(p, text);
	case NFV_PATH:
		return text && text[0] == '/' && in_range(p, (json_int_t)strlen(text));
	case NFV_WORDS:
		return true;	/* policy_words.c checks it */
	default:
		return text && in_range(p, (json_int_t)strlen(text));
	}
}

static int refuse(const struct nfv_param *p, struct nfvd_err *err)
{
	switch (p->kind) {
	case NFV_NUMBER:
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be a number from %ld to %ld", p->key, p->least, p->most);
	case NFV_LIMIT:
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be a number from %ld to %ld, which 'drop' or 'flood' may follow",
				p->key, p->least, p->most);
	case NFV_CHOICE:
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be %s", p->key, p->values);
	case NFV_OCTAL:
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be octal, from %lo to %lo", p->key, (unsigned long)p->least,
				(unsigned long)p->most);
	case NFV_PATH:
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be an absolute path of at most %ld bytes", p->key, p->most);
	case NFV_USER:
	case NFV_GROUP:
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be the number of a %s", p->key, p->kind == NFV_USER ? "user" : "group");
	default:
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' must be a text of %ld to %ld bytes", p->key, p->least, p->most);
	}
}

/* ---- all of a request ---- */

/* NFV_KVM, ...; 0: there is no such type. */
static unsigned int type_bit(const char *type)
{
	for (unsigned int i = 0; i < NFV_N_PORT_TYPES; i++)
		if (!strcmp(types[i], type))
			return 1u << i;
	return 0;
}

static void add_default(json_t *params, const struct nfv_param *p)
{
	if (p->kind == NFV_CHOICE && is_choice(p, p->fallback))
		json_object_set_new(params, p->key, json_string(p->fallback));
	else if ((p->kind == NFV_NUMBER || p->kind == NFV_LIMIT) && is_limit(p, p->fallback))
		json_object_set_new(params, p->key, json_integer(strtol(p->fallback, NULL, 10)));
}

static int check_known(json_t *params, const char *type, unsigned int bit, struct nfvd_err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(params, key, value)
		if (strcmp(key, "type") && strcmp(key, "name") && !find(bit, key))
			return nfvd_err(err, NFV_RPC_E_PARAMS, "a %s port does not take '%.32s'", type, key);
	return 0;
}

static int check_all(json_t *params, const char *type, unsigned int bit, struct nfvd_err *err)
{
	if (check_known(params, type, bit, err))
		return -1;
	for (const struct nfv_param *p = nfv_params; p->key; p++) {
		const json_t *value = json_object_get(params, p->key);

		if (!(p->takers & bit))
			continue;
		if (value && !is_valid(p, value))
			return refuse(p, err);
		if (!value && !p->fallback)
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' is missing", p->key);
		if (!value)
			add_default(params, p);
	}
	return 0;
}

int nfvd_params_check(json_t *params, struct nfvd_err *err)
{
	const char *type = json_string_value(json_object_get(params, "type"));
	unsigned int bit = type ? type_bit(type) : 0;

	if (!type || !json_is_string(json_object_get(params, "name")))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "needs strings 'type' and 'name'");
	if (!bit) {
#define X(e, name, help) ", " #name
		return nfvd_err(err, NFV_RPC_E_PARAMS, "no port type '%.32s' (%s)", type, &(NFV_PORT_TYPES(X))[2]);
#undef X
	}
	if (!check_all(params, type, bit, err))
		return 0;
	nfvd_hint(err, "nfvctl attach %s help", type);
	return -1;
}
