// SPDX-License-Identifier: BSD-3-Clause
/*
 * bench draft: which technologies and measures, in which order; draft.h tells the rest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nfv/folder.h>
#include "draft/draft.h"

#define RUNS		5
#define REPORT_SECONDS	120

static const struct ctl_arg draft_args[] = {
	{ "--only", ARG_STRING, false, 0, 0, NULL },
	{ "--measure", ARG_STRING, false, 0, 0, NULL },
	{ "--runs", ARG_NUMBER, false, 1, 1000, NULL },
	{ "--time", ARG_NUMBER, false, 1, 3600, NULL },
	{ "--image", ARG_STRING, false, 0, 0, NULL },
	{ "--out", ARG_PATH, false, 0, 0, NULL },
	{ "--add", ARG_PATH, false, 0, 0, NULL },	/* rows of another host; nothing is measured */
	{ .key = NULL }
};

static const char *row_name(size_t i)
{
	return draft_rows[i].name;
}

static const char *measure_name(size_t i)
{
	return draft_measures[i];
}

static size_t find(const char *(*name)(size_t), const char *word, size_t len)
{
	size_t i = 0;

	while (name(i) && (strncmp(name(i), word, len) || name(i)[len]))
		i++;
	return i;
}

static int unknown(const char *(*name)(size_t), const char *word, struct ctl_err *err)
{
	char names[256] = "";
	size_t n = 0;

	for (size_t i = 0; name(i) && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "", name(i));
	return ctl_usage(err, "'%s' is none of %s", word, names);
}

/* Mark what a list of words, separated by commas, names; all when there is no list. */
static int select_words(bool *chosen, const char *(*name)(size_t), const char *list, struct ctl_err *err)
{
	char *words = strdup(list ? list : ""), *save, *word;
	int rc = CTL_OK;
	size_t i;

	for (i = 0; name(i); i++)
		chosen[i] = !list;
	for (char *at = words; !rc && (word = strtok_r(at, ",", &save)); at = NULL) {
		i = find(name, word, strlen(word));
		if (name(i))
			chosen[i] = true;
		else
			rc = unknown(name, word, err);
	}
	free(words);
	return rc;
}

/*
 * Check --image, "NAME=PATH,...". A path is put between quotes in xl's configuration, and is one line of a command.
 * Make it absolute before the working directory changes.
 */
static int check_images(json_t *options, struct ctl_err *err)
{
	const char *list = json_string_value(json_object_get(options, "--image"));
	json_t *all = json_string(""), *path, *longer;
	char *words = strdup(list ? list : ""), *save, *word, *equal;
	int rc = CTL_OK;

	for (char *at = words; !rc && (word = strtok_r(at, ",", &save)); at = NULL) {
		equal = strchr(word, '=');
		if (!equal || strpbrk(word, "'\n"))
			rc = ctl_usage(err, "'--image' takes NAME=PATH, not '%s'", word);
		else if (!row_name(find(row_name, word, (size_t)(equal - word))))
			rc = unknown(row_name, word, err);
		if (rc)
			break;
		path = args_absolute(equal + 1);
		longer = json_sprintf("%s%s%.*s=%s", json_string_value(all), at ? "" : ",", (int)(equal - word), word,
				      json_string_value(path));
		json_decref(path);
		json_decref(all);
		all = longer;
	}
	if (!rc && list)
		json_object_set(options, "--image", all);
	json_decref(all);
	free(words);
	return rc;
}

/* The path in "NAME=PATH,..." for this name. Returns 0, or -errno when there is none or it cannot be read. */
static int find_image(json_t *options, const char *name, char path[PATH_MAX])
{
	const char *list = json_string_value(json_object_get(options, "--image"));
	char *words = strdup(list ? list : ""), *save, *word;
	size_t len = strlen(name);
	int rc = -ENOENT;

	path[0] = '\0';
	for (char *at = words; (word = strtok_r(at, ",", &save)); at = NULL) {
		if (strncmp(word, name, len) || word[len] != '=')
			continue;
		snprintf(path, PATH_MAX, "%s", word + len + 1);
		rc = access(path, R_OK) ? -errno : 0;
	}
	free(words);
	return rc;
}

/* Return the folder of the guests' scripts: beside nfvctl's own folder if installed, else where it was built. */
static const char *guests_dir(void)
{
	static char path[PATH_MAX / 2];
	const char *dir = getenv("NFV_GUESTS");

	if (dir)
		return dir;
	snprintf(path, sizeof(path), "%s/../share/nfv-fastpath/guests", run_self_dir());
	return access(path, X_OK) ? NFV_GUESTS : path;
}

/*
 * Return why the technology cannot run, or NULL. Set *broken if the user asked for it with an image that cannot be
 * used.
 */
static const char *find_script(struct draft_bench *b, struct draft_subject *s, bool *broken, struct ctl_err *err)
{
	const char *missing = s->row->xen ? xen_missing() : NULL;
	int rc = find_image(b->options, s->row->name, s->image);

	if (missing)
		return missing;
	snprintf(s->script, sizeof(s->script), "%s/draft/%s", guests_dir(),
		 !s->image[0] ? s->row->name : s->row->xen ? "foreign.xen" : "foreign.kvm");
	*broken = s->image[0] && rc;
	if (*broken) {
		ctl_fail(err, NFV_RPC_E_NOENT, "no image %s: %s", s->image, strerror(-rc));
		return err->text;
	}
	if (!access(s->script, X_OK))
		return NULL;
	ctl_fail(err, NFV_RPC_E_NOENT, "needs --image %s=PATH", s->row->name);
	return err->text;
}

/* Those that can run here. Building an image may take minutes, and needs the host's network. */
static void find_subjects(struct draft_bench *b)
{
	for (size_t i = 0; draft_rows[i].name; i++) {
		struct draft_subject *s = &b->subjects[b->n];
		struct ctl_err err = { 0 };
		const char *reason;
		bool broken = false;

		if (!b->rows[i])
			continue;
		*s = (struct draft_subject){ .row = &draft_rows[i], .tech = result_tech(b->result, draft_rows[i].name) };
		reason = find_script(b, s, &broken, &err);
		s->guest.script = s->script;
		s->guest.image = s->image[0] ? s->image : NULL;
		if (!reason && guest_describe(&s->guest, s->tech, &err)) {
			reason = err.text;
			broken = true;
		}
		if (reason)
			json_object_set_new(s->tech, "reason", json_string(reason));
		else
			b->n++;
		if (broken)
			json_object_set_new(s->tech, "failed", json_true());
	}
}

/* Tables, page and all, of what there is. */
static int finish(struct draft_bench *b, struct ctl_err *err)
{
	struct ctl_err no_page = { 0 };
	char report[PATH_MAX];

	tables_make(b->result);
	if (result_save(b->result, err))
		return CTL_FAILED;
	snprintf(report, sizeof(report), "%s/draft/report.py", guests_dir());
	if (run_command(NULL, -1, REPORT_SECONDS, ARGV("python3", report, DRAFT_RESULT, "report.html"), &no_page))
		out_note("no report.html: %s", no_page.text);
	tables_print(b->result, b->measures);
	return CTL_OK;
}

/*
 * Return how many measures failed. A technology that cannot run here, such as a Xen guest without Xen, has not
 * failed.
 */
static size_t count_failures(struct draft_bench *b, struct ctl_err *err)
{
	json_t *tech, *errors, *text;
	const char *name, *measure;
	size_t failed = 0;

	json_object_foreach(json_object_get(b->result, "technologies"), name, tech) {
		if (json_object_get(tech, "failed") && ++failed)
			ctl_fail(err, NFV_RPC_E_FAILED, "%s: %s", name, json_string_value(json_object_get(tech, "reason")));
		errors = json_object_get(tech, "errors");
		json_object_foreach(errors, measure, text)
			if (++failed)
				ctl_fail(err, NFV_RPC_E_FAILED, "%s, %s: %s", name, measure, json_string_value(text));
	}
	if (failed > 1)
		ctl_fail(err, NFV_RPC_E_FAILED, "%zu measures failed, see the notes; the same command tries them again", failed);
	return failed;
}

/* In the sandbox. */
static int run(struct draft_bench *b, struct ctl_err *err)
{
	struct ctl_err failures = { 0 };
	bool xen = false;
	int rc;

	for (size_t i = 0; i < b->n; i++)
		xen |= b->subjects[i].guest.kind == KIND_XEN;
	rc = b->n ? net_open(xen, err) : CTL_OK;
	if (!rc && json_object_get(b->options, "--image"))
		rc = net_serve_dhcp(err);
	if (rc)
		return rc;
	rc = rounds_run(b, err);
	for (size_t i = 0; i < b->n; i++)
		guest_free(&b->subjects[i].guest);
	if (rc)
		return rc;
	json_object_set_new(b->result, "complete", json_boolean(!count_failures(b, &failures)));
	if (finish(b, err))
		return CTL_FAILED;
	if (!failures.text[0])
		return CTL_OK;
	*err = failures;
	return CTL_FAILED;
}

/*
 * Change to the working directory. All results are written to it, by programs that follow links. So it must be this
 * user's own, in a folder in which nobody else can replace it.
 */
static int enter_out(json_t *options, struct ctl_err *err)
{
	const char *wanted = json_string_value(json_object_get(options, "--out")), *slash;
	char out[PATH_MAX], parent[PATH_MAX], culprit[PATH_MAX] = "";
	struct stat st;
	int dir, fd;

	snprintf(out, sizeof(out), "%s", wanted ? wanted : "nfv-draft");
	for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
		out[n - 1] = '\0';
	slash = strrchr(out, '/');
	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - out) + 1 : 1, slash ? out : ".");
	dir = nfv_folder_open(parent, culprit);
	fd = dir;
	if (dir >= 0 && (fstat(dir, &st) || st.st_mode & S_IWOTH)) {
		snprintf(culprit, sizeof(culprit), "%s", parent);
		fd = -EPERM;
	} else if (dir >= 0) {
		snprintf(culprit, sizeof(culprit), "%s", out);
		fd = nfv_folder_make(dir, slash ? slash + 1 : out, 0755);
	}
	if (dir >= 0)
		close(dir);
	if (fd == -EPERM)
		ctl_fail(err, NFV_RPC_E_DENIED, "cannot use %s: other users can change %s", out, culprit);
	else if (fd < 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot use %s: %s", out, strerror(-fd));
	else if (fchdir(fd))
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot use %s: %s", out, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (err->text[0])
		ctl_hint(err, "nfvctl bench draft --out DIR");
	return err->text[0] ? CTL_FAILED : CTL_OK;
}

/* Check the cache. Root runs and boots what the guests' scripts have built there, so nobody else may write to it. */
static int check_cache(struct ctl_err *err)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char path[PATH_MAX], culprit[PATH_MAX];
	int fd;

	if (cache && cache[0])
		snprintf(path, sizeof(path), "%s/nfv-fastpath", cache);
	else
		snprintf(path, sizeof(path), "%s/.cache/nfv-fastpath", home && home[0] ? home : "/root");
	fd = nfv_folder_open(path, culprit);
	if (fd >= 0)
		close(fd);
	if (fd != -EPERM)
		return CTL_OK;
	ctl_fail(err, NFV_RPC_E_DENIED, "the cache %s is not only root's: other users can change %s", path, culprit);
	ctl_hint(err, "env XDG_CACHE_HOME=/root/.cache nfvctl bench draft ...");
	return CTL_FAILED;
}

/* As the cache; with NFV_GUESTS it can be any folder. */
static int check_scripts(struct ctl_err *err)
{
	char path[PATH_MAX], culprit[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/draft", guests_dir());
	fd = nfv_folder_open(path, culprit);
	if (fd >= 0)
		close(fd);
	return fd == -EPERM ? ctl_fail(err, NFV_RPC_E_DENIED, "will not run the scripts in %s: other users can change %s", path,
				       culprit) : CTL_OK;
}

static int parse(struct draft_bench *b, int argc, char **argv, struct ctl_err *err)
{
	int rc = args_options(argc, argv, draft_args, b->options, err);

	if (!rc)
		rc = select_words(b->rows, row_name, json_string_value(json_object_get(b->options, "--only")), err);
	if (!rc)
		rc = select_words(b->measures, measure_name,
				  json_string_value(json_object_get(b->options, "--measure")), err);
	return rc ? rc : check_images(b->options, err);
}

static int add(struct draft_bench *b, const char *path, struct ctl_err *err)
{
	if (enter_out(b->options, err))
		return CTL_FAILED;
	b->result = result_add(path, err);
	return b->result ? finish(b, err) : CTL_FAILED;
}

static int open_bench(struct draft_bench *b, struct ctl_err *err)
{
	json_t *runs, *seconds;

	if (geteuid()) {
		ctl_fail(err, NFV_RPC_E_DENIED, "needs root, to make namespaces");
		ctl_hint(err, "sudo nfvctl bench draft");
		return CTL_FAILED;
	}
	runs = json_object_get(b->options, "--runs");
	seconds = json_object_get(b->options, "--time");
	b->runs = runs ? (size_t)json_integer_value(runs) : RUNS;
	b->seconds = seconds ? (unsigned int)json_integer_value(seconds) : BENCH_SECONDS;
	if (check_cache(err) || check_scripts(err) || enter_out(b->options, err))
		return CTL_FAILED;
	b->result = result_open(b->options, err);
	if (!b->result)
		return CTL_FAILED;
	find_subjects(b);
	return result_save(b->result, err);
}

int cmd_bench_draft(int argc, char **argv, struct ctl_err *err)
{
	struct draft_bench *b = calloc(1, sizeof(*b));
	const char *other;
	pid_t worker;
	int rc;

	if (!b)
		return ctl_fail(err, NFV_RPC_E_FAILED, "out of memory");
	b->options = json_object();
	rc = parse(b, argc, argv, err);
	other = json_string_value(json_object_get(b->options, "--add"));
	if (!rc && other) {
		rc = add(b, other, err);
	} else if (!rc) {
		rc = open_bench(b, err);
	}
	if (!rc && !other) {
		worker = sandbox_enter(err);
		rc = worker < 0 ? CTL_FAILED : worker ? sandbox_wait(worker, err) : run(b, err);
	}
	json_decref(b->options);
	json_decref(b->result);
	free(b);
	return rc;
}
