/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/dev.h"

#include <linux/virtio_config.h>
#include <string.h>
#include <unistd.h>
#include "log.h"
#include "vhost/rings.h"
#include "vring/vring_setup.h"
#include "worker/call.h"
#include "worker/worker.h"

/* The handler of SIGBUS has a slot for each id. */
_Static_assert(NFVD_GMEM_OWNERS == NFVD_PORTS_MAX, "a slot for each port");

uint64_t nfvd_vhost_features(unsigned int pairs)
{
	uint64_t f = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ANY_LAYOUT | 1ull << VIRTIO_F_IN_ORDER |
		     1ull << VU_F_PROTOCOL_FEATURES | 1ull << VIRTIO_RING_F_INDIRECT_DESC |
		     1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_CSUM |
		     1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6 | 1ull << VIRTIO_NET_F_HOST_ECN |
		     1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |
		     1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN;

	/*
	 * nfvd does not serve the control queue; the VMM does. Some VMMs pass it on and wait for ever, so a port with
	 * a single pair does not offer it.
	 */
	if (pairs > 1)
		f |= 1ull << VIRTIO_NET_F_CTRL_VQ | 1ull << VIRTIO_NET_F_CTRL_RX | 1ull << VIRTIO_NET_F_MQ;
	return f;
}

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

void nfvd_vhost_note(struct nfvd_vhost *v, enum nfvd_drop what, const char *text)
{
	pthread_mutex_lock(&v->lock);
	if (!v->leaving) {
		nfvd_fault(v->port, what, 1);
		if (text)
			nfvd_event(v->port->name, "%s", text);
	}
	pthread_mutex_unlock(&v->lock);
}

/* ---- descriptors to close ---- */

static void close_later(struct nfvd_vhost *v, int fd)
{
	if (fd >= 0)
		v->closing[v->n_closing++] = fd;
}

/* Call it without the lock: closing a peer's descriptor may take as long as its owner likes. */
static void close_now(struct nfvd_vhost *v)
{
	while (v->n_closing)
		close(v->closing[--v->n_closing]);
}

/* ---- messages ---- */

/* Take the message's first descriptor; -1 if it has none. */
static int take_fd(struct nfvd_vu_msg *msg)
{
	int fd = msg->n_fds == 1 ? msg->fds[0] : -1;

	if (fd >= 0)
		msg->fds[0] = -1;
	return fd;
}

static enum nfvd_drop set_features(struct nfvd_vhost *v, uint64_t features)
{
	if (features && features == v->features)
		return NFVD_PASS;
	nfvd_vhost_stop_all(v);
	v->features = features;
	atomic_store(&v->port->accepts, accepts_of(features));
	/* Without protocol features there is no message to enable a queue with. */
	for (unsigned int i = 0; !(features >> VU_F_PROTOCOL_FEATURES & 1) && i < 2 * v->queues; i++)
		v->vq[i].enabled = true;
	nfvd_vhost_start_all(v);
	return NFVD_PASS;
}

/* Map the new table before unmapping the old one, so that a refused table changes nothing. */
static enum nfvd_drop set_mem_table(struct nfvd_vhost *v, const struct nfvd_vu_msg *msg)
{
	struct nfvd_gmem_source src[VU_REGIONS_MAX];
	struct nfvd_gmem *new, *old;

	for (unsigned int i = 0; i < msg->payload.mem.n; i++) {
		struct nfvd_vu_region r;

		memcpy(&r, &msg->payload.mem.r[i], sizeof(r));
		src[i] = (struct nfvd_gmem_source){ r.gpa, r.size, r.uva, r.mmap_offset, msg->fds[i] };
	}
	new = nfvd_gmem_map(src, msg->payload.mem.n);
	if (!new)
		return NFVD_DROP_NO_MEMORY;
	pthread_mutex_lock(&v->lock);
	if (v->leaving) {
		old = new;
	} else {
		nfvd_vhost_stop_all(v);
		old = v->mem;
		v->mem = new;
		nfvd_gmem_own(v->port->id, new);
		nfvd_vhost_start_all(v);
	}
	pthread_mutex_unlock(&v->lock);
	nfvd_gmem_unmap(old);
	return NFVD_PASS;
}

static enum nfvd_drop set_kick(struct nfvd_vhost *v, unsigned int i, struct nfvd_vu_msg *msg)
{
	nfvd_vhost_stop(v, i);
	close_later(v, v->vq[i].kickfd);
	v->vq[i].kickfd = take_fd(msg);
	v->vq[i].kicked = true;
	return NFVD_PASS;
}

/* Replace the descriptor without stopping the ring: a VMM moves interrupts while traffic flows. */
static enum nfvd_drop set_call(struct nfvd_vhost *v, unsigned int i, struct nfvd_vu_msg *msg)
{
	struct nfvd_vring *r = nfvd_vhost_ring(v, i);
	int old = v->vq[i].call, fd = take_fd(msg);

	v->vq[i].call = fd < 0 ? NFVD_CALL_NONE : nfvd_vu_is_unix(fd) ? fd | NFVD_CALL_SOCKET : fd;
	if (r) {
		atomic_store(&r->call, v->vq[i].call);
		nfvd_quiesce();
		nfvd_call(v->vq[i].call);
	}
	close_later(v, old == NFVD_CALL_NONE ? -1 : old & ~NFVD_CALL_SOCKET);
	return NFVD_PASS;
}

static enum nfvd_drop set_addr(struct nfvd_vq *vq, struct nfvd_vhost *v, unsigned int i, const struct vhost_vring_addr *a)
{
	if (vq->has_addr && !memcmp(&vq->addr, a, sizeof(*a)))
		return NFVD_PASS;
	nfvd_vhost_stop(v, i);
	vq->addr = *a;
	vq->has_addr = true;
	return NFVD_PASS;
}

static enum nfvd_drop get_base(struct nfvd_vhost *v, unsigned int i, struct nfvd_vu_msg *msg)
{
	nfvd_vhost_stop(v, i);
	close_later(v, v->vq[i].kickfd);
	v->vq[i].kickfd = -1;
	v->vq[i].kicked = false;
	msg->payload.state = (struct vhost_vring_state){ i, v->vq[i].base };
	return NFVD_PASS;
}

/* Carry out a message about queue i, and start the queue if it has everything it needs. Context: v->lock held. */
static enum nfvd_drop queue_message(struct nfvd_vhost *v, unsigned int i, struct nfvd_vu_msg *msg, bool *responds)
{
	struct nfvd_vq *vq = &v->vq[i];
	struct vhost_vring_addr addr;

	switch (msg->request) {
	case VU_SET_VRING_NUM:
		nfvd_vhost_stop(v, i);
		vq->num = msg->payload.state.num;
		break;
	case VU_SET_VRING_BASE:
		nfvd_vhost_stop(v, i);
		vq->base = msg->payload.state.num;
		break;
	case VU_SET_VRING_ADDR:
		memcpy(&addr, &msg->payload.addr, sizeof(addr));
		set_addr(vq, v, i, &addr);
		break;
	case VU_SET_VRING_KICK:
		set_kick(v, i, msg);
		break;
	case VU_SET_VRING_CALL:
		set_call(v, i, msg);
		break;
	case VU_SET_VRING_ENABLE:
		vq->enabled = msg->payload.state.num;
		if (!vq->enabled)
			nfvd_vhost_stop(v, i);
		break;
	case VU_GET_VRING_BASE:
		*responds = true;
		return get_base(v, i, msg);
	}
	nfvd_vhost_start(v, i);
	return NFVD_PASS;
}

static void respond(struct nfvd_vu_msg *msg, uint64_t u64, bool *responds)
{
	msg->payload.u64 = u64;
	msg->size = sizeof(u64);
	*responds = true;
}

/* Messages about the device. Under the lock. */
static enum nfvd_drop device_message(struct nfvd_vhost *v, struct nfvd_vu_msg *msg, bool *responds)
{
	switch (msg->request) {
	case VU_GET_FEATURES:
		respond(msg, v->offered, responds);
		break;
	case VU_SET_FEATURES:
		return set_features(v, msg->payload.u64);
	case VU_GET_PROTOCOL_FEATURES:
		respond(msg, VU_PROTOCOL_OFFERED, responds);
		break;
	case VU_SET_PROTOCOL_FEATURES:
		v->protocol = msg->payload.u64;
		break;
	case VU_GET_QUEUE_NUM:
		v->asked_queues = true;
		respond(msg, v->queues, responds);
		break;
	case VU_SET_BACKEND_REQ_FD:
		close_later(v, v->request_fd);
		v->request_fd = take_fd(msg);
		break;
	}
	/* SET_OWNER says nothing to us; RESET_OWNER is deprecated, and to be ignored. */
	return NFVD_PASS;
}

static enum nfvd_drop obey(struct nfvd_vhost *v, struct nfvd_vu_msg *msg, bool *responds)
{
	int i = nfvd_vu_vring(msg);
	enum nfvd_drop why = NFVD_PASS;

	if (msg->request == VU_SET_MEM_TABLE)
		return set_mem_table(v, msg);
	pthread_mutex_lock(&v->lock);
	if (!v->leaving)
		why = i < 0 ? device_message(v, msg, responds) : queue_message(v, i, msg, responds);
	pthread_mutex_unlock(&v->lock);
	return why;
}

static void refuse_message(struct nfvd_vhost *v, const struct nfvd_vu_msg *msg, enum nfvd_drop why)
{
	pthread_mutex_lock(&v->lock);
	if (!v->leaving) {
		nfvd_fault(v->port, why, 1);
		nfvd_event(v->port->name, "vhost-user request %u refused: %s (%s)", msg->request, nfvd_reasons[why].name,
			   nfvd_reasons[why].help);
		v->mem_unshared |= why == NFVD_DROP_MEM_UNSHARED;
	}
	pthread_mutex_unlock(&v->lock);
}

enum nfvd_drop nfvd_vhost_message(struct nfvd_vhost *v, struct nfvd_vu_msg *msg, enum nfvd_drop why, bool *responds)
{
	*responds = false;
	if (why == NFVD_PASS)
		why = obey(v, msg, responds);
	if (why != NFVD_PASS)
		refuse_message(v, msg, why);
	close_now(v);
	pthread_mutex_lock(&v->lock);
	nfvd_vhost_update_state(v, NULL);
	pthread_mutex_unlock(&v->lock);
	return why;
}

bool nfvd_vhost_rx_unseen(struct nfvd_vhost *v)
{
	return !v->rx_seen && nfvd_vhost_ring(v, 0);
}

void nfvd_vhost_look(struct nfvd_vhost *v)
{
	pthread_mutex_lock(&v->lock);
	/* When it is leaving, the handler of SIGBUS does not know its memory any more. */
	if (!v->leaving && nfvd_vhost_rx_unseen(v))
		v->rx_seen = nfvd_vring_used(nfvd_vhost_ring(v, 0)->avail);
	pthread_mutex_unlock(&v->lock);
}

/* ---- connections ---- */

static void forget_peer(struct nfvd_vhost *v)
{
	v->features = v->protocol = 0;
	v->asked_queues = false;
	v->rx_seen = v->rx_silent = false;
	v->request_fd = -1;
	atomic_store(&v->marks, NULL);
	for (unsigned int i = 0; i < NFVD_VHOST_QUEUES_MAX; i++)
		v->vq[i] = (struct nfvd_vq){ .kickfd = -1, .call = NFVD_CALL_NONE, .reason = NFVD_PASS };
}

void nfvd_vhost_connected(struct nfvd_vhost *v)
{
	pthread_mutex_lock(&v->lock);
	forget_peer(v);
	v->connected = true;
	v->mem_unshared = false;
	nfvd_vhost_update_state(v, "connected");
	pthread_mutex_unlock(&v->lock);
}

void nfvd_vhost_disconnected(struct nfvd_vhost *v)
{
	struct nfvd_gmem *mem;

	pthread_mutex_lock(&v->lock);
	/* Detached: control has stopped the rings. */
	if (!v->leaving) {
		nfvd_vhost_stop_all(v);
		nfvd_gmem_own(v->port->id, NULL);
		nfvd_fault(v->port, NFVD_DROP_VU_DISCONNECT, 1);
		/* QEMU leaves in this way if it wants more queues. */
		v->wants_queues |= v->asked_queues && !v->features;
		if (v->asked_queues && !v->features)
			nfvd_event(v->port->name, "the peer asked how many queue pairs there are (%u), and left: "
				   "does its guest want more? attach it with 'queues N'", v->queues);
	}
	mem = v->mem;
	v->mem = NULL;
	v->connected = false;
	for (unsigned int i = 0; i < 2 * v->queues; i++) {
		close_later(v, v->vq[i].kickfd);
		close_later(v, v->vq[i].call == NFVD_CALL_NONE ? -1 : v->vq[i].call & ~NFVD_CALL_SOCKET);
	}
	close_later(v, v->request_fd);
	forget_peer(v);
	nfvd_vhost_update_state(v, "peer disconnected");
	pthread_mutex_unlock(&v->lock);
	close_now(v);
	nfvd_gmem_unmap(mem);
}
