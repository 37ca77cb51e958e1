/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_sock.h"
#include "vhost_msg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PEER_TIMEOUT_MS	200	/* in the middle of a message, which every frontend sends in one piece */
#define UNREAD_MAX	65536	/* bytes, counted as the kernel does */

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

int nfvd_sock_clear(const char *path, struct nfvd_err *err)
{
	struct stat st;

	if (lstat(path, &st)) {
		if (errno == ENOENT)
			return 0;
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot look at '%s': %s", path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode)) {
		nfvd_err(err, NFV_RPC_E_EXIST, "'%s' is in the way, and is no socket", path);
		nfvd_hint(err, "ls -l %s", path);
		return -1;
	}
	if (st.st_uid != geteuid()) {
		nfvd_err(err, NFV_RPC_E_EXIST, "the socket '%s' is another user's", path);
		nfvd_hint(err, "ls -l %s", path);
		return -1;
	}
	if (listening(path)) {
		nfvd_err(err, NFV_RPC_E_EXIST, "somebody listens on '%s' already", path);
		nfvd_hint(err, "ss -xlp src %s", path);
		return -1;
	}
	if (unlink(path))
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot remove the stale socket '%s': %s", path, strerror(errno));
	return 0;
}

static bool is_connection(int fd, const char *path, bool client)
{
	struct sockaddr_un un, peer;
	socklen_t len = sizeof(un), peer_len = sizeof(peer);

	memset(&un, 0, sizeof(un));
	memset(&peer, 0, sizeof(peer));
	/* A listening socket has the path too, but no peer. */
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) || peer.sun_family != AF_UNIX)
		return false;
	if (client)
		return !strncmp(peer.sun_path, path, sizeof(peer.sun_path));
	return !getsockname(fd, (struct sockaddr *)&un, &len) && !strncmp(un.sun_path, path, sizeof(un.sun_path));
}

int nfvd_sock_harden(const char *path, bool client)
{
	const struct timeval tv = { .tv_usec = PEER_TIMEOUT_MS * 1000 };
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	int own = -1;

	if (!dir)
		return -1;
	while (own < 0 && (e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || fd == dirfd(dir) || !is_connection(fd, path, client))
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
		own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	closedir(dir);
	return own;
}

bool nfvd_sock_unread(int sock)
{
	int bytes = 0;

	return sock >= 0 && !ioctl(sock, SIOCOUTQ, &bytes) && bytes > UNREAD_MAX;
}

/* ---- descriptors that librte_vhost would lose ---- */

#define VU_HDR_BYTES 12

static __thread bool stripped;

bool nfvd_sock_stripped(void)
{
	bool was = stripped;

	stripped = false;
	return was;
}

/* Requests about a queue that carry no descriptors, and one that is not offered. */
static bool takes_no_fds(uint32_t request)
{
	return request == VU_SET_VRING_NUM || request == VU_SET_VRING_ADDR || request == VU_SET_VRING_BASE ||
	       request == VU_GET_VRING_BASE || request == VU_SET_VRING_ENABLE || request == VU_SET_INFLIGHT_FD;
}

static void strip(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			close(fd);
			stripped = true;
		}
	}
	msg->msg_controllen = 0;
}

/*
 * The library's recvmsg() is ours. It looks at a message's queue index before any
 * handler of ours sees it, and when it refuses the index it forgets the descriptors
 * that came along: a guest could use up all of nfvd's. So descriptors of messages
 * that have an index and no business with descriptors end here. The library reads
 * a header into 12 bytes with room for 8 descriptors; nobody else does.
 */
ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	bool header = msg->msg_iovlen == 1 && msg->msg_iov->iov_len == VU_HDR_BYTES &&
		      msg->msg_controllen == CMSG_SPACE(VU_REGIONS_MAX * sizeof(int));
	ssize_t n = syscall(SYS_recvmsg, fd, msg, flags);
	uint32_t request;

	if (!header || n != VU_HDR_BYTES)
		return n;
	stripped = false;
	memcpy(&request, msg->msg_iov->iov_base, sizeof(request));
	if (takes_no_fds(request))
		strip(msg);
	return n;
}

/* ---- listening sockets that librte_vhost would see late ---- */

#define EVENTS_POLL_MS	1000	/* of the library's one thread for all sockets */
#define EVENTS_FDS_MAX	1024

static int wake_fd = -1;

int nfvd_sock_wake(void)
{
	uint64_t one = 1;

	if (wake_fd < 0)
		wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wake_fd >= 0 && write(wake_fd, &one, sizeof(one)) == sizeof(one) ? 0 : -1;
}

/*
 * The library's poll() is ours, too. It looks for sockets that were added once in a
 * second only, and a guest that is started with its port would wait for that.
 */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t bytes);	/* glibc declares it for fortified programs only */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t bytes)
{
	struct pollfd more[EVENTS_FDS_MAX + 1];
	uint64_t count;
	int ret;

	if (n > bytes / sizeof(*fds))
		abort();
	if (timeout != EVENTS_POLL_MS || n > EVENTS_FDS_MAX || wake_fd < 0)
		return syscall(SYS_poll, fds, n, timeout);
	memcpy(more, fds, n * sizeof(*fds));
	more[n] = (struct pollfd){ .fd = wake_fd, .events = POLLIN };
	ret = syscall(SYS_poll, more, n + 1, timeout);
	memcpy(fds, more, n * sizeof(*fds));
	if (ret > 0 && more[n].revents && read(wake_fd, &count, sizeof(count)) == sizeof(count))
		ret--;
	return ret;
}
