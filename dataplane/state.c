/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state directory belongs to one daemon at a time: a lock file says whose it is.
 *
 *	DIR		755	guests that are not root connect to sockets in it; only nfvd's user makes any
 *	DIR/lock	600	a flock() needs no more than a descriptor: nobody else shall get one
 *	DIR/ctl.sock	660	rpc/server.c
 *	DIR/NAME.device	600	what was changed of a port's device: netdev/trace.h
 *	DIR/NAME.sock	as the umask has it (077), vhost-user
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <nfv/folder.h>
#include <nfv/rpc.h>
#include "log.h"
#include "nfvd.h"

static int lock_fd = -1;

/* Opened by its parent's descriptor; nobody can replace either. */
int nfvd_state_folder(const char *what, const char *dir, mode_t mode)
{
	char path[PATH_MAX], culprit[PATH_MAX] = "", *slash;
	int parent, fd;

	snprintf(path, sizeof(path), "%s", dir);
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	slash = strrchr(path, '/');
	*slash = '\0';
	parent = nfv_folder_open(path, culprit);
	fd = parent < 0 ? parent : nfv_folder_make(parent, slash + 1, mode);
	if (parent >= 0)
		close(parent);
	if (parent == -EPERM)
		nfvd_log(LOG_ERR, "%s '%s' could be replaced by other users: they can change '%s'", what, dir, culprit);
	else if (fd == -EPERM || (parent >= 0 && (fd == -ENOTDIR || fd == -ELOOP)))
		nfvd_log(LOG_ERR, "%s '%s' must be a directory (no link) of uid %u that others cannot write",
			 what, dir, geteuid());
	else if (fd < 0)
		nfvd_log(LOG_ERR, "cannot make %s '%s': %s", what, dir, strerror(-fd));
	return fd;
}

static int check_dir(const char *dir)
{
	int fd;

	if (strlen(dir) + sizeof("/" NFV_CTL_SOCKET) > sizeof(((struct sockaddr_un *)0)->sun_path)) {
		nfvd_log(LOG_ERR, "state directory '%s' is too long: a socket in it has at most %zu bytes", dir,
			 sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	fd = nfvd_state_folder("state directory", dir, 0755);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Is what fd has open still the file at path? */
static bool same_file(int fd, const char *path)
{
	struct stat opened, there;

	return !fstat(fd, &opened) && !lstat(path, &there) && opened.st_dev == there.st_dev &&
	       opened.st_ino == there.st_ino;
}

/* Does anybody listen on the control socket? */
static bool served(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s/" NFV_CTL_SOCKET, nfvd_config.state_dir);
	yes = fd < 0 || !connect(fd, (struct sockaddr *)&addr, sizeof(addr)) || (errno != ENOENT && errno != ECONNREFUSED);
	if (fd >= 0)
		close(fd);
	return yes;
}

static void tell_owner(int fd)
{
	char pid[16] = "";

	if (pread(fd, pid, sizeof(pid) - 1, 0) < 0)
		pid[0] = 0;
	pid[strspn(pid, "0123456789")] = 0;
	nfvd_log(LOG_ERR, "another nfvd (pid %s) uses the state directory '%s'", pid[0] ? pid : "unknown",
		 nfvd_config.state_dir);
}

/* Locked, or -1. */
static int take_lock(const char *path)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct stat st;

		if (fd < 0 || fstat(fd, &st)) {
			nfvd_log(LOG_ERR, "cannot open '%s': %m", path);
			return -1;
		}
		/* Somebody else may have it open, from when it could be read by others. */
		if (fchmod(fd, 0600) || st.st_uid != geteuid() || !S_ISREG(st.st_mode)) {
			nfvd_log(LOG_ERR, "'%s' is not a file of uid %u", path, geteuid());
			close(fd);
			errno = EPERM;
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			if (st.st_mode & (S_IRWXG | S_IRWXO) && !served() && same_file(fd, path) && !unlink(path)) {
				nfvd_log(LOG_WARNING, "replaced '%s': it was locked, but no nfvd runs here", path);
				close(fd);
				continue;
			}
			tell_owner(fd);
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
