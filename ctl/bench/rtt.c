// SPDX-License-Identifier: BSD-3-Clause
/*
 * Measure round-trip times by ICMP echo requests. Each request is sent at its time, whether or not earlier ones had
 * a reply. A program that waits for each reply sends nothing in an outage, and sees one lost request where there
 * would have been thousands. The rate follows from the time that a single echo takes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>	/* before linux/icmp.h, which else defines the same */
#include <linux/icmp.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "bench/bench.h"
#include "bench/histogram.h"

#define PAYLOAD			56	/* bytes, as ping's */
#define REPLY_TIMEOUT_NS	1000000000ULL
#define WARM_UP			10	/* echoes, one after the other */
#define WARM_UP_LOST		3	/* of them may be lost at first, to address resolution */
#define INTERVAL_MIN_NS		100000ULL
#define INTERVAL_ECHOES		2	/* an interval in round trips: the responder is at most half busy */
#define SLOTS			65536	/* more than are sent within REPLY_TIMEOUT_NS */

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
	uint64_t sent_at[SLOTS];	/* by the number; 0: echoed, or not sent */
	uint64_t sent, late, interval_ns;
	uint64_t echoed_at, gap_ns;	/* when the last echo came; the longest time without one */
	struct histogram times;
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
	if (connect(p->fd, (struct sockaddr *)&sin, sizeof(sin)) ||
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

/* Return the number of the request that this packet echoes; 0: none of ours. */
static uint64_t echoed(const struct prober *p, const uint8_t *buf, size_t len)
{
	const struct iphdr *ip = (const struct iphdr *)buf;
	size_t skip = 0;
	struct echo reply;

	if (p->raw) {
		if (len < sizeof(*ip))
			return 0;
		skip = (size_t)ip->ihl * 4;
	}
	if (len < skip + sizeof(reply))
		return 0;
	memcpy(&reply, buf + skip, sizeof(reply));
	if (reply.icmp.type != ICMP_ECHOREPLY || reply.mark.cookie != p->mark.cookie)
		return 0;
	return reply.mark.seq <= p->mark.seq && p->mark.seq - reply.mark.seq < SLOTS ? reply.mark.seq : 0;
}

/*
 * Send a request. Return 0 or -errno. A request that cannot be sent counts as lost, because the obstacle may go away
 * again.
 */
static int send_echo(struct prober *p)
{
	struct echo request;
	uint64_t *at;
	int rc = 0;

	memset(&request, 0, sizeof(request));
	request.icmp.type = ICMP_ECHO;
	p->mark.seq++;
	request.mark = p->mark;
	request.icmp.un.echo.id = htons((uint16_t)getpid());
	request.icmp.un.echo.sequence = htons((uint16_t)p->mark.seq);
	request.icmp.checksum = checksum(&request, sizeof(request));
	at = &p->sent_at[p->mark.seq % SLOTS];
	*at = now_ns();
	if (send(p->fd, &request, sizeof(request), MSG_DONTWAIT) < 0) {
		rc = -errno;
		*at = 0;
	}
	return rc;
}

/* Take the replies that have arrived, and record their times. Return the time of the last one; 0: none was ours. */
static uint64_t take_replies(struct prober *p)
{
	uint64_t took = 0, now, *at;
	uint8_t buf[256];
	ssize_t n;

	while ((n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		now = now_ns();
		at = &p->sent_at[echoed(p, buf, (size_t)n) % SLOTS];
		/* Number 0 is never sent. */
		if (!*at || now - *at >= REPLY_TIMEOUT_NS)
			continue;
		took = now > *at ? now - *at : 1;
		*at = 0;
		histogram_add(&p->times, took);
		if (now - p->echoed_at > p->gap_ns)
			p->gap_ns = now - p->echoed_at;
		p->echoed_at = now;
	}
	return took;
}

/* Until something arrives, or then. */
static void wait_until(const struct prober *p, uint64_t then)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };
	uint64_t now = now_ns(), left = then > now ? then - now : 0;
	struct timespec ts = { (time_t)(left / 1000000000), (long)(left % 1000000000) };

	ppoll(&fd, 1, &ts, NULL);
}

/*
 * Send one echo after the other. Return the shortest time; 0: there was no reply, and *error says why if that is
 * known.
 */
static uint64_t warm_up(struct prober *p, int *error)
{
	uint64_t best = 0;

	for (int i = 0; i < WARM_UP && (best || i < WARM_UP_LOST) && !run_interrupted(); i++) {
		uint64_t took = 0, end = now_ns() + REPLY_TIMEOUT_NS;

		*error = send_echo(p);
		while (!*error && !took && now_ns() < end) {
			wait_until(p, end);
			took = take_replies(p);
		}
		if (took && (!best || took < best))
			best = took;
	}
	return best;
}

/*
 * Send a request at each interval. Requests that this process was too late to send are counted as late, and left out.
 */
static void flood(struct prober *p, uint64_t count, double seconds)
{
	uint64_t start = now_ns(), next = start, end = start + (uint64_t)(seconds * 1e9), now = start, skipped;

	p->echoed_at = start;
	while (now < end && (!count || p->sent < count) && !run_interrupted()) {
		if (now >= next) {
			skipped = (now - next) / p->interval_ns;
			p->late += skipped;
			next += (skipped + 1) * p->interval_ns;
			send_echo(p);
			p->sent++;
		}
		wait_until(p, next);
		take_replies(p);
		now = now_ns();
	}
	end = now + REPLY_TIMEOUT_NS;
	if (now > p->echoed_at && now - p->echoed_at > p->gap_ns)
		p->gap_ns = now - p->echoed_at;
	while (p->times.count < p->sent && now_ns() < end && !run_interrupted()) {
		wait_until(p, end);
		take_replies(p);
	}
}

static json_t *report(const char *addr, const struct prober *p)
{
	const struct histogram *h = &p->times;
	double loss = (double)(p->sent - h->count) / (double)p->sent;

	return json_pack("{ss sI sI sI sf sf sf s{sf sf sf sf sf sf sf}}", "address", addr,
			 "sent", (json_int_t)p->sent, "received", (json_int_t)h->count, "late", (json_int_t)p->late,
			 "interval_us", (double)p->interval_ns / 1e3, "loss_percent", loss * 100, "gap_ms", (double)p->gap_ns / 1e6,
			 "rtt_us", "min", (double)h->min / 1e3, "avg", (double)h->sum / (double)h->count / 1e3,
			 "p50", histogram_quantile(h, 0.5) / 1e3, "p99", histogram_quantile(h, 0.99) / 1e3,
			 "p999", histogram_quantile(h, 0.999) / 1e3, "max", (double)h->max / 1e3, "loss", loss);
}

json_t *rtt_run(const char *addr, uint64_t count, double seconds, struct ctl_err *err)
{
	struct prober *p = calloc(1, sizeof(*p));	/* too large for a stack */
	json_t *result = NULL;
	uint64_t best;
	int error = 0;

	if (!p) {
		ctl_fail(err, NFV_RPC_E_FAILED, "out of memory");
		return NULL;
	}
	if (prober_open(p, addr, err)) {
		free(p);
		return NULL;
	}
	prctl(PR_SET_TIMERSLACK, 1UL);	/* ns; else it wakes up to 50 us later */
	best = warm_up(p, &error);
	if (best) {
		p->interval_ns = best * INTERVAL_ECHOES > INTERVAL_MIN_NS ? best * INTERVAL_ECHOES : INTERVAL_MIN_NS;
		memset(&p->times, 0, sizeof(p->times));
		memset(p->sent_at, 0, sizeof(p->sent_at));
		p->gap_ns = 0;
		flood(p, count, seconds);
	}
	if (p->times.count)
		result = report(addr, p);
	else if (error)
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot send to %s: %s", addr, strerror(-error));
	else
		ctl_fail(err, NFV_RPC_E_FAILED, "no echo reply from %s", addr);
	close(p->fd);
	free(p);
	return result;
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
