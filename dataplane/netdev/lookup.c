/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev/lookup.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <nfv/rpc.h>

/* Parameters of attach. */
struct args {
	const char *port, *dev, *netns;
	int pid;
	uint64_t started;
};

static int parse(json_t *params, struct args *a, struct nfvd_err *err)
{
	a->dev = json_string_value(json_object_get(params, "dev"));
	a->netns = json_string_value(json_object_get(params, "netns"));
	a->pid = json_integer_value(json_object_get(params, "pid"));
	a->started = json_integer_value(json_object_get(params, "started"));
	if (a->netns && a->pid)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'netns' and 'pid' exclude each other");
	if (a->started && !a->pid)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "'started' is of a process: it needs 'pid'");
	if (a->netns && !strncmp(a->netns, "/proc/", 6) && strncmp(a->netns, "/proc/1/", 8)) {
		nfvd_err(err, NFV_RPC_E_PARAMS, "'%s' is a process, whose number may become another's: use its pid", a->netns);
		nfvd_hint(err, "nfvctl help attach");
		return -1;
	}
	return 0;
}

/* Say that there is no such device, or that the kernel could not be asked. */
static void not_found(int ret, const char *dev, const char *where, struct nfvd_err *err)
{
	if (ret == -ENODEV)
		nfvd_err(err, NFV_RPC_E_NOENT, "no device '%s' in %s", dev, where);
	else
		nfvd_err(err, NFV_RPC_E_FAILED, "cannot look for device '%s' in %s: %s", dev, where, strerror(-ret));
}

/* Say that nfvd cannot open the namespace f->netns. Others may be able to. */
static void no_netns(const struct nfvd_found *f, const struct args *a, int error, struct nfvd_err *err)
{
	char path[sizeof(f->netns) + sizeof("/proc/1/root")];
	int fd;

	if (error != EBADF)
		nfvd_err(err, NFV_RPC_E_NOENT, "no network namespace '%s': %s", f->netns, strerror(error));
	else
		nfvd_err(err, NFV_RPC_E_NOENT,
			 "'%s' is not a network namespace in nfvd's mount namespace, which is not the host's (PrivateTmp=, unshare)",
			 f->netns);
	nfvd_hint(err, "ip netns list");
	if (a->pid)
		return;
	snprintf(path, sizeof(path), "/proc/1/root%s", f->netns);
	fd = nfvd_netns_open(path, 0);
	if (fd >= 0)
		nfvd_hint(err, "nfvctl attach veth %s dev %s netns %s", a->port, a->dev, path);
	else if (error == EBADF)
		nfvd_hint(err, "nfvctl attach veth %s dev NAME, with the name of the veth's end on the host", a->port);
	if (fd >= 0)
		close(fd);
}

/* dev names the end inside the container: find our end, and see that each is the other's peer. */
static int host_end(struct nfvd_found *f, const struct args *a, struct nfvd_err *err)
{
	struct nfvd_link inner;
	int netns, netns_id, ret;

	if (a->pid)
		snprintf(f->netns, sizeof(f->netns), "/proc/%d/ns/net", a->pid);
	else
		snprintf(f->netns, sizeof(f->netns), "%s%s", a->netns[0] == '/' ? "" : "/run/netns/", a->netns);
	netns = nfvd_netns_open(a->netns, a->pid);
	if (netns < 0) {
		no_netns(f, a, -netns, err);
		return -1;
	}
	/* The namespace is open: if the process is the same one now, it is that process's. */
	if (a->started && nfvd_process_started(a->pid) != a->started) {
		close(netns);
		nfvd_err(err, NFV_RPC_E_NOENT, "process %d has ended; another one has its number now", a->pid);
		nfvd_hint(err, "nfvctl detach %s", a->port);
		return -1;
	}
	ret = nfvd_link_get(netns, a->dev, 0, &inner);
	netns_id = nfvd_netns_id(netns);
	close(netns);
	if (ret) {
		not_found(ret, a->dev, f->netns, err);
		nfvd_hint(err, "nsenter --net=%s ip link", f->netns);
		return -1;
	}
	if (strcmp(inner.kind, "veth"))
		return nfvd_err(err, NFV_RPC_E_FAILED, "'%s' in '%s' is not a veth", a->dev, f->netns);
	/* The numbers alone could be those of another pair with one end in some other namespace. */
	if (netns_id == NFVD_NETNS_NONE || nfvd_link_get(-1, NULL, inner.peer, &f->link) ||
	    strcmp(f->link.kind, "veth") || f->link.peer != inner.ifindex || f->link.peer_netns != netns_id) {
		nfvd_err(err, NFV_RPC_E_FAILED, "the other end of '%s' is not in nfvd's network namespace", a->dev);
		nfvd_hint(err, "nsenter --net=%s ip -d link show %s", f->netns, a->dev);
		return -1;
	}
	snprintf(f->container_dev, sizeof(f->container_dev), "%s", inner.name);
	return 0;
}

/* What an Ethernet port may not be, whoever names it. */
static int check_kind(const struct nfvd_link *link, const char *port, bool veth, struct nfvd_err *err)
{
	if (veth && strcmp(link->kind, "veth")) {
		nfvd_err(err, NFV_RPC_E_FAILED, "'%s' is not a veth", link->name);
		nfvd_hint(err, "nfvctl attach netdev %s dev %s", port, link->name);
		return -1;
	}
	if (link->type != ARPHRD_ETHER)
		return nfvd_err(err, NFV_RPC_E_FAILED, "'%s' is not an Ethernet device", link->name);
	if (link->master) {
		nfvd_err(err, NFV_RPC_E_EXIST, "'%s' belongs to a bridge or bond already", link->name);
		nfvd_hint(err, "ip link set %s nomaster", link->name);
		return -1;
	}
	return 0;
}

int nfvd_netdev_lookup(const char *port, bool veth, json_t *params, struct nfvd_found *f, struct nfvd_err *err)
{
	struct args a = { .port = port };
	int ret;

	if (parse(params, &a, err))
		return -1;
	if (a.netns || a.pid) {
		if (host_end(f, &a, err))
			return -1;
	} else {
		ret = nfvd_link_get(-1, a.dev, 0, &f->link);
		if (ret) {
			not_found(ret, a.dev, "nfvd's network namespace", err);
			nfvd_hint(err, "nsenter -t %d -n ip link", getpid());
			return -1;
		}
	}
	return check_kind(&f->link, port, veth, err);
}
