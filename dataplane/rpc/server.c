// SPDX-License-Identifier: BSD-3-Clause
/*
 * The control server's transport: a UNIX stream socket on the event loop.
 *
 * For each client at most one unfinished request is buffered, and no request is handled while a reply waits to be
 * read. So a client that does not read its replies stops itself, and costs at most the memory of one request and one
 * reply.
 *
 *	EPOLLIN ──► in[] ──► nfvd_rpc_handle() ──► out ──► EPOLLOUT
 *
 * The deadline runs while in[] holds an unfinished request, or out a reply. Progress does not extend it: a client
 * cannot stay connected by sending a byte now and then.
 *
 * A client with role read or operate does not delay an admin: its requests are handled one at a time, when there is
 * no other event, and the last connections are reserved for admins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "control/role.h"
#include "log.h"
#include "rpc/capture.h"
#include "rpc/core.h"
#include "rpc/methods.h"
#include "rpc/server.h"

#define REQUESTS_PER_TURN	16	/* an admin's, then other event sources run */
#define ACCEPT_PAUSE_US		100000	/* after running out of descriptors or memory */
#define LOG_INTERVAL_US		1000000
#define FD_RESERVE		8	/* descriptors held for clients that come when there are no others */

struct client {
	struct client *next, **link;
	sd_event_source *io, *timer;
	int fd;
	bool eof, hangup;	/* no more requests: close when out is written */
	bool deadline;		/* timer is running */
	struct nfvd_caller who;
	size_t in_len;
	char *out;		/* NULL: nothing to write */
	size_t out_len, out_pos;
	int out_fd;		/* goes with out; -1: none. Not ours to close */
	char in[NFV_RPC_LINE_MAX + 1];	/* a request of the largest size and its newline */
};

static struct {
	sd_event *event;
	sd_event_source *listen, *resume;
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client *clients;
	unsigned int nr_clients;
	int reserve[FD_RESERVE];	/* the first nr_reserve */
	unsigned int nr_reserve;
	uint64_t log_next_us;
	unsigned int log_skipped;
} server = { .fd = -1 };

static void reserve_fill(void)
{
	while (server.nr_reserve < FD_RESERVE) {
		int fd = fcntl(server.fd, F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return;
		server.reserve[server.nr_reserve++] = fd;
	}
}

/* Give one up. False: there is none. */
static bool reserve_use(void)
{
	if (!server.nr_reserve)
		return false;
	close(server.reserve[--server.nr_reserve]);
	return true;
}

static void client_free(struct client *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	server.nr_clients--;
	nfvd_capture_end(&c->who);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	close(c->fd);
	free(c->out);
	free(c);
	reserve_fill();
}

static void client_reply(struct client *c, char *reply)
{
	if (!reply) {	/* out of memory */
		c->hangup = true;
		return;
	}
	c->out = reply;
	c->out_len = strlen(reply);
	c->out_pos = 0;
}

/* A last word to a client that exceeded a limit. */
static void client_refuse(struct client *c, enum nfvd_ctl_reason why, int code, const char *text)
{
	nfvd_ctl_count(why);
	c->hangup = true;
	c->in_len = 0;
	if (!c->out)
		client_reply(c, nfvd_rpc_error(code, text, NULL));
}

/* Send what is left of out; its descriptor goes with the first byte. */
static ssize_t send_out(const struct client *c)
{
	struct iovec iov = { .iov_base = c->out + c->out_pos, .iov_len = c->out_len - c->out_pos };
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (c->out_fd >= 0) {
		msg.msg_control = room;
		msg.msg_controllen = sizeof(room);
		cmsg = CMSG_FIRSTHDR(&msg);
		*cmsg = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(cmsg), &c->out_fd, sizeof(int));
	}
	return sendmsg(c->fd, &msg, MSG_NOSIGNAL);
}

/* Returns 0, also when the peer takes no more for now, or -errno when it is gone. */
static int client_write(struct client *c)
{
	while (c->out) {
		ssize_t n = send_out(c);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		c->out_fd = -1;
		c->out_pos += (size_t)n;
		if (c->out_pos == c->out_len) {
			free(c->out);
			c->out = NULL;
		}
	}
	return 0;
}

/* Take up the next complete request. Returns false when there is none. */
static bool client_next(struct client *c)
{
	char *nl = memchr(c->in, '\n', c->in_len);
	size_t len;

	if (!nl) {
		if (c->in_len == sizeof(c->in))
			client_refuse(c, NFVD_CTL_TOO_BIG, NFV_RPC_E_LIMIT, "request longer than 65536 bytes");
		else if (c->eof && c->in_len)
			client_refuse(c, NFVD_CTL_BAD_REQUEST, NFV_RPC_E_PARSE, "request not ended by a newline");
		return c->out;
	}
	len = (size_t)(nl - c->in);
	client_reply(c, nfvd_rpc_handle(&c->who, c->in, len, &c->hangup));
	c->out_fd = nfvd_capture_descriptor(&c->who);
	c->in_len -= len + 1;
	memmove(c->in, nl + 1, c->in_len);
	return true;
}

static int client_deadline(struct client *c, bool want)
{
	int rc = 0;

	if (want == c->deadline)
		return 0;
	if (want)
		rc = sd_event_source_set_time_relative(c->timer, (uint64_t)NFV_RPC_TIMEOUT_MS * 1000);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(c->timer, want ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	c->deadline = want;
	return rc;
}

/* Handle requests and write replies as far as possible, then set what to wait for. May free c. */
static void client_run(struct client *c)
{
	bool more = true, had_out = c->out;
	int requests = c->who.role == NFVD_ROLE_ADMIN ? REQUESTS_PER_TURN : 1;
	uint32_t events;

	for (int i = 0; i < requests && more; i++) {
		if (client_write(c) < 0)
			goto gone;
		if (c->out || c->hangup)
			break;
		more = client_next(c);
	}
	if (client_write(c) < 0)
		goto gone;
	if (!c->out && (c->hangup || (c->eof && !more)))
		goto gone;

	if (had_out != !!c->out)	/* each reply, and each request, has its own time */
		client_deadline(c, false);
	if (c->out || c->hangup)
		events = EPOLLOUT;
	else if (more)			/* requests left in in[]: come back at once */
		events = EPOLLIN | EPOLLOUT;
	else
		events = EPOLLIN;
	if (client_deadline(c, c->out || c->in_len) < 0 || sd_event_source_set_io_events(c->io, events) < 0)
		goto gone;
	return;
gone:
	client_free(c);
}

/* Returns 0, or -errno when the peer is gone. */
static int client_read(struct client *c)
{
	struct iovec iov = { .iov_base = c->in + c->in_len, .iov_len = sizeof(c->in) - c->in_len };
	/* No room for ancillary data: descriptors that were sent are closed by the kernel, never installed. */
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (c->eof || !iov.iov_len)
		return 0;
	n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (msg.msg_flags & MSG_CTRUNC) {
		client_refuse(c, NFVD_CTL_BAD_FDS, NFV_RPC_E_REQUEST, "file descriptors are not accepted");
		return 0;
	}
	c->eof = !n;
	/* Restart the deadline: the request that is now complete, and the next one, are waited for separately. */
	if (memchr(iov.iov_base, '\n', (size_t)n))
		client_deadline(c, false);
	c->in_len += (size_t)n;
	return 0;
}

static int on_client(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct client *c = userdata;

	if (revents & (EPOLLERR | EPOLLHUP) && !(revents & EPOLLIN)) {
		client_free(c);
		return 0;
	}
	if (revents & EPOLLIN && client_read(c) < 0) {
		client_free(c);
		return 0;
	}
	client_run(c);
	return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct client *c = userdata;

	c->deadline = false;
	if (c->out) {	/* it does not read: nothing more to say */
		nfvd_ctl_count(NFVD_CTL_TIMEOUT);
		client_free(c);
		return 0;
	}
	client_refuse(c, NFVD_CTL_TIMEOUT, NFV_RPC_E_LIMIT, "request not finished within 5 s");
	client_run(c);
	return 0;
}

static void log_denied(const struct nfvd_caller *who)
{
	uint64_t now = 0;

	sd_event_now(server.event, CLOCK_MONOTONIC, &now);
	if (now < server.log_next_us) {
		server.log_skipped++;
		return;
	}
	nfvd_log(LOG_NOTICE, "control: denied uid=%u pid=%d (and %u before it)", who->uid, who->pid,
		 server.log_skipped);
	server.log_next_us = now + LOG_INTERVAL_US;
	server.log_skipped = 0;
}

/* Send a response without accepting the client. The socket is new, so the response fits its buffer. */
static void turn_away(int fd, enum nfvd_ctl_reason why, const struct nfvd_err *err)
{
	char *reply = nfvd_rpc_error(err->code, err->text, err->hint);

	nfvd_ctl_count(why);
	if (reply)
		(void)send(fd, reply, strlen(reply), MSG_NOSIGNAL);
	free(reply);
	close(fd);
}

static unsigned int connections_of(uid_t uid)
{
	unsigned int n = 0;

	for (const struct client *c = server.clients; c; c = c->next)
		n += c->who.uid == uid;
	return n;
}

/* Return whether this peer may be served, and fill in *who. If not, send it an error and close it. */
static bool admit(int fd, struct nfvd_caller *who)
{
	static const unsigned int max[NFVD_N_ROLES] = {
		[NFVD_ROLE_READ] = NFV_RPC_READERS_MAX,
		[NFVD_ROLE_OPERATE] = NFV_RPC_OPERATORS_MAX,
		[NFVD_ROLE_ADMIN] = NFV_RPC_ADMINS_MAX,
	};
	struct nfvd_err err;

	if (nfvd_caller_of(fd, who) || !who->role) {
		log_denied(who);
		nfvd_role_refuse(who, NFVD_ROLE_READ, "nfvd", &err);
		turn_away(fd, NFVD_CTL_DENIED, &err);
		return false;
	}
	if (server.nr_clients >= (who->uid == 0 ? NFV_RPC_CLIENTS_MAX : max[who->role])) {
		nfvd_err(&err, NFV_RPC_E_LIMIT, "too many clients are connected");
		turn_away(fd, NFVD_CTL_LIMIT, &err);
		return false;
	}
	if (who->role != NFVD_ROLE_ADMIN && connections_of(who->uid) >= NFV_RPC_USER_MAX) {
		nfvd_err(&err, NFV_RPC_E_LIMIT, "too many clients of uid %u are connected", who->uid);
		turn_away(fd, NFVD_CTL_LIMIT, &err);
		return false;
	}
	return true;
}

static void client_new(int fd, const struct nfvd_caller *who)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->who = *who;
	c->out_fd = -1;
	c->next = server.clients;
	c->link = &server.clients;
	if (c->next)
		c->next->link = &c->next;
	server.clients = c;
	server.nr_clients++;
	if (sd_event_add_io(server.event, &c->io, fd, EPOLLIN, on_client, c) < 0 ||
	    (who->role != NFVD_ROLE_ADMIN && sd_event_source_set_priority(c->io, SD_EVENT_PRIORITY_IDLE) < 0) ||
	    sd_event_add_time_relative(server.event, &c->timer, CLOCK_MONOTONIC, 0, 0, on_deadline, c) < 0 ||
	    sd_event_source_set_enabled(c->timer, SD_EVENT_OFF) < 0)
		client_free(c);
}

static int on_resume(sd_event_source *s, uint64_t usec, void *userdata)
{
	sd_event_source_set_enabled(server.listen, SD_EVENT_ON);
	return 0;
}

/* Out of descriptors or memory: the connection stays queued, and accept() would fail again at once. */
static void pause_accepting(void)
{
	if (sd_event_source_set_time_relative(server.resume, ACCEPT_PAUSE_US) < 0 ||
	    sd_event_source_set_enabled(server.resume, SD_EVENT_ONESHOT) < 0)
		return;
	sd_event_source_set_enabled(server.listen, SD_EVENT_OFF);
}

static int on_listen(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct nfvd_caller who;

	/* Another thread may take the descriptor that was given up. Then give up the next one of the reserve. */
	while (client < 0 && (errno == EMFILE || errno == ENFILE) && reserve_use())
		client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client >= 0) {
		if (admit(client, &who))
			client_new(client, &who);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		pause_accepting();
	}
	return 0;
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server.fd < 0)
		return -errno;
	/* The socket file is made with this mode less the umask: at no time is it wider. */
	if (fchmod(server.fd, 0660) || bind(server.fd, (struct sockaddr *)&addr, sizeof(addr))) {
		rc = -errno;
		goto close_fd;
	}
	if (chmod(path, 0660) || listen(server.fd, SOMAXCONN)) {
		rc = -errno;
		unlink(path);
		goto close_fd;
	}
	strcpy(server.path, path);
	nfvd_roles_start();
	nfvd_roles_open_socket(path);
	reserve_fill();
	return 0;
close_fd:
	close(server.fd);
	server.fd = -1;
	return rc;
}

int nfvd_rpc_start(sd_event *event, const char *path)
{
	int rc = listen_on(path);

	if (rc < 0)
		return rc;
	nfvd_rpc_use(nfvd_rpc_methods);
	server.event = event;
	rc = sd_event_add_time_relative(event, &server.resume, CLOCK_MONOTONIC, 0, 0, on_resume, NULL);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(server.resume, SD_EVENT_OFF);
	if (rc >= 0)
		rc = sd_event_add_io(event, &server.listen, server.fd, EPOLLIN, on_listen, NULL);
	if (rc < 0) {
		nfvd_rpc_stop();
		return rc;
	}
	return 0;
}

void nfvd_rpc_stop(void)
{
	for (struct client *c = server.clients, *next; c; c = next) {
		next = c->next;
		client_free(c);
	}
	server.listen = sd_event_source_disable_unref(server.listen);
	server.resume = sd_event_source_disable_unref(server.resume);
	if (server.fd >= 0) {
		unlink(server.path);
		while (reserve_use())
			;
		close(server.fd);
		server.fd = -1;
	}
}
