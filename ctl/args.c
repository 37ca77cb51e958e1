// SPDX-License-Identifier: BSD-3-Clause
/*
 * Arguments in pairs, "key value", after iproute2.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ctl.h"

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

static json_t *convert(const struct ctl_arg *arg, const char *value, struct ctl_err *err)
{
	json_t *str;

	switch (arg->type) {
	case ARG_NUMBER:
	case ARG_SECONDS:
		return number(arg, value, err);
	case ARG_CHOICE:
		return choice(arg, value, err);
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

int args_parse(int argc, char **argv, const struct ctl_arg *args, json_t *obj, struct ctl_err *err)
{
	const struct ctl_arg *arg;
	json_t *value;

	for (int i = 0; i < argc; i += 2) {
		arg = match(args, argv[i]);
		if (!arg)
			return unknown(args, argv[i], err);
		if (json_object_get(obj, arg->key))
			return ctl_usage(err, "'%s' is given twice", arg->key);
		if (i + 1 == argc)
			return ctl_usage(err, "'%s' needs a value", arg->key);
		value = convert(arg, argv[i + 1], err);
		if (!value)
			return CTL_USAGE;
		json_object_set_new(obj, arg->key, value);
	}
	for (arg = args; arg->key; arg++)
		if (arg->required && !json_object_get(obj, arg->key))
			return ctl_usage(err, "'%s' is missing", arg->key);
	return CTL_OK;
}
