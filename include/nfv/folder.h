/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Folders in which root can work though strangers have accounts here. Trusted are root,
 * whoever runs the program, and who could replace the program itself, for it is his or in a
 * folder of his: a user's own checkout, in which root works. A folder is looked at once, by its descriptor, and then used by that.
 *
 *	who could change what a path names
 *	a folder on the way that is a stranger's, or that others can write		refused
 *	the same with the sticky bit, as /tmp: others cannot change what is not theirs	passed
 *	a symbolic link of a stranger							refused
 */
#ifndef NFV_FOLDER_H
#define NFV_FOLDER_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline bool nfv_owner_trusted(uid_t uid)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	struct stat st;

	if (uid == 0 || uid == geteuid())
		return true;
	path[n > 0 ? n : 0] = '\0';
	for (char *slash; (slash = strrchr(path, '/')); *slash = '\0')
		if (!stat(path, &st) && st.st_uid == uid)
			return true;
	return false;
}

/* Can only the trusted put something into it, or, of a sticky one, replace what is theirs? */
static inline bool nfv_folder_trusted(const struct stat *st)
{
	mode_t others = S_IWOTH;

	/* A user's own group of one, by its usual number. */
	if (st->st_gid != st->st_uid)
		others |= S_IWGRP;
	return nfv_owner_trusted(st->st_uid) && (!(st->st_mode & others) || st->st_mode & S_ISVTX);
}

/* Replace *dir by what it holds under this name; of a link put its target before the rest. 0 or -errno. */
static inline int nfv_folder_step(int *dir, const char *name, char rest[PATH_MAX], char culprit[PATH_MAX])
{
	char target[PATH_MAX], behind[PATH_MAX], self[32];
	int next = openat(*dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), err = 0;
	struct stat st;
	ssize_t n;

	if (next < 0)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", next);
	n = readlink(self, culprit, PATH_MAX - 1);
	culprit[n > 0 ? n : 0] = '\0';
	if (fstat(next, &st)) {
		err = -errno;
	} else if (S_ISLNK(st.st_mode)) {
		n = readlinkat(next, "", target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		snprintf(behind, sizeof(behind), "%s", rest);
		if (!nfv_owner_trusted(st.st_uid))
			err = -EPERM;
		else if (n <= 0 || (size_t)snprintf(rest, PATH_MAX, "%s%s", target, behind) >= PATH_MAX)
			err = -ENAMETOOLONG;
		close(next);
		next = -1;
		if (!err && target[0] == '/')
			next = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	} else if (!S_ISDIR(st.st_mode)) {
		err = -ENOTDIR;
	} else if (!nfv_folder_trusted(&st)) {
		err = -EPERM;
	}
	if (err && next >= 0)
		close(next);
	if (!err && next >= 0) {
		close(*dir);
		*dir = next;
	}
	return err;
}

/*
 * Open a folder that no stranger can replace. Returns a descriptor or -errno; with
 * -EPERM culprit is what a stranger could change on the way.
 */
static inline int nfv_folder_open(const char *path, char culprit[PATH_MAX])
{
	char rest[PATH_MAX], name[NAME_MAX + 1], cwd[PATH_MAX] = "";
	int dir, fd, err = 0;

	culprit[0] = '\0';
	if ((path[0] != '/' && !getcwd(cwd, sizeof(cwd))) ||
	    (size_t)snprintf(rest, sizeof(rest), "%s/%s", cwd, path) >= sizeof(rest))
		return -ENAMETOOLONG;
	dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	for (int steps = 0; !err && rest[strspn(rest, "/")]; steps++) {
		size_t skip = strspn(rest, "/"), len = strcspn(rest + skip, "/");

		if (len > NAME_MAX || steps > PATH_MAX) {	/* links in a circle */
			err = len > NAME_MAX ? -ENAMETOOLONG : -ELOOP;
			break;
		}
		memcpy(name, rest + skip, len);
		name[len] = '\0';
		memmove(rest, rest + skip + len, strlen(rest + skip + len) + 1);
		err = nfv_folder_step(&dir, name, rest, culprit);
	}
	fd = err ? err : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!err && fd < 0)
		fd = -errno;
	close(dir);
	return fd;
}

/*
 * The folder of this name in parent, made with mode unless it is there. Returns a descriptor, or -errno:
 * -EPERM when it is not this user's alone, -ENOTDIR or -ELOOP when it is something else or a link.
 */
static inline int nfv_folder_make(int parent, const char *name, mode_t mode)
{
	int made = !mkdirat(parent, name, mode), fd;
	struct stat st;

	if (!made && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || st.st_uid != geteuid() || (!made && st.st_mode & (S_IWGRP | S_IWOTH)) ||
	    (made && fchmod(fd, mode))) {		/* whatever the umask */
		close(fd);
		return -EPERM;
	}
	return fd;
}

#endif
