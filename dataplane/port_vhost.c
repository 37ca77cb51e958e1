/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM port: vhost-user. librte_vhost speaks the protocol on a thread of its
 * own; the virtqueues are ours (vring_split.c).
 *
 *	               connect            both rings of pair 0 started
 *	  WAITING ───────────────► DOWN ───────────────────────────────► UP
 *	     ▲                      ▲ │  ◄───────────────────────────────  │
 *	     │     disconnect       │ │        a ring stopped              │ malformed ring
 *	     └──────────────────────┴─┴───────────── FENCED ◄──────────────┘
 *	                            restart of the ring leads out of FENCED
 *
 * What happens on a connection is in vhost_dev.c.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control.h"
#include "log.h"
#include "vhost_dev.h"
#include "vhost_sock.h"
#include "worker.h"

#define SILENT_MS	5000	/* a peer that connects says something by then */
#define UNSHARED_MS	2000	/* a started receive ring has buffers by then */

static int parse(struct nfvd_vhost *v, json_t *params, struct nfvd_err *err)
{
	const char *key;
	json_t *val;

	v->queues = 1;
	if (snprintf(v->path, sizeof(v->path), "%s/%s.sock", nfvd_config.state_dir, v->port->name) >=
	    (int)sizeof(v->path))
		v->path[0] = 0;
	json_object_foreach(params, key, val) {
		if (!strcmp(key, "socket") && json_is_string(val) && json_string_value(val)[0] == '/' &&
		    json_string_length(val) < sizeof(v->path)) {
			snprintf(v->path, sizeof(v->path), "%s", json_string_value(val));
		} else if (!strcmp(key, "socket")) {
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'socket' is an absolute path of at most %zu bytes",
					sizeof(v->path) - 1);
		} else if (!strcmp(key, "mode") && json_is_string(val) &&
			   (!strcmp(json_string_value(val), "server") || !strcmp(json_string_value(val), "client"))) {
			v->client = json_string_value(val)[0] == 'c';
		} else if (!strcmp(key, "mode")) {
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'mode' is \"server\" or \"client\"");
		} else if (!strcmp(key, "queues") && json_is_integer(val) && json_integer_value(val) >= 1 &&
			   json_integer_value(val) <= NFVD_VHOST_PAIRS_MAX) {
			v->queues = json_integer_value(val);
		} else if (!strcmp(key, "queues")) {
			return nfvd_err(err, NFV_RPC_E_PARAMS, "'queues' is a number from 1 to %d", NFVD_VHOST_PAIRS_MAX);
		} else {
			return nfvd_err(err, NFV_RPC_E_PARAMS, "a kvm port has no '%.32s'", key);
		}
	}
	if (!v->path[0])
		return nfvd_err(err, NFV_RPC_E_PARAMS, "the socket's path would be longer than %zu bytes: give 'socket'",
				sizeof(v->path) - 1);
	return 0;
}

/* What we do not serve: the control queue of single-queue guests (some pass it on and wait for ever), and more. */
static uint64_t not_offered(const struct nfvd_vhost *v)
{
	uint64_t f = 1ull << VIRTIO_NET_F_GUEST_ANNOUNCE | 1ull << VIRTIO_NET_F_MTU | 1ull << VIRTIO_NET_F_GUEST_UFO |
		     1ull << VIRTIO_NET_F_HOST_UFO | 1ull << VIRTIO_NET_F_GSO | 1ull << VIRTIO_F_RING_PACKED |
		     1ull << VHOST_F_LOG_ALL | 1ull << VIRTIO_F_ACCESS_PLATFORM;

	if (v->queues == 1)
		f |= 1ull << VIRTIO_NET_F_CTRL_VQ | 1ull << VIRTIO_NET_F_CTRL_RX | 1ull << VIRTIO_NET_F_MQ;
	return f;
}

static int start_driver(struct nfvd_vhost *v, struct nfvd_err *err)
{
	/* User-mode Linux has no interrupt at all without the backend's request channel. */
	const uint64_t protocol = 1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK |
				  1ull << VHOST_USER_PROTOCOL_F_SLAVE_REQ;

	if (rte_vhost_driver_register(v->path, v->client ? RTE_VHOST_USER_CLIENT : 0))
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot make a vhost-user socket '%s'", v->path);
	if (rte_vhost_driver_disable_features(v->path, not_offered(v)) ||
	    rte_vhost_driver_set_protocol_features(v->path, protocol) ||
	    rte_vhost_driver_get_features(v->path, &v->offered) ||
	    rte_vhost_driver_callback_register(v->path, &nfvd_vhost_ops))
		return nfvd_err(err, NFV_RPC_E_FAILED, "librte_vhost refused '%s'", v->path);
	pthread_mutex_lock(&nfvd_vhost_lock);
	nfvd_vhosts[v->port->id] = v;
	pthread_mutex_unlock(&nfvd_vhost_lock);
	if (nfvd_sock_wake() || rte_vhost_driver_start(v->path) || nfvd_sock_wake())
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot listen on '%s': %s", v->path, strerror(errno));
	return 0;
}

static void vhost_detach(struct nfvd_port *port)
{
	struct nfvd_vhost *v = port->priv;

	pthread_mutex_lock(&nfvd_vhost_lock);
	nfvd_vhosts[port->id] = NULL;
	nfvd_vhost_drop_connection(v);
	pthread_mutex_unlock(&nfvd_vhost_lock);
	rte_vhost_driver_unregister(v->path);
	free(v);
}

static int vhost_attach(struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	struct nfvd_vhost *v = calloc(1, sizeof(*v));
	uint64_t start = nfvd_now_us();

	if (!v)
		return nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
	v->port = port;
	v->vid = v->sock = -1;
	if (parse(v, params, err)) {
		free(v);
		return -1;
	}
	/* Before looking at the socket: a probe of our own would count as a second client there. */
	if (nfvd_vhost_find(v->path)) {
		nfvd_err(err, NFV_RPC_E_EXIST, "port '%s' has the socket '%s' already",
			 nfvd_vhost_find(v->path)->port->name, v->path);
		free(v);
		return -1;
	}
	if (!v->client && nfvd_sock_clear(v->path, err)) {
		free(v);
		return -1;
	}
	port->priv = v;
	port->nr_rxq = v->queues;
	if (start_driver(v, err)) {
		vhost_detach(port);
		return -1;
	}
	nfvd_attach_step(port, "socket", nfvd_now_us() - start);
	return 0;
}

static unsigned int vhost_rx(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int max)
{
	struct nfvd_vhost *v = q->port->priv;
	struct nfvd_vring *r = nfvd_vhost_ring(v, 2 * q->index + 1);
	struct nfvd_take_drops drops;
	unsigned int n;

	if (!r)
		return 0;
	n = nfvd_vring_take(r, frames, max, w->pool, NFVD_IOV_POOL, &drops);
	for (unsigned int i = 0; i < drops.n; i++)
		nfvd_rx_drop(w, q->port, drops.why[i], 1);
	return n;
}

static void vhost_rx_done(struct nfvd_worker *w, struct nfvd_rxq *q)
{
	struct nfvd_vring *r = nfvd_vhost_ring(q->port->priv, 2 * q->index + 1);
	unsigned int calls = r ? nfvd_vring_take_done(r) : 0;

	if (calls)
		nfvd_rx_syscalls(w, q->port, calls);
}

static void vhost_tx(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n,
		     struct nfvd_ledger *l)
{
	struct nfvd_vhost *v = port->priv;
	enum nfvd_drop results[NFVD_BURST];
	struct nfvd_vring *r = NULL;

	/* One source queue always takes the same receive queue, so that flows stay in order. */
	for (unsigned int i = 0; i < v->queues && !r; i++)
		r = nfvd_vhost_ring(v, 2 * ((w->spread + i) % v->queues));
	if (!r) {
		nfvd_tx_drop(w, port, NFVD_DROP_DST_DOWN, n);
		return;
	}
	nfvd_vring_deliver(r, frames, n, results, l);
	for (unsigned int i = 0; i < n; i++)
		if (results[i] != NFVD_NO_FAULT)
			nfvd_tx_drop(w, port, results[i], 1);
}

static bool vhost_arm(struct nfvd_rxq *q, bool on)
{
	struct nfvd_vring *r = nfvd_vhost_ring(q->port->priv, 2 * q->index + 1);

	if (!r)
		return false;
	/* Without a kick descriptor the guest expects to be polled. */
	return nfvd_vring_arm(r, on) || (on && q->fd < 0);
}

static void show_queue(struct nfvd_vhost *v, unsigned int i, json_t *list)
{
	struct nfvd_vring *r = nfvd_vhost_ring(v, i);
	enum nfvd_drop why = v->vq[i].reason;

	json_array_append_new(list, json_pack("{s:i, s:s, s:s*, s:i, s:I}", "index", i, "state",
		v->vq[i].fault_seen ? "fenced" : r ? "running" : "stopped",
		"reason", why == NFVD_NO_FAULT || why == 0 ? NULL : nfvd_reasons[why].name,
		"size", r ? r->size : 0, "interrupts", (json_int_t)(r ? atomic_load(&r->calls) : 0)));
}

static void vhost_show(struct nfvd_port *port, json_t *obj)
{
	struct nfvd_vhost *v = port->priv;
	json_t *list = json_array();
	char hex[24];

	pthread_mutex_lock(&nfvd_vhost_lock);
	for (unsigned int i = 0; i < 2 * v->queues; i++) {
		show_queue(v, i, list);
		if (v->vq[i].fault_seen)
			json_object_set_new(obj, "reason", json_string(nfvd_reasons[v->vq[i].reason].name));
	}
	snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)v->features);
	json_object_set_new(obj, "socket", json_string(v->path));
	json_object_set_new(obj, "mode", json_string(v->client ? "client" : "server"));
	json_object_set_new(obj, "connected", json_boolean(v->vid >= 0));
	json_object_set_new(obj, "features", json_string(hex));
	json_object_set_new(obj, "mem_unshared", json_boolean(v->mem_unshared));
	json_object_set_new(obj, "queue", list);
	pthread_mutex_unlock(&nfvd_vhost_lock);
}

/*
 * Memory that QEMU maps privately looks like this from here: the driver runs,
 * but its receive ring stays empty, as it was when the memory was new.
 */
static void check_shared(struct nfvd_vhost *v)
{
	struct nfvd_vring *r = nfvd_vhost_ring(v, 0);

	if (!r || v->mem_unshared || nfvd_now_us() - v->started_us < UNSHARED_MS * 1000)
		return;
	if (nfvd_vring_used(r))
		return;
	v->mem_unshared = true;
	nfvd_fault(v->port, NFVD_DROP_MEM_UNSHARED, 1);
	nfvd_event(v->port->name, "no receive buffers seen from a running driver: is the guest's memory shared?");
}

static void vhost_tick(struct nfvd_port *port)
{
	struct nfvd_vhost *v = port->priv;

	pthread_mutex_lock(&nfvd_vhost_lock);
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		nfvd_vhost_note_fence(v, i, nfvd_vhost_ring(v, i));
	if (v->vid >= 0 && !v->spoke && nfvd_now_us() - v->connected_us > SILENT_MS * 1000 && v->sock >= 0) {
		nfvd_fault(port, NFVD_DROP_VU_TIMEOUT, 1);
		v->spoke = true;
		shutdown(v->sock, SHUT_RDWR);
	}
	check_shared(v);
	pthread_mutex_unlock(&nfvd_vhost_lock);
}

const struct nfvd_port_ops nfvd_port_vhost = {
	.type = "kvm",
	.attach = vhost_attach,
	.detach = vhost_detach,
	.rx = vhost_rx,
	.rx_done = vhost_rx_done,
	.tx = vhost_tx,
	.arm = vhost_arm,
	.show = vhost_show,
	.tick = vhost_tick,
};
