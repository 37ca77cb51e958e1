// SPDX-License-Identifier: BSD-3-Clause
/*
 * Programs that nfvctl runs, files that it saves, consoles that it reads; all of them are real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "../../ctl/draft/guest.c"

static char top[] = "/tmp/nfv-run.XXXXXX";

static int enter(void **state)
{
	return !mkdtemp(top) || chdir(top);
}

static int leave(void **state)
{
	struct ctl_err err = { 0 };

	return chdir("/") || run_command(NULL, -1, 10, ARGV("rm", "-rf", top), &err);
}

static void test_arguments(void **state)
{
	struct ctl_err err = { 0 };
	char *output = NULL;

	assert_int_equal(run_command(&output, -1, 10, ARGV("printf", "<%s>", "$(touch owned)", "a b", "", "';touch owned;'"), &err), 0);
	assert_string_equal(output, "<$(touch owned)><a b><><';touch owned;'>");
	free(output);
	assert_int_equal(access("owned", F_OK), -1);
}

static void test_failures(void **state)
{
	struct ctl_err err = { 0 };

	assert_int_equal(run_command(NULL, -1, 10, ARGV("./no-such-program"), &err), CTL_FAILED);
	assert_non_null(strstr(err.text, "cannot start ./no-such-program: No such file"));
	assert_int_equal(run_command(NULL, -1, 10, ARGV("false"), &err), CTL_FAILED);
	assert_string_equal(err.text, "false fails, and does not say why");
	assert_int_equal(run_command(NULL, -1, 10, ARGV("bash", "-c", "printf 'one\\n\\033[31mtwo\\n\\n' >&2; exit 3"), &err), CTL_FAILED);
	assert_string_equal(err.text, "?[31mtwo");
	/* SIGPIPE is nfvctl's own business. */
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(run_command(NULL, -1, 10, ARGV("bash", "-c", "kill -PIPE $$; exit 0"), &err), CTL_FAILED);
}

static void test_limits(void **state)
{
	struct ctl_err err = { 0 };
	double start = now_s();

	assert_int_equal(run_command(NULL, -1, 1, ARGV("sleep", "60"), &err), CTL_FAILED);
	assert_string_equal(err.text, "sleep did not end within 1 s, or says too much");
	/* A silent program that runs on; and one whose child keeps the pipe open. */
	assert_int_equal(run_command(NULL, -1, 1, ARGV("bash", "-c", "exec >&- 2>&-; exec sleep 60"), &err), CTL_FAILED);
	assert_int_equal(run_command(NULL, -1, 1, ARGV("bash", "-c", "sleep 20 & exit 0"), &err), CTL_FAILED);
	assert_int_equal(run_command(NULL, -1, 60, ARGV("yes"), &err), CTL_FAILED);
	assert_true(now_s() - start < 50);
}

static json_t *number(int n)
{
	return json_pack("{si}", "n", n);
}

static int number_in_file(const char *path)
{
	json_t *json = json_load_file(path, 0, NULL);
	int n = (int)json_integer_value(json_object_get(json, "n"));

	json_decref(json);
	return n;
}

static int save(int n, const char *path)
{
	struct ctl_err err = { 0 };
	json_t *json = number(n);
	int rc = save_json(json, path, &err);

	json_decref(json);
	return rc;
}

static void test_save(void **state)
{
	struct ctl_err err = { 0 };

	assert_int_equal(save(1, "x.json"), CTL_OK);
	assert_int_equal(number_in_file("x.json"), 1);
	/* Other hard links of the file keep the old content. */
	assert_int_equal(link("x.json", "linked"), 0);
	assert_int_equal(save(2, "x.json"), CTL_OK);
	assert_int_equal(number_in_file("x.json"), 2);
	assert_int_equal(number_in_file("linked"), 1);
	assert_int_equal(symlink("x.json", "soft"), 0);
	assert_int_equal(save(3, "soft"), CTL_FAILED);
	assert_int_equal(number_in_file("x.json"), 2);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(save(3, "fifo"), CTL_FAILED);
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(save(3, "dir"), CTL_FAILED);
	assert_int_equal(save(3, "dir/"), CTL_FAILED);
	assert_int_equal(save(3, "no/such"), CTL_FAILED);
	assert_int_equal(save(4, "dir/y.json"), CTL_OK);
	/* Test whether saving is possible: this makes no file and changes none. */
	assert_int_equal(save_json(NULL, "no/such", &err), CTL_FAILED);
	assert_int_equal(save_json(NULL, "dir/y.json", &err), CTL_OK);
	assert_int_equal(number_in_file("dir/y.json"), 4);
	assert_int_equal(save_json(NULL, "dir/z.json", &err), CTL_OK);
	assert_int_equal(rmdir("dir"), -1);
	assert_int_equal(unlink("dir/y.json") || rmdir("dir") || mkdir("dir", 0755) || save(4, "dir/y.json"), 0);
	if (geteuid())
		return;
	assert_int_equal(chown("dir", 65534, 65534), 0);
	assert_int_equal(save(5, "dir/y.json"), CTL_FAILED);
	assert_int_equal(number_in_file("dir/y.json"), 4);
	assert_int_equal(chown("dir", 0, 0) || chmod("dir", 0777), 0);
	assert_int_equal(save(5, "dir/y.json"), CTL_FAILED);
	assert_int_equal(chmod("dir", 01777), 0);
	assert_int_equal(save(6, "dir/y.json"), CTL_OK);
	assert_int_equal(number_in_file("dir/y.json"), 6);
}

/* Numbers, as they are printed. */
static void test_digits(void **state)
{
	static const struct { double value; const char *text; } cases[] = {
		{ 0, "0.00" }, { 1.4e-4, "0.00014" }, { 0.049, "0.049" }, { 0.5, "0.50" }, { -0.0012, "-0.0012" }, { 33.333, "33.33" },
	};
	int before = dup(STDOUT_FILENO), file = open("printed", O_RDWR | O_CREAT | O_TRUNC, 0600);

	fflush(stdout);
	dup2(file, STDOUT_FILENO);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *obj = json_pack("{sf}", "x", cases[i].value);

		out_object(obj);
		json_decref(obj);
	}
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	lseek(file, 0, SEEK_SET);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[64] = "", *nl;
		off_t at = lseek(file, 0, SEEK_CUR);

		assert_true(read(file, line, sizeof(line) - 1) > 0);
		nl = strchr(line, '\n');
		*nl = '\0';
		assert_string_equal(strrchr(line, ' ') + 1, cases[i].text);
		lseek(file, at + (nl - line) + 1, SEEK_SET);
	}
	close(file);
	close(before);
}

/* The program can only end if its output is read, because a pipe holds 64 KiB. */
static void test_console(void **state)
{
	struct draft_guest g = { .console = -1 };
	struct ctl_err err = { 0 };
	pid_t pid = run_start(ARGV("head", "-c", "4194304", "/dev/zero"), -1, &g.console, run_log("log"), &err);

	assert_true(pid > 0);
	drain_console(&g);
	assert_int_equal(g.console, -1);
	assert_int_equal(run_end(pid, now_s() + 60), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_save),
		cmocka_unit_test(test_digits),
		cmocka_unit_test(test_console),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
