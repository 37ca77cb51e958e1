// SPDX-License-Identifier: BSD-3-Clause
/*
 * Split rings (virtio 1.2, 2.7).
 */
#include <stddef.h>
#include "cpu.h"
#include "virtio.h"

bool virtq_start(struct virtq *q, const struct virtio_transport *transport, uint16_t index)
{
	uint16_t size = transport->queue_size(index), i;

	if (!size)
		return false;
	q->size = QUEUE_MAX;
	while (q->size > size)
		q->size /= 2;
	q->transport = transport;
	q->index = index;
	q->n_free = q->size;
	for (i = 0; i < q->size; i++)
		q->next[i] = i + 1;
	transport->queue_start(index, q->size, q->desc, &q->avail, &q->used);
	return true;
}

int virtq_add(struct virtq *q, const struct virtq_part *parts, unsigned int n, bool device_writes)
{
	uint16_t head = q->free, d = head;
	unsigned int i;

	if (n > q->n_free)
		return -1;
	for (i = 0; i < n; i++) {
		q->desc[d] = (struct vring_desc){
			.addr = (uintptr_t)parts[i].data,
			.len = parts[i].length,
			.flags = (device_writes ? VRING_DESC_F_WRITE : 0) | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			.next = i + 1 < n ? q->next[d] : 0,
		};
		d = q->next[d];
	}
	q->free = d;
	q->n_free -= n;
	q->parts[head] = n;
	q->avail.ring[q->avail_idx++ & (q->size - 1)] = head;
	return head;
}

void virtq_flush(struct virtq *q)
{
	if (q->avail_idx == q->notified_idx)
		return;
	q->notified_idx = q->avail_idx;
	barrier();
	WRITE_ONCE(q->avail.idx, q->avail_idx);
	/* After the device clears the flag, it checks the ring again. */
	full_barrier();
	if (!(READ_ONCE(q->used.flags) & VRING_USED_F_NO_NOTIFY))
		q->transport->notify(q->index);
}

unsigned int virtq_used(struct virtq *q)
{
	uint16_t n = READ_ONCE(q->used.idx) - q->used_idx;

	if (n > q->size)
		q->broken = "used more than there is";
	barrier();
	return q->broken ? 0 : n;
}

int virtq_take(struct virtq *q, uint32_t *length)
{
	const struct vring_used_elem *used = &q->used.ring[q->used_idx & (q->size - 1)];
	uint32_t head = READ_ONCE(used->id);
	uint16_t d, n;

	*length = READ_ONCE(used->len);
	if (head >= q->size || !q->parts[head]) {
		q->broken = "used what it did not have";
		return -1;
	}
	q->used_idx++;
	n = q->parts[head];
	q->parts[head] = 0;
	q->n_free += n;
	for (d = head; --n;)
		d = q->next[d];
	q->next[d] = q->free;
	q->free = head;
	return (int)head;
}

void virtq_interrupts(struct virtq *q, bool on)
{
	WRITE_ONCE(q->avail.flags, on ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
	/* After interrupts are enabled, the caller checks the ring. */
	if (on)
		full_barrier();
}
