// SPDX-License-Identifier: BSD-3-Clause
/*
 * The client's side of include/nfv/rpc.h. One connection serves the whole run.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "ctl.h"

int rpc_timeout_ms = 30000;	/* attaching may wait for the kernel */

static int fd = -1;
static int descriptor = -1;	/* that came with the last response */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Return whether systemd runs here and has nfvd's unit. */
static bool has_unit(void)
{
	static const char *const folders[] = { "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
					      "/usr/lib/systemd/system", "/lib/systemd/system" };
	char path[64];

	for (size_t i = 0; !access("/run/systemd/system", F_OK) && i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/nfvd.service", folders[i]);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

static int connect_failed(const char *path, struct ctl_err *err)
{
	int error = errno;

	if (error == ENOENT || error == ECONNREFUSED) {
		ctl_fail(err, NFV_RPC_E_NOENT, "nfvd is not running: no process listens on %s", path);
		if (!strcmp(ctl_state_dir, NFV_STATE_DIR) && has_unit())
			ctl_hint(err, "systemctl start nfvd");
		else
			ctl_hint(err, "nfvd --state-dir %s &", ctl_state_dir);
	} else {
		ctl_fail(err, error == EACCES || error == EPERM ? NFV_RPC_E_DENIED : NFV_RPC_E_FAILED,
			 "cannot connect to %s: %s", path, strerror(error));
		if (error == EACCES || error == EPERM)
			ctl_hint(err, "sudo nfvctl ..., or as a member of nfv-read, nfv-operate or nfv-admin");
	}
	return -1;
}

/* A user who could make a socket there could respond in place of nfvd, and tell root which namespace is whose. */
static int check_peer(const char *path, struct ctl_err *err)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);

	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) && (who.uid == 0 || who.uid == geteuid()))
		return 0;
	ctl_fail(err, NFV_RPC_E_DENIED, "%s is served by uid %u, and neither by root nor by this user", path, who.uid);
	close(fd);
	fd = -1;
	return -1;
}

static int connect_nfvd(struct ctl_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", ctl_state_dir, NFV_CTL_SOCKET);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path)) {
		ctl_fail(err, NFV_RPC_E_FAILED, "the state directory's name is too long");
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		connect_failed(addr.sun_path, err);
		if (fd >= 0)
			close(fd);
		fd = -1;
		return -1;
	}
	return check_peer(addr.sun_path, err);
}

/* Wait for events until the deadline. Returns 0 or -errno. */
static int wait_for(short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = deadline - now_ms();
	int n = left > 0 ? poll(&p, 1, (int)left) : 0;

	return n > 0 ? 0 : n < 0 && errno != EINTR ? -errno : n < 0 ? 0 : -ETIMEDOUT;
}

static int send_all(const char *buf, size_t len, int64_t deadline)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0) {
			int rc = wait_for(POLLOUT, deadline);

			if (rc)
				return rc;
			continue;
		}
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* As recv(); a descriptor that comes along is kept. */
static ssize_t receive(char *buf, size_t size)
{
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS && cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
		if (descriptor >= 0)
			close(descriptor);
		memcpy(&descriptor, CMSG_DATA(cmsg), sizeof(int));
	}
	return n;
}

/* One line, to be freed, in *line. Returns its length or -errno. */
static ssize_t receive_line(char **line, int64_t deadline)
{
	size_t len = 0, size = 0;
	char *buf = NULL;
	ssize_t n;
	int rc;

	for (;;) {
		if (size - len < 4096) {
			char *bigger = size <= 2 * NFV_RPC_BACKLOG_MAX ? realloc(buf, size * 2 + 8192) : NULL;

			rc = -ENOMEM;
			if (!bigger)
				break;
			buf = bigger;
			size = size * 2 + 8192;
		}
		n = receive(buf + len, size - len);
		if (n > 0) {
			len += (size_t)n;
			if (buf[len - 1] != '\n')
				continue;
			*line = buf;
			return (ssize_t)len;
		}
		rc = n ? -errno : -ECONNRESET;
		if (rc == -EAGAIN || rc == -EINTR)
			rc = wait_for(POLLIN, deadline);
		if (rc)
			break;
	}
	free(buf);
	return rc;
}

/* Returns the result, a new reference. */
static json_t *result_of(json_t *reply, struct ctl_err *err)
{
	json_t *result = json_object_get(reply, "result"), *error = json_object_get(reply, "error");
	const char *text = json_string_value(json_object_get(error, "message"));
	const char *hint = json_string_value(json_object_get(json_object_get(error, "data"), "hint"));

	if (result && !error)
		return json_incref(result);
	ctl_fail(err, text ? (int)json_integer_value(json_object_get(error, "code")) : NFV_RPC_E_FAILED,
		 "%s", text ? text : "nfvd's reply is neither a result nor an error");
	if (hint)
		ctl_hint(err, "%s", hint);
	return NULL;
}

json_t *rpc_call(const char *method, json_t *params, struct ctl_err *err)
{
	static int id;
	json_t *request = json_pack("{ss si ss so}", "jsonrpc", "2.0", "id", ++id, "method", method,
				    "params", params ? params : json_object());
	char *text = json_dumps(request, JSON_COMPACT), *line = NULL;
	int64_t deadline = now_ms() + rpc_timeout_ms;
	json_t *reply, *result = NULL;
	int sent;
	ssize_t len;

	json_decref(request);
	if (!text) {
		ctl_fail(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	if (strlen(text) > NFV_RPC_LINE_MAX) {
		ctl_fail(err, NFV_RPC_E_LIMIT, "the request has %zu bytes; nfvd accepts at most %d", strlen(text), NFV_RPC_LINE_MAX);
		goto out;
	}
	if (fd < 0 && connect_nfvd(err))
		goto out;
	len = (ssize_t)strlen(text);
	text[len] = '\n';	/* in place of the string's end: nfvd is woken once */
	sent = send_all(text, (size_t)len + 1, deadline);
	/* If nfvd has refused this client sending may fail, but there is still a reply to read. */
	len = receive_line(&line, deadline);
	if (len < 0) {
		ctl_fail(err, NFV_RPC_E_FAILED, "no reply from nfvd: %s", strerror(sent ? -sent : (int)-len));
		close(fd);
		fd = -1;
		goto out;
	}
	reply = json_loadb(line, (size_t)len, 0, NULL);
	result = result_of(reply, err);
	json_decref(reply);
out:
	free(line);
	free(text);
	return result;
}

int rpc_take_descriptor(void)
{
	int taken = descriptor;

	descriptor = -1;
	return taken;
}

bool rpc_connected(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&p, 1, 0) == 0;
}

pid_t rpc_pid(void)
{
	struct ucred who = { .pid = 0 };
	socklen_t len = sizeof(who);

	return fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) ? who.pid : 0;
}

json_t *find_named(json_t *list, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *s = json_string_value(json_object_get(item, "name"));

		if (s && !strcmp(s, name))
			return item;
	}
	return NULL;
}

json_t *rpc_list(const char *method, const char *list, json_t *params, struct ctl_err *err)
{
	json_t *all, *part;

	if (!params)
		params = json_object();
	all = rpc_call(method, json_incref(params), err);
	while (json_object_get(all, "more")) {
		json_object_set(params, "from", json_object_get(all, "more"));
		json_object_del(all, "more");
		part = rpc_call(method, json_incref(params), err);
		if (part) {
			json_array_extend(json_object_get(all, list), json_object_get(part, list));
			json_object_set(all, "more", json_object_get(part, "more"));
			json_decref(part);
		} else {
			json_decref(all);
			all = NULL;
		}
	}
	json_decref(params);
	return all;
}

json_t *port_get(const char *name, struct ctl_err *err)
{
	json_t *all = rpc_call("port.list", json_pack("{ss}", "name", name), err);
	json_t *port = json_incref(json_array_get(json_object_get(all, "ports"), 0));

	json_decref(all);
	return port;
}
