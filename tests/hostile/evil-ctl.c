// SPDX-License-Identifier: BSD-3-Clause
/*
 * A hostile client of nfvd's control socket.
 *
 *	evil-ctl SOCKET			all cases, as root
 *	evil-ctl SOCKET denied		only the case of a user without a role
 *	evil-ctl SOCKET hold N		open N connections, print "held", and keep them until killed
 *	evil-ctl SOCKET busy N		print "busy", and send requests on N connections without end, as many as fit
 *
 * Each case prints "ok - NAME" or "not ok - NAME: why". After each, nfvd must
 * still respond, have counted exactly the attack, and have no additional port.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <jansson.h>
#include <nfv/rpc.h>
#include "evil-ctl.h"

/* ---- size and depth ---- */

/* Send len bytes of fill; expect one error of this code with these words, a closed connection and one count. */
static void send_much(const char *name, char fill, size_t len, bool newline, int code, const char *words,
		      const char *counted)
{
	long before = counter(counted), after;
	char *data = malloc(len), line[4096], why[512];
	int fd = dial();

	memset(data, fill, len);
	say(fd, data, len);
	if (newline)
		say(fd, "\n", 1);
	if (hear(fd, line, sizeof(line), PROMPT_MS) <= 0)
		snprintf(why, sizeof(why), "no reply");
	else
		wrong_reply(line, code, words, why, sizeof(why));
	if (!why[0] && !closed(fd, PROMPT_MS))
		snprintf(why, sizeof(why), "not disconnected");
	close(fd);
	free(data);
	after = counter(counted);
	if (!why[0] && after != before + 1)
		snprintf(why, sizeof(why), "%s moved by %ld", counted, after - before);
	verdict(name, "%s", why);
}

static void half_closed(void)
{
	char line[4096], why[512] = "no reply";
	int fd = dial();

	say(fd, "{\"jsonrpc\"", 10);
	shutdown(fd, SHUT_WR);
	if (hear(fd, line, sizeof(line), PROMPT_MS) > 0)
		wrong_reply(line, NFV_RPC_E_PARSE, "newline", why, sizeof(why));
	if (!why[0] && !closed(fd, PROMPT_MS))
		snprintf(why, sizeof(why), "not disconnected");
	close(fd);
	verdict("half-open in the middle of a request", "%s", why);
}

/* ---- time ---- */

/*
 * Three clients at once: one stops within a request, one sends a byte each 500 ms, one sends
 * requests for ever and reads nothing. Each must be disconnected within the time-out, without
 * effect on others.
 */
static void slow_clients(void)
{
	static const char request[] = REQUEST("drops.get", "{\"all\":true}") "\n";
	long before = counter("ctl_timeout"), after;
	int64_t start = now_ms(), slowest = 0, next_byte = start, t;
	int stopped = dial(), dripping = dial(), deaf = dial();
	char line[4096], why[512] = "";

	say(stopped, "{\"jso", 5);
	say(dripping, "{", 1);
	fcntl(deaf, F_SETFL, O_NONBLOCK);
	for (after = before; after < before + 3 && now_ms() - start < PATIENCE_MS; after = counter("ctl_timeout")) {
		struct timespec pause = { 0, 20000000 };

		if (now_ms() >= next_byte) {
			send(dripping, " ", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
			next_byte += 500;
		}
		while (send(deaf, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			;
		t = now_ms();
		json_decref(ask("daemon.info", NULL));
		t = now_ms() - t;
		slowest = t > slowest ? t : slowest;
		nanosleep(&pause, NULL);
	}
	t = now_ms() - start;
	if (after != before + 3)
		snprintf(why, sizeof(why), "ctl_timeout moved by %ld, not 3", after - before);
	else if (t < NFV_RPC_TIMEOUT_MS - 500)
		snprintf(why, sizeof(why), "cut after %lld ms already", (long long)t);
	else if (hear(stopped, line, sizeof(line), PROMPT_MS) <= 0 || !closed(stopped, PROMPT_MS))
		snprintf(why, sizeof(why), "the stopped client was not told and disconnected");
	else
		wrong_reply(line, NFV_RPC_E_LIMIT, "5 s", why, sizeof(why));
	verdict("clients that stop, drip, or do not read are cut after 5 s", "%s", why);
	verdict("a witness is answered meanwhile", "%s",
		slowest < PROMPT_MS ? "" : "an answer took longer than a second");
	close(stopped);
	close(dripping);
	close(deaf);
}

/* ---- clients and descriptors ---- */

static void many_clients(void)
{
	enum { MANY = 100 };
	long before = counter("ctl_limit"), after;
	int fd[MANY], served = 0, refused = 0;
	char line[4096], why[512];
	int64_t deadline = now_ms() + PROMPT_MS;

	for (int i = 0; i < MANY; i++)
		fd[i] = dial();
	for (int i = 0; i < MANY; i++) {
		say(fd[i], REQUEST("fdb.list", "{}") "\n", sizeof(REQUEST("fdb.list", "{}")));
		if (hear(fd[i], line, sizeof(line), PATIENCE_MS) > 0 && strstr(line, "\"result\""))
			served++;
		else if (!wrong_reply(line, NFV_RPC_E_LIMIT, "clients", why, sizeof(why))[0] && closed(fd[i], PROMPT_MS))
			refused++;
	}
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
	/* nfvd notices the close a little later. */
	do {
		int probe = dial();
		json_t *reply = ask_on(probe, "drops.get", NULL), *drops = json_object_get(reply, "result");

		after = drops ? counter_in(drops, "ctl_limit") : -1;
		json_decref(reply);
		close(probe);
	} while (after < 0 && now_ms() < deadline);
	snprintf(why, sizeof(why), "%d served, %d refused, ctl_limit moved by %ld", served, refused, after - before);
	verdict("of 100 clients 64 are served", "%s",
		served == NFV_RPC_CLIENTS_MAX && refused == MANY - served && after >= before + refused ? "" : why);
}

static void send_descriptors(void)
{
	enum { FDS = 200 };
	union {
		char buf[CMSG_SPACE(FDS * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	static char request[] = REQUEST("daemon.info", "{}") "\n";
	struct iovec iov = { request, sizeof(request) - 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	long before = counter("ctl_bad_fds"), after;
	char line[4096], why[512] = "no reply", byte;
	int fd = dial(), pipe_fd[2];

	if (pipe(pipe_fd))
		exit(1);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(FDS * sizeof(int));
	for (int i = 0; i < FDS; i++)
		memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &pipe_fd[1], sizeof(int));
	if (sendmsg(fd, &msg, 0) < 0)
		perror("sendmsg");
	close(pipe_fd[1]);
	if (hear(fd, line, sizeof(line), PROMPT_MS) > 0)
		wrong_reply(line, NFV_RPC_E_REQUEST, "descriptors", why, sizeof(why));
	/* The pipe ends only when all copies of its other end are closed. */
	fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
	if (!why[0] && read(pipe_fd[0], &byte, 1) != 0)
		snprintf(why, sizeof(why), "nfvd has kept a descriptor");
	after = counter("ctl_bad_fds");
	if (!why[0] && after != before + 1)
		snprintf(why, sizeof(why), "ctl_bad_fds moved by %ld", after - before);
	close(fd);
	close(pipe_fd[0]);
	verdict("200 descriptors sent with a request are closed", "%s", why);
}

/* ---- 16 clients, one port ---- */

static struct {
	pthread_mutex_t lock;
	int64_t end;
	unsigned long attached, detached, other;
	char unexpected[256];
} storm = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *storm_client(void *arg)
{
	unsigned long attached = 0, detached = 0, other = 0;
	char unexpected[256] = "";
	int fd = dial();

	for (unsigned int i = (unsigned int)(uintptr_t)arg; now_ms() < storm.end; i++) {
		bool attach = i % 2;
		json_t *reply = attach ? ask_on(fd, "port.attach", json_pack("{ss ss}", "type", "kvm", "name", "storm"))
				       : ask_on(fd, "port.detach", json_pack("{ss}", "name", "storm"));
		json_t *error = json_object_get(reply, "error");
		long code = (long)json_integer_value(json_object_get(error, "code"));

		if (json_object_get(reply, "result")) {
			attached += attach;
			detached += !attach;
		} else if (code != (attach ? NFV_RPC_E_EXIST : NFV_RPC_E_NOENT)) {
			const char *text = json_string_value(json_object_get(error, "message"));

			other++;
			snprintf(unexpected, sizeof(unexpected), "%s: %s", attach ? "attach" : "detach",
				 text ? text : "no reply");
		}
		json_decref(reply);
	}
	close(fd);
	pthread_mutex_lock(&storm.lock);
	storm.attached += attached;
	storm.detached += detached;
	storm.other += other;
	if (unexpected[0])
		memcpy(storm.unexpected, unexpected, sizeof(unexpected));
	pthread_mutex_unlock(&storm.lock);
	return NULL;
}

static void attach_storm(void)
{
	enum { CLIENTS = 16, STORM_MS = 3000 };
	pthread_t threads[CLIENTS];
	unsigned long left;

	storm.end = now_ms() + STORM_MS;
	for (uintptr_t i = 0; i < CLIENTS; i++)
		pthread_create(&threads[i], NULL, storm_client, (void *)i);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	left = ports() - ports_before;
	if (storm.other)
		verdict("16 clients attach and detach one port", "%lu refused oddly: %s", storm.other, storm.unexpected);
	else if (!storm.detached || storm.attached - storm.detached != left)
		verdict("16 clients attach and detach one port", "%lu attached, %lu detached, %lu left", storm.attached,
			storm.detached, left);
	else
		verdict("16 clients attach and detach one port", "%s", "");
	if (left)
		json_decref(ask("port.detach", json_pack("{ss}", "name", "storm")));
}

/* ---- another user ---- */

static void denied(void)
{
	char line[4096], why[512] = "no reply";
	int fd = dial();

	if (hear(fd, line, sizeof(line), PROMPT_MS) > 0)
		wrong_reply(line, NFV_RPC_E_DENIED, "permission denied", why, sizeof(why));
	if (!why[0] && !closed(fd, PROMPT_MS))
		snprintf(why, sizeof(why), "not disconnected");
	close(fd);
	verdict("another user is turned away", "%s", why);
}

static void hold(int n)
{
	for (int i = 0; i < n; i++)
		dial();
	puts("held");
	fflush(stdout);
	pause();
}

/* Keep requests pending on n connections. */
static void busy(int n)
{
	static char requests[] = REQUEST("stats.get", "{}") "\n" REQUEST("fdb.list", "{}") "\n" REQUEST("drops.get", "{\"all\":true}") "\n";
	struct pollfd p[64];
	static char buf[65536];

	n = n > 64 ? 64 : n;
	for (int i = 0; i < n; i++) {
		p[i] = (struct pollfd){ .fd = dial(), .events = POLLIN | POLLOUT };
		fcntl(p[i].fd, F_SETFL, O_NONBLOCK);
	}
	puts("busy");
	fflush(stdout);
	while (poll(p, n, -1) > 0) {
		for (int i = 0; i < n; i++) {
			if (p[i].revents & (POLLHUP | POLLERR) || (p[i].revents & POLLIN && !recv(p[i].fd, buf, sizeof(buf), 0)))
				return;
			if (p[i].revents & POLLOUT)
				send(p[i].fd, requests, sizeof(requests) - 1, MSG_NOSIGNAL);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: evil-ctl SOCKET [denied | hold N | busy N]\n");
		return 2;
	}
	socket_path = argv[1];
	if (argc > 2 && !strcmp(argv[2], "denied")) {
		denied();
		return failures ? 1 : 0;
	}
	if (argc > 3 && !strcmp(argv[2], "hold")) {
		hold(atoi(argv[3]));
		return 0;
	}
	if (argc > 3 && !strcmp(argv[2], "busy")) {
		busy(atoi(argv[3]));
		return 0;
	}
	ports_before = ports();
	bad_requests();
	send_much("nested 60000 deep", '[', 60000, true, NFV_RPC_E_PARSE, "deeper than 32 at byte 32", "ctl_bad_request");
	send_much("nested 100000 deep", '[', 100000, true, NFV_RPC_E_LIMIT, "65536", "ctl_too_big");
	send_much("a line of 1 MiB", 'x', 1 << 20, true, NFV_RPC_E_LIMIT, "65536", "ctl_too_big");
	send_much("a line without end", ' ', NFV_RPC_LINE_MAX + 1, false, NFV_RPC_E_LIMIT, "65536", "ctl_too_big");
	half_closed();
	send_descriptors();
	many_clients();
	slow_clients();
	attach_storm();
	return failures ? 1 : 0;
}
