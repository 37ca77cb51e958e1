/* SPDX-License-Identifier: GPL-2.0 */
/* A table of grants that stay mapped; see maps.c. Unit tests compile it with grant calls of their own. */
#ifndef NFVK_XEN_MAPS_H
#define NFVK_XEN_MAPS_H

#include <linux/atomic.h>
#include <linux/types.h>
#include "xen_gref.h"

#define NFVK_XEN_MAPS	1024	/* grants that one table takes */

/* What a guest's tables have in common. */
struct nfvk_xen_grants {
	u32 domid;
	atomic64_t ops, maps;		/* copies by hypercall, and maps, ever */
	atomic_t mapped;		/* pages, now */
	void (*kick)(struct nfvk_xen_grants *g);	/* any context: refresh its tables soon */
};

extern unsigned int nfvk_xen_maps_max;	/* parameter: pages, of all guests */

struct nfvk_xen_maps *nfvk_xen_maps_new(struct nfvk_xen_grants *grants);	/* NULL: no memory */
void nfvk_xen_maps_free(struct nfvk_xen_maps *m);	/* nobody uses it any more, a grace period since: does not wait */

/* Under RCU, as the use of what it returns; write: for writing. NULL: it is not mapped. */
void *nfvk_xen_map_addr(struct nfvk_xen_maps *m, u32 ref, bool write);

/* May sleep, for a grace period; one at a time. add: all or none: 0, -EINVAL, -EEXIST, -ENOSPC, -ENOMEM. */
int nfvk_xen_maps_add(struct nfvk_xen_maps *m, const struct nfvk_xen_gref *list, unsigned int n);
/* Sets the status of each; returns how many there were. */
unsigned int nfvk_xen_maps_del(struct nfvk_xen_maps *m, struct nfvk_xen_gref *list, unsigned int n);
void nfvk_xen_maps_refresh(struct nfvk_xen_maps *m);	/* unmap what is idle, map what is used again */

#endif
