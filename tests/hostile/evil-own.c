/* SPDX-License-Identifier: BSD-3-Clause */
/* Group C2, continued: a peer sends its own connection as a descriptor. While nfvd holds that, the peer seems alive. */
#include "evil.h"

#include <errno.h>
#include <nfv/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int give(uint32_t request, int fd)
{
	uint64_t u64 = RX;

	return vuf_tell(&evil.f, request, &u64, request == VU_SET_BACKEND_REQ_FD ? 0 : sizeof(u64), &fd, 1);
}

static void give_refused(const char *what, int fd)
{
	static const uint32_t requests[] = { VU_SET_VRING_CALL, VU_SET_VRING_KICK, VU_SET_VRING_ERR, VU_SET_BACKEND_REQ_FD };
	struct { uint32_t n, padding; struct nfvd_vu_region r[1]; } t = { .n = 1 };

	print_message("    %s\n", what);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(give(requests[i], fd), -EREMOTEIO);
	t.r[0] = (struct nfvd_vu_region){ .gpa = 1 << 20, .size = 1 << 16, .uva = 1ull << 40 };
	assert_int_equal(vuf_tell(&evil.f, VU_SET_MEM_TABLE, &t, sizeof(t), &fd, 1), -EREMOTEIO);
	traffic_flows();
}

static int control_connection(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/ctl.sock", getenv("NFVD_STATE_DIR"));
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void c2_own_connection(void **state)
{
	unsigned int fds = nfvd_fds();
	int control = control_connection();

	give_refused("the connection itself", evil.f.sock);
	give_refused("that of another guest", peer.f.sock);
	give_refused("one to control", control);
	close(control);
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	guest_again(&evil, true);
	traffic_flows();
	mark();
}

/* Send fd from sock to its other end. Return 0 or -errno. */
static int pass(int sock, int fd)
{
	union {
		struct cmsghdr align;
		uint8_t room[CMSG_SPACE(sizeof(int))];
	} ctl = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl) };

	ctl.align = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&ctl.align), &fd, sizeof(fd));
	return sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -errno;
}

/* The connection is in the queue of a socket that nfvd gets, put there before or after. Then the peer ends. */
static void c2_connection_inside(void **state)
{
	static const uint32_t requests[] = { VU_SET_VRING_CALL, VU_SET_BACKEND_REQ_FD };
	unsigned int fds = nfvd_fds();
	int pair[2];

	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		if (i & 1)
			assert_int_equal(pass(pair[1], evil.f.sock), 0);
		assert_int_equal(give(requests[i / 2], pair[0]), 0);
		if (!(i & 1))
			assert_int_equal(pass(pair[1], evil.f.sock), -EPIPE);
		close(pair[0]);
		close(pair[1]);
		guest_again(&evil, true);
		traffic_flows();
	}
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	mark();
}

int own_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(c2_own_connection),
		evil_test(c2_connection_inside),
	};

	return cmocka_run_group_tests_name("own connections", tests, NULL, NULL);
}
