/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Checks of what a caller passes, made before anything is done with it. All work on private copies, and none needs the
 * kernel: the unit tests compile this file, too.
 */
#ifndef NFVK_CHECK_H
#define NFVK_CHECK_H

#include <uapi/linux/nfv.h>

static inline bool nfvk_ring_entries_ok(__u32 n, __u32 max)
{
	return n >= NFV_RING_MIN && n <= max && !(n & (n - 1));
}

static inline bool nfvk_attach_ok(const struct nfv_attach *a, __u32 entries_max)
{
	if (a->type == NFV_PORT_NETDEV) {
		if (a->ifindex <= 0 || a->netns_fd < -1 || a->domid || a->devid)
			return false;
	} else if (a->type != NFV_PORT_XEN || a->ifindex || a->netns_fd != -1) {
		return false;
	}
	return a->queues && a->queues <= NFV_QUEUES_MAX && nfvk_ring_entries_ok(a->entries, entries_max) &&
	       !a->flags && !a->port && !a->map_bytes;
}

static inline bool nfvk_batch_ok(const struct nfv_batch *b)
{
	return b->n && b->n <= NFV_BATCH_MAX && !b->flags;
}

static inline bool nfvk_fdb_entry_ok(const struct nfv_fdb_entry *e)
{
	return e->vlan < 4096 && e->port < NFV_PORTS_MAX && !(e->flags & ~(NFV_FDB_FROM | NFV_FDB_TO)) && !(e->mac[0] & 1);
}

static inline bool nfvk_vnet_zero(const struct nfv_vnet_hdr *v)
{
	return !v->flags && !v->gso_type && !v->hdr_len && !v->gso_size && !v->csum_start && !v->csum_offset &&
	       !v->num_buffers;
}

/* Return whether an operation is valid: code and flags known, fields that it does not use are zero. */
static inline bool nfvk_op_ok(const struct nfv_op *op)
{
	bool frame = op->code != NFV_OP_SEND, iov = op->code == NFV_OP_COPY || op->code == NFV_OP_SEND;
	bool port = op->code == NFV_OP_SEND || op->code == NFV_OP_FORWARD;

	if (op->code < NFV_OP_COPY || op->code > NFV_OP_DROP)
		return false;
	if (op->flags && (op->flags != NFV_OP_LAST || (op->code != NFV_OP_COPY && op->code != NFV_OP_FORWARD)))
		return false;
	if (!frame && op->handle)
		return false;
	if (iov ? !op->iov_n || op->iov_n > NFV_IOV_MAX : op->iov_n || op->iov)
		return false;
	if (!port && op->port)
		return false;
	if (op->code != NFV_OP_COPY && op->offset)
		return false;
	return op->code == NFV_OP_SEND || nfvk_vnet_zero(&op->vnet);
}

/* Split a handle into its parts. Return false if it has bits that no handle has. */
static inline bool nfvk_handle_split(__u64 handle, __u32 *port, __u32 *queue, __u32 *pos)
{
	*pos = (__u32)handle;
	*queue = handle >> 32 & 0xff;
	*port = handle >> 40 & 0xffffff;
	return *queue < NFV_QUEUES_MAX && *port < NFV_PORTS_MAX;
}

/* Split an mmap() offset into its parts. Return false if one of them is out of range. */
static inline bool nfvk_mmap_split(__u64 offset, __u32 *port, __u32 *queue, __u32 *what)
{
	*what = offset >> 24 & 0xff;
	*queue = offset >> 32 & 0xff;
	*port = offset >> 40 & 0xffffff;
	return !(offset & 0xffffff) && *what <= NFV_MMAP_CONSUMER && *queue < NFV_QUEUES_MAX && *port < NFV_PORTS_MAX;
}

#endif
