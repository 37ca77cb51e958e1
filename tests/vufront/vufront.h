/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user frontend: a guest without a VM.
 *
 * The guest's memory is a memfd, and the caller is its driver. Nothing is hidden:
 * the caller can write anything into descriptors, avail and used rings, and send
 * any message. So the same code makes valid traffic and attacks.
 *
 *	struct vuf f;
 *	struct vuf_options o = { .wanted = VUF_NET_FEATURES };
 *
 *	vuf_init(&f, &o);			memory and rings
 *	vuf_connect(&f, "/run/nfvd/a.sock");	or vuf_listen(), vuf_accept()
 *	vuf_start(&f);				the handshake, as QEMU does it
 *	buf = vuf_alloc(&f, 2048, 64);
 *	vuf_set_desc(&f, &f.vq[VUF_TX(0)], 0, buf, len, 0);
 *	vuf_post(&f.vq[VUF_TX(0)], 0);
 *	vuf_publish(&f.vq[VUF_TX(0)]);		kicks if the device asks for it
 *	while (vuf_used(&f.vq[VUF_TX(0)], &id, &len)) ...
 *	vuf_stop(&f);				vuf_start() may follow
 *	vuf_fini(&f);
 *
 * Functions that return int return 0 or -errno; -ETIMEDOUT after timeout_ms
 * without progress on the socket, -ECONNRESET when the backend has closed it,
 * -EPROTO for a malformed response. Not thread-safe; one thread per vuf.
 *
 * Barriers, named as in the virtio specification 1.2, section 2.7:
 *	A	entries of the avail ring before avail->idx	(release; device: acquire)
 *	B	avail->idx before used->flags or avail_event	(full; device: full)
 *	C	used->idx before entries of the used ring	(acquire; device: release)
 */
#ifndef VUFRONT_H
#define VUFRONT_H

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "vhost/msg.h"

#define VUF_PAIRS_MAX	8
#define VUF_RX(pair)	(2 * (pair))
#define VUF_TX(pair)	(2 * (pair) + 1)

#define VUF_F_PROTOCOL		30	/* VHOST_USER_F_PROTOCOL_FEATURES, a feature bit */
#define VUF_PROTOCOL_MQ		0	/* protocol feature bits */
#define VUF_PROTOCOL_REPLY_ACK	3

/* The features that an ordinary driver requests, without offloads. */
#define VUF_NET_FEATURES (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ANY_LAYOUT | \
			  1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VUF_F_PROTOCOL)

struct vuf_options {
	uint64_t wanted;	/* feature bits to negotiate, if offered */
	unsigned int pairs;	/* queue pairs; 0: 1 */
	unsigned int ring_size;	/* entries of every ring; 0: 256 */
	unsigned int regions;	/* memory regions, of equal size, a gap between them; 0: 1 */
	uint64_t gpa;		/* guest physical address of the first; 0: 0x100000 */
	size_t mem_bytes;	/* all regions together; 0: 16 MiB */
	bool huge;		/* in huge pages of 2 MiB, of which mem_bytes are a multiple */
	int timeout_ms;		/* of each wait for the socket; 0: 20000 */
};

/* One split virtqueue, as its driver sees it. */
struct vuf_vring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t size, mask;
	uint16_t avail_idx;	/* entries put, published or not */
	uint16_t published;	/* avail->idx as last written */
	uint16_t last_used;	/* used entries read */
	bool event_idx, rx;
	int kickfd, callfd;	/* eventfds, made by vuf_init */
	uint64_t kicks;
	/* Only after vuf_make_buffers(): descriptor i is buffer i. */
	const struct vuf *f;
	uint8_t *bufs;
	uint32_t buf_bytes, n_free;
	uint16_t *free_ids;
};

typedef void (*vuf_rx_fn)(void *arg, const uint8_t *buf, uint32_t bytes);

struct vuf {
	int sock, listener;	/* -1: none */
	int timeout_ms;
	int memfd;
	uint8_t *mem;		/* all regions, one after the other */
	size_t mem_bytes, mem_taken;
	unsigned int n_regions, n_vq;
	struct nfvd_vu_region region[VU_REGIONS_MAX];	/* may be changed before vuf_start() */
	uint64_t wanted, offered, features;		/* features: negotiated */
	uint64_t protocol_offered, protocol;
	struct vuf_vring vq[2 * VUF_PAIRS_MAX];
};

int vuf_make_memory(struct vuf *f, const struct vuf_options *o);	/* of vuf_init() */
int vuf_make_ring(struct vuf *f, unsigned int i, unsigned int size);	/* of vuf_init() */
int vuf_init(struct vuf *f, const struct vuf_options *o);
void vuf_fini(struct vuf *f);	/* closes and unmaps everything; also after a failed vuf_init() */

/* The socket. vuf_listen() takes the place of a socket file that is there. */
int vuf_connect(struct vuf *f, const char *path);
int vuf_listen(struct vuf *f, const char *path);
int vuf_accept(struct vuf *f);
void vuf_disconnect(struct vuf *f);	/* as if the guest was killed */
int vuf_wait_closed(struct vuf *f);	/* until the backend closes the connection */

/* The handshake, and its steps, for tests that change it. */
int vuf_start(struct vuf *f);
int vuf_stop(struct vuf *f);		/* disables and stops every ring; what is posted stays */
int vuf_negotiate(struct vuf *f);
int vuf_set_mem_table(struct vuf *f);
int vuf_ring_start(struct vuf *f, unsigned int i);
int vuf_ring_enable(struct vuf *f, unsigned int i, bool on);
int vuf_ring_stop(struct vuf *f, unsigned int i, uint16_t *base);

/* Clear the rings, as a driver does after a reset of the device. */
void vuf_ring_reset(struct vuf_vring *r);

/*
 * Raw messages. vuf_send() sends size bytes at payload and n_fds descriptors, which
 * stay the caller's. vuf_recv(): descriptors of the answer are the caller's.
 * vuf_ask() sends, and takes the answer's number. vuf_tell() sends, and if
 * REPLY_ACK was negotiated waits for the answer: -EREMOTEIO if it is a refusal.
 */
int vuf_send(struct vuf *f, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds,
	     unsigned int n_fds);
int vuf_recv(struct vuf *f, struct nfvd_vu_msg *reply);
int vuf_ask(struct vuf *f, uint32_t request, uint64_t *value);
int vuf_tell(struct vuf *f, uint32_t request, const void *payload, uint32_t size, const int *fds,
	     unsigned int n_fds);

/* Allocate zeroed guest memory within one region. It is never freed. Return NULL without room. */
void *vuf_alloc(struct vuf *f, size_t bytes, size_t align);
uint64_t vuf_gpa(const struct vuf *f, const void *p);	/* of memory that vuf_alloc() gave */

void vuf_set_desc(const struct vuf *f, struct vuf_vring *r, uint16_t i, const void *p, uint32_t bytes,
		  uint16_t flags);

/*
 * Whole frames, for those who need not look into the rings. vuf_make_buffers() gives
 * every descriptor a buffer; vuf_rx_fill() posts those that are free. vuf_rx_reap()
 * hands each filled buffer to fn, its virtio_net_hdr first, posts it again and kicks
 * if asked; it returns how many. vuf_tx_post() copies header (NULL: zeros) and frame
 * into a free buffer, -ENOBUFS if there is none; vuf_publish() is up to the caller.
 */
int vuf_make_buffers(struct vuf *f, struct vuf_vring *r, uint32_t bytes);
void vuf_rx_fill(struct vuf_vring *r);
unsigned int vuf_rx_reap(struct vuf_vring *r, vuf_rx_fn fn, void *arg);
int vuf_tx_post(struct vuf_vring *r, const void *hdr, size_t hdr_bytes, const void *frame, size_t bytes);
unsigned int vuf_tx_reap(struct vuf_vring *r);

int vuf_kick(struct vuf_vring *r);	/* always, even if not requested */
int vuf_wait_call(struct vuf *f, struct vuf_vring *r);	/* until the device interrupts */

/* Put descriptor id in the avail ring; the device sees it after vuf_publish(). */
static inline void vuf_post(struct vuf_vring *r, uint16_t id)
{
	uint16_t *at = &r->avail->ring[r->avail_idx++ & r->mask];

	/* If the entry is unchanged, do not write, so that the cache line stays shared. */
	if (*at != id)
		*at = id;
}

/* The index at which the device requests the next kick, with event_idx. */
static inline volatile uint16_t *vuf_avail_event(const struct vuf_vring *r)
{
	return (volatile uint16_t *)(void *)((uint8_t *)r->used + sizeof(*r->used) +
					     sizeof(struct vring_used_elem) * r->size);
}

static inline uint8_t *vuf_buf(const struct vuf_vring *r, uint16_t i)
{
	return r->bufs + (size_t)i * r->buf_bytes;
}

/* Publish posted entries. Return true if the device had to be kicked. */
static inline bool vuf_publish(struct vuf_vring *r)
{
	uint16_t old = r->published, new = r->avail_idx;
	bool want;

	if (old == new)
		return false;
	__atomic_store_n(&r->avail->idx, new, __ATOMIC_RELEASE);	/* A */
	r->published = new;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);			/* B */
	if (r->event_idx)
		want = vring_need_event(*vuf_avail_event(r), new, old);
	else
		want = !(*(volatile uint16_t *)&r->used->flags & VRING_USED_F_NO_NOTIFY);
	return want && !vuf_kick(r);
}

/* Return the number of unread used entries. */
static inline uint16_t vuf_used_ready(const struct vuf_vring *r)
{
	return __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - r->last_used;	/* C */
}

/* Take the next used entry. Return false if there is none. */
static inline bool vuf_used(struct vuf_vring *r, uint32_t *id, uint32_t *bytes)
{
	const struct vring_used_elem *e = &r->used->ring[r->last_used & r->mask];

	if (!vuf_used_ready(r))
		return false;
	*id = e->id;
	*bytes = e->len;
	r->last_used++;
	return true;
}

#endif
