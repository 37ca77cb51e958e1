/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where addresses are, as the shortcut's programs are told: what nfvd has put into the map "addresses".
 *
 * Context: control, while the programs are loaded (programs.h).
 */
#ifndef NFVD_SHORTCUT_ADDRESSES_H
#define NFVD_SHORTCUT_ADDRESSES_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include "shortcut/bpf/shortcut.h"

/* A frame that the filter sees now was decided by the maps of then at the latest so long ago. */
#define NFVD_SETTLE_NS	100000000ull

struct nfvd_address {
	struct shortcut_address key;
	struct shortcut_where where;
};

/* Make the map what the n entries of want say, each with another key. want was allocated, and is taken. */
void nfvd_addresses_set(struct nfvd_address *want, size_t n);
/* What an earlier nfvd put into the map becomes what we did. */
void nfvd_addresses_adopt(void);
/* Return what is in the map, *n entries; after nfvd_addresses_adopt() seen_ns is as it was then. Valid until the next change. */
const struct nfvd_address *nfvd_addresses(size_t *n);
/* Return when a frame from that address, at that port, took the shortcut last; 0: never. */
uint64_t nfvd_addresses_seen_ns(const struct shortcut_address *key, unsigned int port);
void nfvd_addresses_free(void);

#endif
