// SPDX-License-Identifier: BSD-3-Clause
/*
 * Programs that bench draft runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench_draft.h"

#define STOP_SECONDS	5.0

const char *run_self_dir(void)
{
	static char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	dir[n > 0 ? n : 0] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	return dir;
}

/* All that comes from fd until it ends, to be freed. */
static char *read_all(int fd)
{
	size_t len = 0, size = 4096;
	char *buf = malloc(size), *bigger;
	ssize_t n = 0;

	while (buf && ((n = read(fd, buf + len, size - len - 1)) > 0 || (n < 0 && errno == EINTR))) {
		len += n > 0 ? (size_t)n : 0;
		if (size - len > 1)
			continue;
		bigger = realloc(buf, size *= 2);
		if (!bigger)
			break;
		buf = bigger;
	}
	if (buf)
		buf[len] = '\0';
	return buf;
}

char *run_read_line(int fd, double seconds)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	double deadline = now_s() + seconds;
	char buf[512];
	size_t len = 0;
	ssize_t n = 1;

	while (n && len < sizeof(buf) - 1 && now_s() < deadline) {
		progress_tick();
		if (poll(&p, 1, 500) <= 0)
			continue;
		n = read(fd, buf + len, sizeof(buf) - 1 - len);
		if (n < 0)
			break;
		len += (size_t)n;
		buf[len] = '\0';
		if (strchr(buf, '\n'))
			return strdup(buf);
	}
	return NULL;
}

/* The text from its last line that is not empty on. */
static char *last_of(char *text)
{
	size_t len = strlen(text);
	char *nl;

	while (len && strchr("\r\n ", text[len - 1]))
		text[--len] = '\0';
	nl = strrchr(text, '\n');
	return nl ? nl + 1 : text;
}

const char *last_line(const char *path)
{
	static char line[200];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd >= 0 ? read_all(fd) : NULL;

	snprintf(line, sizeof(line), "%s", text ? last_of(text) : "");
	free(text);
	if (fd >= 0)
		close(fd);
	return line;
}

/*
 * In the child: with the descriptors it shall have, become argv. On failure errno
 * goes to the parent through a pipe that closes on success.
 */
static void become(char *const argv[], int out, int errors, int report)
{
	int null = open("/dev/null", O_RDONLY), error;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(errors, 2) >= 0)
		execvp(argv[0], argv);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

pid_t run_start(char *const argv[], int *out, const char *errors, struct ctl_err *err)
{
	int console[2] = { -1, -1 }, report[2] = { -1, -1 }, error = 0;
	int file = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	pid_t pid = -1;

	if (file >= 0 && !pipe2(console, O_CLOEXEC) && !pipe2(report, O_CLOEXEC)) {
		fflush(NULL);
		pid = fork();
		if (!pid)
			become(argv, console[1], file, report[1]);
	}
	error = errno;
	close(file);
	close(console[1]);
	close(report[1]);
	if (pid > 0 && read(report[0], &error, sizeof(error)) == sizeof(error)) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(report[0]);
	if (pid > 0) {
		*out = console[0];
		return pid;
	}
	close(console[0]);
	ctl_fail(err, NFV_RPC_E_FAILED, "cannot start %s: %s", argv[0], strerror(error));
	return -1;
}

int run_shell(char **output, struct ctl_err *err, const char *fmt, ...)
{
	int memory = memfd_create("errors", MFD_CLOEXEC), out, status = -1;
	char errors[32], *command = NULL, *text;
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	if (vasprintf(&command, fmt, ap) < 0)
		command = NULL;
	va_end(ap);
	snprintf(errors, sizeof(errors), "/proc/self/fd/%d", memory);
	char *argv[] = { "sh", "-c", command, NULL };

	pid = command ? run_start(argv, &out, errors, err) : -1;
	if (pid > 0) {
		text = read_all(out);
		close(out);
		waitpid(pid, &status, 0);
		if (status)
			ctl_fail(err, NFV_RPC_E_FAILED, "%s", last_line(errors));
		if (status && !err->text[0])
			ctl_fail(err, NFV_RPC_E_FAILED, "failed: %.200s", command);
		if (output && !status)
			*output = text;
		else
			free(text);
	}
	close(memory);
	free(command);
	return status ? CTL_FAILED : CTL_OK;
}

void run_stop(pid_t pid)
{
	struct timespec pause = { 0, 5000000 };
	double deadline = now_s() + STOP_SECONDS;

	kill(pid, SIGTERM);
	while (!waitpid(pid, NULL, WNOHANG)) {
		if (now_s() > deadline)
			kill(pid, SIGKILL);
		nanosleep(&pause, NULL);
	}
}
