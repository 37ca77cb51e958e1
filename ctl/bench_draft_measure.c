// SPDX-License-Identifier: BSD-3-Clause
/*
 * What bench draft measures of one technology.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench_draft.h"

#define RTT_SECONDS		2.0
#define NEED_STEP_MIB		1
#define NEED_PATIENCE		4	/* times what it takes with plenty of memory */
#define IPERF2_PORT		5001

static void endpoints(const struct draft_guest *g, struct endpoint *host, struct endpoint *guest)
{
	*host = (struct endpoint){ .name = "host", .kind = EP_NETNS, .netns = net_host(g->way), .addr = DRAFT_HOST_IP };
	*guest = (struct endpoint){ .name = "guest", .kind = EP_ADDRESS, .netns = -1, .addr = DRAFT_GUEST_IP };
}

/* iperf's own comma-separated line ends with bits per second. */
static int iperf2(const struct draft_guest *g, unsigned int seconds, bool reverse, double *gbps, struct ctl_err *err)
{
	char *text = NULL, *comma;

	if (run_shell(&text, err, "exec timeout %u ip netns exec host-%s iperf -c " DRAFT_GUEST_IP " -p %d -t %u -y C%s",
		      seconds + 15, draft_way_names[g->way], IPERF2_PORT, seconds, reverse ? " -R" : ""))
		return CTL_FAILED;
	comma = strrchr(text, ',');
	*gbps = comma ? strtod(comma + 1, NULL) / 1e9 : 0;
	free(text);
	return *gbps > 0 ? CTL_OK : ctl_fail(err, NFV_RPC_E_FAILED, "iperf says nothing about %s", reverse ? "Tx" : "Rx");
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

int measure_throughput(const struct draft_guest *g, unsigned int seconds, json_t *samples, struct ctl_err *err)
{
	double tx = 0, rx = 0;
	int rc;

	if (!g->iperf)
		return ctl_fail(err, NFV_RPC_E_FAILED, "there is no iperf in it");
	rc = g->iperf == 2 ? iperf2(g, seconds, true, &tx, err) : iperf3(g, seconds, true, &tx, err);
	if (!rc)
		rc = g->iperf == 2 ? iperf2(g, seconds, false, &rx, err) : iperf3(g, seconds, false, &rx, err);
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
	json_array_append(samples, json_object_get(rtt, "rtt_us"));
	json_decref(rtt);
	return CTL_OK;
}

/* What the virtual machine's process has resident; of a container what its control group uses, without cache. */
int measure_memory(const struct draft_guest *g, json_t *samples, struct ctl_err *err)
{
	const char *group = strrchr(sandbox_dir(), '/');
	char *text = NULL;
	long long bytes;
	int rc;

	if (!g->container)
		rc = run_shell(&text, err, "awk '$1 == \"VmRSS:\" { print $2 * 1024 }' /proc/%d/status", g->pid);
	else
		rc = run_shell(&text, err, "cd /sys/fs/cgroup/memory%s 2>/dev/null || cd /sys/fs/cgroup%s; "
			       "cat memory.usage_in_bytes memory.current memory.stat 2>/dev/null | "
			       "awk 'NF == 1 { used = $1 } $1 ~ /^(total_)?inactive_file$/ { cache = $2 } "
			       "END { printf \"%%d\\n\", used - cache }'", group, group);
	if (rc)
		return rc;
	bytes = strtoll(text, NULL, 10);
	free(text);
	if (bytes <= 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "the kernel does not say what memory it uses");
	json_array_append_new(samples, json_pack("{sf}", "mb", (double)bytes / 1e6));
	return CTL_OK;
}

int measure_instantiation(struct draft_guest *g, json_t *tech, enum draft_way way, json_t *samples, struct ctl_err *err)
{
	json_t *sample = json_pack("{ss}", "way", draft_way_names[way]);

	if (guest_prepare(g, tech, way, g->memory_mib, err) || guest_start(g, sample, err)) {
		json_decref(sample);
		return CTL_FAILED;
	}
	guest_stop(g);
	json_array_append_new(samples, sample);
	return CTL_OK;
}

int measure_need(struct draft_guest *g, json_t *tech, json_t *samples, struct ctl_err *err)
{
	unsigned int enough = g->memory_mib, too_little = 1;
	double start = now_s(), limit_s = g->limit_s;
	int rc = CTL_OK;

	if (guest_prepare(g, tech, WAY_NFVD, enough, err) || guest_start(g, NULL, err))
		return CTL_FAILED;
	guest_stop(g);
	g->limit_s = NEED_PATIENCE * (now_s() - start);
	while (!rc && enough - too_little > NEED_STEP_MIB) {
		unsigned int middle = (enough + too_little) / 2;
		struct ctl_err does_not_boot = { 0 };

		rc = guest_prepare(g, tech, WAY_NFVD, middle, err);
		if (!rc && guest_start(g, NULL, &does_not_boot))
			too_little = middle;
		else if (!rc)
			enough = middle;
		guest_stop(g);
	}
	g->limit_s = limit_s;
	if (!rc)
		rc = guest_prepare(g, tech, WAY_NFVD, g->memory_mib, err);
	if (!rc)
		json_array_append_new(samples, json_pack("{si}", "mib", (int)enough));
	return rc;
}
