// SPDX-License-Identifier: BSD-3-Clause
/*
 * The document of bench draft: result.json, with every sample. An interrupted
 * run is one that is not complete; with the same options it is taken up again.
 *
 *	{draft, format, complete, options, host: {...}, tables: {...},
 *	 technologies: {NAME: {emulated, memory_mib, image: {bytes, files: [{path, bytes, sha256}]},
 *		commands: {WAY: [argument]}, samples: {MEASURE: [{...}]}, reason, errors: {MEASURE: text}, host}}}
 *
 * host of a technology: where it is another one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <nfv/text.h>
#include "bench_draft.h"

#define DRAFT	"draft-natarajan-nfvrg-containers-for-nfv-03"
#define FORMAT	1

static json_t *new_result(json_t *options)
{
	return json_pack("{ss si sb sO s{}}", "draft", DRAFT, "format", FORMAT, "complete", 0, "options", options,
			 "technologies");
}

/* Why a technology or measure did not run last time need not hold any more. */
static void forget_failures(json_t *result)
{
	const char *name;
	json_t *tech;

	json_object_foreach(json_object_get(result, "technologies"), name, tech) {
		json_object_del(tech, "reason");
		json_object_del(tech, "errors");
	}
}

/* NULL when it is none. */
static json_t *load(const char *path)
{
	json_t *result = json_load_file(path, 0, NULL);
	const char *draft = json_string_value(json_object_get(result, "draft"));

	if (draft && !strcmp(draft, DRAFT) && json_integer_value(json_object_get(result, "format")) == FORMAT &&
	    json_is_object(json_object_get(result, "technologies")))
		return result;
	json_decref(result);
	return NULL;
}

json_t *result_open(json_t *options, struct ctl_err *err)
{
	json_t *result;

	if (access(DRAFT_RESULT, F_OK))
		return new_result(options);
	result = load(DRAFT_RESULT);
	if (!result) {
		ctl_fail(err, NFV_RPC_E_EXIST, "the " DRAFT_RESULT " that is there is not one of these");
		ctl_hint(err, "nfvctl bench draft --out DIR");
	} else if (json_is_true(json_object_get(result, "complete"))) {
		json_decref(result);
		return new_result(options);
	} else if (!json_equal(json_object_get(result, "options"), options)) {
		ctl_fail(err, NFV_RPC_E_EXIST, "there is an interrupted run, with other options");
		ctl_hint(err, "nfvctl bench draft --out DIR");
	} else {
		out_note("taking up an interrupted run");
		forget_failures(result);
		return result;
	}
	json_decref(result);
	return NULL;
}

json_t *result_add(const char *path, struct ctl_err *err)
{
	json_t *result = load(DRAFT_RESULT), *other = load(path), *host, *tech;
	const char *name;

	if (!result || !other) {
		ctl_fail(err, NFV_RPC_E_NOENT, "%s is no result of bench draft", result ? path : DRAFT_RESULT);
		json_decref(result);
		json_decref(other);
		return NULL;
	}
	host = json_object_get(other, "host");
	json_object_foreach(json_object_get(other, "technologies"), name, tech) {
		if (host && !json_object_get(tech, "host"))
			json_object_set(tech, "host", host);
		json_object_set(json_object_get(result, "technologies"), name, tech);
	}
	json_decref(other);
	return result;
}

#define VERSION_SECONDS	30

/* What a file says behind this at the beginning of a line, without blanks, quotes and its end. */
static json_t *said_in(const char *path, const char *word)
{
	FILE *f = fopen(path, "re");
	char line[256], *text = NULL;

	while (f && !text && fgets(line, sizeof(line), f))
		if (!strncmp(line, word, strlen(word)))
			text = line + strlen(word);
	if (f)
		fclose(f);
	if (!text)
		return json_null();
	text += strspn(text, "\t :\"");
	text[strcspn(text, "\"\n")] = '\0';
	nfv_text_clean(text);
	return json_string(text);
}

/* The first line of what a program says of its version. */
static json_t *version_of(const char *program)
{
	struct ctl_err ignored = { 0 };
	char *text = NULL;
	json_t *str;

	if (run_command(&text, -1, VERSION_SECONDS, ARGV(program, "--version"), &ignored))
		return json_null();
	text[strcspn(text, "\n")] = '\0';
	nfv_text_clean(text);
	str = json_string(text);
	free(text);
	return str;
}

void result_describe_host(json_t *result)
{
	char date[32];
	time_t now = time(NULL);
	struct utsname host;

	uname(&host);
	strftime(date, sizeof(date), "%FT%TZ", gmtime(&now));
	json_object_set_new(result, "host", json_pack("{ss so so so so so so so ss}", "date", date,
		"kernel", json_sprintf("%s %s %s", host.sysname, host.release, host.machine),
		"cpu", said_in("/proc/cpuinfo", "model name"), "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)),
		"memory", said_in("/proc/meminfo", "MemTotal:"), "system", said_in("/etc/os-release", "PRETTY_NAME="),
		"qemu", version_of("qemu-system-x86_64"), "runc", version_of("runc"), "nfvctl", NFV_VERSION));
}

int result_save(json_t *result, struct ctl_err *err)
{
	return bench_save(result, DRAFT_RESULT, err);
}

static json_t *member(json_t *obj, const char *key, json_t *value)
{
	if (json_object_get(obj, key))
		json_decref(value);
	else
		json_object_set_new(obj, key, value);
	return json_object_get(obj, key);
}

json_t *result_tech(json_t *result, const char *name)
{
	return member(json_object_get(result, "technologies"), name, json_object());
}

json_t *result_samples(json_t *tech, const char *measure)
{
	return member(member(tech, "samples", json_object()), measure, json_array());
}
