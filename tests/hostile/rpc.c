/* SPDX-License-Identifier: BSD-3-Clause */
#include "evil.h"

#include <dirent.h>
#include <errno.h>
#include <nfv/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int sock = -1;
static int nfvd_pid;
static json_t *marked;	/* drops.get at mark() */
static FILE *ended;	/* EVIL_DROPS: the frames dropped at each port that was detached; NULL: nobody asks */

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

int64_t now_ms(void)
{
	return now_ns() / 1000000;
}

void nap(void)
{
	struct timespec ts = { 0, 50000 };

	nanosleep(&ts, NULL);
}

static json_t *exchange(const char *method, json_t *params)
{
	json_t *req = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method", method, "params",
				params ? params : json_object());
	char *text = json_dumps(req, JSON_COMPACT);
	static char line[NFV_RPC_BACKLOG_MAX];
	size_t have = 0;
	json_t *reply;
	ssize_t n;

	json_decref(req);
	if (dprintf(sock, "%s\n", text) < 0)
		fail_msg("%s: nfvd does not listen: %s", method, strerror(errno));
	free(text);
	do {
		n = recv(sock, line + have, sizeof(line) - 1 - have, 0);
		if (n <= 0)
			fail_msg("%s: no answer from nfvd: %s", method, n ? strerror(errno) : "closed");
		have += n;
	} while (line[have - 1] != '\n' && have < sizeof(line) - 1);
	line[have] = 0;
	reply = json_loads(line, 0, NULL);
	if (!reply)
		fail_msg("%s: not JSON: %.200s", method, line);
	return reply;
}

static json_t *member(json_t *reply, const char *method, const char *name)
{
	json_t *v = json_incref(json_object_get(reply, name));

	if (!v) {
		char *text = json_dumps(reply, JSON_COMPACT);

		fail_msg("%s: no %s: %s", method, name, text);
	}
	json_decref(reply);
	return v;
}

static json_t *drops(void);
static void remember(const char *port);

json_t *rpc(const char *method, json_t *params)
{
	if (ended && !strcmp(method, "port.detach"))
		remember(json_string_value(json_object_get(params, "name")));
	return member(exchange(method, params), method, "result");
}

json_t *rpc_refused(const char *method, json_t *params)
{
	return member(exchange(method, params), method, "error");
}

void rpc_open(const char *state_dir)
{
	struct timeval tv = { 20, 0 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *drops_file = getenv("EVIL_DROPS");
	json_t *info;

	ended = drops_file ? fopen(drops_file, "w") : NULL;
	if (drops_file && !ended) {
		perror(drops_file);
		exit(1);
	}
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", state_dir, NFV_CTL_SOCKET);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&un, sizeof(un))) {
		perror(un.sun_path);
		exit(1);
	}
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	info = rpc("daemon.info", NULL);
	nfvd_pid = json_integer_value(json_object_get(info, "pid"));
	json_decref(info);
}

void rpc_close(void)
{
	json_decref(marked);
	marked = NULL;
	if (ended)
		fclose(ended);
	close(sock);
}

json_t *port_of(const char *name)
{
	json_t *r = rpc("port.list", json_pack("{s:s}", "name", name));
	json_t *port = json_incref(json_array_get(json_object_get(r, "ports"), 0));

	json_decref(r);
	return port;
}

bool port_is(const char *name, const char *state)
{
	json_t *port = port_of(name);
	bool is = !strcmp(json_string_value(json_object_get(port, "state")), state);

	json_decref(port);
	return is;
}

void queue_is(const char *name, unsigned int q, const char *state, const char *reason)
{
	json_t *port = port_of(name), *queue = json_array_get(json_object_get(port, "queue"), q);
	const char *s = json_string_value(json_object_get(queue, "state"));
	const char *r = json_string_value(json_object_get(queue, "reason"));

	assert_non_null(s);
	assert_string_equal(s, state);
	if (reason) {
		assert_non_null(r);
		assert_string_equal(r, reason);
	} else {
		assert_null(r);
	}
	json_decref(port);
}

/* ---- counters ---- */

static json_t *drops(void)
{
	json_t *r = rpc("drops.get", json_pack("{s:b}", "all", 1));
	json_t *list = json_array(), *row;
	size_t i;

	/* Not those of the control socket. */
	json_array_foreach(json_object_get(r, "drops"), i, row)
		if (json_object_get(row, "port"))
			json_array_append(list, row);
	json_decref(r);
	return list;
}

static int64_t count_in(json_t *list, const char *port, const char *reason)
{
	json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
		if (!strcmp(json_string_value(json_object_get(e, "port")), port) &&
		    !strcmp(json_string_value(json_object_get(e, "reason")), reason))
			return json_integer_value(json_object_get(e, "count"));
	return 0;
}

/* With a port go its counters. */
static void remember(const char *port)
{
	json_t *now = drops(), *e;
	size_t i;

	json_array_foreach(now, i, e)
		if (json_is_true(json_object_get(e, "frames")) && json_integer_value(json_object_get(e, "count")) &&
		    !strcmp(json_string_value(json_object_get(e, "port")), port))
			fprintf(ended, "%s %s %lld\n", port, json_string_value(json_object_get(e, "reason")),
				(long long)json_integer_value(json_object_get(e, "count")));
	json_decref(now);
}

/* If drops() fails, the test ends at once, so no pointer may dangle. */
void mark(void)
{
	json_decref(marked);
	marked = NULL;
	marked = drops();
}

int64_t moved_by(const char *port, const char *reason)
{
	json_t *now = drops();
	int64_t n = count_in(now, port, reason) - count_in(marked, port, reason);

	json_decref(now);
	return n;
}

struct expected {
	const char *port, *reason;
	int64_t n;
};

static int64_t want(const struct expected *e, unsigned int n, const char *port, const char *reason)
{
	int64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(e[i].port, port) && !strcmp(e[i].reason, reason))
			sum += e[i].n;
	return sum;
}

/* Describe in text what differs. Return false if nothing does. */
static bool differs(const struct expected *exp, unsigned int n, char *text, size_t room)
{
	json_t *now = drops(), *e;
	size_t i, at = 0;

	text[0] = 0;
	json_array_foreach(now, i, e) {
		const char *port = json_string_value(json_object_get(e, "port"));
		const char *reason = json_string_value(json_object_get(e, "reason"));
		int64_t by = json_integer_value(json_object_get(e, "count")) - count_in(marked, port, reason);
		int64_t w = want(exp, n, port, reason);

		if (by != w && strncmp(reason, "kick_", 5) && strcmp(reason, "call_late") && at < room)
			at += snprintf(text + at, room - at, " %s:%s by %lld, not %lld;", port, reason, (long long)by,
				       (long long)w);
	}
	json_decref(now);
	return at;
}

void moved(const char *port, ...)
{
	struct expected e[8];
	unsigned int n = 0;
	char text[500];
	va_list ap;

	va_start(ap, port);
	for (; port; port = va_arg(ap, const char *)) {
		assert_true(n < 8);
		e[n].port = port;
		e[n].reason = va_arg(ap, const char *);
		e[n++].n = va_arg(ap, int);
	}
	va_end(ap);
	if (!wait_until(!differs(e, n, text, sizeof(text)), PATIENCE_MS))
		fail_msg("moved:%s", text);
}

void sums_add_up(void)
{
	json_t *stats = rpc("stats.get", NULL), *e;
	size_t i;

	json_array_foreach(json_object_get(stats, "ports"), i, e) {
		int64_t v[4];
		const char *const names[] = { "rx_frames", "replicated", "delivered", "dropped" };

		for (int k = 0; k < 4; k++)
			v[k] = json_integer_value(json_object_get(e, names[k]));
		if (v[0] + v[1] != v[2] + v[3])
			fail_msg("%s: %lld taken and %lld replicated, but %lld delivered and %lld dropped",
				 json_string_value(json_object_get(e, "name")), (long long)v[0], (long long)v[1],
				 (long long)v[2], (long long)v[3]);
	}
	json_decref(stats);
}

/* ---- the process ---- */

unsigned int nfvd_fds(void)
{
	unsigned int n = 0;
	char path[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", nfvd_pid);
	dir = opendir(path);
	if (!dir)
		fail_msg("nfvd has died");
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

unsigned int nfvd_limit_fds(unsigned int n)
{
	struct rlimit limit;
	unsigned int old;

	assert_int_equal(prlimit(nfvd_pid, RLIMIT_NOFILE, NULL, &limit), 0);
	old = limit.rlim_cur;
	limit.rlim_cur = n;
	assert_int_equal(prlimit(nfvd_pid, RLIMIT_NOFILE, &limit, NULL), 0);
	return old;
}

/* Field number f (from 1) of /proc/PID/name, counted after the last ')'. */
static unsigned long stat_field(const char *name, unsigned int f)
{
	char path[64], text[1024], *p = text;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", nfvd_pid, name);
	file = fopen(path, "r");
	if (!file || !fgets(text, sizeof(text), file))
		fail_msg("nfvd has died");
	fclose(file);
	if (strrchr(text, ')'))
		p = strrchr(text, ')') + 2;
	while (--f)
		p = strchr(p, ' ') + 1;
	return strtoul(p, NULL, 10);
}

unsigned int nfvd_rss_kb(void)
{
	return stat_field("statm", 2) * (sysconf(_SC_PAGESIZE) / 1024);
}

unsigned int nfvd_cpu_ms(void)
{
	return (stat_field("stat", 12) + stat_field("stat", 13)) * 1000 / sysconf(_SC_CLK_TCK);
}
