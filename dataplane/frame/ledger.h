/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger: what forwarding cost, per source port and destination port.
 *
 * A copy is one move of a frame's bytes from one buffer to another on the way from the sender's memory to the
 * receiver's. nfvd makes it, or the kernel on its behalf. Reading the first 128 bytes to decide is not
 * counted: these bytes are delivered from the private copy, and are not copied from the origin again.
 */
#ifndef NFVD_LEDGER_H
#define NFVD_LEDGER_H

#include <stdint.h>

struct nfvd_ledger {
	uint64_t frames;	/* delivered */
	uint64_t dropped;	/* frames lost at the destination: nfvd_tx_drop() */
	uint64_t bytes;		/* delivered */
	uint64_t copies;
	uint64_t copied_bytes;
	uint64_t syscalls;	/* to deliver (sendmmsg, eventfd writes) */
};

#endif
