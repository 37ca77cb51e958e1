/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What net.c wants from a network device, and the device from it. All is
 * called from the main loop.
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

/* What is left to the device in a frame; all 0: nothing. */
struct netdev_offload {
	uint16_t csum_start;	/* a checksum over the rest from here on ... */
	uint16_t csum_offset;	/* ... belongs this far behind its begin */
	uint16_t segment_bytes;	/* of payload in each segment */
	uint16_t header_bytes;	/* that each segment gets */
};

struct netdev {
	/* Finds the device and starts it; without one, stop()s. CMDLINE may say where it is. */
	void (*open)(const char *cmdline, struct netdev_info *info);
	/* Frames that came, at most BUDGET, to net_input(); buffers given back. How many. */
	unsigned int (*poll)(unsigned int budget);
	/*
	 * Takes a reference on FRAME until the device has sent it, or a copy. False if
	 * there is no room: poll() calls net_tx_ready() when there is.
	 */
	bool (*send)(struct pbuf *frame, const struct netdev_offload *offload);
	/* Tells the device of all that was sent and of new buffers. */
	void (*flush)(void);
	/* Whether poll() has something to do; if not, the device will end the platform's sleep(). */
	bool (*ready)(void);
};

/* Takes FRAME over. CSUM_OK: its TCP checksum need not be looked at. */
void net_input(struct pbuf *frame, bool csum_ok);
void net_tx_ready(void);

#endif
