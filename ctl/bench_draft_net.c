// SPDX-License-Identifier: BSD-3-Clause
/*
 * The network of bench draft, inside its sandbox:
 *
 *	container host-nfvd ── veth ── nfvd ─── guest
 *	container host-bridge ─ veth ── br0 ──── guest, the stock way
 *
 * The guest has one address and one MAC, at one of the two at a time. Xen's guests
 * have a bridge of their own, see bench_draft_xen.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "bench_draft.h"

#define NFVD_SECONDS	90.0	/* it may be emulated */
#define GUEST		"guest"

const char *const draft_way_names[WAYS] = { "nfvd", "bridge" };

enum { HOST_NFVD, HOST_BRIDGE, HOST_XEN, HOSTS };
static const char *const host_names[HOSTS] = { "host-nfvd", "host-bridge", "host-xen" };
static int hosts[HOSTS] = { -1, -1, -1 };
static char state_dir[PATH_MAX], socket_path[PATH_MAX + 16];

int net_host(const struct draft_guest *g)
{
	if (g->way == WAY_NFVD)
		return hosts[HOST_NFVD];
	return hosts[g->kind == KIND_XEN ? HOST_XEN : HOST_BRIDGE];
}

/* Beside nfvctl, where it is installed; where it is built; or wherever. */
static const char *find_nfvd(void)
{
	static char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/nfvd", run_self_dir());
	if (access(path, X_OK))
		snprintf(path, sizeof(path), "%s/../dataplane/nfvd", run_self_dir());
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
static int make_host(int host, const char *link, struct ctl_err *err)
{
	const char *name = host_names[host];
	char path[64];

	if (run_shell(NULL, err, "ip netns add %s && ip link add %s type veth peer name eth0 netns %s && "
		      "ip -n %s link set lo up && ip -n %s addr add " DRAFT_HOST_IP "/24 dev eth0 && "
		      "ip -n %s link set eth0 up && ip link set %s up && "
		      "ip -n %s neigh add " DRAFT_GUEST_IP " lladdr " DRAFT_GUEST_MAC " dev eth0 nud permanent",
		      name, link, name, name, name, name, link, name))
		return CTL_FAILED;
	snprintf(path, sizeof(path), "/run/netns/%s", name);
	hosts[host] = open(path, O_RDONLY | O_CLOEXEC);
	return hosts[host] < 0 ? ctl_fail(err, NFV_RPC_E_FAILED, "%s: %s", path, strerror(errno)) : CTL_OK;
}

static int serve_dhcp(const char *host, struct ctl_err *err)
{
	char config[PATH_MAX], errors[PATH_MAX + 8];
	char *argv[] = { "ip", "netns", "exec", (char *)host, "busybox", "udhcpd", "-f", config, NULL };
	int out;

	snprintf(config, sizeof(config), "%s/dhcp-%s", sandbox_dir(), host);
	snprintf(errors, sizeof(errors), "%s.log", config);
	if (run_shell(NULL, err, "printf '%%s\n' 'interface eth0' 'start " DRAFT_GUEST_IP "' 'end " DRAFT_GUEST_IP "' "
		      "'option subnet 255.255.255.0' 'option router " DRAFT_HOST_IP "' 'pidfile %s.pid' "
		      "'lease_file %s.leases' >'%s'; : >'%s.leases'", config, config, config, config))
		return CTL_FAILED;
	return run_start(argv, &out, errors, err) < 0 ? CTL_FAILED : CTL_OK;
}

/* For a guest that nobody told its address. */
int net_serve_dhcp(struct ctl_err *err)
{
	int rc = CTL_OK;

	for (int host = 0; !rc && host < HOSTS; host++)
		if (hosts[host] >= 0)
			rc = serve_dhcp(host_names[host], err);
	return rc;
}

static int attach(json_t *params, struct ctl_err *err)
{
	json_t *port = rpc_call("port.attach", params, err);

	json_decref(port);
	return port ? CTL_OK : CTL_FAILED;
}

static int open_xen(struct ctl_err *err)
{
	int previous = xen_enter(err), rc;

	if (previous < 0)
		return CTL_FAILED;
	rc = xen_net_open(err);
	if (!rc)
		rc = make_host(HOST_XEN, xen_host_link(), err);
	if (!rc)
		rc = run_shell(NULL, err, "ip link set %s master %s", xen_host_link(), xen_bridge());
	netns_leave(previous);
	return rc;
}

int net_open(bool xen, struct ctl_err *err)
{
	snprintf(state_dir, sizeof(state_dir), "%s/nfvd", sandbox_dir());
	snprintf(socket_path, sizeof(socket_path), "%s/" GUEST ".sock", state_dir);
	ctl_state_dir = state_dir;
	if (run_shell(NULL, err, "ip link set lo up && ip link add br0 type bridge && ip link set br0 up") ||
	    start_nfvd(err) || make_host(HOST_NFVD, "veth-nfvd", err) || make_host(HOST_BRIDGE, "veth-bridge", err) ||
	    run_shell(NULL, err, "ip link set veth-bridge master br0") || (xen && open_xen(err)))
		return CTL_FAILED;
	return attach(json_pack("{ss ss ss}", "type", "veth", "name", "host", "dev", "veth-nfvd"), err);
}

/* What a container runtime's network plug-in does, and THEN: nfvd's attach sets the host's end up itself. */
static int make_container_net(const char *then, struct ctl_err *err)
{
	return run_shell(NULL, err, "ip netns add " GUEST " && "
			 "ip link add veth-guest type veth peer name eth0 address " DRAFT_GUEST_MAC " netns " GUEST " && "
			 "ip -n " GUEST " addr add " DRAFT_GUEST_IP "/24 dev eth0 && ip -n " GUEST " link set eth0 up && "
			 "ip -n " GUEST " link set lo up%s", then);
}

int net_attach(const struct draft_guest *g, struct ctl_err *err)
{
	if (g->kind == KIND_XEN)
		return CTL_OK;
	if (g->way == WAY_BRIDGE)
		return g->kind == KIND_CONTAINER ? make_container_net(" && ip link set veth-guest up master br0", err) :
		       run_shell(NULL, err, "ip tuntap add tap0 mode tap && ip link set tap0 up master br0");
	if (g->kind == KIND_KVM)
		return attach(json_pack("{ss ss}", "type", "kvm", "name", GUEST), err);
	if (make_container_net("", err))
		return CTL_FAILED;
	return attach(json_pack("{ss ss ss}", "type", "veth", "name", GUEST, "dev", "veth-guest"), err);
}

void net_detach(const struct draft_guest *g)
{
	struct ctl_err ignored = { 0 };

	if (g->kind == KIND_XEN)
		return;
	if (g->way == WAY_NFVD)
		json_decref(rpc_call("port.detach", json_pack("{ss}", "name", GUEST), &ignored));
	if (g->kind == KIND_CONTAINER)
		run_shell(NULL, &ignored, "ip netns del " GUEST "; ip link del veth-guest 2>/dev/null");
	else if (g->way == WAY_BRIDGE)
		run_shell(NULL, &ignored, "ip link del tap0");
}

const char *net_target(const struct draft_guest *g)
{
	if (g->kind == KIND_CONTAINER)
		return "/run/netns/" GUEST;
	if (g->kind == KIND_XEN)
		return g->way == WAY_BRIDGE ? xen_bridge() : "";
	return g->way == WAY_NFVD ? socket_path : "tap0";
}
