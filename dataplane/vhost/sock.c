/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "clock.h"
#include "err.h"
#include "nfvd.h"

#define PEER_TIMEOUT_MS	200	/* in the middle of a message, which every frontend sends in one piece */
#define FDS_MAX		253	/* SCM_MAX_FD: more the kernel does not send at once */
#define FDS_RESERVED	64	/* the last descriptors, for control and its clients; at most a quarter of all */

static void fill(struct sockaddr_un *un, const char *path)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
}

/* Does anybody listen at path? 1 yes, 0 no, -1 cannot tell. */
static int listening(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un un;
	int ret;

	if (fd < 0)
		return -1;
	fill(&un, path);
	ret = connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0 || errno == EAGAIN;
	if (!ret && errno != ECONNREFUSED)
		ret = -1;
	close(fd);
	return ret;
}

/* Make way at path: remove a socket that is ours and that nobody listens on. */
static int make_way(const char *path, uid_t owner, struct nfvd_err *err)
{
	struct stat st;

	if (lstat(path, &st)) {
		if (errno == ENOENT)
			return 0;
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot read the state of '%s': %s", path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode)) {
		nfvd_err(err, NFV_RPC_E_EXIST, "cannot make the socket: '%s' exists, and is not a socket", path);
		nfvd_hint(err, "ls -l %s", path);
		return -1;
	}
	if (st.st_uid != geteuid() && st.st_uid != owner) {
		nfvd_err(err, NFV_RPC_E_EXIST, "the socket '%s' belongs to another user", path);
		nfvd_hint(err, "ls -l %s", path);
		return -1;
	}
	if (listening(path)) {
		nfvd_err(err, NFV_RPC_E_EXIST, "another process already listens on '%s'", path);
		nfvd_hint(err, "ss -xlp src %s", path);
		return -1;
	}
	if (unlink(path))
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot remove the stale socket '%s': %s", path, strerror(errno));
	return 0;
}

int nfvd_sock_check(const char *path, const struct stat *id)
{
	struct stat now;

	if (lstat(path, &now))
		return errno == ENOENT ? -ENOENT : 0;
	/* A file system may give the number of a removed file to the next. When it was made does not change. */
	return now.st_dev == id->st_dev && now.st_ino == id->st_ino && now.st_mtim.tv_sec == id->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == id->st_mtim.tv_nsec ? 0 : -EEXIST;
}

/*
 * Set the access of the socket itself. If somebody puts a link in its place, the target of the link is not changed.
 */
static int set_access(const char *path, const struct stat *id, const struct nfvd_sock_access *access)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), err = 0;
	mode_t mode = access->mode >= 0 ? (mode_t)access->mode : (id->st_mode & 0777) | 0060;
	char self[40];
	struct stat now;

	if (fd < 0)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fstat(fd, &now) || now.st_dev != id->st_dev || now.st_ino != id->st_ino)
		err = -ESTALE;
	else if (fchownat(fd, "", access->owner, access->group, AT_EMPTY_PATH) ||
		 ((access->mode >= 0 || access->group != (gid_t)-1) && chmod(self, mode)))
		err = -errno;
	close(fd);
	return err;
}

int nfvd_sock_listen(const char *path, const struct nfvd_sock_access *access, struct stat *id, struct nfvd_err *err)
{
	struct sockaddr_un un;
	int fd, ret;

	if (make_way(path, access->owner, err))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot make a socket: %s", strerror(errno));
	fill(&un, path);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) || listen(fd, SOMAXCONN) || lstat(path, id)) {
		nfvd_err(err, NFV_RPC_E_FAILED, "cannot listen on '%s': %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	ret = set_access(path, id, access);
	if (!ret)
		return fd;
	nfvd_sock_unlink(path, id);
	close(fd);
	return nfvd_err(err, NFV_RPC_E_FAILED, "cannot set who may connect to '%s': %s", path, strerror(-ret));
}

void nfvd_sock_unlink(const char *path, const struct stat *id)
{
	if (!nfvd_sock_check(path, id))
		unlink(path);
}

int nfvd_sock_connect(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	struct sockaddr_un un;

	if (fd < 0)
		return -errno;
	fill(&un, path);
	if (!connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int nfvd_sock_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* ---- receiving ---- */

/*
 * Return whether the request may have descriptors. With other requests the kernel discards them, and nfvd never
 * receives them.
 */
static bool takes_fds(uint32_t request)
{
	return request == VU_SET_MEM_TABLE || request == VU_SET_VRING_KICK || request == VU_SET_VRING_CALL ||
	       request == VU_SET_VRING_ERR || request == VU_SET_BACKEND_REQ_FD;
}

static void take_fds(struct msghdr *h, struct nfvd_vu_msg *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++, msg->n_fds++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (!nfvd_sock_fd_spare(fd))
				msg->fds_lost = true;
			if (msg->n_fds < VU_REGIONS_MAX)
				msg->fds[msg->n_fds] = fd;
			else
				close(fd);
		}
	}
}

/* Wait until fd is readable. 0, -ECANCELED if stop is, or -ETIMEDOUT. */
static int wait_readable(int fd, int stop, uint64_t end_us)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = stop, .events = POLLIN } };
	uint64_t now = nfvd_now_us();

	if (now >= end_us)
		return -ETIMEDOUT;
	if (poll(p, 2, (end_us - now + 999) / 1000) < 0 && errno != EINTR)
		return -errno;
	return p[1].revents ? -ECANCELED : 0;
}

/* Look at the header of the next message, which stays where it is. */
static int peek_header(int sock, int stop, void *to, uint64_t end_us)
{
	for (;;) {
		ssize_t n = recv(sock, to, VU_HDR_BYTES, MSG_PEEK | MSG_DONTWAIT);
		uint64_t soon_us = nfvd_now_us() + 1000;
		int err;

		if (n == VU_HDR_BYTES)
			return 0;
		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
			return -ECONNRESET;
		/* A partial header keeps the socket readable, so check again in a millisecond. */
		if (n > 0 && soon_us < end_us)
			err = wait_readable(-1, stop, soon_us);
		else
			err = wait_readable(sock, stop, n > 0 ? 0 : end_us);
		if (err)
			return err;
	}
}

/* Read n bytes. Descriptors go to msg if want_fds; else that there were some is noted. */
static int read_all(int sock, int stop, void *to, size_t n, bool want_fds, struct nfvd_vu_msg *msg, uint64_t end_us)
{
	union {
		struct cmsghdr align;
		uint8_t room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} ctl;

	for (size_t done = 0; done < n;) {
		struct iovec iov = { (uint8_t *)to + done, n - done };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = want_fds ? &ctl : NULL,
				    .msg_controllen = want_fds ? sizeof(ctl) : 0 };
		ssize_t got = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int err;

		if (!got || (got < 0 && errno != EAGAIN && errno != EINTR))
			return -ECONNRESET;
		if (got > 0) {
			done += got;
			take_fds(&h, msg);
			if (h.msg_flags & MSG_CTRUNC && want_fds)
				msg->fds_lost = true;
			else if (h.msg_flags & MSG_CTRUNC)
				msg->n_fds = FDS_MAX + 1;
			continue;
		}
		err = wait_readable(sock, stop, end_us);
		if (err)
			return err;
	}
	return 0;
}

int nfvd_sock_recv(int sock, int stop, struct nfvd_vu_msg *msg)
{
	uint64_t end_us = nfvd_now_us() + PEER_TIMEOUT_MS * 1000;
	int err;

	memset(msg, 0, sizeof(*msg));
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++)
		msg->fds[i] = -1;
	err = peek_header(sock, stop, msg, end_us);
	if (!err)
		err = read_all(sock, stop, msg, VU_HDR_BYTES, takes_fds(msg->request), msg, end_us);
	if (!err && msg->size > sizeof(msg->payload))
		err = -EMSGSIZE;
	if (!err)
		err = read_all(sock, stop, &msg->payload, msg->size, false, msg, end_us);
	return err;
}

int nfvd_sock_reply(int sock, const struct nfvd_vu_msg *msg)
{
	size_t n = VU_HDR_BYTES + msg->size;
	ssize_t sent = send(sock, msg, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0)
		return -errno;
	/* Replies are short. If only a part can be sent, the peer does not read its replies. */
	return (size_t)sent == n ? 0 : -EAGAIN;
}

void nfvd_sock_close_fds(struct nfvd_vu_msg *msg)
{
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
		msg->fds[i] = -1;
	}
	msg->n_fds = 0;
}

bool nfvd_sock_fd_spare(int fd)
{
	struct rlimit limit;
	rlim_t reserved;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return true;
	reserved = limit.rlim_cur / 4 < FDS_RESERVED ? limit.rlim_cur / 4 : FDS_RESERVED;
	return (rlim_t)fd < limit.rlim_cur - reserved;
}
