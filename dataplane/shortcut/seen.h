/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that are forwarded without nfvd (shortcut.h, table.h) keep an address in use as much as those that
 * nfvd forwards. Each such address is asked for only when somebody wants to know: 100,000 of them cost nothing.
 * All functions: control thread.
 */
#ifndef NFVD_SEEN_H
#define NFVD_SEEN_H

#include "switch/fdb.h"

/* The stamp, on the clock of nfvd_now_ms(), of when key was last a source at port: then, or later if by the shortcut. */
uint32_t nfvd_seen_ms(uint64_t key, unsigned int port, uint32_t then);

/* Set the stamp of each entry that the module has seen since. */
void nfvd_seen_by_module(void);

/* nfvd_fdb_age(), which asks these before it forgets. */
uint32_t nfvd_seen_age(uint32_t now_ms);

#endif
