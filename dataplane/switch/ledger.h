/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger: what forwarding cost, per source port and destination port.
 *
 * A copy is one move of a frame's bytes from one buffer to another, by nfvd or
 * by the kernel on its behalf, between the sender's memory and the receiver's.
 * Reading the first 128 bytes in order to decide is not counted as a copy: those
 * bytes travel from the private copy instead of, not in addition to, the origin.
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
