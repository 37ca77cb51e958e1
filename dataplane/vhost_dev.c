/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_dev.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "control.h"
#include "log.h"
#include "vhost_msg.h"
#include "vhost_sock.h"
#include "worker.h"

#define VIDS_MAX	RTE_MAX_VHOST_DEVICE

pthread_mutex_t nfvd_vhost_lock = PTHREAD_MUTEX_INITIALIZER;
struct nfvd_vhost *nfvd_vhosts[NFVD_PORTS_MAX];
static struct nfvd_vhost *by_vid[VIDS_MAX];

/* ---- rings ---- */

void nfvd_vhost_update_state(struct nfvd_vhost *v, const char *why)
{
	enum nfvd_state state = NFVD_STATE_UP;

	if (v->vid < 0)
		state = NFVD_STATE_WAITING;
	else if (!nfvd_vhost_ring(v, 0) || !nfvd_vhost_ring(v, 1))
		state = NFVD_STATE_DOWN;
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		if (v->vid >= 0 && v->vq[i].fault_seen)
			state = NFVD_STATE_FENCED;
	nfvd_port_set_state(v->port, state, why);
}

static void free_ring(struct nfvd_vring *r)
{
	if (r->callfd >= 0)
		close(r->callfd);
	free(r);
}

void nfvd_vhost_note_fence(struct nfvd_vhost *v, unsigned int i, struct nfvd_vring *r)
{
	enum nfvd_drop why = r ? atomic_load(&r->fault) : NFVD_NO_FAULT;

	if (why == NFVD_NO_FAULT || v->vq[i].fault_seen)
		return;
	v->vq[i].fault_seen = true;
	v->vq[i].reason = why;
	nfvd_fault(v->port, why, 1);
	nfvd_event(v->port->name, "queue %u fenced: %s (%s)", i, nfvd_reasons[why].name, nfvd_reasons[why].help);
	nfvd_vhost_update_state(v, nfvd_reasons[why].name);
}

static void stop_ring(struct nfvd_vhost *v, unsigned int i)
{
	struct nfvd_vring *r = nfvd_vhost_ring(v, i);
	struct nfvd_rxq *q = &v->port->rxq[i / 2];

	if (!r) {
		v->vq[i].fault_seen = false;
		return;
	}
	/* The worker first: what it has taken it gives back, for which it needs the ring. */
	if (i & 1) {
		nfvd_worker_del(q);
		if (q->fd >= 0)
			close(q->fd);
		q->fd = -1;
	}
	atomic_store(&v->vq[i].ring, NULL);
	nfvd_quiesce();
	/* A guest that resets at once does not get round being counted. */
	nfvd_vhost_note_fence(v, i, r);
	v->vq[i].fault_seen = false;
	/* GET_VRING_BASE is answered from the library's copy. */
	rte_vhost_set_vring_base(v->vid, i, r->last_avail, r->used_idx);
	free_ring(r);
}

static void stop_all(struct nfvd_vhost *v)
{
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		stop_ring(v, i);
}

static int dup_nonblock(int fd)
{
	int own = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (own >= 0)
		fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK);
	return own;
}

static struct nfvd_vring *make_ring(struct nfvd_vhost *v, unsigned int i, int *kickfd)
{
	struct rte_vhost_vring lib;
	uint16_t avail, used;
	struct nfvd_vring *r;

	if (rte_vhost_get_vhost_vring(v->vid, i, &lib) || rte_vhost_get_vring_base(v->vid, i, &avail, &used) ||
	    !lib.desc || !lib.avail || !lib.used)
		return NULL;
	r = aligned_alloc(64, (sizeof(*r) + 63) / 64 * 64);
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->desc = lib.desc;
	r->avail = lib.avail;
	r->used = lib.used;
	r->size = lib.size;
	r->mask = lib.size - 1;
	r->mem = v->mem;
	r->hdr_len = nfvd_virtio_hdr_len(v->features);
	r->event_idx = v->features >> VIRTIO_RING_F_EVENT_IDX & 1;
	r->indirect = v->features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	r->mergeable = v->features >> VIRTIO_NET_F_MRG_RXBUF & 1;
	r->last_avail = avail;
	r->used_idx = r->signalled = used;
	r->fault = NFVD_NO_FAULT;
	rte_spinlock_init(&r->lock);
	r->callfd = dup_nonblock(lib.callfd);
	*kickfd = dup_nonblock(lib.kickfd);
	return r;
}

static void start_ring(struct nfvd_vhost *v, unsigned int i)
{
	struct nfvd_rxq *q = &v->port->rxq[i / 2];
	struct nfvd_vring *r;
	enum nfvd_drop why;
	int kickfd;

	if (!v->mem || !v->vq[i].ready || nfvd_vhost_ring(v, i))
		return;
	r = make_ring(v, i, &kickfd);
	if (!r)
		return;
	why = nfvd_vring_check(r);
	if (why != NFVD_NO_FAULT) {
		nfvd_fault(v->port, why, 1);
		nfvd_event(v->port->name, "queue %u not started: %s", i, nfvd_reasons[why].name);
		v->vq[i].reason = why;
		free_ring(r);
		if (kickfd >= 0)
			close(kickfd);
		return;
	}
	/* The worker is about to poll it: no kicks until it asks for them. */
	r->armed = true;
	nfvd_vring_arm(r, false);
	v->vq[i].reason = NFVD_NO_FAULT;
	v->started_us = nfvd_now_us();
	atomic_store(&v->vq[i].ring, r);
	if (i & 1) {
		q->fd = kickfd;
		q->node = rte_vhost_get_numa_node(v->vid);
		nfvd_worker_add(q);
	} else if (kickfd >= 0) {
		close(kickfd);
	}
	nfvd_vring_kick_guest(r);
}

static void start_all(struct nfvd_vhost *v)
{
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		start_ring(v, i);
}

/* ---- guest memory ---- */

static void forget_memory(struct nfvd_vhost *v)
{
	stop_all(v);
	if (v->mem) {
		nfvd_gmem_unregister(v->mem);
		free(v->mem);
		v->mem = NULL;
	}
}

static bool take_memory(struct nfvd_vhost *v)
{
	struct rte_vhost_memory *lib;
	struct nfvd_gmem *m;

	if (rte_vhost_get_mem_table(v->vid, &lib))
		return false;
	m = calloc(1, sizeof(*m));
	for (unsigned int i = 0; m && i < lib->nregions && i < NFVD_GMEM_REGIONS_MAX; i++) {
		m->r[i] = (struct nfvd_gmem_region){
			.gpa = lib->regions[i].guest_phys_addr,
			.size = lib->regions[i].size,
			.hva = (uint8_t *)(uintptr_t)lib->regions[i].host_user_addr,
			.map = lib->regions[i].mmap_addr,
			.map_size = lib->regions[i].mmap_size,
		};
		m->n++;
	}
	free(lib);
	if (!m || nfvd_gmem_register(m)) {
		free(m);
		return false;
	}
	v->mem = m;
	return true;
}

/* ---- the library's callbacks ---- */

static uint32_t accepts_of(uint64_t features)
{
	static const struct { unsigned int bit; uint32_t accept; } map[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, NFVD_ACCEPT_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, NFVD_ACCEPT_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, NFVD_ACCEPT_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, NFVD_ACCEPT_ECN },
	};
	uint32_t accepts = NFVD_ACCEPT_KERNEL;

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (features >> map[i].bit & 1)
			accepts |= map[i].accept;
	return accepts;
}

/* Before the library acts: stop what the message moves. */
static void prepare(struct nfvd_vhost *v, const struct nfvd_vu_msg *msg)
{
	switch (msg->request) {
	case VU_SET_MEM_TABLE:
		forget_memory(v);
		break;
	case VU_SET_FEATURES:
	case VU_RESET_OWNER:
		stop_all(v);
		break;
	case VU_SET_VRING_ENABLE:
		/* Enabling leaves a running ring alone. */
		if (msg->payload.state.num)
			break;
		/* fall through */
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_ADDR:
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
		stop_ring(v, nfvd_vu_vring(msg));
		break;
	}
}

static enum rte_vhost_msg_result pre_msg(int vid, void *ctx)
{
	struct nfvd_vu_msg *msg = ctx;
	enum rte_vhost_msg_result result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	enum nfvd_drop why;
	struct nfvd_vhost *v;

	pthread_mutex_lock(&nfvd_vhost_lock);
	v = by_vid[vid];
	if (!v) {
		nfvd_vu_close_fds(msg);
		result = RTE_VHOST_MSG_RESULT_ERR;
		goto out;
	}
	v->spoke = true;
	why = nfvd_vu_check(msg, 2 * v->queues, v->offered);
	if (nfvd_sock_stripped() && why == NFVD_N_REASONS)
		why = NFVD_DROP_VU_BAD_FDS;
	if (why == NFVD_N_REASONS && nfvd_sock_unread(v->sock))
		why = NFVD_DROP_VU_TIMEOUT;
	if (why != NFVD_N_REASONS) {
		nfvd_fault(v->port, why, 1);
		nfvd_event(v->port->name, "vhost-user request %u refused: %s", msg->request, nfvd_reasons[why].name);
		if (why == NFVD_DROP_MEM_UNSHARED)
			v->mem_unshared = true;
		nfvd_vu_close_fds(msg);
		result = RTE_VHOST_MSG_RESULT_ERR;
	} else if (msg->request == VU_GET_QUEUE_NUM) {
		msg->payload.u64 = v->queues;
		msg->size = sizeof(msg->payload.u64);
		result = RTE_VHOST_MSG_RESULT_REPLY;
	} else {
		prepare(v, msg);
	}
	/* Refused without a reply: the library closes the connection. */
out:
	pthread_mutex_unlock(&nfvd_vhost_lock);
	return result;
}

static enum rte_vhost_msg_result post_msg(int vid, void *ctx)
{
	const struct nfvd_vu_msg *msg = ctx;
	enum rte_vhost_msg_result result = RTE_VHOST_MSG_RESULT_OK;
	struct nfvd_vhost *v;

	pthread_mutex_lock(&nfvd_vhost_lock);
	v = by_vid[vid];
	if (!v)
		goto out;
	switch (msg->request) {
	case VU_SET_FEATURES:
		rte_vhost_get_negotiated_features(vid, &v->features);
		atomic_store(&v->port->accepts, accepts_of(v->features));
		break;
	case VU_SET_MEM_TABLE:
		if (!take_memory(v))
			result = RTE_VHOST_MSG_RESULT_ERR;
		break;
	}
	/* Rings that were only stopped for this message; the library does not report those again. */
	if (msg->request != VU_GET_VRING_BASE)
		start_all(v);
	nfvd_vhost_update_state(v, NULL);
out:
	pthread_mutex_unlock(&nfvd_vhost_lock);
	return result;
}

static const struct rte_vhost_user_extern_ops msg_ops = { pre_msg, post_msg };

static int on_state_changed(int vid, uint16_t i, int enable)
{
	struct nfvd_vhost *v;

	pthread_mutex_lock(&nfvd_vhost_lock);
	v = by_vid[vid];
	if (v && i < 2 * v->queues) {
		v->vq[i].ready = enable;
		if (enable)
			start_ring(v, i);
		else
			stop_ring(v, i);
		nfvd_vhost_update_state(v, NULL);
	}
	pthread_mutex_unlock(&nfvd_vhost_lock);
	return 0;
}

static int on_new_device(int vid)
{
	pthread_mutex_lock(&nfvd_vhost_lock);
	if (by_vid[vid]) {
		start_all(by_vid[vid]);
		nfvd_vhost_update_state(by_vid[vid], NULL);
	}
	pthread_mutex_unlock(&nfvd_vhost_lock);
	return 0;
}

static void on_destroy_device(int vid)
{
	pthread_mutex_lock(&nfvd_vhost_lock);
	if (by_vid[vid]) {
		stop_all(by_vid[vid]);
		nfvd_vhost_update_state(by_vid[vid], NULL);
	}
	pthread_mutex_unlock(&nfvd_vhost_lock);
}

struct nfvd_vhost *nfvd_vhost_find(const char *path)
{
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_vhosts[id] && !strcmp(nfvd_vhosts[id]->path, path))
			return nfvd_vhosts[id];
	return NULL;
}

static int on_new_connection(int vid)
{
	char path[PATH_MAX];
	struct nfvd_vhost *v;
	int ret = -1;

	pthread_mutex_lock(&nfvd_vhost_lock);
	v = rte_vhost_get_ifname(vid, path, sizeof(path)) ? NULL : nfvd_vhost_find(path);
	if (!v || vid >= VIDS_MAX)
		goto out;
	if (v->vid >= 0) {
		nfvd_fault(v->port, NFVD_DROP_VU_SECOND_CLIENT, 1);
		nfvd_event(v->port->name, "second connection refused");
		goto out;
	}
	if (rte_vhost_extern_callback_register(vid, &msg_ops, NULL))
		goto out;
	v->vid = vid;
	v->sock = nfvd_sock_harden(v->path, v->client);
	v->connected_us = nfvd_now_us();
	v->spoke = false;
	v->features = 0;
	v->mem_unshared = false;
	memset(v->vq, 0, sizeof(v->vq));
	by_vid[vid] = v;
	nfvd_vhost_update_state(v, "connected");
	ret = 0;
out:
	pthread_mutex_unlock(&nfvd_vhost_lock);
	return ret;
}

void nfvd_vhost_drop_connection(struct nfvd_vhost *v)
{
	if (v->vid < 0)
		return;
	forget_memory(v);
	by_vid[v->vid] = NULL;
	v->vid = -1;
	if (v->sock >= 0)
		close(v->sock);
	v->sock = -1;
	memset(v->vq, 0, sizeof(v->vq));
}

static void on_destroy_connection(int vid)
{
	struct nfvd_vhost *v;

	pthread_mutex_lock(&nfvd_vhost_lock);
	v = by_vid[vid];
	if (v) {
		nfvd_vhost_drop_connection(v);
		nfvd_fault(v->port, NFVD_DROP_VU_DISCONNECT, 1);
		nfvd_vhost_update_state(v, "peer disconnected");
	}
	pthread_mutex_unlock(&nfvd_vhost_lock);
}

const struct rte_vhost_device_ops nfvd_vhost_ops = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_state_changed,
	.new_connection = on_new_connection,
	.destroy_connection = on_destroy_connection,
};
