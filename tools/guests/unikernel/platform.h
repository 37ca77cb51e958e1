/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interface of a platform: platform/pc, a PC of QEMU with a virtio device;
 * platform/xen, a PV domain of Xen with a vif.
 */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netdev;

struct platform {
	const struct netdev *netdev;
	/* Called first; it may stop(). */
	void (*init)(const void *start_info, char *cmdline, size_t bytes);
	void (*put_char)(char c);		/* to the console */
	uint64_t (*now_us)(void);		/* since the start */
	/*
	 * Sleep until an event, or for TIMEOUT_US, unless READY returns true. READY is
	 * called so that no later event is missed.
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
