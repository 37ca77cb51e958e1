/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses in use by the shortcut. A frame that is forwarded without nfvd (shortcut.h, table.h) keeps its source address
 * in use as a frame through nfvd does. The shortcut is queried for an address only on demand, so 100,000 of them cost
 * nothing.
 *
 * Context: all functions are for the control thread.
 */
#ifndef NFVD_SEEN_H
#define NFVD_SEEN_H

#include "port/fdb.h"

/* Return when key was last a source at port, on the clock of nfvd_now_ms(): then, or later if by the shortcut. */
uint32_t nfvd_seen_ms(uint64_t key, unsigned int port, uint32_t then);

/* Set the stamp of each entry that the module has seen since. */
void nfvd_seen_by_module(void);

/* Call nfvd_fdb_age() with nfvd_seen_ms(). */
uint32_t nfvd_seen_age(uint32_t from, uint32_t now_ms, uint32_t *next_ms);

#endif
