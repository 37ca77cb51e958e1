/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Folders in which root can work although strangers have accounts on the host.
 *
 * Three kinds of users are trusted: root; the user who runs the program; and the users who could replace
 * the program itself, because they own it or a folder above it. The last is for a user's own checkout in
 * which root works. A folder is opened once, checked by its descriptor, and used by that descriptor.
 *
 *	who could change what a path names
 *	a folder of the path that is a stranger's, or that others can write		refused
 *	the same with the sticky bit, as /tmp: others cannot change foreign entries	passed
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

/* Return whether only trusted users can add to the folder or, if it is sticky, replace files that are theirs. */
static inline bool nfv_folder_trusted(const struct stat *st)
{
	mode_t others = S_IWOTH;

	/* A user's private group usually has the user's number. */
	if (st->st_gid != st->st_uid)
		others |= S_IWGRP;
	return nfv_owner_trusted(st->st_uid) && (!(st->st_mode & others) || st->st_mode & S_ISVTX);
}

/* Replace *dir by its entry name. If that is a link, put the link's target before rest. Return 0 or -errno. */
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
 * Open a folder that no stranger can replace. Return a descriptor or -errno. With -EPERM, culprit names the part
 * of the path that a stranger could change.
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

		if (len > NAME_MAX || steps > PATH_MAX) {	/* probably a loop of links */
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
 * Open the folder name in parent, and make it with mode if it does not exist. Return a descriptor or -errno:
 * -EPERM if other users can change it, -ENOTDIR or -ELOOP if it is a file or a link.
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
	    (made && fchmod(fd, mode))) {		/* regardless of the umask */
		close(fd);
		return -EPERM;
	}
	return fd;
}

#endif
