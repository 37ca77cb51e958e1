// SPDX-License-Identifier: BSD-3-Clause
/*
 * What bench draft measures of one technology.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "draft/draft.h"

#define RTT_SECONDS		2.0
#define NEED_PATIENCE		2	/* times what it takes with plenty of memory */
#define IPERF_EXTRA_SECONDS	20
#define XL_SECONDS		60
#define IPERF2_PORT		5001
#define IPERF3_PORT		5201
#define CONNECT_SECONDS		5
#define BLOCK_BYTES		131072	/* as iperf 2 sends */
#define POLL_MS			100
/* Send a second more: by the receiver's clock the last second may be incomplete, and then has no line of its own. */
#define LAST_SECONDS		1

static void endpoints(const struct draft_guest *g, struct endpoint *host, struct endpoint *guest)
{
	*host = (struct endpoint){ .name = "host", .kind = EP_NETNS, .netns = net_host(g), .addr = DRAFT_HOST_IP };
	*guest = (struct endpoint){ .name = "guest", .kind = EP_ADDRESS, .netns = -1, .addr = DRAFT_GUEST_IP };
}

/*
 * Return the Gb/s in iperf 2's output: a line for each second, "when,from,port,to,port,id,start-end,bytes,bits/s",
 * and one for all.
 */
static double csv_gbps(const char *text)
{
	double from, to, bytes, sum = 0, took = 0;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%*[^,],%lf-%lf,%lf", &from, &to, &bytes) != 3 ||
		    from < BENCH_OMIT_SECONDS - 0.5 || to - from > 1.5)
			continue;
		sum += bytes;
		took += to - from;
	}
	return took > 0 ? sum * 8 / took / 1e9 : 0;
}

/* Return a socket that is connected to the guest's port, or -1 and errno. */
static int connect_guest(const struct draft_guest *g, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval limit = { .tv_sec = CONNECT_SECONDS };
	int previous = netns_enter(net_host(g)), fd, error;

	if (previous < 0)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	netns_leave(previous);
	inet_pton(AF_INET, DRAFT_GUEST_IP, &sin.sin_addr);
	if (fd < 0 || (!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) &&
		       !connect(fd, (struct sockaddr *)&sin, sizeof(sin))))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Return how many bytes the peer has acknowledged, or -1 and errno. */
static long long acknowledged(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ? -1 : (long long)info.tcpi_bytes_acked;
}

/* Send for omit + seconds. Return the Gb/s that the peer acknowledges in the seconds after omit, or -1 and errno. */
static double send_gbps(int fd, double omit, double seconds)
{
	static const char block[BLOCK_BYTES];
	double start = now_s(), began = -1, now;
	long long bytes = 0, before = 0;

	while ((now = now_s()) < start + omit + seconds || began < 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };

		if (began < 0 && now >= start + omit) {
			before = acknowledged(fd);
			began = now;
		}
		if (run_interrupted())
			errno = EINTR;
		else if (poll(&pfd, 1, POLL_MS) >= 0 && (send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
							 errno == EAGAIN))
			continue;
		return -1;
	}
	bytes = acknowledged(fd);
	return before < 0 || bytes < 0 ? -1 : (double)(bytes - before) * 8 / (now - began) / 1e9;
}

/*
 * Measure the guest as the receiver. Its server tells nobody what it has got, and iperf 2's client counts what still waits
 * in the sender's buffer. So send as iperf 2 does, and count what the guest acknowledges.
 */
static int iperf2_rx(const struct draft_guest *g, unsigned int seconds, double *gbps, struct ctl_err *err)
{
	int fd = connect_guest(g, IPERF2_PORT);

	if (fd < 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "TCP to the guest's port %d: %s", IPERF2_PORT, strerror(errno));
	*gbps = send_gbps(fd, BENCH_OMIT_SECONDS, seconds);
	if (*gbps < 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "TCP to the guest: %s", strerror(errno));
	else if (*gbps <= 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "TCP to the guest: nothing is acknowledged after %u s", BENCH_OMIT_SECONDS);
	close(fd);
	return *gbps > 0 ? CTL_OK : CTL_FAILED;
}

/* Measure the guest as the sender. A small server of iperf 2 cannot send, so start the guest anew as a client. */
static int iperf2_tx(struct draft_guest *g, json_t *tech, unsigned int seconds, double *gbps, struct ctl_err *err)
{
	char path[PATH_MAX], *text;
	pid_t server;
	int out, rc, log;

	snprintf(path, sizeof(path), "%s/iperf.err", sandbox_dir());
	log = run_log(path);
	if (log < 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "%s: %s", path, strerror(errno));
	server = run_start(ARGV("iperf", "-s", "-P", "1", "-i", "1", "-y", "C"), net_host(g), &out, log, err);
	close(log);
	if (server < 0)
		return CTL_FAILED;
	guest_stop(g);
	seconds += BENCH_OMIT_SECONDS + LAST_SECONDS;
	rc = guest_prepare(g, tech, WAY_NFVD, g->memory_mib, seconds, err);
	if (!rc)
		rc = guest_start(g, NULL, err);
	if (!rc) {
		text = run_read(out, NULL, now_s() + seconds + IPERF_EXTRA_SECONDS);
		*gbps = csv_gbps(text);
		if (*gbps <= 0)
			rc = ctl_fail(err, NFV_RPC_E_FAILED, "iperf from the guest: nothing has arrived after %u s: %.200s",
				      BENCH_OMIT_SECONDS, text[0] ? text : "it prints nothing");
		free(text);
	}
	run_stop(server);
	close(out);
	guest_stop(g);
	if (!rc)
		rc = guest_prepare(g, tech, WAY_NFVD, g->memory_mib, 0, err);
	return rc ? rc : guest_start(g, NULL, err);
}

static int iperf3(const struct draft_guest *g, unsigned int seconds, bool to_host, double *gbps, struct ctl_err *err)
{
	struct endpoint host, guest;
	json_t *result;

	endpoints(g, &host, &guest);
	result = to_host ? iperf_run(&guest, &host, seconds, err) : iperf_run(&host, &guest, seconds, err);
	if (!result)
		return CTL_FAILED;
	*gbps = iperf_gbps(result);
	json_decref(result);
	return CTL_OK;
}

static bool listens(const struct draft_guest *g, uint16_t port)
{
	int fd = connect_guest(g, port);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A foreign image may have a server; by its port. */
static unsigned int find_iperf(const struct draft_guest *g)
{
	return listens(g, IPERF3_PORT) ? 3 : listens(g, IPERF2_PORT) ? 2 : 0;
}

int measure_throughput(struct draft_guest *g, json_t *tech, unsigned int seconds, json_t *samples, struct ctl_err *err)
{
	double tx = 0, rx = 0;
	int rc;

	if (!g->iperf)
		g->iperf = find_iperf(g);
	if (!g->iperf)
		return ctl_fail(err, NFV_RPC_E_FAILED, "the guest has no iperf");
	rc = g->iperf == 2 ? iperf2_rx(g, seconds, &rx, err) : iperf3(g, seconds, false, &rx, err);
	if (!rc)
		rc = g->iperf == 2 ? iperf2_tx(g, tech, seconds, &tx, err) : iperf3(g, seconds, true, &tx, err);
	if (!rc)
		json_array_append_new(samples, json_pack("{sf sf}", "tx_gbps", tx, "rx_gbps", rx));
	return rc;
}

int measure_rtt(const struct draft_guest *g, json_t *samples, struct ctl_err *err)
{
	struct endpoint host, guest;
	json_t *rtt;

	endpoints(g, &host, &guest);
	rtt = rtt_between(&host, &guest, 0, RTT_SECONDS, err);
	if (!rtt)
		return CTL_FAILED;
	json_object_set(json_object_get(rtt, "rtt_us"), "gap_ms", json_object_get(rtt, "gap_ms"));
	json_array_append(samples, json_object_get(rtt, "rtt_us"));
	json_decref(rtt);
	return CTL_OK;
}

/*
 * Return the number behind word at the beginning of a line; with an empty word, the first number of the file; -1:
 * there is none.
 */
static long long number_in(const char *path, const char *word)
{
	char line[256];
	long long n = -1;
	FILE *f = fopen(path, "re");

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, word, strlen(word)))
			n = strtoll(line + strlen(word), NULL, 10);
	if (f)
		fclose(f);
	return n;
}

/* What the container's control group uses, without cache; in version 1 or 2. */
static long long cgroup_bytes(void)
{
	char path[PATH_MAX];
	long long used, cache;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/memory/%s/memory.usage_in_bytes", sandbox_name());
	used = number_in(path, "");
	snprintf(path, sizeof(path), "/sys/fs/cgroup/memory/%s/memory.stat", sandbox_name());
	cache = number_in(path, "total_inactive_file ");
	if (used < 0) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/memory.current", sandbox_name());
		used = number_in(path, "");
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/memory.stat", sandbox_name());
		cache = number_in(path, "inactive_file ");
	}
	return used - (cache > 0 ? cache : 0);
}

/* The third column, MiB, of the second line of what xl says of the domain. */
static long long domain_bytes(struct ctl_err *err)
{
	char *text = NULL, *line;
	int mib = 0;

	if (run_command(&text, -1, XL_SECONDS, ARGV("xl", "list", sandbox_name()), err))
		return -1;
	line = strchr(text, '\n');
	if (!line || sscanf(line + 1, "%*s %*s %d", &mib) != 1)
		mib = 0;
	free(text);
	return (long long)mib << 20;
}

/* What the virtual machine's process has resident, or the domain, or the container. */
int measure_memory(const struct draft_guest *g, json_t *samples, struct ctl_err *err)
{
	char path[64];
	long long bytes;

	snprintf(path, sizeof(path), "/proc/%d/status", g->pid);
	if (g->kind == KIND_XEN)
		bytes = domain_bytes(err);
	else
		bytes = g->kind == KIND_KVM ? number_in(path, "VmRSS:") * 1024 : cgroup_bytes();
	if (bytes <= 0)
		return err->text[0] ? CTL_FAILED : ctl_fail(err, NFV_RPC_E_FAILED, "its memory use cannot be read");
	json_array_append_new(samples, json_pack("{sf}", "mb", (double)bytes / 1e6));
	return CTL_OK;
}

const char *const draft_how_names[HOWS] = { "nfvd", "bridge", "ahead", "bridge-ahead" };

int measure_instantiation(struct draft_guest *g, json_t *tech, enum draft_how how, json_t *samples, struct ctl_err *err)
{
	json_t *sample = json_pack("{ss}", "way", draft_how_names[how]);
	enum draft_way way = how == HOW_NFVD || how == HOW_NFVD_AHEAD ? WAY_NFVD : WAY_BRIDGE;
	int rc;

	g->ahead = how == HOW_NFVD_AHEAD || how == HOW_BRIDGE_AHEAD;
	rc = guest_prepare(g, tech, way, g->memory_mib, 0, err);
	if (!rc)
		rc = guest_start(g, sample, err);
	g->ahead = false;
	guest_stop(g);
	if (rc)
		json_decref(sample);
	else
		json_array_append_new(samples, sample);
	return rc;
}

int measure_need(struct draft_guest *g, json_t *tech, json_t *samples, struct ctl_err *err)
{
	unsigned int enough = g->memory_mib, too_little = 1;
	double start = now_s(), limit_s = g->limit_s;
	int rc = CTL_OK;

	if (guest_prepare(g, tech, WAY_NFVD, enough, 0, err) || guest_start(g, NULL, err))
		return CTL_FAILED;
	guest_stop(g);
	g->limit_s = NEED_PATIENCE * (now_s() - start);
	while (!rc && enough - too_little > 1 + enough / 20) {	/* to a MiB, or 5 % */
		unsigned int middle = (enough + too_little) / 2;
		struct ctl_err does_not_boot = { 0 };

		rc = guest_prepare(g, tech, WAY_NFVD, middle, 0, err);
		/* Once may be a slow moment. */
		if (!rc && guest_start(g, NULL, &does_not_boot) && guest_start(g, NULL, &does_not_boot))
			too_little = middle;
		else if (!rc)
			enough = middle;
		guest_stop(g);
	}
	g->limit_s = limit_s;
	if (!rc)
		rc = guest_prepare(g, tech, WAY_NFVD, g->memory_mib, 0, err);
	if (!rc)
		json_array_append_new(samples, json_pack("{si}", "mib", (int)enough));
	return rc;
}
