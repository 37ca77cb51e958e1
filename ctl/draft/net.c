// SPDX-License-Identifier: BSD-3-Clause
/*
 * The network of bench draft, inside its sandbox:
 *
 *	container host-nfvd ── veth ── nfvd ─── guest
 *	container host-bridge ─ veth ── br0 ──── guest, the stock way
 *
 * The guest has one address and one MAC, at one of the two at a time. Xen's guests
 * have a bridge of their own, see xen.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "draft/draft.h"
#include "link.h"

#define NFVD_SECONDS	90.0	/* it may be emulated */
#define GUEST		"guest"
#define BRIDGE		"br0"
#define TAP		"tap0"

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
const char *net_nfvd(void)
{
	static char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/nfvd", run_self_dir());
	if (access(path, X_OK))
		snprintf(path, sizeof(path), "%s/../dataplane/nfvd", run_self_dir());
	return access(path, X_OK) ? "nfvd" : path;
}

static int start_nfvd(struct ctl_err *err)
{
	char path[PATH_MAX];
	double deadline = now_s() + NFVD_SECONDS;
	struct timespec pause = { 0, 20000000 };
	json_t *info = NULL;
	int log;

	snprintf(path, sizeof(path), "%s/nfvd.log", sandbox_dir());
	log = run_log(path);
	if (log < 0)
		return ctl_fail(err, NFV_RPC_E_FAILED, "%s: %s", path, strerror(errno));
	if (run_start(ARGV(net_nfvd(), "--state-dir", ctl_state_dir), -1, NULL, log, err) < 0) {
		close(log);
		return CTL_FAILED;
	}
	while (!info && now_s() < deadline) {
		nanosleep(&pause, NULL);
		info = rpc_call("daemon.info", NULL, err);
	}
	json_decref(info);
	if (!info)
		ctl_fail(err, NFV_RPC_E_FAILED, "nfvd does not start: %s", run_last_line(log));
	close(log);
	if (!info)
		return CTL_FAILED;
	*err = (struct ctl_err){ .code = NFV_RPC_E_FAILED };
	return CTL_OK;
}

static int failed(const char *what, int rc, struct ctl_err *err)
{
	return rc ? ctl_fail(err, NFV_RPC_E_FAILED, "cannot make %s: %s", what, strerror(-rc)) : CTL_OK;
}

/*
 * Make namespace `name` with eth0, and set up its other end link, in bridge unless that is NULL. Return a descriptor
 * or -errno. Set up eth0 last: with the other end already up it can send at once. Otherwise the kernel delays that,
 * and the first request for an address may be lost for a second.
 */
static int make_container(const char *name, const char *link, const char *bridge, const char *mac, const char *addr)
{
	int netns = netns_make(name), previous, rc;

	if (netns < 0)
		return -errno;
	rc = link_add_veth(link, "eth0", netns, mac);
	if (!rc)
		rc = link_up(link, bridge);
	previous = rc ? -1 : netns_enter(netns);
	if (!rc && previous < 0)
		rc = -errno;
	if (!rc && !(rc = link_up("lo", NULL)) && !(rc = link_add_address("eth0", addr, 24)))
		rc = link_up("eth0", NULL);
	if (previous >= 0)
		netns_leave(previous);
	if (rc)
		close(netns);
	return rc ? rc : netns;
}

/* Add a permanent entry for the neighbour, so that each SYN is sent at once, the first one, too. */
static int add_neighbour(int netns)
{
	int previous = netns_enter(netns), rc;

	if (previous < 0)
		return -errno;
	rc = link_add_neighbour("eth0", DRAFT_GUEST_IP, DRAFT_GUEST_MAC);
	netns_leave(previous);
	return rc;
}

static int make_host(int host, const char *link, const char *bridge, struct ctl_err *err)
{
	int rc = make_container(host_names[host], link, bridge, NULL, DRAFT_HOST_IP);

	hosts[host] = rc < 0 ? -1 : rc;
	return failed(host_names[host], rc < 0 ? rc : add_neighbour(rc), err);
}

static int write_config(const char *path, const char *leases)
{
	FILE *f;
	int fd = run_log(leases);

	if (fd >= 0)
		close(fd);
	fd = fd < 0 ? -1 : run_log(path);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f)
		return -errno;
	fprintf(f, "interface eth0\nstart " DRAFT_GUEST_IP "\nend " DRAFT_GUEST_IP "\noption subnet 255.255.255.0\n"
		"option router " DRAFT_HOST_IP "\npidfile %s.pid\nlease_file %s\n", path, leases);
	return fclose(f) ? -errno : 0;
}

static int serve_dhcp(int host, struct ctl_err *err)
{
	char config[PATH_MAX], leases[PATH_MAX + 8], path[PATH_MAX + 8];
	int log, rc;

	snprintf(config, sizeof(config), "%s/dhcp-%s", sandbox_dir(), host_names[host]);
	snprintf(leases, sizeof(leases), "%s.leases", config);
	snprintf(path, sizeof(path), "%s.log", config);
	rc = write_config(config, leases);
	log = rc ? -1 : run_log(path);
	if (log < 0)
		return failed(config, rc ? rc : -errno, err);
	rc = run_start(ARGV("busybox", "udhcpd", "-f", config), hosts[host], NULL, log, err) < 0 ? CTL_FAILED : CTL_OK;
	close(log);
	return rc;
}

/* For a guest that nobody told its address. */
int net_serve_dhcp(struct ctl_err *err)
{
	int rc = CTL_OK;

	for (int host = 0; !rc && host < HOSTS; host++)
		if (hosts[host] >= 0)
			rc = serve_dhcp(host, err);
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
		rc = make_host(HOST_XEN, xen_host_link(), xen_bridge(), err);
	netns_leave(previous);
	return rc;
}

int net_open(bool xen, struct ctl_err *err)
{
	int rc;

	snprintf(state_dir, sizeof(state_dir), "%s/nfvd", sandbox_dir());
	snprintf(socket_path, sizeof(socket_path), "%s/" GUEST ".sock", state_dir);
	ctl_state_dir = state_dir;
	rc = link_up("lo", NULL);
	if (!rc)
		rc = link_add_bridge(BRIDGE);
	if (!rc)
		rc = link_up(BRIDGE, NULL);
	if (failed("bridge " BRIDGE, rc, err) || start_nfvd(err) || make_host(HOST_NFVD, "veth-nfvd", NULL, err) ||
	    make_host(HOST_BRIDGE, "veth-bridge", BRIDGE, err) || (xen && open_xen(err)))
		return CTL_FAILED;
	return attach(json_pack("{ss ss ss}", "type", "veth", "name", "host", "dev", "veth-nfvd"), err);
}

/* What a container runtime's network plug-in does. */
static int attach_container(enum draft_way way, struct ctl_err *err)
{
	int rc = make_container(GUEST, "veth-guest", way == WAY_BRIDGE ? BRIDGE : NULL, DRAFT_GUEST_MAC, DRAFT_GUEST_IP);

	if (rc < 0)
		return failed("the container's network", rc, err);
	close(rc);
	if (way == WAY_BRIDGE)
		return CTL_OK;
	return attach(json_pack("{ss ss ss}", "type", "veth", "name", GUEST, "dev", "veth-guest"), err);
}

int net_attach(const struct draft_guest *g, struct ctl_err *err)
{
	int rc;

	if (g->kind == KIND_XEN)
		return CTL_OK;
	if (g->kind == KIND_CONTAINER)
		return attach_container(g->way, err);
	if (g->way == WAY_NFVD)
		return attach(json_pack("{ss ss}", "type", "kvm", "name", GUEST), err);
	rc = link_add_tap(TAP);
	return failed("device " TAP, rc ? rc : link_up(TAP, BRIDGE), err);
}

void net_detach(const struct draft_guest *g)
{
	struct ctl_err ignored = { 0 };

	if (g->kind == KIND_XEN)
		return;
	if (g->way == WAY_NFVD)
		json_decref(rpc_call("port.detach", json_pack("{ss}", "name", GUEST), &ignored));
	if (g->kind == KIND_CONTAINER) {
		netns_del(GUEST);
		link_del("veth-guest");
	} else if (g->way == WAY_BRIDGE) {
		link_del(TAP);
	}
}

const char *net_target(const struct draft_guest *g)
{
	if (g->kind == KIND_CONTAINER)
		return NETNS_DIR "/" GUEST;
	if (g->kind == KIND_XEN)
		return g->way == WAY_BRIDGE ? xen_bridge() : "";
	return g->way == WAY_NFVD ? socket_path : TAP;
}
