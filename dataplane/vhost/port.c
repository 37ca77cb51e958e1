/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM port: vhost-user. What control does with it, and how its frames move. The
 * protocol is spoken on a thread of the port's own (peer.c, dev.c).
 *
 *	               connect            both rings of pair 0 started
 *	  WAITING ───────────────► DOWN ───────────────────────────────► UP
 *	     ▲                      ▲ │  ◄───────────────────────────────  │
 *	     │     disconnect       │ │        a ring stopped              │ malformed ring
 *	     └──────────────────────┴─┴───────────── FENCED ◄──────────────┘
 *	                            restart of the ring leads out of FENCED
 */
#include "vhost/port.h"

#include <errno.h>
#include <rte_branch_prediction.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "log.h"
#include "nfvd.h"
#include "switch/context.h"
#include "vhost/dev.h"
#include "vhost/keep.h"
#include "vhost/peer.h"
#include "vhost/rings.h"
#include "vhost/sock.h"
#include "vring/vring_setup.h"

#define SOON_MS		20
#define UNSHARED_MS	2000	/* a started receive ring has buffers by then */

/* Return the user or group number in this member, or -1. */
static uint32_t id_of(json_t *params, const char *key)
{
	const json_t *id = json_object_get(params, key);

	return id ? (uint32_t)json_integer_value(id) : UINT32_MAX;
}

static int parse(struct nfvd_vhost *v, const char *name, json_t *params, struct nfvd_err *err)
{
	const char *socket = json_string_value(json_object_get(params, "socket"));
	const char *octal = json_string_value(json_object_get(params, "permissions"));
	int len;

	v->client = !strcmp(json_string_value(json_object_get(params, "mode")), "client");
	v->queues = json_integer_value(json_object_get(params, "queues"));
	v->access = (struct nfvd_sock_access){
		.owner = id_of(params, "owner"), .group = id_of(params, "group"), .mode = octal ? (int)strtol(octal, NULL, 8) : -1,
	};
	len = socket ? snprintf(v->path, sizeof(v->path), "%s", socket) :
		snprintf(v->path, sizeof(v->path), "%s/%s.sock", nfvd_config.state_dir, name);
	if (len >= (int)sizeof(v->path))
		return nfvd_err(err, NFV_RPC_E_PARAMS, "the socket's path would be longer than %zu bytes: give 'socket'",
				sizeof(v->path) - 1);
	return 0;
}

/* Whose socket is this? */
static struct nfvd_port *find_path(const char *path)
{
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		struct nfvd_port *port = nfvd_ports[id];

		if (port && port->ops == &nfvd_port_vhost && !strcmp(((struct nfvd_vhost *)port->priv)->path, path))
			return port;
	}
	return NULL;
}

static int start(struct nfvd_vhost *v, struct nfvd_err *err)
{
	/* Check the other ports before the socket: a connection to it would count as a second client there. */
	struct nfvd_port *other = find_path(v->path);
	int ret;

	if (other)
		return nfvd_err(err, NFV_RPC_E_EXIST, "port '%s' has the socket '%s' already", other->name, v->path);
	v->listener = v->client ? -1 : nfvd_sock_listen(v->path, &v->access, &v->listener_id, err);
	if (v->listener < 0 && !v->client)
		return -1;
	ret = nfvd_vhost_thread_start(v);
	if (!ret)
		return 0;
	if (!v->client) {
		nfvd_sock_unlink(v->path, &v->listener_id);
		close(v->listener);
	}
	return nfvd_err(err, NFV_RPC_E_FAILED, "cannot start the port's thread: %s", strerror(-ret));
}

/* Rings end here. */
static void vhost_leave(struct nfvd_port *port)
{
	struct nfvd_vhost *v = port->priv;

	pthread_mutex_lock(&v->lock);
	nfvd_vhost_stop_all(v);
	nfvd_gmem_own(port->id, NULL);
	v->leaving = true;
	if (!v->client)
		nfvd_sock_unlink(v->path, &v->listener_id);
	pthread_mutex_unlock(&v->lock);
}

/* The thread closes, unmaps and frees the rest when it can. */
static void vhost_detach(struct nfvd_port *port)
{
	nfvd_keep_leave(port->priv);
	nfvd_vhost_thread_end(port->priv);
}

static int vhost_attach(struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	struct nfvd_vhost *v = calloc(1, sizeof(*v));
	uint64_t start_us = nfvd_now_us();

	if (!v)
		return nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
	if (parse(v, port->name, params, err)) {
		free(v);
		return -1;
	}
	v->port = port;
	snprintf(v->name, sizeof(v->name), "%s", port->name);
	nfvd_kept_take(&v->kept, port->name);
	v->offered = nfvd_vhost_features(v->queues);
	pthread_mutex_init(&v->lock, NULL);
	port->priv = v;
	port->nr_rxq = v->queues;
	if (start(v, err)) {
		nfvd_kept_close(&v->kept);
		pthread_mutex_destroy(&v->lock);
		free(v);
		return -1;
	}
	nfvd_attach_step(port, "socket", nfvd_now_us() - start_us);
	return 0;
}

/* Before the first of them is delivered. */
static inline void mark_taken(struct nfvd_vhost *v, unsigned int pair, const struct nfvd_vring *r)
{
	struct nfvd_vhost_mark *marks = atomic_load_explicit(&v->marks, memory_order_relaxed);

	if (marks)
		atomic_store_explicit(&marks[pair].taken, NFVD_TAKEN | r->last_avail, memory_order_relaxed);
}

static inline void note_late(struct nfvd_worker *w, const struct nfvd_port *port, struct nfvd_vhost *v)
{
	if (unlikely(atomic_load_explicit(&v->pace.owed, memory_order_relaxed)))
		nfvd_note_late(w, port);
}

/* The rings in turns. */
static bool vhost_call_late(struct nfvd_port *port)
{
	struct nfvd_vhost *v = port->priv;
	unsigned int turn = v->pace.turn, rings = 2 * v->queues;
	bool owed = false;

	atomic_store(&v->pace.owed, false);
	for (unsigned int i = 0; i < rings; i++) {
		unsigned int at = (turn + i) % rings;
		struct nfvd_vring *r = nfvd_vhost_ring(v, at);

		if (!r)
			continue;
		if (nfvd_vring_call_owed(r)) {
			v->pace.turn = (at + 1) % rings;
			nfvd_fault(port, NFVD_DROP_CALL_LATE, 1);
		}
		owed |= atomic_load(&r->owed);
	}
	if (owed)
		atomic_store(&v->pace.owed, true);
	return owed;
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
	if (n)
		mark_taken(v, q->index, r);
	for (unsigned int i = 0; i < drops.n; i++)
		nfvd_rx_drop(w, q->port, drops.why[i], 1);
	return n;
}

static void vhost_rx_done(struct nfvd_worker *w, struct nfvd_rxq *q, unsigned int n)
{
	struct nfvd_vhost *v = q->port->priv;
	struct nfvd_vring *r = nfvd_vhost_ring(v, 2 * q->index + 1);
	unsigned int calls = r ? nfvd_vring_take_done(r, n) : 0;

	if (calls)
		nfvd_rx_syscalls(w, q->port, calls);
	note_late(w, q->port, v);
}

static void vhost_tx(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n,
		     struct nfvd_ledger *l)
{
	struct nfvd_vhost *v = port->priv;
	enum nfvd_drop results[NFVD_BURST];
	struct nfvd_vring *r = NULL;

	if (unlikely(nfvd_backlog_has(&w->backlog, port->id))) {
		nfvd_backlog_put(w, port, frames, n);
		return;
	}
	/* One source queue always takes the same receive queue, so that flows stay in order. */
	for (unsigned int i = 0; i < v->queues && !r; i++)
		r = nfvd_vhost_ring(v, 2 * ((w->spread + i) % v->queues));
	if (!r) {
		nfvd_tx_drop(w, port, NFVD_DROP_DST_DOWN, frames, n);
		return;
	}
	nfvd_vring_deliver(r, frames, n, results, l);
	note_late(w, port, v);
	for (unsigned int i = 0; i < n; i++) {
		if (likely(results[i] == NFVD_PASS))
			continue;
		if (results[i] == NFVD_DROP_DST_QUEUE) {
			/* And all behind it. */
			nfvd_backlog_put(w, port, frames + i, n - i);
			break;
		}
		nfvd_tx_drop(w, port, results[i], &frames[i], 1);
	}
}

static bool vhost_arm(struct nfvd_rxq *q, bool on)
{
	struct nfvd_vring *r = nfvd_vhost_ring(q->port->priv, 2 * q->index + 1);

	if (!r)
		return false;
	/* Without a kick descriptor the guest expects to be polled. */
	return nfvd_vring_arm(r, on) || (on && q->fd < 0);
}

/* Lock v, unless its thread holds it for long: it may read memory of a guest that takes its pages away. */
static bool lock_soon(struct nfvd_vhost *v)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += SOON_MS * 1000000l;
	if (end.tv_nsec >= 1000000000l) {
		end.tv_nsec -= 1000000000l;
		end.tv_sec++;
	}
	return !pthread_mutex_timedlock(&v->lock, &end);
}

static void show_queue(struct nfvd_vhost *v, unsigned int i, json_t *list)
{
	struct nfvd_vring *r = nfvd_vhost_ring(v, i);
	enum nfvd_drop why = v->vq[i].reason;

	json_array_append_new(list, json_pack("{s:i, s:s, s:s*, s:i, s:I}", "index", i, "state",
		v->vq[i].fault_seen ? "fenced" : r ? "running" : "stopped",
		"reason", why == NFVD_PASS ? NULL : nfvd_reasons[why].name,
		"size", r ? r->size : 0, "interrupts", (json_int_t)(r ? atomic_load(&r->calls) : 0)));
}

/* v->lock is held. */
static void show_why(const struct nfvd_vhost *v, enum nfvd_state state, json_t *obj)
{
	if (state == NFVD_STATE_WAITING)
		nfvd_show_why(obj, v->client ? "nobody listens at its socket yet" : "no guest has connected to its socket yet",
			      "qemu-system-x86_64 -m 1G -object memory-backend-memfd,id=m,size=1G,share=on -numa node,memdev=m "
			      "-chardev socket,id=c,path=%s,%s -netdev vhost-user,id=n,chardev=c "
			      "-device virtio-net-pci,netdev=n ...", v->path, v->client ? "server=on" : "reconnect=1");
	else if (state == NFVD_STATE_DOWN)
		nfvd_show_why(obj, "a guest is connected; its driver has not started the queues yet", "modprobe virtio_net (in the guest)");
	else if (state == NFVD_STATE_FENCED)
		nfvd_show_why(obj, "the guest broke the rules of virtio; its driver has to start the queue anew", "nfvctl drops %s",
			      v->port->name);
}

static void vhost_show(struct nfvd_port *port, json_t *obj)
{
	struct nfvd_vhost *v = port->priv;
	json_t *list = json_array();
	char hex[24];

	if (!lock_soon(v)) {
		json_decref(list);
		json_object_set_new(obj, "socket", json_string(v->path));
		nfvd_show_why(obj, "its thread works for its peer", "nfvctl show %s", port->name);
		return;
	}
	for (unsigned int i = 0; i < 2 * v->queues; i++) {
		show_queue(v, i, list);
		if (v->vq[i].fault_seen)
			json_object_set_new(obj, "reason", json_string(nfvd_reasons[v->vq[i].reason].name));
	}
	snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)v->features);
	json_object_set_new(obj, "socket", json_string(v->path));
	json_object_set_new(obj, "mode", json_string(v->client ? "client" : "server"));
	json_object_set_new(obj, "connected", json_boolean(v->connected));
	json_object_set_new(obj, "features", json_string(hex));
	json_object_set_new(obj, "mem_unshared", json_boolean(v->mem_unshared || v->rx_silent));
	json_object_set_new(obj, "queue", list);
	show_why(v, atomic_load(&port->state), obj);
	pthread_mutex_unlock(&v->lock);
}

/*
 * Report a guest whose memory may not be shared. If QEMU maps memory privately, its driver seems to run, but nfvd
 * sees a receive ring that stays as empty as new memory. A driver whose interface is not up looks the same: DRIVER_OK
 * promises no receive buffers (virtio 1.2, 3.1.1). The port's thread looks into the ring: nfvd_vhost_look().
 */
static void check_shared(struct nfvd_vhost *v)
{
	if (!nfvd_vhost_ring(v, 0))
		return;
	if (v->rx_seen && v->rx_silent)
		nfvd_event(v->port->name, "the guest has posted receive buffers: its memory is shared");
	if (v->rx_seen)
		v->rx_silent = false;
	if (v->rx_seen || v->rx_silent || nfvd_now_us() - v->started_us < UNSHARED_MS * 1000)
		return;
	v->rx_silent = true;
	nfvd_fault(v->port, NFVD_DROP_MEM_UNSHARED, 1);
	nfvd_event(v->port->name, "no receive buffers seen from a running driver: is its interface up, and the guest's memory shared?");
}

#define SHARE_HINT "qemu-system-x86_64 -object memory-backend-memfd,id=m,size=SIZE,share=on -numa node,memdev=m"

static void find(json_t *list, const char *level, const struct nfvd_port *port, const char *text, const char *hint)
{
	json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "level", level, "port", port->name, "text", text,
					      "hint", hint));
}

/* v->lock is held. */
static void find_in_peer(const struct nfvd_vhost *v, json_t *list)
{
	/* Its kicks announce frames, but there are none in its ring. */
	bool sends = atomic_load(&v->port->faults[NFVD_DROP_KICK_SPURIOUS]) > v->spurious + 1;
	char text[160], hint[640];

	if (v->mem_unshared || (v->rx_silent && sends))
		find(list, "bad", v->port, "guest memory does not seem to be shared with nfvd", SHARE_HINT);
	else if (v->rx_silent)
		find(list, "warn", v->port, "its driver runs, and has never posted a receive buffer: its interface is not up, "
		     "or guest memory is not shared", "ip link set dev eth0 up (in the guest), or " SHARE_HINT);
	if (!v->wants_queues)
		return;
	snprintf(text, sizeof(text), "its peer asked how many queue pairs there are (%u), and left: it wants more", v->queues);
	snprintf(hint, sizeof(hint), "nfvctl detach %s && nfvctl attach kvm %s queues N socket %s", v->port->name, v->port->name,
		 v->path);
	find(list, "bad", v->port, text, hint);
}

static void vhost_findings(const struct nfvd_port *port, json_t *list)
{
	struct nfvd_vhost *v = port->priv;
	int gone = v->client ? 0 : nfvd_sock_check(v->path, &v->listener_id);
	char hint[640];

	snprintf(hint, sizeof(hint), "nfvctl detach %s && nfvctl attach kvm %s socket %s%s", port->name, port->name, v->path,
		 gone == -EEXIST ? " mode client" : "");
	if (gone == -EEXIST)
		find(list, "bad", port, "something else is at its socket's path: does its peer listen, too (server=on)?", hint);
	else if (gone)
		find(list, "bad", port, "its socket was removed: no guest can connect", hint);
	if (!lock_soon(v))
		return;
	find_in_peer(v, list);
	pthread_mutex_unlock(&v->lock);
}

static void vhost_tick(struct nfvd_port *port)
{
	struct nfvd_vhost *v = port->priv;

	/* The port's thread works for the peer, and may take its time; there is another tick. */
	if (pthread_mutex_trylock(&v->lock))
		return;
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		nfvd_vhost_note_fence(v, i, nfvd_vhost_ring(v, i));
	check_shared(v);
	pthread_mutex_unlock(&v->lock);
}

const struct nfvd_port_ops nfvd_port_vhost = {
	.type = "kvm",
	.attach = vhost_attach,
	.leave = vhost_leave,
	.detach = vhost_detach,
	.rx = vhost_rx,
	.rx_done = vhost_rx_done,
	.tx = vhost_tx,
	.arm = vhost_arm,
	.call_late = vhost_call_late,
	.pausable = true,
	.show = vhost_show,
	.findings = vhost_findings,
	.tick = vhost_tick,
	.tx_work = 512,
};
