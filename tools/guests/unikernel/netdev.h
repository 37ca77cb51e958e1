/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interface between net.c and a network device. All functions are called from
 * the main loop.
 */
#ifndef NETDEV_H
#define NETDEV_H

#include <stdbool.h>
#include <stdint.h>
#include "lwip/pbuf.h"

struct netdev_info {
	uint8_t mac[6];
	bool has_mac;
	uint16_t mtu;		/* 0: the device does not say */
	bool tx_csum;		/* completes TCP checksums */
	bool tx_gso;		/* cuts TCP over IPv4 into segments; then it has tx_csum, too */
};

/* Work that is left to the device in a frame; all 0: none. */
struct netdev_offload {
	uint16_t csum_start;	/* a checksum over the rest from here on ... */
	uint16_t csum_offset;	/* ... belongs this far behind its begin */
	uint16_t segment_bytes;	/* of payload in each segment */
	uint16_t header_bytes;	/* that each segment gets */
};

struct netdev {
	/* Find the device, whose place CMDLINE may name, and start it. stop() if there is none. */
	void (*open)(const char *cmdline, struct netdev_info *info);
	/* Pass received frames, at most BUDGET, to net_input(), and return buffers to the device. Return how many. */
	unsigned int (*poll)(unsigned int budget);
	/*
	 * Send FRAME: copy it, or take a reference until the device has sent it. Return false
	 * without room; poll() calls net_tx_ready() when there is room again.
	 */
	bool (*send)(struct pbuf *frame, const struct netdev_offload *offload);
	/* Notify the device of sent frames and new buffers. */
	void (*flush)(void);
	/* Return whether poll() has work; if not, the device will end the platform's sleep(). */
	bool (*ready)(void);
};

/* Consume FRAME. CSUM_OK: its TCP checksum need not be verified. */
void net_input(struct pbuf *frame, bool csum_ok);
void net_tx_ready(void);

#endif
