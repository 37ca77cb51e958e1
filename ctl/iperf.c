// SPDX-License-Identifier: BSD-3-Clause
/*
 * iperf3, driven: a server at one endpoint for one test, a client at the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

#define GUEST_PORT		5201	/* where a guest's own iperf3 -s listens */
#define GUEST_SECONDS_MAX	25	/* a guest's agent ends a command after 30 s */
#define START_SECONDS		10
#define EXTRA_SECONDS		15	/* beyond the test itself, for slow emulated guests */
#define OUTPUT_MAX		(8 << 20)
#define BUSY_TRIES	25

struct process {
	pid_t pid;
	int out;	/* its standard output and error */
};

/* Start iperf3 in a network namespace. */
static int spawn(struct process *p, int netns, char *const argv[], struct ctl_err *err)
{
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC)) {
		ctl_fail(err, NFV_RPC_E_FAILED, "pipe: %s", strerror(errno));
		return CTL_FAILED;
	}
	fflush(NULL);
	p->pid = fork();
	if (!p->pid) {
		int null = open("/dev/null", O_RDONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 0);
		dup2(pipe_fd[1], 1);
		dup2(pipe_fd[1], 2);
		if (setns(netns, CLONE_NEWNET))
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(pipe_fd[1]);
	p->out = pipe_fd[0];
	if (p->pid < 0) {
		close(p->out);
		ctl_fail(err, NFV_RPC_E_FAILED, "fork: %s", strerror(errno));
		return CTL_FAILED;
	}
	return 0;
}

/*
 * Read the output until it ends, or contains `until` unless that is NULL.
 * Returns it, to be freed, or NULL when time is up.
 */
static char *read_output(struct process *p, const char *until, double deadline)
{
	struct pollfd poll_fd = { .fd = p->out, .events = POLLIN };
	size_t len = 0, size = 8192;
	char *buf = calloc(1, size);
	ssize_t n;

	while (buf && now_s() < deadline) {
		if (size - len < 4096) {
			char *bigger = size < OUTPUT_MAX ? realloc(buf, size *= 2) : NULL;

			if (!bigger)
				break;
			buf = bigger;
		}
		progress_tick();
		if (poll(&poll_fd, 1, 500) <= 0)
			continue;
		n = read(p->out, buf + len, size - len - 1);
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

/* Ends it if it has not ended. */
static int reap(struct process *p)
{
	int status = -1;

	close(p->out);
	if (waitpid(p->pid, &status, WNOHANG) == 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, &status, 0);
	}
	return status;
}

static int free_port(int netns)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int previous = netns_enter(netns), fd, port = -1;

	if (previous < 0)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&sin, sizeof(sin)) &&
	    !getsockname(fd, (struct sockaddr *)&sin, &len))
		port = ntohs(sin.sin_port);
	if (fd >= 0)
		close(fd);
	netns_leave(previous);
	return port;
}

static int start_server(struct process *p, const struct endpoint *ep, int *port, struct ctl_err *err)
{
	char number[16], *output;
	char *argv[] = { "iperf3", "-s", "-1", "-p", number, "--forceflush", NULL };
	bool listening;

	*port = free_port(ep->netns);
	if (*port < 0) {
		ctl_fail(err, NFV_RPC_E_FAILED, "no free TCP port in %s: %s", ep->name, strerror(errno));
		return CTL_FAILED;
	}
	snprintf(number, sizeof(number), "%d", *port);
	if (spawn(p, ep->netns, argv, err))
		return CTL_FAILED;
	output = read_output(p, "Server listening", now_s() + START_SECONDS);
	listening = output && strstr(output, "Server listening");
	if (!listening) {
		int status = reap(p);

		ctl_fail(err, NFV_RPC_E_FAILED, "iperf3 -s does not start in %s: %s", ep->name,
			 output && output[0] ? output : strerror(WIFEXITED(status) && WEXITSTATUS(status) == 127
								 ? ENOENT : ETIMEDOUT));
		if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
			ctl_hint(err, "apt-get install iperf3");
	}
	free(output);
	return listening ? 0 : CTL_FAILED;
}

static char *run_local(const struct endpoint *ep, const char *command, unsigned int seconds, struct ctl_err *err)
{
	char *argv[] = { "sh", "-c", (char *)command, NULL };
	struct process p;
	char *output;

	if (spawn(&p, ep->netns, argv, err))
		return NULL;
	output = read_output(&p, NULL, now_s() + seconds + EXTRA_SECONDS);
	reap(&p);
	if (!output)
		ctl_fail(err, NFV_RPC_E_FAILED, "iperf3 in %s did not end in time", ep->name);
	return output;
}

/* Run the client and parse what it says. */
static json_t *run_client(const struct endpoint *ep, const struct endpoint *server, int port, bool reverse,
			  unsigned int seconds, struct ctl_err *err)
{
	char command[160], *output = NULL, *json;
	const char *error;
	json_t *result;

	snprintf(command, sizeof(command), "exec iperf3 -c %s -p %d -t %u -J --connect-timeout 5000%s",
		 server->addr, port, seconds, reverse ? " -R" : "");
	if (ep->kind == EP_NETNS)
		output = run_local(ep, command, seconds, err);
	else
		agent_run(ep->agent, command, seconds + EXTRA_SECONDS, &output, err);
	if (!output)
		return NULL;
	json = strchr(output, '{');
	result = json ? json_loads(json, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
	error = json_string_value(json_object_get(result, "error"));
	if (!result || error) {
		ctl_fail(err, NFV_RPC_E_FAILED, "iperf3 from %s to %s (%s port %d): %s", ep->name, server->name,
			 server->addr, port, error ? error : output);
		json_decref(result);
		result = NULL;
	}
	free(output);
	return result;
}

/* A guest's own server takes one test at a time and may still be clearing up after the last. */
static json_t *run_to_guest(const struct endpoint *client, const struct endpoint *server, bool reverse,
			    unsigned int seconds, struct ctl_err *err)
{
	json_t *result = NULL;

	for (int i = 0; i < BUSY_TRIES && !result; i++) {
		struct timespec pause = { 0, 200000000 };

		if (i && !strstr(err->text, "busy") && !strstr(err->text, "refused") && !strstr(err->text, "reset"))
			break;
		if (i)
			nanosleep(&pause, NULL);
		result = run_client(client, server, GUEST_PORT, reverse, seconds, err);
	}
	return result;
}

/* An iperf3 of our own is preferred to a guest's: a client in a container, a server in a container. */
static bool client_is(const struct endpoint *ep, const struct endpoint *other)
{
	if (ep->kind == EP_ADDRESS || other->kind == EP_ADDRESS)
		return other->kind == EP_ADDRESS;
	return ep->kind == EP_NETNS || other->kind == EP_AGENT;
}

json_t *iperf_run(const struct endpoint *from, const struct endpoint *to, unsigned int seconds, struct ctl_err *err)
{
	bool reverse = !client_is(from, to);
	const struct endpoint *client = reverse ? to : from, *server = reverse ? from : to;
	struct process p;
	json_t *result;
	int port;

	if (client->kind == EP_ADDRESS) {
		ctl_fail(err, NFV_RPC_E_FAILED, "iperf3 can be run neither in %s nor in %s", from->name, to->name);
		return NULL;
	}
	if (client->kind == EP_AGENT && seconds > GUEST_SECONDS_MAX) {
		ctl_fail(err, NFV_RPC_E_PARAMS, "at most %d s between guests", GUEST_SECONDS_MAX);
		return NULL;
	}
	if (server->kind != EP_NETNS)
		return run_to_guest(client, server, reverse, seconds, err);
	if (start_server(&p, server, &port, err))
		return NULL;
	result = run_client(client, server, port, reverse, seconds, err);
	reap(&p);
	return result;
}

double iperf_gbps(json_t *result)
{
	json_t *sum = json_object_get(json_object_get(result, "end"), "sum_received");

	return json_number_value(json_object_get(sum, "bits_per_second")) / 1e9;
}
