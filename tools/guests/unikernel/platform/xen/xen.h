/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PV domain of Xen: the functions that its files share. Include it before Xen's headers.
 *
 *	start.S xen.c		entry, mapping, events, time, shutdown
 *	pv_console.c		the console
 *	grant.c			pages that another domain may use
 *	xenstore.c		the xenstore, with data of the toolstack and backends
 *	vif.c			the network device: its life in the xenstore
 *	netfront.c		its frames
 *	netfront_ctrl.c		its control ring: pages that the backend may keep mapped
 *
 * The domain builder has mapped all pages one to one: address = 4096 * page number.
 * Pages of other domains, which have no such number, are mapped into windows.
 *
 * There are no interrupts: events are always masked, and sleep() polls them, so all
 * work is found by reading the rings. The other sides are not trusted: their data is
 * read once and checked, and the state of a ring is kept outside of it.
 */
#ifndef XEN_H
#define XEN_H

#define __XEN_INTERFACE_VERSION__ 0x00040e00

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include "cpu.h"
#include "memory.h"

/* For <xen/io/ring.h>. */
#define xen_mb()	full_barrier()
#define xen_rmb()	barrier()
#define xen_wmb()	barrier()

/* Map a page by its machine frame number, which must not come from another domain. */
void *xen_map(uint64_t mfn);
uint64_t xen_mfn(const void *page);

/* Make a channel that domain REMOTE may bind; its events end sleep(). */
evtchn_port_t event_new(domid_t remote);
/* Let events of PORT end sleep(), too. */
void event_listen(evtchn_port_t port);
void event_send(evtchn_port_t port);

void xen_sleep(uint64_t timeout_us, bool (*ready)(void));
/* Handle a request of the toolstack, see control/shutdown. */
void xen_shutdown_asked(void);

void pv_console_init(uint64_t mfn, evtchn_port_t port);
void pv_console_put_char(char c);

void grant_init(void);
/* Grant a page for ever. */
grant_ref_t grant_page(const void *page, domid_t to, bool readonly);

#endif
