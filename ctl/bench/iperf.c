// SPDX-License-Identifier: BSD-3-Clause
/*
 * iperf3, driven: a server at one endpoint for one test, a client at the other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "bench/bench.h"

#define GUEST_PORT		5201	/* where a guest's own iperf3 -s listens */
#define GUEST_SECONDS_MAX	25	/* and BENCH_OMIT_SECONDS: a guest's agent ends a command after 30 s */
#define START_SECONDS		10
#define EXTRA_SECONDS		15	/* beyond the test itself, for slow emulated guests */
#define BUSY_TRIES	25

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

/* Returns its process, with what it says in *out, or -1. */
static pid_t start_server(const struct endpoint *ep, int *port, int *out, struct ctl_err *err)
{
	char number[16], *output;
	pid_t pid;

	*port = free_port(ep->netns);
	if (*port < 0) {
		ctl_fail(err, NFV_RPC_E_FAILED, "no free TCP port in %s: %s", ep->name, strerror(errno));
		return -1;
	}
	snprintf(number, sizeof(number), "%d", *port);
	pid = run_start(ARGV("iperf3", "-s", "-1", "-p", number, "--forceflush"), ep->netns, out, -1, err);
	if (pid < 0) {
		if (errno == ENOENT)
			ctl_hint(err, "apt-get install iperf3");
		return -1;
	}
	output = run_read(*out, "Server listening", now_s() + START_SECONDS);
	if (!output || !strstr(output, "Server listening")) {
		run_end(pid, 0);
		close(*out);
		ctl_fail(err, NFV_RPC_E_FAILED, "iperf3 -s does not start in %s: %s", ep->name,
			 output && output[0] ? output : strerror(ETIMEDOUT));
		pid = -1;
	}
	free(output);
	return pid;
}

static char *run_local(const struct endpoint *ep, const char *const argv[], unsigned int seconds, struct ctl_err *err)
{
	double deadline = now_s() + seconds + EXTRA_SECONDS;
	char *output;
	pid_t pid;
	int out;

	pid = run_start(argv, ep->netns, &out, -1, err);
	if (pid < 0)
		return NULL;
	output = run_read(out, NULL, deadline);
	close(out);
	run_end(pid, output ? deadline : 0);
	if (!output)
		ctl_fail(err, NFV_RPC_E_FAILED, "iperf3 in %s did not end in time", ep->name);
	return output;
}

/* A guest's agent takes a line of its shell; all in it is a number or an address. */
static char *run_in_guest(const struct endpoint *ep, const char *const argv[], unsigned int seconds, struct ctl_err *err)
{
	char line[160], *output = NULL;
	size_t n = 0;

	for (size_t i = 0; argv[i] && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i ? " " : "exec ", argv[i]);
	agent_run(ep->agent, line, seconds + EXTRA_SECONDS, &output, err);
	return output;
}

/* Run the client and parse what it says. */
static json_t *run_client(const struct endpoint *ep, const struct endpoint *server, int port, bool reverse,
			  unsigned int seconds, const char *const *options, struct ctl_err *err)
{
	char number[16], time[16], omit[16], *output, *json;
	const char *argv[24] = { "iperf3", "-c", server->addr, "-p", number, "-t", time, "-O", omit, "-J", "--connect-timeout", "5000" };
	size_t n = 12;
	const char *error;
	json_t *result;

	for (; *options && n < sizeof(argv) / sizeof(argv[0]) - 2; options++)
		argv[n++] = *options;
	if (reverse)
		argv[n] = "-R";
	snprintf(number, sizeof(number), "%d", port);
	snprintf(time, sizeof(time), "%u", seconds);
	snprintf(omit, sizeof(omit), "%u", BENCH_OMIT_SECONDS);
	output = (ep->kind == EP_NETNS ? run_local : run_in_guest)(ep, argv, seconds + BENCH_OMIT_SECONDS, err);
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
			    unsigned int seconds, const char *const *options, struct ctl_err *err)
{
	json_t *result = NULL;

	for (int i = 0; i < BUSY_TRIES && !result; i++) {
		struct timespec pause = { 0, 200000000 };

		if (i && !strstr(err->text, "busy") && !strstr(err->text, "refused") && !strstr(err->text, "reset"))
			break;
		if (i)
			nanosleep(&pause, NULL);
		result = run_client(client, server, GUEST_PORT, reverse, seconds, options, err);
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

json_t *iperf_run_with(const struct endpoint *from, const struct endpoint *to, unsigned int seconds, const char *const *options,
		       struct ctl_err *err)
{
	bool reverse = !client_is(from, to);
	const struct endpoint *client = reverse ? to : from, *server = reverse ? from : to;
	json_t *result;
	int port, out;
	pid_t pid;

	if (client->kind == EP_ADDRESS) {
		ctl_fail(err, NFV_RPC_E_FAILED, "iperf3 can be run neither in %s nor in %s", from->name, to->name);
		return NULL;
	}
	if (client->kind == EP_AGENT && seconds > GUEST_SECONDS_MAX) {
		ctl_fail(err, NFV_RPC_E_PARAMS, "at most %d s between guests", GUEST_SECONDS_MAX);
		return NULL;
	}
	if (server->kind != EP_NETNS)
		return run_to_guest(client, server, reverse, seconds, options, err);
	pid = start_server(server, &port, &out, err);
	if (pid < 0)
		return NULL;
	result = run_client(client, server, port, reverse, seconds, options, err);
	run_end(pid, 0);
	close(out);
	return result;
}

json_t *iperf_run(const struct endpoint *from, const struct endpoint *to, unsigned int seconds, struct ctl_err *err)
{
	static const char *const none[] = { NULL };

	return iperf_run_with(from, to, seconds, none, err);
}

double iperf_gbps(json_t *result)
{
	json_t *sum = json_object_get(json_object_get(result, "end"), "sum_received");

	return json_number_value(json_object_get(sum, "bits_per_second")) / 1e9;
}
