/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdpass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

union fd_room {
	struct cmsghdr align;
	uint8_t room[CMSG_SPACE(NFVD_FDPASS_MAX * sizeof(int))];
};

int nfvd_fdpass_send(int sock, const void *data, size_t n, const int *fds, unsigned int n_fds)
{
	struct iovec iov = { (void *)(uintptr_t)data, n };
	union fd_room ctl = { 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		h.msg_control = &ctl;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		ctl.align = (struct cmsghdr){ CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&ctl.align), fds, n_fds * sizeof(int));
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -errno;
}

int nfvd_fdpass_recv(int sock, int flags, void *data, size_t n, int *fds, unsigned int max, unsigned int *n_fds, bool *lost)
{
	struct iovec iov = { data, n };
	union fd_room ctl;
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl) };
	ssize_t got = recvmsg(sock, &h, flags | MSG_CMSG_CLOEXEC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (got != (ssize_t)n)
		return -ECONNRESET;
	*n_fds = 0;
	*lost = h.msg_flags & MSG_CTRUNC;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), (*n_fds < max ? *n_fds : max) * sizeof(int));
	}
	return 0;
}
