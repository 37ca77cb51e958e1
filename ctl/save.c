// SPDX-License-Identifier: BSD-3-Clause
/*
 * Files that nfvctl writes, most often as root and perhaps where others can write, too. A new file
 * takes the place of the old one: nothing that was there is followed or written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nfv/folder.h>
#include "bench/bench.h"

/* A user of no privilege may write wherever he can. */
static int open_folder(const char *path, struct ctl_err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX], culprit[PATH_MAX] = "";
	int fd;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	if (geteuid())
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else
		fd = nfv_folder_open(folder, culprit);
	if (fd == -EPERM && culprit[0])
		ctl_fail(err, NFV_RPC_E_DENIED, "cannot write %s: other users can change %s", path, culprit);
	else if (fd < 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot write %s: %s", path, strerror(geteuid() ? errno : -fd));
	return fd < 0 ? -1 : fd;
}

static int dump(int fd, json_t *result)
{
	FILE *f = fdopen(fd, "w");
	int failed = !f || json_dumpf(result, f, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) || fputc('\n', f) == EOF;

	if (!f)
		close(fd);
	return (f && fclose(f)) || failed ? -1 : 0;
}

static int replace(int folder, const char *name, json_t *result)
{
	char new[NAME_MAX + 1];
	unsigned int random = 0;
	struct stat st;
	int fd, error;

	if (!fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) && !S_ISREG(st.st_mode)) {
		errno = S_ISLNK(st.st_mode) ? ELOOP : S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	if (getrandom(&random, sizeof(random), 0) < 0 ||
	    snprintf(new, sizeof(new), ".%.200s.%08x", name, random) < 0)
		return -1;
	fd = openat(folder, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	if (!result) {
		close(fd);
		return unlinkat(folder, new, 0);
	}
	if (!dump(fd, result) && !renameat(folder, new, folder, name))
		return 0;
	error = errno;
	unlinkat(folder, new, 0);
	errno = error;
	return -1;
}

int save_json(json_t *result, const char *path, struct ctl_err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int folder = open_folder(path, err), rc = CTL_OK;

	if (folder < 0)
		return CTL_FAILED;
	if (!name[0] || replace(folder, name, result))
		rc = ctl_fail(err, NFV_RPC_E_FAILED, "cannot write %s: %s", path, strerror(name[0] ? errno : EISDIR));
	close(folder);
	return rc;
}
