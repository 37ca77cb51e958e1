/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtio 1: the transports of a device (one at a time), and split rings.
 *
 * The device is not trusted: its data is read once and checked, and the state of a
 * ring is kept outside of it. See virtq_take().
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

/* Find the first device of this kind (VIRTIO_ID_), reset it and route its interrupt. Return NULL if there is none. */
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
	const char *broken;		/* why the device is not used any more */
	uint16_t index, size;
	uint16_t avail_idx, used_idx;
	uint16_t notified_idx;		/* avail_idx at the last virtq_flush() */
	uint16_t free, n_free;		/* list of unused descriptors */
	uint16_t next[QUEUE_MAX];
	uint16_t parts[QUEUE_MAX];	/* descriptors of the chain that begins here; 0: the device does not have it */
};

/* Start a queue. Return false if the device does not have it. */
bool virtq_start(struct virtq *q, const struct virtio_transport *transport, uint16_t index);
/* Add a chain. Return its first descriptor, or -1 without room. */
int virtq_add(struct virtq *q, const struct virtq_part *parts, unsigned int n, bool device_writes);
void virtq_flush(struct virtq *q);
/* Return the number of chains that the device has used; 0 if the queue is broken. */
unsigned int virtq_used(struct virtq *q);
/* Take the next of these. Return -1 if the device did not have it: the queue is then broken. */
int virtq_take(struct virtq *q, uint32_t *length);
void virtq_interrupts(struct virtq *q, bool on);

extern const struct netdev virtio_net;
/* Acknowledge the device's interrupt. */
void virtio_net_irq(void);

#endif
