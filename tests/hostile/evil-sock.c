/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups C9 to C11: the UNIX socket. */
#include "evil.h"

#include <errno.h>
#include <fcntl.h>
#include <nfv/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, path, strlen(path) + 1);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void c9_unread_replies(void **state)
{
	const uint32_t ask[3] = { VU_GET_FEATURES, VU_VERSION, 0 };
	int64_t end = now_ms() + 2 * PATIENCE_MS, start;
	bool closed = false;

	/* Send requests without reading responses. */
	while (!closed && now_ms() < end) {
		ssize_t n = send(evil.f.sock, ask, sizeof(ask), MSG_NOSIGNAL | MSG_DONTWAIT);

		closed = n < 0 && errno != EAGAIN;
		if (n < 0) {
			start = now_ms();
			json_decref(rpc("stats.get", NULL));
			assert_in_range(now_ms() - start, 0, RESPONSE_MS);
		}
	}
	assert_true(closed);
	moved("evil", "vu_timeout", 1, "evil", "vu_disconnect", 1, NULL);
	/* The protocol thread still works. */
	guest_again(&peer, true);
	mark();
}

static void c10_second_client(void **state)
{
	struct vuf second = evil.f;
	unsigned int fds = nfvd_fds();

	for (unsigned int i = 0; i < 10; i++) {
		mark();
		second.sock = dial(evil.path);
		assert_true(second.sock >= 0);
		assert_int_equal(vuf_wait_closed(&second), 0);
		close(second.sock);
		moved("evil", "vu_second_client", 1, NULL);
		traffic_flows();
	}
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	mark();
}

static void c10_connect_and_close(void **state)
{
	unsigned int fds, n = 1000;
	int64_t counted = 0;

	guest_down(&evil);
	fds = nfvd_fds();
	mark();
	for (unsigned int i = 0; i < n; i++) {
		int fd = dial(evil.path);

		assert_true(fd >= 0);
		close(fd);
	}
	/* A connection may come before the last one is closed; the number per second is limited. */
	assert_true(wait_until((counted = moved_by("evil", "vu_disconnect") + moved_by("evil", "vu_second_client")) >= n,
			       6 * PATIENCE_MS));
	assert_int_equal(counted, n);
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	guest_up(&evil, true);
	traffic_flows();
	mark();
}

static void c10_silent_client(void **state)
{
	struct vuf silent = evil.f;
	int64_t start;

	guest_down(&evil);
	mark();
	start = now_ms();
	silent.sock = dial(evil.path);
	silent.timeout_ms = 8000;
	assert_true(silent.sock >= 0);
	assert_int_equal(vuf_wait_closed(&silent), 0);
	assert_in_range(now_ms() - start, 4500, 7000);
	close(silent.sock);
	moved("evil", "vu_timeout", 1, "evil", "vu_disconnect", 1, NULL);
	guest_up(&evil, true);
	mark();
}

/* ---- C11: what lies where the socket should be ---- */

static char dir[64];

static void refuse_socket(const char *path, int code)
{
	json_t *e = rpc_refused("port.attach", json_pack("{s:s, s:s, s:s}", "type", "kvm", "name", "c11", "socket", path));
	const char *text = json_string_value(json_object_get(e, "message"));

	print_message("    %s\n", text);
	assert_int_equal(json_integer_value(json_object_get(e, "code")), code);
	if (code != NFV_RPC_E_PARAMS)
		assert_non_null(strstr(text, path));
	json_decref(e);
}

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int listen_at(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path, path, strlen(path) + 1);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void attach_and_detach(const char *path)
{
	json_decref(rpc("port.attach", json_pack("{s:s, s:s, s:s}", "type", "kvm", "name", "c11", "socket", path)));
	json_decref(rpc("port.detach", json_pack("{s:s}", "name", "c11")));
	assert_int_equal(access(path, F_OK), -1);
}

static void c11_socket_path(void **state)
{
	char path[200], target[200];
	struct stat st;
	int fd;

	snprintf(dir, sizeof(dir), "/tmp/evil-vu.XXXXXX");
	assert_non_null(mkdtemp(dir));

	snprintf(path, sizeof(path), "%s", in_dir("file"));
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
	refuse_socket(path, NFV_RPC_E_EXIST);
	assert_true(!stat(path, &st) && st.st_size == 1);

	/* A link to a file, to a missing file, to a live socket: none is followed or removed. */
	snprintf(target, sizeof(target), "%s", path);
	snprintf(path, sizeof(path), "%s", in_dir("link"));
	assert_int_equal(symlink(target, path), 0);
	refuse_socket(path, NFV_RPC_E_EXIST);
	assert_true(!lstat(path, &st) && S_ISLNK(st.st_mode));
	unlink(path);
	assert_int_equal(symlink(in_dir("nowhere"), path), 0);
	refuse_socket(path, NFV_RPC_E_EXIST);
	assert_true(!lstat(path, &st) && S_ISLNK(st.st_mode));
	unlink(path);
	unlink(target);

	refuse_socket(dir, NFV_RPC_E_EXIST);
	refuse_socket(in_dir("no/such/folder"), NFV_RPC_E_FAILED);

	/* Live: refused. Stale: replaced, if it is ours. */
	snprintf(path, sizeof(path), "%s", in_dir("socket"));
	fd = listen_at(path);
	refuse_socket(path, NFV_RPC_E_EXIST);
	refuse_socket(evil.path, NFV_RPC_E_EXIST);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		refuse_socket(path, NFV_RPC_E_EXIST);
		assert_int_equal(access(path, F_OK), 0);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	attach_and_detach(path);

	/* 107 bytes are the longest, 108 are too long. */
	snprintf(path, sizeof(path), "%s/", dir);
	memset(path + strlen(path), 'a', sizeof(path) - strlen(path));
	path[108] = 0;
	refuse_socket(path, NFV_RPC_E_PARAMS);
	path[107] = 0;
	attach_and_detach(path);
	refuse_socket("relative.sock", NFV_RPC_E_PARAMS);
	assert_int_equal(rmdir(dir), 0);
	traffic_flows();
	moved(NULL, NULL);
}

int sock_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(c9_unread_replies),
		evil_test(c10_second_client),
		evil_test(c10_connect_and_close),
		evil_test(c10_silent_client),
		evil_test(c11_socket_path),
	};

	return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
