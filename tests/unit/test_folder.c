// SPDX-License-Identifier: BSD-3-Clause
/*
 * Which folders root may use: include/nfv/folder.h. Needs root, to make folders of other users.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <nfv/folder.h>

#define STRANGER	65534

static char top[] = "/tmp/nfv-folder.XXXXXX";

static int enter(void **state)
{
	if (geteuid() || !mkdtemp(top))
		return -1;
	return chdir(top) || mkdir("ours", 0755) || mkdir("ours/in", 0755);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int leave(void **state)
{
	return chdir("/") || nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int try(const char *path, char culprit[PATH_MAX])
{
	int fd = nfv_folder_open(path, culprit);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* The path is refused, and the culprit is named. */
static void refused(const char *path, const char *what)
{
	char culprit[PATH_MAX], full[PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", top, what);
	assert_int_equal(try(path, culprit), -EPERM);
	assert_string_equal(culprit, full);
}

static void passed(const char *path)
{
	char culprit[PATH_MAX];

	assert_int_equal(try(path, culprit), 0);
}

static void test_ours(void **state)
{
	char culprit[PATH_MAX];

	passed("ours/in");
	passed("./ours//in/../in/.");
	passed(top);
	passed("/");
	passed("/tmp");		/* sticky */
	assert_int_equal(try("ours/no", culprit), -ENOENT);
	assert_int_equal(close(creat("file", 0644)), 0);
	assert_int_equal(try("file", culprit), -ENOTDIR);
	assert_int_equal(try("file/in", culprit), -ENOTDIR);
}

static void test_owner(void **state)
{
	assert_int_equal(chown("ours", STRANGER, STRANGER), 0);
	refused("ours", "ours");
	refused("ours/in", "ours");		/* it could be replaced */
	refused("ours/in/../..", "ours");
	assert_int_equal(chmod("ours", 01777), 0);
	refused("ours/in", "ours");
	assert_int_equal(chown("ours", 0, 0), 0);
	passed("ours/in");			/* as /tmp */
	assert_int_equal(chmod("ours", 0777), 0);
	refused("ours/in", "ours");
	assert_int_equal(chmod("ours", 0775), 0);
	passed("ours/in");			/* of root's group */
	assert_int_equal(chown("ours", 0, STRANGER), 0);
	refused("ours/in", "ours");
	assert_int_equal(chown("ours", 0, 0) || chmod("ours", 0755), 0);
	passed("ours/in");
}

static void test_links(void **state)
{
	char culprit[PATH_MAX], target[PATH_MAX];

	snprintf(target, sizeof(target), "%s/ours", top);
	assert_int_equal(symlink("ours/in", "mine"), 0);
	passed("mine");
	assert_int_equal(symlink(target, "far"), 0);
	passed("far/in");
	assert_int_equal(lchown("far", STRANGER, STRANGER), 0);
	refused("far/in", "far");
	assert_int_equal(symlink("far/in", "chain"), 0);
	refused("chain", "far");
	assert_int_equal(symlink("round", "round"), 0);
	assert_int_equal(try("round", culprit), -ELOOP);
	assert_int_equal(symlink("more/x", "more"), 0);
	assert_true(try("more", culprit) < 0);
}

static int try_make(const char *name, mode_t mode)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = nfv_folder_make(dir, name, mode);

	close(dir);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static void test_make(void **state)
{
	mode_t mask = umask(077);
	struct stat st;

	assert_int_equal(try_make("new", 0755), 0);
	assert_int_equal(stat("new", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	umask(0);
	assert_int_equal(try_make("newer", 0700), 0);
	assert_int_equal(stat("newer", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	umask(mask);
	assert_int_equal(try_make("new", 0755), 0);	/* there already */
	assert_int_equal(chmod("new", 0775), 0);
	assert_int_equal(try_make("new", 0755), -EPERM);
	assert_int_equal(chmod("new", 0757), 0);
	assert_int_equal(try_make("new", 0755), -EPERM);
	assert_int_equal(chmod("new", 0755), 0);
	assert_int_equal(chown("new", STRANGER, 0), 0);
	assert_int_equal(try_make("new", 0755), -EPERM);
	assert_int_equal(symlink("newer", "link"), 0);
	assert_true(try_make("link", 0755) == -ENOTDIR || try_make("link", 0755) == -ELOOP);
	assert_true(try_make("file", 0755) == -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_make),
	};

	if (geteuid())
		return 77;
	return cmocka_run_group_tests(tests, enter, leave);
}
