/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measuring endpoints: where they are, how to run something there, what to run.
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
	EP_ADDRESS,	/* a guest of somebody else: it answers at an address */
};

struct endpoint {
	const char *name;	/* borrowed */
	enum endpoint_kind kind;
	int netns;		/* EP_NETNS: a descriptor */
	char agent[PATH_MAX];
	char dev[IF_NAMESIZE];
	char addr[INET_ADDRSTRLEN];
};

/* addr may be NULL. Returns 0 or CTL_FAILED. To be closed also when it failed. */
int endpoint_open(struct endpoint *ep, const char *name, const char *addr, struct ctl_err *err);
void endpoint_close(struct endpoint *ep);
/* Open both ends of a measurement, nfvctl bench WHAT. With a kind that cannot run anything at both ends it fails. */
int endpoint_open_pair(struct endpoint *a, struct endpoint *b, const char *what, char **names, const char *addr,
		       struct ctl_err *err);
/* Why no program can be run at this port (of port.list) and its address cannot be asked for, or NULL. */
const char *endpoint_mute(json_t *port);

/* ---- netns.c ---- */
/*
 * A descriptor of the namespace that holds the container's end of a veth port, and the
 * device's name there. -1 with *err filled in when it cannot be found or entered.
 */
int netns_of_port(json_t *port, char dev[IF_NAMESIZE], struct ctl_err *err);
/* Enter it with the calling process; returns a descriptor for netns_leave(), or -1 and errno. */
int netns_enter(int netns);
void netns_leave(int previous);
/* A new one with a name, as `ip netns` has them; a descriptor, or -1 and errno. */
#define NETNS_DIR	"/run/netns"
int netns_make(const char *name);
void netns_del(const char *name);

/* ---- agent.c ---- */
/* Run one command line in a guest. Returns its exit status and *output, to be freed, or -1 with *err filled in. */
int agent_run(const char *path, const char *command, unsigned int timeout_s, char **output, struct ctl_err *err);

/* ---- iperf.c ---- */
/* TCP from one to the other, BENCH_OMIT_SECONDS longer than the seconds that count. Returns iperf3's own JSON, a new reference, or NULL with *err filled in. */
json_t *iperf_run(const struct endpoint *from, const struct endpoint *to, unsigned int seconds, struct ctl_err *err);
double iperf_gbps(json_t *result);

/* ---- rtt.c ---- */
/*
 * Echo requests to addr from the current network namespace, one each interval_us, whether those before were answered
 * or not: until count are sent (0: no limit), the time is up or run_interrupted(). Returns {address, sent, received,
 * late, interval_us, loss_percent, gap_ms, rtt_us: {min, avg, p50, p99, p999, max, loss}}: late, how many were
 * not sent because we did not run; gap_ms, the longest time without an answer; loss, as a fraction of what was sent.
 * An answer after a second is lost, and so is what cannot be sent. NULL with *err filled in when nothing answers.
 */
json_t *rtt_run(const char *addr, uint64_t count, double seconds, struct ctl_err *err);
/* The same from endpoint a to endpoint b, or back when a cannot run anything. */
json_t *rtt_between(const struct endpoint *a, const struct endpoint *b, uint64_t count, double seconds,
		    struct ctl_err *err);

/* ---- cmd_throughput.c ---- */
#define BENCH_SECONDS		2
#define BENCH_OMIT_SECONDS	2U	/* before them, in which TCP starts: no sample has it in it */
#define BENCH_RTT_SECONDS	1.0
/* Fill in gbps_ab, gbps_ba and retransmits of result; append iperf3's JSON to raw unless NULL. */
int bench_tcp(const struct endpoint *a, const struct endpoint *b, unsigned int seconds, json_t *result,
	      json_t *raw, struct ctl_err *err);

#endif
