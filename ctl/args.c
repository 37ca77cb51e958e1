// SPDX-License-Identifier: BSD-3-Clause
/*
 * Arguments in pairs, "key value", after iproute2; and options, "--key value" or "--key=value".
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctl.h"

#define OPTIONS_MAX	16
#define WORDS_MAX	2048	/* bytes of an ARG_WORDS value */

static const struct ctl_arg *match(const struct ctl_arg *args, const char *word)
{
	const struct ctl_arg *found = NULL;
	size_t len = strlen(word);

	for (; len && args->key; args++) {
		if (strncmp(args->key, word, len))
			continue;
		if (!args->key[len])
			return args;
		if (found)
			return NULL;
		found = args;
	}
	return found;
}

static int unknown(const struct ctl_arg *args, const char *word, struct ctl_err *err)
{
	struct ctl_similar s = { .word = word };

	for (; args->key; args++)
		similar_to(&s, args->key);
	return ctl_usage(err, "unknown argument '%s'%s", word, similar_text(&s));
}

json_t *args_absolute(const char *path)
{
	char *dir = path[0] == '/' ? NULL : getcwd(NULL, 0);
	json_t *str = dir ? json_sprintf("%s/%s", dir, path) : json_string(path);

	free(dir);
	return str;
}

static json_t *number(const struct ctl_arg *arg, const char *value, struct ctl_err *err)
{
	char *end;
	long n;
	double d;

	errno = 0;
	if (arg->type == ARG_NUMBER) {
		n = strtol(value, &end, 10);
		if (!errno && end != value && !*end && n >= arg->min && n <= arg->max)
			return json_integer(n);
	} else {
		d = strtod(value, &end);
		if (!errno && end != value && !*end && d >= (double)arg->min && d <= (double)arg->max)
			return json_real(d);
	}
	ctl_usage(err, "'%s' must be a number from %ld to %ld, not '%s'", arg->key, arg->min, arg->max, value);
	return NULL;
}

static json_t *choice(const struct ctl_arg *arg, const char *value, struct ctl_err *err)
{
	size_t len = strlen(value);
	const char *found = NULL;

	/* A word is the choice that it begins; the first one, which suffices for the lists there are. */
	for (const char *p = arg->choices; len && p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL) {
		if (!strncmp(p, value, len)) {
			found = p;
			break;
		}
	}
	if (found)
		return json_stringn(found, strcspn(found, "|"));
	ctl_usage(err, "'%s' must be %s, not '%s'", arg->key, arg->choices, value);
	return NULL;
}

/* A number, or a name as this host has it: nfvd takes numbers. */
static json_t *id(const struct ctl_arg *arg, const char *name, struct ctl_err *err)
{
	bool user = arg->type == ARG_USER;
	const struct passwd *p = user ? getpwnam(name) : NULL;
	const struct group *g = user ? NULL : getgrnam(name);
	char *end;
	unsigned long n = strtoul(name, &end, 10);

	if (name[0] >= '0' && name[0] <= '9' && !*end)
		return json_integer((json_int_t)n);
	if (p || g)
		return json_integer((json_int_t)(p ? p->pw_uid : g->gr_gid));
	ctl_fail(err, NFV_RPC_E_PARAMS, "no %s '%s'", user ? "user" : "group", name);
	return NULL;
}

static json_t *convert(const struct ctl_arg *arg, const char *value, struct ctl_err *err)
{
	json_t *str;

	switch (arg->type) {
	case ARG_NUMBER:
	case ARG_SECONDS:
		return number(arg, value, err);
	case ARG_CHOICE:
		return choice(arg, value, err);
	case ARG_USER:
	case ARG_GROUP:
		return id(arg, value, err);
	case ARG_PATH:
		str = args_absolute(value);
		break;
	case ARG_NETNS:
		str = strchr(value, '/') ? args_absolute(value) : json_string(value);
		break;
	default:
		str = json_string(value);
	}
	if (!str)
		ctl_usage(err, "the value of '%s' is not valid UTF-8", arg->key);
	return str;
}

static int set(const struct ctl_arg *arg, const char *text, json_t *obj, struct ctl_err *err)
{
	json_t *value;

	if (json_object_get(obj, arg->key))
		return ctl_usage(err, "'%s' is given twice", arg->key);
	value = convert(arg, text, err);
	if (!value)
		return CTL_USAGE;
	json_object_set_new(obj, arg->key, value);
	return CTL_OK;
}

static bool is_key(const struct ctl_arg *args, const char *word)
{
	for (; args->key; args++)
		if (!strcmp(args->key, word))
			return true;
	return false;
}

/* Join the words of argv[0..argc) up to the next key into text. Return how many there were. */
static int join(int argc, char **argv, const struct ctl_arg *args, char *text, size_t size)
{
	size_t n = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < argc && (!i || !is_key(args, argv[i])); i++) {
		int more = snprintf(text + n, size - n, "%s%s", i ? " " : "", argv[i]);

		if ((size_t)more >= size - n)
			return -1;
		n += (size_t)more;
	}
	return i;
}

int args_parse(int argc, char **argv, const struct ctl_arg *args, json_t *obj, struct ctl_err *err)
{
	const struct ctl_arg *arg;
	char text[WORDS_MAX];
	int n;

	for (int i = 0; i < argc; i += 1 + n) {
		arg = match(args, argv[i]);
		if (!arg)
			return unknown(args, argv[i], err);
		if (i + 1 == argc)
			return ctl_usage(err, "'%s' needs a value", arg->key);
		n = arg->type == ARG_WORDS ? join(argc - i - 1, argv + i + 1, args, text, sizeof(text)) : 1;
		if (n < 0)
			return ctl_usage(err, "the value of '%s' has more than %d bytes", arg->key, WORDS_MAX - 1);
		if (set(arg, arg->type == ARG_WORDS ? text : argv[i + 1], obj, err))
			return CTL_USAGE;
	}
	for (arg = args; arg->key; arg++)
		if (arg->required && !json_object_get(obj, arg->key))
			return ctl_usage(err, "'%s' is missing", arg->key);
	return CTL_OK;
}

void args_of_params(unsigned int takers, struct ctl_arg *args)
{
	static const enum ctl_arg_type types[] = {
		[NFV_NUMBER] = ARG_NUMBER, [NFV_LIMIT] = ARG_WORDS, [NFV_CHOICE] = ARG_CHOICE, [NFV_TEXT] = ARG_STRING,
		[NFV_WORDS] = ARG_WORDS, [NFV_NETNS] = ARG_NETNS, [NFV_PATH] = ARG_PATH, [NFV_USER] = ARG_USER,
		[NFV_GROUP] = ARG_GROUP, [NFV_OCTAL] = ARG_STRING,
	};

	for (const struct nfv_param *p = nfv_params; p->key; p++)
		if (p->takers & takers)
			*args++ = (struct ctl_arg){ p->key, types[p->kind], !p->fallback, p->least, p->most, p->values };
	*args = (struct ctl_arg){ 0 };
}

int args_options(int argc, char **argv, const struct ctl_arg *args, json_t *obj, struct ctl_err *err)
{
	struct option options[OPTIONS_MAX + 1] = { 0 };
	int rc = CTL_OK, c, found;

	for (size_t n = 0; n < OPTIONS_MAX && args[n].key; n++)
		options[n] = (struct option){ .name = args[n].key + strlen("--"), .has_arg = required_argument };
	/* getopt passes over the word before the first one: the command. */
	argc++;
	argv--;
	opterr = 0;
	optind = 0;
	while (!rc && (c = getopt_long(argc, argv, "-:", options, &found)) >= 0) {
		if (!c)
			rc = set(&args[found], optarg, obj, err);
		else if (c == ':')
			rc = ctl_usage(err, "'%s' needs a value", argv[optind - 1]);
		else
			rc = unknown(args, c == 1 ? optarg : argv[optind - 1], err);
	}
	return !rc && optind < argc ? unknown(args, argv[optind], err) : rc;
}
