// SPDX-License-Identifier: BSD-3-Clause
/*
 * Programs that nfvctl runs: by their arguments, never through a shell, and never for
 * longer than they are given. fork() and not posix_spawn(): a child has to enter its
 * network namespace, and to end when nfvctl does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "run.h"

#define STOP_SECONDS	5.0
#define OUTPUT_MAX	(8 << 20)	/* bytes that are kept of what a program says */
#define LINE_MAX_BYTES	200

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

static volatile sig_atomic_t interrupted;

static void interrupt(int sig)
{
	interrupted = 1;
}

void run_catch_interrupts(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND }, before;

	/* What nohup ignores stays ignored. */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!sigaction(signals[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

bool run_interrupted(void)
{
	return interrupted;
}

char *run_read(int fd, const char *until, double deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0, size = 8192;
	char *buf = calloc(1, size);
	ssize_t n;

	while (buf && !interrupted && now_s() < deadline) {
		if (size - len < 4096) {
			char *bigger = size < OUTPUT_MAX ? realloc(buf, size *= 2) : NULL;

			if (!bigger)
				break;
			buf = bigger;
		}
		progress_tick();
		if (poll(&p, 1, 500) <= 0)
			continue;
		n = read(fd, buf + len, size - len - 1);
		if (n < 0)
			break;
		len += (size_t)n;
		buf[len] = '\0';
		if (!n || (until && strstr(buf, until)))
			return buf;
	}
	free(buf);
	return NULL;
}

int run_log(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
}

const char *run_last_line(int log)
{
	static char line[LINE_MAX_BYTES];
	char text[4096], *nl;
	off_t size = lseek(log, 0, SEEK_END);
	ssize_t n = pread(log, text, sizeof(text) - 1, size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0);

	text[n > 0 ? n : 0] = '\0';
	for (n = (ssize_t)strlen(text); n && strchr("\r\n ", text[n - 1]); n--)
		text[n - 1] = '\0';
	nl = strrchr(text, '\n');
	snprintf(line, sizeof(line), "%s", nl ? nl + 1 : text);
	return line;
}

/*
 * Execute argv in the child, with its descriptors. On failure send errno to the parent, through a pipe that closes on
 * success.
 */
static void become(const char *const argv[], int netns, int out, int errors, int report)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), error;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_DFL);
	if ((netns < 0 || !setns(netns, CLONE_NEWNET)) && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(errors, 2) >= 0)
		execvp(argv[0], (char *const *)argv);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

pid_t run_start(const char *const argv[], int netns, int *out, int log, struct ctl_err *err)
{
	int said[2] = { -1, -1 }, report[2] = { -1, -1 }, error = 0;
	pid_t pid = -1;

	if ((!out || !pipe2(said, O_CLOEXEC)) && !pipe2(report, O_CLOEXEC)) {
		fflush(NULL);
		pid = fork();
		if (!pid)
			become(argv, netns, out ? said[1] : log, log >= 0 ? log : said[1], report[1]);
	}
	error = errno;
	close(said[1]);
	close(report[1]);
	if (pid > 0 && read(report[0], &error, sizeof(error)) == sizeof(error)) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(report[0]);
	if (pid > 0) {
		if (out)
			*out = said[0];
		return pid;
	}
	close(said[0]);
	ctl_fail(err, NFV_RPC_E_FAILED, "cannot start %s: %s", argv[0], strerror(error));
	errno = error;
	return -1;
}

int run_end(pid_t pid, double deadline)
{
	struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int status = -1;

	while (p.fd >= 0 && !interrupted && now_s() < deadline && poll(&p, 1, 100) <= 0)
		progress_tick();
	if (p.fd >= 0)
		close(p.fd);
	if (waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return status;
}

void run_stop(pid_t pid)
{
	kill(pid, SIGTERM);
	run_end(pid, now_s() + STOP_SECONDS);
}

int run_command(char **output, int netns, unsigned int seconds, const char *const argv[], struct ctl_err *err)
{
	int log = memfd_create("errors", MFD_CLOEXEC), out, status;
	double deadline = now_s() + seconds;
	bool ok = false;
	char *text;
	pid_t pid;

	if (log < 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "memfd: %s", strerror(errno));
	pid = run_start(argv, netns, &out, log, err);
	if (pid > 0) {
		text = run_read(out, NULL, deadline);
		close(out);
		status = run_end(pid, text ? deadline : 0);
		if (!text)
			ctl_fail(err, NFV_RPC_E_FAILED, "%s did not end within %u s, or says too much", argv[0], seconds);
		else if (status && run_last_line(log)[0])
			ctl_fail(err, NFV_RPC_E_FAILED, "%s", run_last_line(log));
		else if (status)
			ctl_fail(err, NFV_RPC_E_FAILED, "%s fails, and does not say why", argv[0]);
		ok = text && !status;
		if (ok && output)
			*output = text;
		else
			free(text);
	}
	close(log);
	return ok ? CTL_OK : CTL_FAILED;
}
