// SPDX-License-Identifier: BSD-3-Clause
/*
 * A PC, entered by PVH.
 */
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>
#include "console.h"
#include "pc.h"
#include "platform.h"
#include "virtio.h"

static void copy_cmdline(const struct hvm_start_info *start, char *cmdline, size_t bytes)
{
	const char *from = (const char *)(uintptr_t)start->cmdline_paddr;
	size_t i;

	for (i = 0; from && from[i] && i < bytes - 1; i++)
		cmdline[i] = from[i];
}

/* Check that the image's zeroed part lies in memory, which the loader has not done. */
static void check_memory(const struct hvm_start_info *start)
{
	extern const char image_start[], image_end[];
	const struct hvm_memmap_table_entry *map = (const void *)(uintptr_t)start->memmap_paddr;
	uint64_t from = (uintptr_t)image_start, to = (uintptr_t)image_end;
	uint32_t i;

	if (!start->version || !map)
		return;
	for (i = 0; i < start->memmap_entries; i++)
		if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && map[i].addr <= from && map[i].addr + map[i].size >= to)
			return;
	stop("too little memory: it takes %u KiB", (unsigned int)(to / 1024));
}

static void init(const void *start_info, char *cmdline, size_t bytes)
{
	const struct hvm_start_info *start = start_info;

	if (start->magic != XEN_HVM_START_MAGIC_VALUE)
		stop("not started by PVH");
	check_memory(start);
	copy_cmdline(start, cmdline, bytes);
	cpu_init();
}

const struct platform pc = {
	.netdev = &virtio_net,
	.init = init,
	.put_char = serial_put_char,
	.now_us = cpu_now_us,
	.sleep = cpu_sleep,
	.halt = cpu_halt,
};
