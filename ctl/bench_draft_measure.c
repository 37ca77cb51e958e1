// SPDX-License-Identifier: BSD-3-Clause
/*
 * What bench draft measures of one technology.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench_draft.h"

#define RTT_SECONDS		2.0
#define NEED_PATIENCE		2	/* times what it takes with plenty of memory */
#define IPERF_EXTRA_SECONDS	20

static void endpoints(const struct draft_guest *g, struct endpoint *host, struct endpoint *guest)
{
	*host = (struct endpoint){ .name = "host", .kind = EP_NETNS, .netns = net_host(g), .addr = DRAFT_HOST_IP };
	*guest = (struct endpoint){ .name = "guest", .kind = EP_ADDRESS, .netns = -1, .addr = DRAFT_GUEST_IP };
}

/* iperf 2's comma-separated line ends with bits per second. */
static double csv_gbps(const char *text)
{
	const char *comma = text ? strrchr(text, ',') : NULL;

	return comma ? strtod(comma + 1, NULL) / 1e9 : 0;
}

static int iperf2_rx(const struct draft_guest *g, unsigned int seconds, double *gbps, struct ctl_err *err)
{
	char *text = NULL;

	if (run_shell(&text, err, "exec timeout %u ip netns exec host-%s iperf -c " DRAFT_GUEST_IP " -t %u -y C",
		      seconds + IPERF_EXTRA_SECONDS, draft_way_names[g->way], seconds))
		return CTL_FAILED;
	*gbps = csv_gbps(text);
	free(text);
	return *gbps > 0 ? CTL_OK : ctl_fail(err, NFV_RPC_E_FAILED, "iperf to the guest says nothing");
}

/* A small server of iperf 2 does not send: the guest is started anew, as a client of ours. */
static int iperf2_tx(struct draft_guest *g, json_t *tech, unsigned int seconds, double *gbps, struct ctl_err *err)
{
	char errors[PATH_MAX], *line;
	char *argv[] = { "ip", "netns", "exec", "host-nfvd", "stdbuf", "-oL", "iperf", "-s", "-y", "C", NULL };
	pid_t server;
	int out, rc;

	snprintf(errors, sizeof(errors), "%s/iperf.err", sandbox_dir());
	server = run_start(argv, &out, errors, err);
	if (server < 0)
		return CTL_FAILED;
	guest_stop(g);
	rc = guest_prepare(g, tech, WAY_NFVD, g->memory_mib, seconds, err);
	if (!rc)
		rc = guest_start(g, NULL, err);
	if (!rc) {
		line = run_read_line(out, seconds + IPERF_EXTRA_SECONDS);
		*gbps = csv_gbps(line);
		free(line);
		if (*gbps <= 0)
			rc = ctl_fail(err, NFV_RPC_E_FAILED, "iperf from the guest: nothing has arrived");
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

/* A foreign image may have a server; by its port. */
static unsigned int find_iperf(void)
{
	struct ctl_err ignored = { 0 };

	for (unsigned int version = 3; version >= 2; version--)
		if (!run_shell(NULL, &ignored, "exec timeout 5 ip netns exec host-nfvd bash -c ': </dev/tcp/" DRAFT_GUEST_IP "/%u'",
			       version == 3 ? 5201U : 5001U))
			return version;
	return 0;
}

int measure_throughput(struct draft_guest *g, json_t *tech, unsigned int seconds, json_t *samples, struct ctl_err *err)
{
	double tx = 0, rx = 0;
	int rc;

	if (!g->iperf)
		g->iperf = find_iperf();
	if (!g->iperf)
		return ctl_fail(err, NFV_RPC_E_FAILED, "there is no iperf in it");
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
	json_array_append(samples, json_object_get(rtt, "rtt_us"));
	json_decref(rtt);
	return CTL_OK;
}

/*
 * What the virtual machine's process has resident; what xl says of a domain; of a container
 * what its control group uses, without cache.
 */
int measure_memory(const struct draft_guest *g, json_t *samples, struct ctl_err *err)
{
	const char *name = strrchr(sandbox_dir(), '/') + 1;
	char *text = NULL;
	long long bytes;
	int rc;

	if (g->kind == KIND_KVM)
		rc = run_shell(&text, err, "awk '$1 == \"VmRSS:\" { print $2 * 1024 }' /proc/%d/status", g->pid);
	else if (g->kind == KIND_XEN)
		rc = run_shell(&text, err, "xl list '%s' | awk 'NR == 2 { print $3 * 1024 * 1024 }'", name);
	else
		rc = run_shell(&text, err, "cd /sys/fs/cgroup/memory/%s 2>/dev/null || cd /sys/fs/cgroup/%s; "
			       "cat memory.usage_in_bytes memory.current memory.stat 2>/dev/null | "
			       "awk 'NF == 1 { used = $1 } $1 ~ /^(total_)?inactive_file$/ { cache = $2 } "
			       "END { printf \"%%d\\n\", used - cache }'", name, name);
	if (rc)
		return rc;
	bytes = strtoll(text, NULL, 10);
	free(text);
	if (bytes <= 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "nobody says what memory it uses");
	json_array_append_new(samples, json_pack("{sf}", "mb", (double)bytes / 1e6));
	return CTL_OK;
}

const char *draft_how_name(unsigned int how)
{
	return how == DRAFT_AHEAD ? "ahead" : draft_way_names[how];
}

int measure_instantiation(struct draft_guest *g, json_t *tech, unsigned int how, json_t *samples, struct ctl_err *err)
{
	json_t *sample = json_pack("{ss}", "way", draft_how_name(how));
	enum draft_way way = how == DRAFT_AHEAD ? WAY_NFVD : (enum draft_way)how;
	int rc;

	g->ahead = how == DRAFT_AHEAD;
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
		if (!rc && guest_start(g, NULL, &does_not_boot))
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
