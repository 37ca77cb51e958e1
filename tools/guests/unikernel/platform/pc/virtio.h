/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtio 1: how a device is reached (one transport at a time), and split rings.
 *
 * The device is not trusted: what it writes is read once and checked, and the
 * state of a ring lies outside of it. See virtq_take().
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_ring.h>
#include "netdev.h"

#define QUEUE_MAX	256	/* descriptors; a power of two */

struct virtio_transport {
	uint64_t (*features)(void);
	void (*accept)(uint64_t features);
	uint8_t (*status)(void);
	void (*set_status)(uint8_t status);	/* 0: reset, done when it returns */
	void (*config)(unsigned int offset, uint8_t *to, unsigned int length);
	uint16_t (*queue_size)(uint16_t queue);	/* at most; 0: there is none */
	void (*queue_start)(uint16_t queue, uint16_t size, const void *desc, const void *avail, const void *used);
	void (*notify)(uint16_t queue);
	void (*irq_ack)(void);
};

/* The first device of this kind (VIRTIO_ID_), reset, or NULL; its interrupt is routed. */
const struct virtio_transport *virtio_mmio_find(uint32_t device, const char *cmdline);
const struct virtio_transport *virtio_pci_find(uint32_t device);

struct virtq_part {
	const void *data;
	uint32_t length;
};

struct virtq {
	/* The device reads the first two and writes the third. */
	struct vring_desc desc[QUEUE_MAX] __attribute__((aligned(4096)));
	struct {
		uint16_t flags, idx, ring[QUEUE_MAX];
	} avail __attribute__((aligned(64)));
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[QUEUE_MAX];
	} used __attribute__((aligned(64)));

	const struct virtio_transport *transport;
	const char *broken;		/* why the device is not listened to any more */
	uint16_t index, size;
	uint16_t avail_idx, used_idx;
	uint16_t notified_idx;		/* avail_idx at the last virtq_flush() */
	uint16_t free, n_free;		/* list of unused descriptors */
	uint16_t next[QUEUE_MAX];
	uint16_t parts[QUEUE_MAX];	/* of the chain that begins here; 0: the device has none */
};

/* False: the device has no such queue. */
bool virtq_start(struct virtq *q, const struct virtio_transport *transport, uint16_t index);
/* A chain; its first descriptor, or -1 without room. */
int virtq_add(struct virtq *q, const struct virtq_part *parts, unsigned int n, bool device_writes);
void virtq_flush(struct virtq *q);
/* Chains that the device says it is done with; 0 from a broken one. */
unsigned int virtq_used(struct virtq *q);
/* The next of those, -1 if it is not one that the device had: it is broken from then on. */
int virtq_take(struct virtq *q, uint32_t *length);
void virtq_interrupts(struct virtq *q, bool on);

extern const struct netdev virtio_net;
/* Its interrupt: takes back the device's request. */
void virtio_net_irq(void);

#endif
