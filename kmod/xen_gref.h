/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Persistent grants, as in Xen's io/netif.h. (Linux's copy of that file, up to 6.12, lacks them.)
 *
 * Over the control ring a frontend names grants of a queue that it will use again and again. The backend keeps them
 * mapped, and copies with memcpy instead of a hypercall.
 *
 *	GET	data[0] = queue			response: data = how many may be mapped
 *	ADD	data[0] = queue			all or none
 *	DEL	data[0] = queue			each entry has its status; response: data = how many went
 *		data[1] = grant of a page of struct nfvk_xen_gref, writable
 *		data[2] = entries in it
 *
 * The frontend must not revoke a named grant before DEL has reported that it is unmapped, or the backend has closed.
 */
#ifndef NFVK_XEN_GREF_H
#define NFVK_XEN_GREF_H

#include <linux/types.h>

#define NFVK_XEN_CTRL_GET_GREF_MAPPING_SIZE	8
#define NFVK_XEN_CTRL_ADD_GREF_MAPPING		9
#define NFVK_XEN_CTRL_DEL_GREF_MAPPING		10

struct nfvk_xen_gref {			/* struct xen_netif_gref */
	__u32 ref;
	__u16 flags;			/* NFVK_XEN_GREF_* */
	__u16 status;			/* XEN_NETIF_CTRL_STATUS_*, of DEL */
};

#define NFVK_XEN_GREF_READONLY	1	/* the backend reads it only: a page for Tx */
#define NFVK_XEN_GREFS_OF_PAGE	512	/* entries of one list */

#endif
