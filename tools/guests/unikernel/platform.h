/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the machine underneath does for the rest: platform/pc, a PC that QEMU
 * makes, with a virtio device; platform/xen, a PV domain of Xen, with a vif.
 */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netdev;

struct platform {
	const struct netdev *netdev;
	/* First of all; it may stop(). */
	void (*init)(const void *start_info, char *cmdline, size_t bytes);
	void (*put_char)(char c);		/* to the console */
	uint64_t (*now_us)(void);		/* since the start */
	/*
	 * Until something happens, or for TIMEOUT_US. Unless there is work: READY
	 * is asked such that nothing that happens afterwards is missed.
	 */
	void (*sleep)(uint64_t timeout_us, bool (*ready)(void));
	void (*halt)(void) __attribute__((noreturn));
};

extern const struct platform *platform;

static inline uint64_t now_us(void)
{
	return platform->now_us();
}

#endif
