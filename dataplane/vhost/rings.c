/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/rings.h"

#include <linux/virtio_config.h>
#include <numaif.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "fdstore.h"
#include "log.h"
#include "port/port_state.h"
#include "vring/vring_setup.h"
#include "worker/call.h"
#include "worker/worker.h"

void nfvd_vhost_update_state(struct nfvd_vhost *v, const char *why)
{
	enum nfvd_state state = NFVD_STATE_UP;

	if (v->leaving)
		return;
	if (!v->connected)
		state = NFVD_STATE_WAITING;
	else if (!nfvd_vhost_ring(v, 0) || !nfvd_vhost_ring(v, 1))
		state = NFVD_STATE_DOWN;
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		if (v->connected && v->vq[i].fault_seen)
			state = NFVD_STATE_FENCED;
	nfvd_port_set_state(v->port, state, why);
}

void nfvd_vhost_note_fence(struct nfvd_vhost *v, unsigned int i, struct nfvd_vring *r)
{
	enum nfvd_drop why = r ? atomic_load(&r->fault) : NFVD_PASS;

	if (why == NFVD_PASS || v->vq[i].fault_seen)
		return;
	v->vq[i].fault_seen = true;
	v->vq[i].reason = why;
	nfvd_fault(v->port, why, 1);
	nfvd_event_of(NFVD_EVENT_FENCED, v->port->name, "queue %u fenced: %s (%s)", i, nfvd_reasons[why].name, nfvd_reasons[why].help);
	nfvd_vhost_update_state(v, nfvd_reasons[why].name);
}

/* Count the frames of the Tx queue that a killed nfvd had taken, and that are taken again. */
static void note_replays(struct nfvd_vhost *v, unsigned int i, const struct nfvd_vring *r)
{
	struct nfvd_vhost_mark *marks = atomic_load(&v->marks);

	if (marks && i & 1)
		nfvd_port_replays(v->port, nfvd_vring_replays(r, atomic_load(&marks[i / 2].taken)));
}

/*
 * Forget how far the queue was taken, because it may begin anew elsewhere. If the next nfvd goes on with it, keep
 * that, because a frame may be flooded only in part.
 */
static void forget_mark(struct nfvd_vhost *v, unsigned int i)
{
	struct nfvd_vhost_mark *marks = atomic_load(&v->marks);

	if (marks && i & 1 && !nfvd_fdstore_handing_over())
		atomic_store(&marks[i / 2].taken, 0);
}

void nfvd_vhost_stop(struct nfvd_vhost *v, unsigned int i)
{
	struct nfvd_vring *r = nfvd_vhost_ring(v, i);
	struct nfvd_rxq *q = &v->port->rxq[i / 2];

	v->vq[i].refused = false;
	if (!r) {
		v->vq[i].fault_seen = false;
		return;
	}
	/* Remove the queue from its worker first. The worker needs the ring to give back what it has taken. */
	if (i & 1) {
		nfvd_worker_del(q);
		q->fd = -1;
	}
	atomic_store(&v->vq[i].ring, NULL);
	nfvd_quiesce();
	/* Frames that wait for this driver are not for the next one. */
	atomic_fetch_add(&v->port->epoch, 1);
	/* Report a fence now, so that a guest that resets at once is counted, too. */
	nfvd_vhost_note_fence(v, i, r);
	forget_mark(v, i);
	v->vq[i].fault_seen = false;
	v->vq[i].base = r->last_avail;
	free(r);
}

void nfvd_vhost_stop_all(struct nfvd_vhost *v)
{
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		nfvd_vhost_stop(v, i);
}

/* Set up *r from what the peer has told about queue i. Translate its addresses. */
static enum nfvd_drop set_up_ring(struct nfvd_vhost *v, unsigned int i, struct nfvd_vring *r)
{
	const struct nfvd_vq *q = &v->vq[i];

	memset(r, 0, sizeof(*r));
	r->desc = (void *)nfvd_gmem_at_uva(v->mem, q->addr.desc_user_addr);
	r->avail = (void *)nfvd_gmem_at_uva(v->mem, q->addr.avail_user_addr);
	r->used = (void *)nfvd_gmem_at_uva(v->mem, q->addr.used_user_addr);
	if (!r->desc || !r->avail || !r->used)
		return NFVD_DROP_VU_BAD_ADDR;
	r->size = q->num;
	r->mask = q->num - 1;
	r->mem = v->mem;
	r->hdr_len = nfvd_virtio_hdr_len(v->features);
	r->event_idx = v->features >> VIRTIO_RING_F_EVENT_IDX & 1;
	r->indirect = v->features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	r->mergeable = v->features >> VIRTIO_NET_F_MRG_RXBUF & 1;
	r->fault = NFVD_PASS;
	r->call = q->call;
	r->pace = &v->pace;
	rte_spinlock_init(&r->lock);
	return nfvd_vring_check(r);
}

static void refuse_ring(struct nfvd_vhost *v, unsigned int i, enum nfvd_drop why)
{
	v->vq[i].refused = true;
	v->vq[i].reason = why;
	nfvd_fault(v->port, why, 1);
	nfvd_event(v->port->name, "queue %u not started: %s (%s)", i, nfvd_reasons[why].name, nfvd_reasons[why].help);
}

static int numa_node_of(const void *addr)
{
	int node;

	return get_mempolicy(&node, NULL, 0, (void *)(uintptr_t)addr, MPOL_F_NODE | MPOL_F_ADDR) ? -1 : node;
}

void nfvd_vhost_start(struct nfvd_vhost *v, unsigned int i)
{
	struct nfvd_vq *vq = &v->vq[i];
	struct nfvd_rxq *q = &v->port->rxq[i / 2];
	struct nfvd_vring *r;
	enum nfvd_drop why;

	if (!v->mem || !vq->num || !vq->has_addr || !vq->kicked || !vq->enabled || vq->refused || nfvd_vhost_ring(v, i))
		return;
	r = aligned_alloc(64, (sizeof(*r) + 63) / 64 * 64);
	why = r ? set_up_ring(v, i, r) : NFVD_DROP_NO_MEMORY;
	if (why != NFVD_PASS) {
		free(r);
		refuse_ring(v, i, why);
		return;
	}
	nfvd_vring_resume(r);
	note_replays(v, i, r);
	/* The worker is about to poll it: no kicks until it asks for them. */
	r->armed = true;
	nfvd_vring_arm(r, false);
	vq->reason = NFVD_PASS;
	v->started_us = nfvd_now_us();
	v->spurious = atomic_load(&v->port->faults[NFVD_DROP_KICK_SPURIOUS]);
	v->wants_queues = false;
	nfvd_port_unfence(v->port);
	atomic_store(&vq->ring, r);
	if (i & 1) {
		q->fd = vq->kickfd;
		q->node = numa_node_of(r->desc);
		/* No worker can wait for it: no worker has it. */
		if (nfvd_worker_add(q)) {
			atomic_store(&vq->ring, NULL);
			/* Workers that deliver to the port may have seen it. */
			nfvd_quiesce();
			free(r);
			refuse_ring(v, i, NFVD_DROP_NO_MEMORY);
			return;
		}
	}
	/* Interrupt the guest, in case the backend before has lost an interrupt. One too many does no harm. */
	nfvd_call(vq->call);
}

void nfvd_vhost_start_all(struct nfvd_vhost *v)
{
	for (unsigned int i = 0; i < 2 * v->queues; i++)
		nfvd_vhost_start(v, i);
}
