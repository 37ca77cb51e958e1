// SPDX-License-Identifier: BSD-3-Clause
/*
 * Commands in a guest, through its agent: a UNIX socket or a terminal. The
 * client writes one command line; the guest responds with the command's output
 * and the line "nfv-agent-exit STATUS".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "bench/bench.h"

#define OUTPUT_MAX	(4 << 20)	/* of a guest's response */
#define SYNC_SECONDS	10
#define LOCK_SECONDS	60		/* for another client to finish */

struct agent {
	int fd;
	char *buf;	/* all that was read and not yet taken */
	size_t len, size;
	double deadline;
	bool gone;	/* the guest, or its agent, has closed the other end */
};

/* A terminal is shared: without the lock two clients would mix their commands. */
static int lock(int fd)
{
	double deadline = now_s() + LOCK_SECONDS;

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		struct timespec pause = { 0, 20000000 };

		if (errno != EWOULDBLOCK || run_interrupted() || now_s() > deadline)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int open_tty(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios t;

	if (fd < 0)
		return -1;
	if (!lock(fd) && !tcgetattr(fd, &t)) {
		cfmakeraw(&t);
		if (!tcsetattr(fd, TCSANOW, &t))
			return fd;
	}
	close(fd);
	return -1;
}

static int open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Returns 0, or -1 when the deadline has passed or poll fails. */
static int wait_for(struct agent *a, short events)
{
	struct pollfd p = { .fd = a->fd, .events = events };

	while (!run_interrupted() && now_s() < a->deadline) {
		int n = poll(&p, 1, 500);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
		progress_tick();
	}
	return -1;
}

static int send_text(struct agent *a, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write(a->fd, text, len);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			a->gone = errno == EPIPE || errno == ECONNRESET || errno == EIO;
			return -1;
		}
		if (n < 0) {
			if (wait_for(a, POLLOUT))
				return -1;
			continue;
		}
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Append what has arrived to buf. */
static int receive(struct agent *a)
{
	ssize_t n;

	if (a->size - a->len < 4096) {
		char *bigger = a->size < OUTPUT_MAX ? realloc(a->buf, a->size * 2 + 8192) : NULL;

		if (!bigger)
			return -1;
		a->buf = bigger;
		a->size = a->size * 2 + 8192;
	}
	if (wait_for(a, POLLIN))
		return -1;
	n = read(a->fd, a->buf + a->len, a->size - a->len);
	if (n <= 0) {
		a->gone = !n || errno == ECONNRESET || errno == EIO;
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	}
	a->len += (size_t)n;
	return 0;
}

/*
 * The end, behind its newline, of the first line from *at on; the line itself without
 * "\r\n" in line. *at moves behind it. Returns -1 when no more lines come in time.
 */
static int next_line(struct agent *a, size_t *at, char *line, size_t size)
{
	size_t scanned = *at, end;
	char *nl;

	while (!(nl = a->len > scanned ? memchr(a->buf + scanned, '\n', a->len - scanned) : NULL)) {
		scanned = a->len;
		if (receive(a))
			return -1;
	}
	end = (size_t)(nl - a->buf);
	snprintf(line, size, "%.*s", (int)(end - *at), a->buf + *at);
	line[strcspn(line, "\r")] = '\0';
	*at = end + 1;
	return 0;
}

/* Get in step with the agent. An earlier client may have left half a command, or may not have read its reply. */
static int synchronise(struct agent *a)
{
	char text[80], token[48], line[128];
	size_t at = 0;

	snprintf(token, sizeof(token), "nfv-sync-%d-%ld", getpid(), random());
	snprintf(text, sizeof(text), "\necho %s\n", token);
	if (send_text(a, text))
		return -1;
	do {
		if (next_line(a, &at, line, sizeof(line)))
			return -1;
	} while (strcmp(line, token));
	if (next_line(a, &at, line, sizeof(line)) || strcmp(line, "nfv-agent-exit 0"))
		return -1;
	a->len = 0;
	return 0;
}

/* Returns the exit status, or -1; what the command wrote is a->buf[0..a->len). */
static int run(struct agent *a, const char *command)
{
	char line[128];
	size_t at = 0, start = 0;
	int status;

	if (send_text(a, command) || send_text(a, "\n"))
		return -1;
	for (;;) {
		start = at;
		if (next_line(a, &at, line, sizeof(line)))
			return -1;
		if (sscanf(line, "nfv-agent-exit %d", &status) == 1) {
			a->len = start;
			a->buf[start] = '\0';
			return status;
		}
	}
}

int agent_run(const char *path, const char *command, unsigned int timeout_s, char **output, struct ctl_err *err)
{
	struct agent a = { .fd = -1 };
	struct stat st;
	int status = -1;

	if (!stat(path, &st))
		a.fd = S_ISSOCK(st.st_mode) ? open_socket(path) : open_tty(path);
	if (a.fd < 0) {
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot open the guest's agent %s: %s", path, strerror(errno));
		return -1;
	}
	a.deadline = now_s() + SYNC_SECONDS;
	if (synchronise(&a)) {
		if (!a.gone)
			ctl_fail(err, NFV_RPC_E_FAILED, "the guest's agent %s does not respond", path);
	} else {
		a.deadline = now_s() + timeout_s;
		status = run(&a, command);
		if (status < 0 && !a.gone)
			ctl_fail(err, NFV_RPC_E_FAILED, "no response from the guest's agent %s within %u s to: %s",
				 path, timeout_s, command);
	}
	if (a.gone)
		ctl_fail(err, NFV_RPC_E_FAILED, "the guest's agent %s closed the connection: has the guest ended?", path);
	close(a.fd);
	if (status < 0)
		free(a.buf);
	else
		*output = a.buf;
	return status;
}
