// SPDX-License-Identifier: BSD-3-Clause
/*
 * Virtio over PCI (virtio 1.2, 4.1), on bus 0, with the interrupt line that the
 * firmware has routed: no message-signalled interrupts.
 */
#include <stddef.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include "console.h"
#include "pc.h"
#include "virtio.h"

#define CONFIG_ADDRESS		0xcf8
#define CONFIG_DATA		0xcfc
#define CONFIG_ENABLE		0x80000000u
#define SLOTS			32u

#define VENDOR			0x1af4u
#define MODERN(device)		(0x1040u + (device))
/* A transitional network device. */
#define TRANSITIONAL_NET	0x1000u

#define LINES			24u
#define MAPPED_BYTES		(1ull << 32)
#define QUEUES			2u

/* A part of the device's registers. */
struct window {
	uintptr_t base;
	uint32_t length;
};

static struct window common, notifications, isr, device_config;
static uint32_t notify_multiplier;
static uintptr_t notify_address[QUEUES];

static uint32_t pci_read(unsigned int slot, unsigned int offset)
{
	out32(CONFIG_ADDRESS, CONFIG_ENABLE | slot << 11 | (offset & 0xfc));
	return in32(CONFIG_DATA) >> (offset & 3) * 8;
}

static void pci_write(unsigned int slot, unsigned int offset, uint32_t value)
{
	out32(CONFIG_ADDRESS, CONFIG_ENABLE | slot << 11 | offset);
	out32(CONFIG_DATA, value);
}

#define COMMON(field)	(common.base + (field))

static uint64_t features(void)
{
	uint64_t low;

	write32(COMMON(VIRTIO_PCI_COMMON_DFSELECT), 0);
	low = read32(COMMON(VIRTIO_PCI_COMMON_DF));
	write32(COMMON(VIRTIO_PCI_COMMON_DFSELECT), 1);
	return (uint64_t)read32(COMMON(VIRTIO_PCI_COMMON_DF)) << 32 | low;
}

static void accept(uint64_t accepted)
{
	write32(COMMON(VIRTIO_PCI_COMMON_GFSELECT), 0);
	write32(COMMON(VIRTIO_PCI_COMMON_GF), (uint32_t)accepted);
	write32(COMMON(VIRTIO_PCI_COMMON_GFSELECT), 1);
	write32(COMMON(VIRTIO_PCI_COMMON_GF), (uint32_t)(accepted >> 32));
}

static uint8_t status(void)
{
	return read8(COMMON(VIRTIO_PCI_COMMON_STATUS));
}

static void set_status(uint8_t value)
{
	write8(COMMON(VIRTIO_PCI_COMMON_STATUS), value);
	while (!value && status())
		;
}

static void config(unsigned int offset, uint8_t *to, unsigned int length)
{
	for (; length && offset < device_config.length; length--)
		*to++ = read8(device_config.base + offset++);
}

static uint16_t queue_size(uint16_t queue)
{
	write16(COMMON(VIRTIO_PCI_COMMON_Q_SELECT), queue);
	return read16(COMMON(VIRTIO_PCI_COMMON_Q_SIZE));
}

static void write_address(unsigned int field, const void *address)
{
	write32(COMMON(field), (uint32_t)(uintptr_t)address);
	write32(COMMON(field + 4), (uint32_t)((uint64_t)(uintptr_t)address >> 32));
}

static void queue_start(uint16_t queue, uint16_t size, const void *desc, const void *avail, const void *used)
{
	uint64_t offset;

	write16(COMMON(VIRTIO_PCI_COMMON_Q_SELECT), queue);
	write16(COMMON(VIRTIO_PCI_COMMON_Q_SIZE), size);
	write_address(VIRTIO_PCI_COMMON_Q_DESCLO, desc);
	write_address(VIRTIO_PCI_COMMON_Q_AVAILLO, avail);
	write_address(VIRTIO_PCI_COMMON_Q_USEDLO, used);
	offset = (uint64_t)read16(COMMON(VIRTIO_PCI_COMMON_Q_NOFF)) * notify_multiplier;
	if (queue >= QUEUES || offset + sizeof(uint16_t) > notifications.length)
		stop("virtio-pci: a queue is notified where there is nothing");
	notify_address[queue] = notifications.base + offset;
	write16(COMMON(VIRTIO_PCI_COMMON_Q_ENABLE), 1);
}

static void notify(uint16_t queue)
{
	write16(notify_address[queue], queue);
}

static void irq_ack(void)
{
	read8(isr.base);
}

static const struct virtio_transport pci = {
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

/* Return the registers that the capability at CAP describes; empty if boot.S does not map them. */
static struct window window(unsigned int slot, unsigned int cap)
{
	unsigned int number = pci_read(slot, cap + VIRTIO_PCI_CAP_BAR) & 0xff;
	uint32_t offset = pci_read(slot, cap + VIRTIO_PCI_CAP_OFFSET);
	uint32_t length = pci_read(slot, cap + VIRTIO_PCI_CAP_LENGTH);
	uint64_t bar, high = 0;

	if (number > 5)
		return (struct window){ 0 };
	bar = pci_read(slot, PCI_BASE_ADDRESS_0 + 4 * number);
	if (bar & PCI_BASE_ADDRESS_SPACE_IO)
		return (struct window){ 0 };
	if (number < 5 && (bar & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		high = pci_read(slot, PCI_BASE_ADDRESS_0 + 4 * number + 4);
	bar = high << 32 | (bar & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
	if (!bar || bar + offset + length > MAPPED_BYTES)
		return (struct window){ 0 };
	return (struct window){ bar + offset, length };
}

/* The list of capabilities may be a loop, so their number is limited. */
static void find_windows(unsigned int slot)
{
	unsigned int cap = pci_read(slot, PCI_CAPABILITY_LIST) & 0xfc, i;

	for (i = 0; cap && i < 48; i++, cap = pci_read(slot, cap + PCI_CAP_LIST_NEXT) & 0xfc) {
		if ((pci_read(slot, cap) & 0xff) != PCI_CAP_ID_VNDR)
			continue;
		switch (pci_read(slot, cap + VIRTIO_PCI_CAP_CFG_TYPE) & 0xff) {
		case VIRTIO_PCI_CAP_COMMON_CFG:
			common = window(slot, cap);
			break;
		case VIRTIO_PCI_CAP_NOTIFY_CFG:
			notifications = window(slot, cap);
			notify_multiplier = pci_read(slot, cap + VIRTIO_PCI_NOTIFY_CAP_MULT);
			break;
		case VIRTIO_PCI_CAP_ISR_CFG:
			isr = window(slot, cap);
			break;
		case VIRTIO_PCI_CAP_DEVICE_CFG:
			device_config = window(slot, cap);
			break;
		}
	}
}

static bool open(unsigned int slot)
{
	unsigned int line = pci_read(slot, PCI_INTERRUPT_LINE) & 0xff;
	uint32_t command = pci_read(slot, PCI_COMMAND) & 0xffff;

	find_windows(slot);
	if (common.length < VIRTIO_PCI_COMMON_Q_USEDHI + 4 || !notifications.length || !isr.length ||
	    !device_config.length || line >= LINES)
		return false;
	command &= ~PCI_COMMAND_INTX_DISABLE;
	pci_write(slot, PCI_COMMAND, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	set_status(0);
	cpu_route_net_irq(line);
	return true;
}

const struct virtio_transport *virtio_pci_find(uint32_t device)
{
	unsigned int slot;

	for (slot = 0; slot < SLOTS; slot++) {
		uint32_t id = pci_read(slot, PCI_VENDOR_ID);

		if ((id & 0xffff) == VENDOR && (id >> 16 == MODERN(device) || id >> 16 == TRANSITIONAL_NET) &&
		    open(slot))
			return &pci;
	}
	return NULL;
}
