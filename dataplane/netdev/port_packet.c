/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Container port (veth) and netdev port without the module: a packet socket on the
 * device, with PACKET_VNET_HDR, so that super-frames and partial checksums pass both
 * ways. What becomes of the device is followed in netdev.c.
 *
 * Reading: a ring that the kernel fills (packet_ring.h). Writing: sendmmsg()
 * from where the payload lies. Other ways were measured: tests/bench/packet-io.md.
 */
#include "netdev/port_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <rte_branch_prediction.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"
#include "fdstore.h"
#include "log.h"
#include "netdev/netdev.h"
#include "netdev/offload.h"
#include "netdev/packet_message.h"
#include "netdev/packet_ring.h"
#include "netdev/packet_socket.h"
#include "nfvd.h"
#include "shortcut/inherit.h"
#include "shortcut/programs.h"
#include "shortcut/shortcut.h"
#include "switch/move.h"
#include "worker/worker.h"

#define TX_IOVS		8192
#define STUCK_TICKS	3
#define RENEW_TICKS	10	/* renewing a ring is work for control: not more often */

struct packet {
	struct nfvd_netdev nd;
	uint64_t missed;		/* frames that the kernel could not put into the ring */
	struct {			/* since the last tick */
		uint64_t missed, put;
	} recent;
	unsigned int waiting;		/* the slot that the kernel is to fill next, as of the last tick */
	unsigned int stuck;		/* ticks in which it missed frames there, and put in none */
	unsigned int rest;		/* ticks until the ring may be renewed again */
	struct nfvd_packet_ring ring;
	unsigned int bad;		/* slots of this turn whose frames were malformed; they come first */
	uint64_t anew_us;		/* since when nobody takes its frames, as it begins anew; 0: it does not */
};

/* ---- receiving ---- */

static unsigned int packet_rx(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int max)
{
	struct packet *p = q->port->priv;
	enum nfvd_drop why;
	uint32_t bytes = 0;
	unsigned int n = 0;

	p->bad = 0;
	while (n < max && bytes < NFVD_BURST_BYTES && nfvd_ring_take(&p->ring, &frames[n], &why)) {
		if (why == NFVD_PASS) {
			bytes += frames[n++].len;
			continue;
		}
		if (n)
			break;
		nfvd_rx_drop(w, q->port, why, 1);
		p->bad++;
	}
	if (n)
		nfvd_ring_note(&p->ring);
	return n;
}

static void packet_rx_done(struct nfvd_worker *w, struct nfvd_rxq *q, unsigned int n)
{
	struct packet *p = q->port->priv;

	nfvd_ring_done(&p->ring, p->bad + n);
	nfvd_order_done(q->port->id, p->bad + n);
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
		int sent = sendmmsg(p->nd.sock, msgs + done, n - done, MSG_DONTWAIT);

		l->syscalls++;
		if (sent < 0) {
			nfvd_tx_drop(w, port, tx_reason(errno), &frames[done], 1);
			done++;
			continue;
		}
		for (int i = 0; i < sent; i++)
			/* They are as many as msgs; the analyser cannot know. NOLINTNEXTLINE(clang-analyzer-core.*) */
			nfvd_moved(l, frames[done + i]);
		done += sent;
	}
}

static void packet_tx(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n,
		      struct nfvd_ledger *l)
{
	struct iovec iov[TX_IOVS];
	struct nfvd_frame *sent[NFVD_BURST];
	struct nfvd_completion rest[NFVD_BURST];
	struct mmsghdr msgs[NFVD_BURST];
	unsigned int made = 0, used = 0;
	enum nfvd_drop why;

	for (unsigned int i = 0; i < n; i++) {
		if (used + NFVD_MESSAGE_IOVS(frames[i]->iov_n) > TX_IOVS) {
			send_all(w, port, msgs, sent, made, l);
			made = used = 0;
		}
		msgs[made].msg_hdr = (struct msghdr){ .msg_iov = iov + used };
		why = nfvd_packet_message(port, frames[i], &rest[made], &msgs[made].msg_hdr);
		if (unlikely(why != NFVD_PASS)) {
			nfvd_tx_drop(w, port, why, &frames[i], 1);
			continue;
		}
		used += msgs[made].msg_hdr.msg_iovlen;
		sent[made++] = frames[i];
	}
	send_all(w, port, msgs, sent, made, l);
	/* Each call fills iov anew before it reads it. NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape) */
}

/* ---- attaching ---- */

/* The socket of an earlier nfvd, with its ring and the frames in it. */
static void adopt_socket(struct nfvd_netdev *nd)
{
	struct packet *p = (struct packet *)nd;
	uint32_t *position = nfvd_order_position(nd->port->id);
	int sock, n;

	if (!position || !nfvd_inherit_stored(nd->port))
		return;
	p->anew_us = nfvd_now_us();
	sock = nfvd_fdstore_take(nd->port->name, "packet");
	n = nfvd_inherit_take(nd->port, nd->link.ifindex, sock) ? nfvd_ring_adopt(&p->ring, sock, position) : -ENODEV;
	atomic_store(&nd->port->address.goes_on, n >= 0);
	if (n >= 0) {
		p->anew_us = 0;
		nd->sock = sock;
		nfvd_port_replays(nd->port, n);
		return;
	}
	if (!nfvd_inherit_of(nd->port->id))
		nfvd_event(nd->port->name, "starts anew: no record of it was kept");
	else
		nfvd_event(nd->port->name, "starts anew: its socket %s", sock < 0 ? "was not kept" :
			   n == -ENODEV ? "is another device's, or another nfvd's" : strerror(-n));
	nfvd_inherit_forget(nd->port->id);
	nfvd_inherit_remove(nd->port);
	if (sock >= 0)
		close(sock);
}

static int new_socket(struct nfvd_netdev *nd, struct nfvd_err *err)
{
	struct packet *p = (struct packet *)nd;
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = nd->link.ifindex,
	};
	struct packet_mreq promisc = { .mr_ifindex = nd->link.ifindex, .mr_type = PACKET_MR_PROMISC };

	nd->sock = nfvd_packet_socket_take(&p->ring, err);
	if (nd->sock < 0)
		return -1;
	if (setsockopt(nd->sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) ||
	    bind(nd->sock, (struct sockaddr *)&addr, sizeof(addr)))
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot bind to '%s': %s", nd->link.name, strerror(errno));
	if (p->anew_us)
		nfvd_inherit_anew(nfvd_now_us() - p->anew_us);
	p->anew_us = 0;
	p->ring.position = nfvd_order_position(nd->port->id);
	if (p->ring.position)
		*p->ring.position = 0;
	nfvd_packet_ahead_later();
	return 0;
}

static int open_socket(struct nfvd_netdev *nd, struct nfvd_err *err)
{
	uint64_t start = nfvd_now_us();

	if (nd->sock < 0 && new_socket(nd, err))
		return -1;
	nfvd_attach_step(nd->port, "socket", nfvd_now_us() - start);
	start = nfvd_now_us();
	nfvd_offloads_restrict(&nd->trace.offloads, nd->port, &nd->link, nd->netns);
	nfvd_attach_step(nd->port, "offloads", nfvd_now_us() - start);
	return 0;
}

static void close_socket(struct nfvd_netdev *nd)
{
	struct packet *p = (struct packet *)nd;

	if (!nd->stays)
		nfvd_offloads_restore(&nd->trace.offloads, nd->link.ifindex, nd->netns);
	nfvd_ring_unmap(&p->ring);
	if (nd->sock >= 0)
		close(nd->sock);
	nd->sock = -1;
}

/*
 * Return whether the socket is still bound. The kernel unbinds it when its device goes, so a later device with that
 * index is not mistaken for it.
 */
static bool still_bound(struct nfvd_netdev *nd)
{
	struct sockaddr_ll bound = { 0 };
	socklen_t len = sizeof(bound);

	return !getsockname(nd->sock, (struct sockaddr *)&bound, &len) && bound.sll_ifindex == nd->link.ifindex;
}

static const struct nfvd_carrier carrier = { open_socket, close_socket, still_bound, adopt_socket, .before_tc = true };

static void packet_detach(struct nfvd_port *port)
{
	nfvd_netdev_detach(port->priv);
	free(port->priv);
}

/* Count what the kernel missed since last time: reading resets it. */
static void count_missed(struct packet *p)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	if (getsockopt(p->nd.sock, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		return;
	p->recent.missed += stats.tp_drops;
	p->recent.put += stats.tp_packets - stats.tp_drops;
	p->missed += stats.tp_drops;
	if (!stats.tp_drops)
		return;
	nfvd_fault(p->nd.port, NFVD_DROP_MISSED, stats.tp_drops);
	nfvd_order_done(p->nd.port->id, stats.tp_drops);
}

/* A worker begins with the ring. 0 or -errno. */
static int start_ring(struct packet *p)
{
	struct nfvd_port *port = p->nd.port;
	uint64_t taken = 0, waiting = 0;

	/* Both as of one moment, as far as possible. */
	for (unsigned int i = 0; i < 100; i++) {
		taken = nfvd_order_queued(port->id);
		waiting = nfvd_ring_queued_next(&p->ring);
		if (taken == nfvd_order_queued(port->id))
			break;
	}
	nfvd_order_starts(port->id, taken - waiting);
	count_missed(p);
	return nfvd_worker_add(&port->rxq[0]);
}

/* Programs of others may be put before the one that completes frames, and may go again. */
static void follow_accepts(struct nfvd_port *port)
{
	atomic_store(&port->accepts, NFVD_ACCEPT_CSUM | NFVD_ACCEPT_TSO4 | NFVD_ACCEPT_TSO6 | NFVD_ACCEPT_ECN |
		     (nfvd_packet_knows_uso() ? NFVD_ACCEPT_USO : 0) |
		     (nfvd_shortcut_completes(port->id) ? NFVD_ACCEPT_TUNNEL : 0));
}

static int packet_attach(struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	struct packet *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
	p->nd.carrier = &carrier;
	follow_accepts(port);
	if (nfvd_netdev_attach(&p->nd, port, params, err)) {
		free(p);
		return -1;
	}
	follow_accepts(port);
	port->nr_rxq = 1;
	port->rxq[0].fd = p->nd.sock;
	ret = start_ring(p);
	if (!ret)
		return 0;
	nfvd_err(err, NFV_RPC_E_LIMIT, "no worker can wait for '%s': %s", p->nd.link.name, strerror(-ret));
	packet_detach(port);
	return -1;
}

static void renew_ring(struct packet *p)
{
	struct nfvd_port *port = p->nd.port;
	int err;

	nfvd_worker_del(&port->rxq[0]);
	err = nfvd_ring_renew(&p->ring, p->nd.sock);
	if (!err)
		err = start_ring(p);
	if (err)
		nfvd_ring_unmap(&p->ring);
	nfvd_fault(port, NFVD_DROP_RING_STUCK, 1);
	nfvd_event(port->name, "the kernel had stopped filling its receive ring (a super-frame of SCTP does it), which %s: %s",
		   err ? "cannot be set up anew" : "was set up anew", err ? strerror(-err) : "frames come again");
}

/*
 * Some kernels (6.12) never release a slot again if the frame meant for it needs something that a virtio_net_hdr
 * cannot express. All later frames are then lost. The signs are: for three ticks in which frames came, the kernel
 * counts them as missed and delivers none, although its next slot is free. The ring is then set up anew, and so is a
 * ring that could not be set up before.
 */
static void watch_ring(struct packet *p)
{
	unsigned int waiting = p->ring.mem ? nfvd_ring_waiting(&p->ring) : NFVD_RING_SLOTS;
	bool free = waiting != NFVD_RING_SLOTS && waiting == p->waiting;

	count_missed(p);
	if (!free || p->recent.put)
		p->stuck = 0;
	else if (p->recent.missed)
		p->stuck++;
	p->recent.missed = p->recent.put = 0;
	p->waiting = waiting;
	if (p->rest)
		p->rest--;
	if (p->rest || (p->ring.mem && p->stuck < STUCK_TICKS))
		return;
	p->stuck = 0;
	p->rest = RENEW_TICKS;
	renew_ring(p);
}

static void packet_tick(struct nfvd_port *port)
{
	nfvd_netdev_tick(port);
	follow_accepts(port);
	if (atomic_load(&port->state) != NFVD_STATE_GONE)
		watch_ring(port->priv);
}

static void packet_show(struct nfvd_port *port, json_t *obj)
{
	struct packet *p = port->priv;

	count_missed(p);
	json_object_set_new(obj, "missed", json_integer((json_int_t)p->missed));
	nfvd_offloads_show(&p->nd.trace.offloads, obj);
	nfvd_netdev_show(port, obj);
}

#define OPS						\
	.mode = "packet",				\
	.attach = packet_attach,			\
	.detach = packet_detach,			\
	.rx = packet_rx,				\
	.rx_done = packet_rx_done,			\
	.tx = packet_tx,				\
	.show = packet_show,				\
	.tick = packet_tick,			\
	.tx_work = 8192

const struct nfvd_port_ops nfvd_port_veth = { .type = "veth", OPS };
const struct nfvd_port_ops nfvd_port_netdev = { .type = "netdev", .storms = true, OPS };
