// SPDX-License-Identifier: BSD-3-Clause
#include "ctl-client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <nfv/rpc.h>

const char *socket_path;

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- one connection ---- */

int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		perror(socket_path);
		exit(1);
	}
	return fd;
}

void say(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

ssize_t hear(int fd, char *buf, size_t size, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	size_t len = 0;

	while (len < size - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return -1;
		n = recv(fd, buf + len, 1, 0);
		if (n <= 0)
			return 0;
		len++;
		if (buf[len - 1] == '\n')
			break;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

bool closed(int fd, int timeout_ms)
{
	char c[2];

	return hear(fd, c, sizeof(c), timeout_ms) == 0;
}

/* ---- well-behaved requests, to look at nfvd ---- */

json_t *ask_on(int fd, const char *method, json_t *params)
{
	static __thread char line[1 << 20];
	json_t *request = json_pack("{ss si ss so}", "jsonrpc", "2.0", "id", 1, "method", method,
				    "params", params ? params : json_object()), *reply;
	char *text = json_dumps(request, JSON_COMPACT);
	ssize_t n;

	say(fd, text, strlen(text));
	say(fd, "\n", 1);
	free(text);
	json_decref(request);
	n = hear(fd, line, sizeof(line), PATIENCE_MS);
	reply = n > 0 ? json_loadb(line, (size_t)n, 0, NULL) : NULL;
	return reply;
}

json_t *ask(const char *method, json_t *params)
{
	int fd = dial();
	json_t *reply = ask_on(fd, method, params), *result = json_incref(json_object_get(reply, "result"));

	close(fd);
	json_decref(reply);
	if (!result) {
		printf("not ok - nfvd does not answer %s\n", method);
		exit(1);
	}
	return result;
}

long counter_in(json_t *drops, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(drops, "drops"), i, row)
		if (!json_object_get(row, "port") && !strcmp(json_string_value(json_object_get(row, "reason")), name))
			return (long)json_integer_value(json_object_get(row, "count"));
	return 0;
}

long counter(const char *name)
{
	json_t *drops = ask("drops.get", NULL);
	long n = counter_in(drops, name);

	json_decref(drops);
	return n;
}
