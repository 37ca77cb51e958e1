/* SPDX-License-Identifier: BSD-3-Clause */
/* The state directory belongs to one daemon at a time: a lock file says whose it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "control.h"
#include "log.h"

static int lock_fd = -1;

static int check_dir(const char *dir)
{
	struct stat st;

	if (strlen(dir) + sizeof("/" NFV_CTL_SOCKET) > sizeof(((struct sockaddr_un *)0)->sun_path)) {
		nfvd_log(LOG_ERR, "state directory '%s' is too long: a socket in it has at most %zu bytes", dir,
			 sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	if (mkdir(dir, 0755) && errno != EEXIST) {
		nfvd_log(LOG_ERR, "cannot make state directory '%s': %m", dir);
		return -errno;
	}
	if (lstat(dir, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & S_IWOTH) {
		nfvd_log(LOG_ERR, "state directory '%s' must be a directory (no link) of uid %u that others cannot write",
			 dir, geteuid());
		return -EPERM;
	}
	return 0;
}

/* Is what fd has open still the file at path? */
static bool same_file(int fd, const char *path)
{
	struct stat opened, there;

	return !fstat(fd, &opened) && !stat(path, &there) && opened.st_dev == there.st_dev &&
	       opened.st_ino == there.st_ino;
}

/* Locked, or -1. */
static int take_lock(const char *path)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		char pid[16] = "";

		if (fd < 0) {
			nfvd_log(LOG_ERR, "cannot open '%s': %m", path);
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			if (read(fd, pid, sizeof(pid) - 1) < 0)
				pid[0] = 0;
			pid[strcspn(pid, "\n")] = 0;
			nfvd_log(LOG_ERR, "another nfvd (pid %s) has the state directory '%s'", pid[0] ? pid : "unknown",
				 nfvd_config.state_dir);
			close(fd);
			errno = EBUSY;
			return -1;
		}
		/* A daemon that ended in between has removed it: that lock is no one's. */
		if (same_file(fd, path))
			return fd;
		close(fd);
	}
}

int nfvd_state_lock(void)
{
	char path[4096], pid[16];
	int err = check_dir(nfvd_config.state_dir);

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/lock", nfvd_config.state_dir);
	lock_fd = take_lock(path);
	if (lock_fd < 0)
		return -errno;
	snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(lock_fd, 0) || write(lock_fd, pid, strlen(pid)) < 0)
		nfvd_log(LOG_WARNING, "cannot write pid to '%s': %m", path);
	snprintf(path, sizeof(path), "%s/" NFV_CTL_SOCKET, nfvd_config.state_dir);
	/* With the lock held, a control socket here is a dead daemon's. */
	if (unlink(path) && errno != ENOENT) {
		nfvd_log(LOG_ERR, "cannot remove stale '%s': %m", path);
		return -errno;
	}
	return 0;
}

void nfvd_state_unlock(void)
{
	char path[4096];

	if (lock_fd < 0)
		return;
	snprintf(path, sizeof(path), "%s/lock", nfvd_config.state_dir);
	unlink(path);
	close(lock_fd);
}
