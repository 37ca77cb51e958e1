// SPDX-License-Identifier: BSD-3-Clause
/*
 * From PVH's start information to a host on the network.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>
#include "console.h"
#include "cpu.h"
#include "iperf.h"
#include "net.h"

#define CMDLINE_BYTES	1024

static char cmdline[CMDLINE_BYTES];

void main(const struct hvm_start_info *start) __attribute__((noreturn));

static void copy_cmdline(const struct hvm_start_info *start)
{
	const char *from = (const char *)(uintptr_t)start->cmdline_paddr;
	size_t i;

	for (i = 0; from && from[i] && i < sizeof(cmdline) - 1; i++)
		cmdline[i] = from[i];
}

/* Nobody has looked whether there is memory behind the image's zeroed part. */
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

void main(const struct hvm_start_info *start)
{
	if (start->magic != XEN_HVM_START_MAGIC_VALUE)
		stop("not started by PVH");
	check_memory(start);
	copy_cmdline(start);
	cpu_init();
	net_open(cmdline);
	iperf_open(cmdline);
	print("nfv-guest-ready after %u us\n", (unsigned int)now_us());
	net_run();
}
