/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Container port (veth) and netdev port: a packet socket on the device, with
 * PACKET_VNET_HDR, so that super-frames and partial checksums pass both ways.
 *
 * Reading: a ring that the kernel fills (packet_ring.h). Writing: sendmmsg()
 * from where the payload lies. Other ways were measured: README.packet-io.md.
 *
 * The device is known by its index, as long as the socket is bound to it: the
 * kernel unbinds it when the device goes, so a later device with the same index
 * is never taken for ours. What happens to the device:
 *
 *	set down, or its carrier	port down; up again when it is
 *	lost (the container's end
 *	of a veth is down)
 *	renamed				nothing but the name shown
 *	deleted, or moved to		port gone, detached at once. Brought back, it
 *	another namespace		is a new device, to be attached anew
 *
 * Attaching sets the device up and takes IPv6 off it (the host is not to speak
 * there); detaching puts both back as they were. The container's end is the
 * container's own business.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control.h"
#include "log.h"
#include "move.h"
#include "netlink.h"
#include "packet_ring.h"
#include "shortcut.h"
#include "worker.h"

#define BURST_BYTES	(1 << 20)	/* of one rx, so that other queues get their turn */
#define SOCK_BUFFER	(16 << 20)
#define TX_IOVS		8192

struct packet {
	struct nfvd_port *port;
	struct nfvd_link link;
	char netns[256];		/* the container's, as attached; empty: not told */
	char container_dev[IFNAMSIZ];
	int sock;
	bool was_up, was_ipv6;		/* to be put back */
	bool lost_carrier;
	unsigned int ticks;
	uint64_t missed;		/* frames that the kernel could not put into the ring */
	struct nfvd_packet_ring ring;
};

/* ---- receiving ---- */

static unsigned int packet_rx(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int max)
{
	struct packet *p = q->port->priv;
	enum nfvd_drop why;
	uint32_t bytes = 0;
	unsigned int n = 0;

	while (n < max && bytes < BURST_BYTES && nfvd_ring_take(&p->ring, &frames[n], &why)) {
		if (why != NFVD_N_REASONS) {
			nfvd_rx_drop(w, q->port, why, 1);
			continue;
		}
		bytes += frames[n++].len;
	}
	return n;
}

static void packet_rx_done(struct nfvd_worker *w, struct nfvd_rxq *q)
{
	struct packet *p = q->port->priv;

	nfvd_ring_done(&p->ring);
}

/* ---- sending ---- */

static enum nfvd_drop tx_reason(int err)
{
	switch (err) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return NFVD_DROP_DST_FULL;
	case ENETDOWN:
	case ENXIO:
	case ENODEV:
		return NFVD_DROP_DST_DOWN;
	case EMSGSIZE:
		return NFVD_DROP_MTU;
	case EFAULT:
		return NFVD_DROP_MEM_FAULT;
	default:
		return NFVD_DROP_DST_ERROR;
	}
}

/* Send n messages; a refused one is counted, and the rest goes on. */
static void send_all(struct nfvd_worker *w, struct nfvd_port *port, struct mmsghdr *msgs, struct nfvd_frame **frames,
		     unsigned int n, struct nfvd_ledger *l)
{
	struct packet *p = port->priv;

	for (unsigned int done = 0; done < n;) {
		int sent = sendmmsg(p->sock, msgs + done, n - done, MSG_DONTWAIT);

		l->syscalls++;
		if (sent < 0) {
			nfvd_tx_drop(w, port, tx_reason(errno), 1);
			done++;
			continue;
		}
		for (int i = 0; i < sent; i++)
			nfvd_moved(l, frames[done + i]);
		done += sent;
	}
}

static void packet_tx(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n,
		      struct nfvd_ledger *l)
{
	static __thread struct iovec iov[TX_IOVS];
	struct mmsghdr msgs[NFVD_BURST];
	unsigned int first = 0, used = 0;

	memset(msgs, 0, n * sizeof(msgs[0]));
	for (unsigned int i = 0; i < n; i++) {
		if (used + frames[i]->iov_n + 2u > TX_IOVS) {
			send_all(w, port, msgs + first, frames + first, i - first, l);
			first = i;
			used = 0;
		}
		msgs[i].msg_hdr.msg_iov = iov + used;
		msgs[i].msg_hdr.msg_iovlen = nfvd_move_to_msg(frames[i], iov + used);
		used += frames[i]->iov_n + 2;
	}
	send_all(w, port, msgs + first, frames + first, n - first, l);
}

/* ---- attaching ---- */

/* The device's own IPv6, by its switch in /proc; -1: there is none. */
static int ipv6_switch(const char *name, int value)
{
	char path[128], c = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, (value < 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (value >= 0)
		c = '0' + value;
	if ((value < 0 ? read(fd, &c, 1) : write(fd, &c, 1)) != 1)
		c = 0;
	close(fd);
	return c ? c - '0' : -1;
}

static int open_socket(struct packet *p, struct nfvd_err *err)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = p->link.ifindex,
	};
	struct packet_mreq promisc = { .mr_ifindex = p->link.ifindex, .mr_type = PACKET_MR_PROMISC };
	const int on = 1, size = SOCK_BUFFER;
	static const int options[] = { PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING };
	int ret;

	p->sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->sock < 0) {
		nfvd_err(err, NFV_RPC_E_FAILED, "cannot open a packet socket: %s", strerror(errno));
		nfvd_hint(err, "nfvd needs CAP_NET_RAW and CAP_NET_ADMIN: run it as root");
		return -1;
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(p->sock, SOL_PACKET, options[i], &on, sizeof(on)))
			return nfvd_err(err, NFV_RPC_E_FAILED, "packet socket option %d: %s", options[i], strerror(errno));
	/* Forced past the system's limit where we may; the limit will do otherwise. */
	if (setsockopt(p->sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(p->sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ret = nfvd_ring_map(&p->ring, p->sock);
	if (ret)
		return nfvd_err(err, NFV_RPC_E_FAILED, "no memory for the receive ring: %s", strerror(-ret));
	if (setsockopt(p->sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) ||
	    bind(p->sock, (struct sockaddr *)&addr, sizeof(addr)))
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot bind to '%s': %s", p->link.name, strerror(errno));
	return 0;
}

/* Parameters of attach. */
struct args {
	const char *dev, *netns;
	int pid;
};

static int parse(struct nfvd_port *port, json_t *params, struct args *a, struct nfvd_err *err)
{
	bool veth = port->ops == &nfvd_port_veth;
	const char *key;
	json_t *val;

	json_object_foreach(params, key, val) {
		if (!strcmp(key, "dev") && json_is_string(val))
			a->dev = json_string_value(val);
		else if (veth && !strcmp(key, "netns") && json_is_string(val) && json_string_length(val) < 200)
			a->netns = json_string_value(val);
		else if (veth && !strcmp(key, "pid") && json_is_integer(val) && json_integer_value(val) > 0 &&
			 json_integer_value(val) < 1 << 30)
			a->pid = json_integer_value(val);
		else
			return nfvd_err(err, NFV_RPC_E_PARAMS, "a %s port has no such '%.32s'", port->ops->type, key);
	}
	if (!a->dev || !a->dev[0] || strlen(a->dev) >= IFNAMSIZ)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "needs 'dev', a device name of at most %d bytes", IFNAMSIZ - 1);
	if (a->netns && a->pid)
		return nfvd_err(err, NFV_RPC_E_PARAMS, "either 'netns' or 'pid'");
	return 0;
}

/* dev names the end inside the container: find our end, and see that each is the other's peer. */
static int host_end(struct packet *p, const struct args *a, struct nfvd_err *err)
{
	struct nfvd_link inner;
	int netns, ret;

	if (a->pid)
		snprintf(p->netns, sizeof(p->netns), "/proc/%d/ns/net", a->pid);
	else
		snprintf(p->netns, sizeof(p->netns), "%s%s", a->netns[0] == '/' ? "" : "/run/netns/", a->netns);
	netns = nfvd_netns_open(a->netns, a->pid);
	if (netns < 0) {
		nfvd_err(err, NFV_RPC_E_NOENT, "no network namespace '%s': %s", p->netns, strerror(-netns));
		nfvd_hint(err, "ip netns list");
		return -1;
	}
	ret = nfvd_link_get(netns, a->dev, 0, &inner);
	close(netns);
	if (ret) {
		nfvd_err(err, NFV_RPC_E_NOENT, "no device '%s' in '%s'", a->dev, p->netns);
		nfvd_hint(err, "nsenter --net=%s ip link", p->netns);
		return -1;
	}
	if (strcmp(inner.kind, "veth"))
		return nfvd_err(err, NFV_RPC_E_FAILED, "'%s' in '%s' is no veth", a->dev, p->netns);
	if (nfvd_link_get(-1, NULL, inner.peer, &p->link) || strcmp(p->link.kind, "veth") ||
	    p->link.peer != inner.ifindex)
		return nfvd_err(err, NFV_RPC_E_FAILED, "the other end of '%s' is not in nfvd's network namespace", a->dev);
	snprintf(p->container_dev, sizeof(p->container_dev), "%s", inner.name);
	return 0;
}

static struct packet *by_ifindex(int ifindex)
{
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		struct nfvd_port *port = nfvd_ports[id];

		if (port && (port->ops == &nfvd_port_veth || port->ops == &nfvd_port_netdev) &&
		    ((struct packet *)port->priv)->link.ifindex == ifindex)
			return port->priv;
	}
	return NULL;
}

static int find_device(struct packet *p, const struct args *a, struct nfvd_err *err)
{
	if (a->netns || a->pid) {
		if (host_end(p, a, err))
			return -1;
	} else if (nfvd_link_get(-1, a->dev, 0, &p->link)) {
		nfvd_err(err, NFV_RPC_E_NOENT, "no device '%s' in nfvd's network namespace", a->dev);
		nfvd_hint(err, "nsenter -t %d -n ip link", getpid());
		return -1;
	}
	if (p->port->ops == &nfvd_port_veth && strcmp(p->link.kind, "veth")) {
		nfvd_err(err, NFV_RPC_E_FAILED, "'%s' is no veth", p->link.name);
		nfvd_hint(err, "nfvctl attach netdev %s dev %s", p->port->name, p->link.name);
		return -1;
	}
	if (p->link.type != ARPHRD_ETHER)
		return nfvd_err(err, NFV_RPC_E_FAILED, "'%s' is no Ethernet device", p->link.name);
	if (p->link.master) {
		nfvd_err(err, NFV_RPC_E_EXIST, "'%s' belongs to a bridge or bond already", p->link.name);
		nfvd_hint(err, "ip link set %s nomaster", p->link.name);
		return -1;
	}
	if (by_ifindex(p->link.ifindex)) {
		nfvd_err(err, NFV_RPC_E_EXIST, "'%s' is port '%s' already", p->link.name,
			 by_ifindex(p->link.ifindex)->port->name);
		nfvd_hint(err, "nfvctl detach %s", by_ifindex(p->link.ifindex)->port->name);
		return -1;
	}
	return 0;
}

/* Undo whatever of an attach was done; the device may be gone. */
static void restore(struct packet *p)
{
	nfvd_shortcut_port_del(p->port);
	/* Neither the name nor the index of a device that is gone belongs to it any more. */
	if (p->link.ifindex && p->was_ipv6)
		ipv6_switch(p->link.name, 0);
	if (p->link.ifindex && !p->was_up)
		nfvd_link_set_up(p->link.ifindex, false);
	nfvd_ring_unmap(&p->ring);
	if (p->sock >= 0)
		close(p->sock);
	free(p);
}

static int take_device(struct packet *p, struct nfvd_err *err)
{
	uint64_t start = nfvd_now_us();
	int ret;

	p->was_up = p->link.flags & IFF_UP;
	p->was_ipv6 = ipv6_switch(p->link.name, -1) == 0;
	if (p->was_ipv6)
		ipv6_switch(p->link.name, 1);
	if (open_socket(p, err))
		return -1;
	nfvd_attach_step(p->port, "socket", nfvd_now_us() - start);
	start = nfvd_now_us();
	ret = nfvd_shortcut_port_add(p->port, p->link.ifindex, p->sock, p->link.mtu, p->port->ops == &nfvd_port_veth);
	/* Without eBPF the port works; doctor tells what is missing. */
	if (ret && ret != -ENOSYS)
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot put the ingress program on '%s': %s", p->link.name,
				strerror(-ret));
	nfvd_attach_step(p->port, "ingress", nfvd_now_us() - start);
	start = nfvd_now_us();
	ret = nfvd_link_set_up(p->link.ifindex, true);
	if (ret)
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot set '%s' up: %s", p->link.name, strerror(-ret));
	nfvd_attach_step(p->port, "up", nfvd_now_us() - start);
	return 0;
}

static void gone(struct packet *p)
{
	nfvd_shortcut_port_gone(p->port);
	p->link.ifindex = 0;
	nfvd_port_set_state(p->port, NFVD_STATE_GONE, "its device was deleted or moved to another namespace");
	nfvd_port_detach_later(p->port);
}

/* The kernel unbinds the socket when its device goes: another one with its index is not ours. */
static bool still_bound(const struct packet *p)
{
	struct sockaddr_ll bound = { 0 };
	socklen_t len = sizeof(bound);

	return !getsockname(p->sock, (struct sockaddr *)&bound, &len) && bound.sll_ifindex == p->link.ifindex;
}

static void follow_state(struct packet *p, bool up, bool carrier)
{
	int stale;
	socklen_t len = sizeof(stale);

	p->lost_carrier = up && !carrier;
	if (!up) {
		nfvd_port_set_state(p->port, NFVD_STATE_DOWN, "its device was set down");
	} else if (!carrier) {
		nfvd_port_set_state(p->port, NFVD_STATE_DOWN, "its device has no carrier: the other end is down");
	} else if (atomic_load(&p->port->state) != NFVD_STATE_UP) {
		/* The socket remembers that the device was down, and would refuse one frame for it. */
		getsockopt(p->sock, SOL_SOCKET, SO_ERROR, &stale, &len);
		nfvd_port_set_state(p->port, NFVD_STATE_UP, p->link.name);
	}
}

/* Look at the device as it is now: by the time a message is read, it may be out of date. */
static void follow(struct packet *p)
{
	struct nfvd_link now;
	bool up;
	int err;

	if (atomic_load(&p->port->state) == NFVD_STATE_GONE)
		return;
	err = nfvd_link_get(-1, NULL, p->link.ifindex, &now);
	if (err == -ENODEV || !still_bound(p))
		gone(p);
	if (err || !p->link.ifindex)
		return;
	if (strcmp(p->link.name, now.name))
		nfvd_event(p->port->name, "device %s is now called %s", p->link.name, now.name);
	p->link = now;
	up = now.flags & IFF_UP;
	/* The kernel redirects to a peer in another namespace only. */
	nfvd_shortcut_port_update(p->port, up && now.carrier && now.peer_elsewhere, now.mtu);
	follow_state(p, up, now.carrier);
}

static int packet_attach(struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	struct packet *p = calloc(1, sizeof(*p));
	struct args a = { 0 };

	if (!p)
		return nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
	p->port = port;
	p->sock = -1;
	p->was_up = true;
	if (parse(port, params, &a, err) || find_device(p, &a, err) || take_device(p, err)) {
		restore(p);
		return -1;
	}
	port->priv = p;
	port->nr_rxq = 1;
	port->rxq[0].fd = p->sock;
	atomic_store(&port->accepts, NFVD_ACCEPT_ALL);
	follow(p);
	nfvd_worker_add(&port->rxq[0]);
	return 0;
}

static void packet_detach(struct nfvd_port *port)
{
	restore(port->priv);
}

void nfvd_packet_link_changed(int ifindex)
{
	struct packet *p = by_ifindex(ifindex);

	if (p)
		follow(p);
}

/*
 * The monitor may lose messages when there are many at once: look every second.
 * News of the carrier may come a second late: look every time while it is lost.
 */
static void packet_tick(struct nfvd_port *port)
{
	struct packet *p = port->priv;

	if (p->ticks++ % 10 == 0 || p->lost_carrier)
		follow(p);
}

static void packet_show(struct nfvd_port *port, json_t *obj)
{
	struct packet *p = port->priv;
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	/* Reading them resets them. */
	if (!getsockopt(p->sock, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		p->missed += stats.tp_drops;
	json_object_set_new(obj, "missed", json_integer((json_int_t)p->missed));
	json_object_set_new(obj, "dev", json_string(p->link.name));
	json_object_set_new(obj, "ifindex", json_integer(p->link.ifindex));
	json_object_set_new(obj, "mtu", json_integer(p->link.mtu));
	if (port->ops == &nfvd_port_netdev)
		return;
	json_object_set_new(obj, "peer_ifindex", json_integer(p->link.peer));
	json_object_set_new(obj, "shortcut", json_boolean(nfvd_shortcut_enabled(port)));
	if (p->netns[0])
		json_object_set_new(obj, "container_netns", json_string(p->netns));
	if (p->container_dev[0])
		json_object_set_new(obj, "container_dev", json_string(p->container_dev));
}

const struct nfvd_port_ops nfvd_port_veth = {
	.type = "veth",
	.attach = packet_attach,
	.detach = packet_detach,
	.rx = packet_rx,
	.rx_done = packet_rx_done,
	.tx = packet_tx,
	.show = packet_show,
	.tick = packet_tick,
};

const struct nfvd_port_ops nfvd_port_netdev = {
	.type = "netdev",
	.attach = packet_attach,
	.detach = packet_detach,
	.rx = packet_rx,
	.rx_done = packet_rx_done,
	.tx = packet_tx,
	.show = packet_show,
	.tick = packet_tick,
};
