/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The module's forwarding table: the shortcut for ports whose frames nfv.ko carries,
 * Xen guests and containers. See shortcut.h for what a shortcut may do, and struct
 * nfv_fdb_entry for what this one does.
 *
 * All functions: control thread.
 */
#ifndef NFVD_KMOD_TABLE_H
#define NFVD_KMOD_TABLE_H

#include "module/kmod.h"
#include "shortcut/learnt.h"

/* Set the table to the entries at ports of the module. on() returns whether a port's frames may take the table. */
void nfvd_kmod_table_sync(const struct nfvd_shortcut_entry *entries, size_t n, bool (*on)(unsigned int port));

/* Read from the module when each address was last a source. */
void nfvd_kmod_table_read(void);

/* Call cb for each address that was a source, as of the last sync or read. */
void nfvd_kmod_table_seen(void (*cb)(const struct nfvd_shortcut_entry *e, uint32_t idle_ms));

/*
 * Cumulative, by source and destination port id; dst NFVD_PORTS_MAX: ports that are gone.
 * copied: each frame was copied once.
 */
void nfvd_kmod_table_counters(void (*cb)(unsigned int src, unsigned int dst, const struct nfv_pair *p, bool copied, void *),
			      void *arg);

#endif
