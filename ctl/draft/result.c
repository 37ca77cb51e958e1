// SPDX-License-Identifier: BSD-3-Clause
/*
 * The document of bench draft: result.json, with every sample. An interrupted
 * run, or one in which something failed, is not complete; the same options, host and
 * programs take it up again. A complete one gets another name before the next begins.
 *
 *	{draft, format, complete, options, host: {...}, tables: {...},
 *	 technologies: {NAME: {emulated, memory_mib, image: {bytes, files: [{path, bytes, sha256}]},
 *		commands: {WAY: [argument]}, samples: {MEASURE: [{...}]}, reason, failed, errors: {MEASURE: text}, host}}}
 *
 * host of a technology: where it is another one. failed: for this reason, but it should not have.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <nfv/text.h>
#include "draft/draft.h"
#include "commit.h"

#define DRAFT	"draft-natarajan-nfvrg-containers-for-nfv-03"
#define FORMAT	1

static json_t *new_result(json_t *options)
{
	return json_pack("{ss si sb sO s{}}", "draft", DRAFT, "format", FORMAT, "complete", 0, "options", options,
			 "technologies");
}

/* Forget why technologies and measures failed: the reasons may not hold any more. */
static void forget_failures(json_t *result)
{
	const char *name;
	json_t *tech;

	json_object_foreach(json_object_get(result, "technologies"), name, tech) {
		json_object_del(tech, "reason");
		json_object_del(tech, "failed");
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

#define VERSION_SECONDS	30

/* Return the text behind word at the beginning of a line of a file, without blanks, quotes and the line's end. */
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

/*
 * Describe what runs: the commit, and also the programs themselves, because a build may have changes that are not
 * committed.
 */
static json_t *describe_build(void)
{
	struct ctl_err ignored = { 0 };
	char self[PATH_MAX + 8], *text = NULL, *save, *line;
	json_t *build = json_pack("{ss ss s[]}", "version", NFV_VERSION, "commit", NFV_COMMIT, "sha256");

	snprintf(self, sizeof(self), "%s/nfvctl", run_self_dir());
	run_command(&text, -1, VERSION_SECONDS, ARGV("sha256sum", self, net_nfvd()), &ignored);
	for (char *at = text; at && (line = strtok_r(at, "\n", &save)); at = NULL)
		json_array_append_new(json_object_get(build, "sha256"), json_stringn(line, strcspn(line, " ")));
	free(text);
	return build;
}

static json_t *describe_host(void)
{
	char date[32];
	time_t now = time(NULL);
	struct utsname host;

	uname(&host);
	strftime(date, sizeof(date), "%FT%TZ", gmtime(&now));
	return json_pack("{ss so so so so so so so so}", "date", date,
		"kernel", json_sprintf("%s %s %s", host.sysname, host.release, host.machine),
		"cpu", said_in("/proc/cpuinfo", "model name"), "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)),
		"memory", said_in("/proc/meminfo", "MemTotal:"), "system", said_in("/etc/os-release", "PRETTY_NAME="),
		"qemu", version_of("qemu-system-x86_64"), "runc", version_of("runc"), "build", describe_build());
}

static bool has_samples(json_t *result)
{
	const char *name;
	json_t *tech;

	json_object_foreach(json_object_get(result, "technologies"), name, tech)
		if (json_object_size(json_object_get(tech, "samples")))
			return true;
	return false;
}

static int keep_finished(struct ctl_err *err)
{
	char name[64];
	struct stat st;

	if (stat(DRAFT_RESULT, &st) || !strftime(name, sizeof(name), "result-%Y%m%dT%H%M%SZ.json", gmtime(&st.st_mtime)) ||
	    renameat2(AT_FDCWD, DRAFT_RESULT, AT_FDCWD, name, RENAME_NOREPLACE))
		return ctl_fail(err, NFV_RPC_E_FAILED, "cannot keep the finished " DRAFT_RESULT " under another name: %s", strerror(errno));
	out_note("the finished result that was there is %s now", name);
	return CTL_OK;
}

/* Return what differs between two hosts or builds, or NULL. Samples of different ones must not be mixed. */
static const char *differs(json_t *a, json_t *b)
{
	static const char *const keys[] = { "kernel", "cpu", "cpus", "system", "qemu", "runc", "build", NULL };
	const char *const *key = keys;

	while (*key && json_equal(json_object_get(a, *key), json_object_get(b, *key)))
		key++;
	return *key;
}

static json_t *begin(json_t *options, json_t *host)
{
	json_t *result = new_result(options);

	json_object_set_new(result, "host", host);
	return result;
}

json_t *result_open(json_t *options, struct ctl_err *err)
{
	json_t *result, *host = describe_host();
	const char *other;

	if (access(DRAFT_RESULT, F_OK))
		return begin(options, host);
	result = load(DRAFT_RESULT);
	other = differs(host, json_object_get(result, "host"));
	if (!result) {
		ctl_fail(err, NFV_RPC_E_EXIST, "the " DRAFT_RESULT " that is there is not one of these");
		ctl_hint(err, "nfvctl bench draft --out DIR");
	} else if (json_is_true(json_object_get(result, "complete"))) {
		if (!has_samples(result) || !keep_finished(err)) {
			json_decref(result);
			return begin(options, host);
		}
	} else if (!json_equal(json_object_get(result, "options"), options)) {
		ctl_fail(err, NFV_RPC_E_EXIST, "there is an interrupted run, with other options");
		ctl_hint(err, "nfvctl bench draft --out DIR");
	} else if (other) {
		ctl_fail(err, NFV_RPC_E_EXIST, "there is an interrupted run, of another host or other programs (%s)", other);
		ctl_hint(err, "nfvctl bench draft --out DIR");
	} else {
		out_note("continuing an interrupted run");
		forget_failures(result);
		json_object_set_new(result, "host", host);
		return result;
	}
	json_decref(host);
	json_decref(result);
	return NULL;
}

json_t *result_add(const char *path, struct ctl_err *err)
{
	json_t *result = load(DRAFT_RESULT), *other = load(path), *host, *tech;
	const char *name;

	if (!result || !other) {
		ctl_fail(err, NFV_RPC_E_NOENT, "%s is not a result of bench draft", result ? path : DRAFT_RESULT);
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

int result_save(json_t *result, struct ctl_err *err)
{
	return save_json(result, DRAFT_RESULT, err);
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
