// SPDX-License-Identifier: BSD-3-Clause
/*
 * The network of bench draft, inside its sandbox:
 *
 *	container host-nfvd ── veth ── nfvd ─── guest
 *	container host-bridge ─ veth ── br0 ──── guest, the stock way
 *
 * The guest has one address and one MAC, at one of the two at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "bench_draft.h"

#define NFVD_SECONDS	30.0
#define GUEST		"guest"

const char *const draft_way_names[WAYS] = { "nfvd", "bridge" };
static int hosts[WAYS] = { -1, -1 };
static char state_dir[PATH_MAX], socket_path[PATH_MAX + 16];

int net_host(enum draft_way way)
{
	return hosts[way];
}

/* Beside nfvctl, where it is installed; where it is built; or wherever. */
static const char *find_nfvd(void)
{
	static char path[PATH_MAX + 32];
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	snprintf(path, sizeof(path), "%s/nfvd", self);
	if (access(path, X_OK))
		snprintf(path, sizeof(path), "%s/../dataplane/nfvd", self);
	return access(path, X_OK) ? "nfvd" : path;
}

static int start_nfvd(struct ctl_err *err)
{
	char errors[PATH_MAX], *argv[] = { (char *)find_nfvd(), "--state-dir", (char *)ctl_state_dir, NULL };
	double deadline = now_s() + NFVD_SECONDS;
	struct timespec pause = { 0, 20000000 };
	json_t *info = NULL;
	int out;

	snprintf(errors, sizeof(errors), "%s/nfvd.log", sandbox_dir());
	if (run_start(argv, &out, errors, err) < 0)
		return CTL_FAILED;
	while (!info && now_s() < deadline) {
		nanosleep(&pause, NULL);
		info = rpc_call("daemon.info", NULL, err);
	}
	json_decref(info);
	if (!info)
		return ctl_fail(err, NFV_RPC_E_FAILED, "nfvd does not start: %s", last_line(errors));
	*err = (struct ctl_err){ .code = NFV_RPC_E_FAILED };
	return CTL_OK;
}

/* Its neighbour's address is known for good: the first SYN is sent at once, and each after it. */
static int make_host(enum draft_way way, struct ctl_err *err)
{
	const char *name = draft_way_names[way];
	char path[64];

	if (run_shell(NULL, err, "ip netns add host-%s && "
		      "ip link add veth-%s type veth peer name eth0 netns host-%s && "
		      "ip -n host-%s link set lo up && ip -n host-%s addr add " DRAFT_HOST_IP "/24 dev eth0 && "
		      "ip -n host-%s link set eth0 up && ip link set veth-%s up && "
		      "ip -n host-%s neigh add " DRAFT_GUEST_IP " lladdr " DRAFT_GUEST_MAC " dev eth0 nud permanent",
		      name, name, name, name, name, name, name, name))
		return CTL_FAILED;
	snprintf(path, sizeof(path), "/run/netns/host-%s", name);
	hosts[way] = open(path, O_RDONLY | O_CLOEXEC);
	return hosts[way] < 0 ? ctl_fail(err, NFV_RPC_E_FAILED, "%s: %s", path, strerror(errno)) : CTL_OK;
}

/* For a guest that nobody told its address. */
int net_serve_dhcp(enum draft_way way, struct ctl_err *err)
{
	char host[32], config[PATH_MAX], errors[PATH_MAX + 8];
	char *argv[] = { "ip", "netns", "exec", host, "busybox", "udhcpd", "-f", config, NULL };
	int out;

	snprintf(host, sizeof(host), "host-%s", draft_way_names[way]);
	snprintf(config, sizeof(config), "%s/dhcp-%s", sandbox_dir(), draft_way_names[way]);
	snprintf(errors, sizeof(errors), "%s.log", config);
	if (run_shell(NULL, err, "printf '%%s\n' 'interface eth0' 'start " DRAFT_GUEST_IP "' 'end " DRAFT_GUEST_IP "' "
		      "'option subnet 255.255.255.0' 'option router " DRAFT_HOST_IP "' 'pidfile %s.pid' "
		      "'lease_file %s.leases' >'%s'; : >'%s.leases'", config, config, config, config))
		return CTL_FAILED;
	return run_start(argv, &out, errors, err) < 0 ? CTL_FAILED : CTL_OK;
}

static int attach(json_t *params, struct ctl_err *err)
{
	json_t *port = rpc_call("port.attach", params, err);

	json_decref(port);
	return port ? CTL_OK : CTL_FAILED;
}

int net_open(struct ctl_err *err)
{
	snprintf(state_dir, sizeof(state_dir), "%s/nfvd", sandbox_dir());
	snprintf(socket_path, sizeof(socket_path), "%s/" GUEST ".sock", state_dir);
	ctl_state_dir = state_dir;
	if (run_shell(NULL, err, "ip link set lo up && ip link add br0 type bridge && ip link set br0 up") ||
	    start_nfvd(err) || make_host(WAY_NFVD, err) || make_host(WAY_BRIDGE, err) ||
	    run_shell(NULL, err, "ip link set veth-bridge master br0"))
		return CTL_FAILED;
	return attach(json_pack("{ss ss ss}", "type", "veth", "name", "host", "dev", "veth-nfvd"), err);
}

/* What a container runtime's network plug-in does. */
static int make_container_net(const char *then, struct ctl_err *err)
{
	return run_shell(NULL, err, "ip netns add " GUEST " && "
			 "ip link add veth-guest type veth peer name eth0 address " DRAFT_GUEST_MAC " netns " GUEST " && "
			 "ip -n " GUEST " addr add " DRAFT_GUEST_IP "/24 dev eth0 && ip -n " GUEST " link set eth0 up && "
			 "ip -n " GUEST " link set lo up && ip link set veth-guest up%s", then);
}

int net_attach(const struct draft_guest *g, struct ctl_err *err)
{
	if (g->way == WAY_BRIDGE)
		return g->container ? make_container_net(" master br0", err) :
		       run_shell(NULL, err, "ip tuntap add tap0 mode tap && ip link set tap0 up master br0");
	if (!g->container)
		return attach(json_pack("{ss ss}", "type", "kvm", "name", GUEST), err);
	if (make_container_net("", err))
		return CTL_FAILED;
	return attach(json_pack("{ss ss ss}", "type", "veth", "name", GUEST, "dev", "veth-guest"), err);
}

void net_detach(const struct draft_guest *g)
{
	struct ctl_err ignored = { 0 };

	if (g->way == WAY_NFVD)
		json_decref(rpc_call("port.detach", json_pack("{ss}", "name", GUEST), &ignored));
	if (g->container)
		run_shell(NULL, &ignored, "ip netns del " GUEST "; ip link del veth-guest 2>/dev/null");
	else if (g->way == WAY_BRIDGE)
		run_shell(NULL, &ignored, "ip link del tap0");
}

const char *net_target(const struct draft_guest *g)
{
	if (g->container)
		return "/run/netns/" GUEST;
	return g->way == WAY_NFVD ? socket_path : "tap0";
}
