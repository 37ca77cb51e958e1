// SPDX-License-Identifier: BSD-3-Clause
/*
 * Round-trip times by an ICMP echo flood: the next request leaves when the
 * reply to the last has arrived, or after a second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>	/* before linux/icmp.h, which else defines the same */
#include <linux/icmp.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"
#include "histogram.h"

#define PAYLOAD			56	/* bytes, as ping's */
#define REPLY_TIMEOUT_NS	1000000000ULL
#define WARM_UP			3	/* requests that may be lost to address resolution */

/* What identifies a reply as ours, whatever else arrives. */
struct mark {
	uint64_t cookie, seq;
};

struct echo {
	struct icmphdr icmp;
	struct mark mark;
	uint8_t rest[PAYLOAD - sizeof(struct mark)];
};

struct prober {
	int fd;
	bool raw;	/* replies come with their IP header */
	struct mark mark;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static int prober_open(struct prober *p, const char *addr, struct ctl_err *err)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct icmp_filter only_replies = { ~(1U << ICMP_ECHOREPLY) };
	struct timeval timeout = { .tv_sec = 1 };

	if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1)
		return ctl_fail(err, NFV_RPC_E_PARAMS, "'%s' is not an IPv4 address", addr);
	p->raw = true;
	p->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (p->fd >= 0) {
		setsockopt(p->fd, SOL_RAW, ICMP_FILTER, &only_replies, sizeof(only_replies));
	} else {
		p->raw = false;
		p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
	}
	if (p->fd < 0) {
		ctl_fail(err, NFV_RPC_E_DENIED, "cannot open an ICMP socket: %s", strerror(errno));
		ctl_hint(err, "sudo nfvctl probe rtt %s", addr);
		return CTL_FAILED;
	}
	if (setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    connect(p->fd, (struct sockaddr *)&sin, sizeof(sin)) ||
	    getrandom(&p->mark.cookie, sizeof(p->mark.cookie), 0) < 0) {
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot reach %s: %s", addr, strerror(errno));
		close(p->fd);
		return CTL_FAILED;
	}
	return 0;
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return htons((uint16_t)~sum);
}

static bool is_reply(const struct prober *p, const uint8_t *buf, size_t len)
{
	const struct iphdr *ip = (const struct iphdr *)buf;
	size_t skip = 0;
	struct echo reply;

	if (p->raw) {
		if (len < sizeof(*ip))
			return false;
		skip = (size_t)ip->ihl * 4;
	}
	if (len < skip + sizeof(reply))
		return false;
	memcpy(&reply, buf + skip, sizeof(reply));
	return reply.icmp.type == ICMP_ECHOREPLY && !memcmp(&reply.mark, &p->mark, sizeof(p->mark));
}

/* One echo. Returns its time in ns, 0 when it was lost, or -1 and errno. */
static int64_t probe(struct prober *p)
{
	uint8_t buf[256];
	struct echo request;
	uint64_t sent;
	ssize_t n;

	p->mark.seq++;
	memset(&request, 0, sizeof(request));
	request.icmp.type = ICMP_ECHO;
	request.mark = p->mark;
	request.icmp.un.echo.id = htons((uint16_t)getpid());
	request.icmp.un.echo.sequence = htons((uint16_t)p->mark.seq);
	request.icmp.checksum = checksum(&request, sizeof(request));
	sent = now_ns();
	if (send(p->fd, &request, sizeof(request), 0) < 0)
		return errno == ENOBUFS || errno == EHOSTUNREACH ? 0 : -1;
	for (;;) {
		uint64_t took;

		n = recv(p->fd, buf, sizeof(buf), 0);
		took = now_ns() - sent;
		if (n >= 0 && is_reply(p, buf, (size_t)n))
			return took ? (int64_t)took : 1;
		if (took >= REPLY_TIMEOUT_NS || (n < 0 && (errno == EAGAIN || errno == EHOSTUNREACH)))
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

static json_t *report(const char *addr, const struct histogram *h, uint64_t sent)
{
	double loss = sent ? (double)(sent - h->count) / (double)sent : 0;

	return json_pack("{ss sI sI s{sf sf sf sf sf sf sf}}", "address", addr,
			 "sent", (json_int_t)sent, "received", (json_int_t)h->count, "rtt_us",
			 "min", (double)h->min / 1e3, "avg", (double)h->sum / (double)h->count / 1e3, "p50", histogram_quantile(h, 0.5) / 1e3,
			 "p99", histogram_quantile(h, 0.99) / 1e3, "p999", histogram_quantile(h, 0.999) / 1e3,
			 "max", (double)h->max / 1e3, "loss", loss);
}

json_t *rtt_run(const char *addr, uint64_t count, double seconds, struct ctl_err *err)
{
	static struct histogram h;	/* too large for a stack */
	struct prober p = { .fd = -1 };
	uint64_t sent = 0, end;
	int64_t ns = 0;

	if (prober_open(&p, addr, err))
		return NULL;
	for (int i = 0; i < WARM_UP && !ns; i++)
		ns = probe(&p);
	memset(&h, 0, sizeof(h));
	end = now_ns() + (uint64_t)(seconds * 1e9);
	while (ns > 0 && (!count || sent < count) && now_ns() < end) {
		int64_t one = probe(&p);

		if (one < 0)
			ns = -1;
		sent++;
		if (one > 0)
			histogram_add(&h, (uint64_t)one);
	}
	if (ns < 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot send to %s: %s", addr, strerror(errno));
	else if (!h.count)
		ctl_fail(err, NFV_RPC_E_FAILED, "no echo reply from %s", addr);
	close(p.fd);
	return ns > 0 && h.count ? report(addr, &h, sent) : NULL;
}

static json_t *from_guest(const struct endpoint *ep, const char *addr, uint64_t count, double seconds,
			  struct ctl_err *err)
{
	char command[128], *output = NULL, *json;
	const char *error;
	json_t *result;
	int n = snprintf(command, sizeof(command), "nfvctl -j probe rtt %s time %.1f", addr, seconds);

	if (count)
		snprintf(command + n, sizeof(command) - (size_t)n, " count %llu", (unsigned long long)count);
	if (agent_run(ep->agent, command, (unsigned int)seconds + 10, &output, err) < 0)
		return NULL;
	json = strchr(output, '{');
	result = json ? json_loads(json, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
	error = json_string_value(json_object_get(json_object_get(result, "error"), "message"));
	if (!result || error) {
		ctl_fail(err, NFV_RPC_E_FAILED, "in %s: %s", ep->name, error ? error : output);
		json_decref(result);
		result = NULL;
	}
	free(output);
	return result;
}

json_t *rtt_between(const struct endpoint *a, const struct endpoint *b, uint64_t count, double seconds,
		    struct ctl_err *err)
{
	const struct endpoint *from = a->kind == EP_ADDRESS ? b : a, *to = from == a ? b : a;
	json_t *result;
	int previous;

	if (from->kind == EP_AGENT)
		return from_guest(from, to->addr, count, seconds, err);
	if (from->kind == EP_ADDRESS) {
		ctl_fail(err, NFV_RPC_E_FAILED, "echo requests can be sent neither from %s nor from %s", a->name, b->name);
		return NULL;
	}
	previous = netns_enter(from->netns);
	if (previous < 0) {
		ctl_fail(err, NFV_RPC_E_DENIED, "cannot enter the namespace of %s: %s", from->name, strerror(errno));
		return NULL;
	}
	result = rtt_run(to->addr, count, seconds, err);
	netns_leave(previous);
	return result;
}
