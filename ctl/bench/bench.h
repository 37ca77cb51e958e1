/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measuring endpoints: find them, run programs there, measure.
 */
#ifndef CTL_BENCH_H
#define CTL_BENCH_H

#include <net/if.h>
#include <netinet/in.h>
#include "run.h"

/* ---- endpoint.c ---- */
enum endpoint_kind {
	EP_NETNS,	/* a container: we run programs in its network namespace */
	EP_AGENT,	/* a guest of tools/guests: its agent runs programs */
	EP_ADDRESS,	/* any other guest: it responds at an address */
};

struct endpoint {
	const char *name;	/* borrowed */
	enum endpoint_kind kind;
	int netns;		/* EP_NETNS: a descriptor */
	char agent[PATH_MAX];
	char dev[IF_NAMESIZE];
	char addr[INET_ADDRSTRLEN];
};

/* Open an endpoint. addr may be NULL. Return 0 or CTL_FAILED. Close it also after a failure. */
int endpoint_open(struct endpoint *ep, const char *name, const char *addr, struct ctl_err *err);
void endpoint_close(struct endpoint *ep);
/* Open both ends of a measurement, nfvctl bench WHAT. Fail if a program can be run at neither end. */
int endpoint_open_pair(struct endpoint *a, struct endpoint *b, const char *what, char **names, const char *addr,
		       struct ctl_err *err);
/* Return why no program can be run at this port (of port.list), and its address is not known; or NULL. */
const char *endpoint_mute(json_t *port);

/* ---- netns.c ---- */
/*
 * Return a descriptor of the namespace that holds the container's end of a veth port, and set dev to the device's name
 * there. Return -1 with *err filled in if it cannot be found or entered.
 */
int netns_of_port(json_t *port, char dev[IF_NAMESIZE], struct ctl_err *err);
/* Enter the namespace with the calling process. Return a descriptor for netns_leave(), or -1 and errno. */
int netns_enter(int netns);
void netns_leave(int previous);
/* Make a named namespace, as `ip netns` does. Return a descriptor, or -1 and errno. */
#define NETNS_DIR	"/run/netns"
int netns_make(const char *name);
void netns_del(const char *name);

/* ---- agent.c ---- */
/* Run one command line in a guest. Return its exit status and *output, to be freed, or -1 with *err filled in. */
int agent_run(const char *path, const char *command, unsigned int timeout_s, char **output, struct ctl_err *err);

/* ---- iperf.c ---- */
/*
 * Run TCP from one endpoint to the other, BENCH_OMIT_SECONDS longer than the seconds that count. Return a new reference to
 * iperf3's own JSON, or NULL with *err filled in.
 */
json_t *iperf_run(const struct endpoint *from, const struct endpoint *to, unsigned int seconds, struct ctl_err *err);
/* With further options of its client, which end with NULL. */
json_t *iperf_run_with(const struct endpoint *from, const struct endpoint *to, unsigned int seconds, const char *const *options,
		       struct ctl_err *err);
double iperf_gbps(json_t *result);

/* ---- rtt.c ---- */
/*
 * Send echo requests to addr from the current network namespace, one each interval_us, without waiting for replies. Stop
 * after count (0: no limit), after the given seconds, or when run_interrupted(). Return {address, sent, received, late,
 * interval_us, loss_percent, gap_ms, rtt_us: {min, avg, p50, p99, p999, max, loss}}, or NULL with *err filled in if no
 * reply comes.
 *
 *	late	how many were not sent, because nfvctl did not run
 *	gap_ms	the longest time without a reply
 *	loss	the fraction of requests that were lost. A reply after a second is lost, as is a request that cannot be sent
 */
json_t *rtt_run(const char *addr, uint64_t count, double seconds, struct ctl_err *err);
/* Measure from endpoint a to endpoint b, or back if no program can be run at a. */
json_t *rtt_between(const struct endpoint *a, const struct endpoint *b, uint64_t count, double seconds,
		    struct ctl_err *err);

/* ---- cmd_throughput.c ---- */
#define BENCH_SECONDS		2
#define BENCH_OMIT_SECONDS	2U	/* of TCP's start before them, left out of all samples */
#define BENCH_RTT_SECONDS	1.0
/* Measure both ways: set gbps_ab, gbps_ba and retransmits of result, append iperf3's JSON to raw unless NULL. */
int bench_tcp(const struct endpoint *a, const struct endpoint *b, unsigned int seconds, json_t *result,
	      json_t *raw, struct ctl_err *err);

#endif
