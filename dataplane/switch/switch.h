/* SPDX-License-Identifier: BSD-3-Clause */
/* The decision where frames go. */
#ifndef NFVD_SWITCH_H
#define NFVD_SWITCH_H

#include <string.h>
#include "switch/context.h"

/*
 * Forward n frames that were taken from q, until the work of one turn is used up. Return how many were forwarded, in
 * their order. The next frame may have reached some of its receivers already; q->flooded records that.
 * Context: worker.
 */
unsigned int nfvd_switch(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int n);

/* Whether link-local protocols (STP, LACP, LLDP; not pause frames) pass as multicast. Set by control. */
extern atomic_bool nfvd_link_local_forward;

/* IEEE 802.1Q table 8-1: 01-80-C2-00-00-00 to -0F stay on their link. */
static inline bool nfvd_link_local(const uint8_t *mac)
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !memcmp(mac, prefix, sizeof(prefix)) && mac[5] < 0x10;
}

/* Of a link-local destination: does the frame end here? A pause frame is for the sender's neighbour alone: IEEE 802.3 annex 31B. */
static inline bool nfvd_stays_on_link(const uint8_t *mac)
{
	return mac[5] == 1 || !atomic_load_explicit(&nfvd_link_local_forward, memory_order_relaxed);
}

#endif
