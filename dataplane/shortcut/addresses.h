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

/* So long after a change of the maps, no frame is on its way any more that was decided by the old ones. */
#define NFVD_SETTLE_NS	100000000ull

struct nfvd_address {
	struct shortcut_address key;
	struct shortcut_where where;
};

/* Set the map to the n entries of want, which have different keys. Takes want, which was allocated. */
void nfvd_addresses_set(struct nfvd_address *want, size_t n);
/* Take over what an earlier nfvd has put into the map as if this one had. */
void nfvd_addresses_adopt(void);
/*
 * Return the entries of the map, *n of them. After nfvd_addresses_adopt() seen_ns is as it was at that time. The
 * array is valid until the next change.
 */
const struct nfvd_address *nfvd_addresses(size_t *n);
/* Return when a frame from that address, at that port, last took the shortcut; 0: never. */
uint64_t nfvd_addresses_seen_ns(const struct shortcut_address *key, unsigned int port);
void nfvd_addresses_free(void);

#endif
