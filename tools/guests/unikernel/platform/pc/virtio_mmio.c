// SPDX-License-Identifier: BSD-3-Clause
/*
 * Virtio over memory-mapped registers (virtio 1.2, 4.2), at the place that the
 * command line names as it does for Linux: virtio_mmio.device=SIZE@ADDRESS:LINE.
 */
#include <stddef.h>
#include <linux/virtio_mmio.h>
#include "cmdline.h"
#include "pc.h"
#include "virtio.h"

#define MAGIC	0x74726976

static uintptr_t base;

static uint64_t features(void)
{
	uint64_t low;

	write32(base + VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	low = read32(base + VIRTIO_MMIO_DEVICE_FEATURES);
	write32(base + VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	return (uint64_t)read32(base + VIRTIO_MMIO_DEVICE_FEATURES) << 32 | low;
}

static void accept(uint64_t accepted)
{
	write32(base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	write32(base + VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)accepted);
	write32(base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	write32(base + VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(accepted >> 32));
}

static uint8_t status(void)
{
	return (uint8_t)read32(base + VIRTIO_MMIO_STATUS);
}

static void set_status(uint8_t value)
{
	write32(base + VIRTIO_MMIO_STATUS, value);
}

static void config(unsigned int offset, uint8_t *to, unsigned int length)
{
	while (length--)
		*to++ = *(const volatile uint8_t *)(base + VIRTIO_MMIO_CONFIG + offset++);
}

static uint16_t queue_size(uint16_t queue)
{
	uint32_t size;

	write32(base + VIRTIO_MMIO_QUEUE_SEL, queue);
	size = read32(base + VIRTIO_MMIO_QUEUE_NUM_MAX);
	return size > UINT16_MAX ? UINT16_MAX : (uint16_t)size;
}

static void write_address(unsigned int low, const void *address)
{
	write32(base + low, (uint32_t)(uintptr_t)address);
	write32(base + low + 4, (uint32_t)((uint64_t)(uintptr_t)address >> 32));
}

static void queue_start(uint16_t queue, uint16_t size, const void *desc, const void *avail, const void *used)
{
	write32(base + VIRTIO_MMIO_QUEUE_SEL, queue);
	write32(base + VIRTIO_MMIO_QUEUE_NUM, size);
	write_address(VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
	write_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
	write_address(VIRTIO_MMIO_QUEUE_USED_LOW, used);
	write32(base + VIRTIO_MMIO_QUEUE_READY, 1);
}

static void notify(uint16_t queue)
{
	write32(base + VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

static void irq_ack(void)
{
	write32(base + VIRTIO_MMIO_INTERRUPT_ACK, read32(base + VIRTIO_MMIO_INTERRUPT_STATUS));
}

static const struct virtio_transport mmio = {
	.features = features,
	.accept = accept,
	.status = status,
	.set_status = set_status,
	.config = config,
	.queue_size = queue_size,
	.queue_start = queue_start,
	.notify = notify,
	.irq_ack = irq_ack,
};

const struct virtio_transport *virtio_mmio_find(uint32_t device, const char *cmdline)
{
	const char *p = cmdline;

	while ((p = option(p, "virtio_mmio.device="))) {
		uint64_t address, line;

		while (*p && *p != ' ' && *p != '@')
			p++;
		if (*p != '@' || !number(&p, 1, UINT32_MAX, &address) || *p != ':' || !number(&p, 1, 23, &line))
			continue;
		base = address;
		if (read32(base + VIRTIO_MMIO_MAGIC_VALUE) != MAGIC || read32(base + VIRTIO_MMIO_VERSION) != 2 ||
		    read32(base + VIRTIO_MMIO_DEVICE_ID) != device)
			continue;
		set_status(0);
		cpu_route_net_irq((unsigned int)line);
		return &mmio;
	}
	return NULL;
}
