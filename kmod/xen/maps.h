/* SPDX-License-Identifier: GPL-2.0 */
/* A table of grants that stay mapped, see maps.c. Unit tests compile that file with grant calls of their own. */
#ifndef NFVK_XEN_MAPS_H
#define NFVK_XEN_MAPS_H

#include <linux/atomic.h>
#include <linux/types.h>
#include "xen_gref.h"

#define NFVK_XEN_MAPS	1024	/* grants that one table takes */

/* The data that all tables of a guest share. */
struct nfvk_xen_grants {
	u32 domid;
	atomic64_t ops, maps;		/* copies by hypercall, and maps, ever */
	atomic_t mapped;		/* pages, now */
	void (*kick)(struct nfvk_xen_grants *g);	/* any context: refresh its tables soon */
};

extern unsigned int nfvk_xen_maps_max;	/* parameter: pages, of all guests */

struct nfvk_xen_maps *nfvk_xen_maps_new(struct nfvk_xen_grants *grants);	/* NULL: no memory */
void nfvk_xen_maps_free(struct nfvk_xen_maps *m);	/* a grace period after the last use: does not wait */

/* Return where the grant is mapped, or NULL. write: for writing. Context: under RCU, as the use of the address. */
void *nfvk_xen_map_addr(struct nfvk_xen_maps *m, u32 ref, bool write);

/* Add all grants of list or none. Return 0, -EINVAL, -EEXIST, -ENOSPC or -ENOMEM. Both may sleep; one call at a time. */
int nfvk_xen_maps_add(struct nfvk_xen_maps *m, const struct nfvk_xen_gref *list, unsigned int n);
/* Remove grants, and set the status of each. Return how many were in the table. */
unsigned int nfvk_xen_maps_del(struct nfvk_xen_maps *m, struct nfvk_xen_gref *list, unsigned int n);
void nfvk_xen_maps_refresh(struct nfvk_xen_maps *m);	/* unmap idle grants, map those that are used again */

#endif
