// SPDX-License-Identifier: GPL-2.0
/*
 * NFV_IOC_BATCH, in two passes over the operations:
 *
 *	prepare		may sleep and fault: copies to and from the daemon's memory (which may be a guest's, and
 *			change meanwhile), builds new frames, takes held ones
 *	transmit	with bottom halves off, so that receivers run once for the whole batch
 *
 * Accesses to the daemon's memory may fault, and the daemon can delay a fault for as long as it likes. So the batch
 * owns no frame in a guest's memory during such an access: frames taken before that operation are transmitted first.
 *
 * Everything in the daemon's memory is read once: operations into a private array, I/O vectors by import_iovec(),
 * payload straight into the frame.
 */
#include <linux/if_vlan.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>
#include "check.h"
#include "nfvk.h"
#include "trace.h"

#define FAST_IOV	8

static void count_copy_of(struct nfvk_session *s, u32 id, u32 bytes)
{
	struct nfvk_port *port;

	rcu_read_lock();
	port = nfvk_port_get(s, id);
	if (port)
		nfvk_count_copy(port, bytes);
	rcu_read_unlock();
}

/* ---- frames that are held ---- */

static int get_frame(struct nfvk_session *s, u64 handle, bool last, struct nfvk_held *held)
{
	struct nfvk_port *port;
	u32 id, queue, pos;
	int err = -ENOENT;

	if (!nfvk_handle_split(handle, &id, &queue, &pos))
		return -EINVAL;
	rcu_read_lock();
	port = nfvk_port_get(s, id);
	if (port)
		err = queue < port->nr_queues ? nfvk_queue_get(&port->queue[queue], pos, last, held) : -EINVAL;
	rcu_read_unlock();
	return err;
}

static bool is_last(const struct nfv_op *op)
{
	return op->flags & NFV_OP_LAST;
}

static int import(const struct nfv_op *op, int rw, struct iovec *fast, struct iovec **iov, struct iov_iter *iter)
{
	*iov = fast;
	return import_iovec(rw, u64_to_user_ptr(op->iov), op->iov_n, FAST_IOV, iov, iter);
}

/* Convert a frame offset to an skb offset: a tag in skb->vlan_tci is not among the skb's bytes. */
static u32 skb_offset(const struct sk_buff *skb, u32 offset)
{
	return skb_vlan_tag_present(skb) ? offset - VLAN_HLEN : offset;
}

static int copy_frame(const struct nfvk_held *held, const struct nfv_op *op)
{
	struct iovec fast[FAST_IOV], *iov;
	struct iov_iter iter;
	int err;

	if (op->offset < held->hdr_len || op->offset > held->len)
		return -EINVAL;
	err = import(op, READ, fast, &iov, &iter);
	if (err < 0)
		return err;
	if (iov_iter_count(&iter) < held->len - op->offset)
		err = -EMSGSIZE;
	else
		err = skb_copy_datagram_iter(held->skb, skb_offset(held->skb, op->offset), &iter,
					     held->len - op->offset);
	kfree(iov);
	return err ?: held->len - op->offset;
}

/* Copy a frame from its guest's memory, so that its slots are released before anything sleeps. */
static int fetch(struct nfvk_held *held, struct nfv_vnet_hdr *vnet)
{
	int err = nfvk_xen_fetch(&held->skb, vnet);

	if (err)
		kfree_skb(held->skb);
	return err;
}

static int do_copy(struct nfvk_session *s, struct nfv_op *op)
{
	struct nfv_vnet_hdr unused;
	struct nfvk_held held;
	int ret = get_frame(s, op->handle, is_last(op), &held);

	if (ret)
		return ret;
	op->copies = 1;
	if (nfvk_in_guest(held.skb)) {
		ret = fetch(&held, &unused);
		if (ret)
			return ret;
		op->copies++;
	}
	ret = copy_frame(&held, op);
	consume_skb(held.skb);
	if (ret > 0)
		count_copy_of(s, op->handle >> 40, ret);
	return ret;
}

static int do_drop(struct nfvk_session *s, const struct nfv_op *op)
{
	struct nfvk_held held;
	int err = get_frame(s, op->handle, true, &held);

	if (!err)
		consume_skb(held.skb);
	return err;
}

/*
 * Return whether the sender cannot change the headers that the daemon has seen. Headers that the kernel's stack wrote
 * are in the linear part, up to the open checksum. A packet socket's transmit ring, for example, leaves them in pages
 * that its owner can write.
 */
static bool headers_private(const struct sk_buff *skb, u32 shown)
{
	if (skb_headlen(skb) >= shown)
		return true;
	return skb->ip_summed == CHECKSUM_PARTIAL &&
	       skb_checksum_start_offset(skb) + skb->csum_offset + sizeof(__sum16) <= skb_headlen(skb);
}

/* Write the headers that were shown to the daemon back into the frame. */
static int restore_headers(struct sk_buff *skb, const struct nfvk_held *held)
{
	u32 tag = skb_vlan_tag_present(skb) ? VLAN_HLEN : 0, shown = held->hdr_len - tag;

	if (headers_private(skb, shown))
		return 0;
	if (skb_ensure_writable(skb, shown))
		return -ENOMEM;
	memcpy(skb->data, held->hdr, 2 * ETH_ALEN);
	memcpy(skb->data + 2 * ETH_ALEN, held->hdr + 2 * ETH_ALEN + tag, shown - 2 * ETH_ALEN);
	return 0;
}

/* Return whether port id accepts this frame while the frame is still in its guest's memory. */
static bool takes_in_guest(struct nfvk_session *s, u32 id, const struct sk_buff *skb)
{
	struct nfvk_port *port;
	bool takes;

	rcu_read_lock();
	port = nfvk_port_get(s, id);
	takes = port && port->ops->xmit_in_guest && rcu_access_pointer(port->dev) &&
		(!port->ops->takes || port->ops->takes(port, skb));
	rcu_read_unlock();
	return takes;
}

static bool is_xen(struct nfvk_session *s, u32 id)
{
	struct nfvk_port *port;
	bool xen;

	rcu_read_lock();
	port = nfvk_port_get(s, id);
	xen = port && port->ops->xen;
	rcu_read_unlock();
	return xen;
}

/*
 * Forward a frame in its guest's memory. It goes to another guest unchanged if this is its only reference and it need
 * not be finished. Otherwise it is copied to the kernel's memory, and checked like a frame from the daemon.
 */
static int forward_from_guest(struct nfvk_session *s, struct nfvk_held *held, struct nfv_op *op, bool xen,
			      struct sk_buff **out)
{
	int err;

	if (!skb_shared(held->skb) && takes_in_guest(s, op->port, held->skb)) {
		*out = held->skb;
		return 0;
	}
	err = fetch(held, &op->vnet);
	if (err)
		return err;
	op->copies = 1 + xen;
	op->code = NFV_OP_SEND;
	*out = held->skb;
	return 0;
}

static int do_forward(struct nfvk_session *s, struct nfv_op *op, struct sk_buff **out)
{
	bool xen = is_xen(s, op->port);
	struct nfvk_held held;
	struct sk_buff *skb;
	int err = get_frame(s, op->handle, is_last(op), &held);

	if (err)
		return err;
	/* A guest's frame that is no longer in the guest's memory has been copied from it. */
	op->copies = xen || is_xen(s, op->handle >> 40);
	if (nfvk_in_guest(held.skb))
		return forward_from_guest(s, &held, op, xen, out);
	/* Clone it if it stays held, or if another operation is copying from it. */
	skb = skb_share_check(held.skb, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	err = restore_headers(skb, &held);
	if (err) {
		kfree_skb(skb);
		return err;
	}
	/* The kernel set its offload fields, so they need no check (SKB_GSO_DODGY). */
	*out = skb;
	return 0;
}

/* ---- frames from the daemon's memory ---- */

static int build_frame(struct iov_iter *iter, struct sk_buff **out)
{
	size_t len = iov_iter_count(iter);
	struct sk_buff *skb;
	int err;

	if (len < ETH_HLEN)
		return -EINVAL;
	if (len > NFV_FRAME_MAX)
		return -EMSGSIZE;
	skb = nfvk_alloc_frame(len, GFP_KERNEL_ACCOUNT);
	if (!skb)
		return -ENOMEM;
	err = skb_copy_datagram_from_iter(skb, 0, iter, len);
	if (err) {
		kfree_skb(skb);
		return err;
	}
	skb_reset_mac_header(skb);
	*out = skb;
	return 0;
}

static int do_send(struct nfvk_session *s, struct nfv_op *op, struct sk_buff **out)
{
	struct iovec fast[FAST_IOV], *iov;
	struct iov_iter iter;
	int err = import(op, WRITE, fast, &iov, &iter);

	if (err < 0)
		return err;
	err = build_frame(&iter, out);
	kfree(iov);
	op->copies = 1 + is_xen(s, op->port);
	return err;
}

/* ---- the batch ---- */

static int prepare(struct nfvk_session *s, struct nfv_op *op, struct sk_buff **out)
{
	op->copies = 0;
	if (!nfvk_op_ok(op))
		return -EINVAL;
	switch (op->code) {
	case NFV_OP_COPY:
		return do_copy(s, op);
	case NFV_OP_SEND:
		return do_send(s, op, out);
	case NFV_OP_FORWARD:
		return do_forward(s, op, out);
	default:
		return do_drop(s, op);
	}
}

static bool set_device(struct sk_buff *skb, struct nfvk_port *port)
{
	skb->dev = rcu_dereference(port->dev);
	return skb->dev;
}

static int transmit(struct nfvk_session *s, const struct nfv_op *op, struct sk_buff *skb)
{
	struct nfvk_port *port = nfvk_port_get(s, op->port);
	u32 len = skb->len;
	int ret = 0;

	if (!port)
		ret = -ENOENT;
	else if (!set_device(skb, port))
		ret = -ENODEV;
	else if (op->code == NFV_OP_SEND)
		ret = nfvk_set_offloads(skb, &op->vnet);
	if (ret) {
		kfree_skb(skb);
		return ret;
	}
	ret = nfvk_port_xmit(port, skb);
	trace_tx(op->port, len, ret);
	if (ret > 0 && op->code == NFV_OP_SEND)
		nfvk_count_copy(port, ret);
	return ret;
}

static void flush(struct nfvk_session *s, u32 id)
{
	struct nfvk_port *port = nfvk_port_get(s, id);

	if (port && rcu_access_pointer(port->dev) && port->ops->flush)
		port->ops->flush(port);
}

/* Transmit the frames of operations first to end - 1. */
static void transmit_all(struct nfvk_session *s, struct nfv_op *ops, struct sk_buff **out, u32 first, u32 end)
{
	u32 last = NFV_PORTS_MAX;

	local_bh_disable();
	rcu_read_lock();
	for (u32 i = first; i < end; i++) {
		if (!out[i])
			continue;
		/* Flush when the port changes: frames of one port usually come in a row. */
		if (ops[i].port != last && last != NFV_PORTS_MAX)
			flush(s, last);
		last = ops[i].port;
		ops[i].result = transmit(s, &ops[i], out[i]);
	}
	if (last != NFV_PORTS_MAX)
		flush(s, last);
	rcu_read_unlock();
	local_bh_enable();
}

static bool touches_memory(const struct nfv_op *op)
{
	return op->code == NFV_OP_COPY || op->code == NFV_OP_SEND;
}

static void run(struct nfvk_session *s, struct nfv_op *ops, struct sk_buff **out, u32 n)
{
	bool frames = false, in_guest = false;
	u32 first = 0;

	for (u32 i = 0; i < n; i++) {
		if (in_guest && touches_memory(&ops[i])) {
			transmit_all(s, ops, out, first, i);
			first = i;
			frames = in_guest = false;
		}
		ops[i].result = prepare(s, &ops[i], &out[i]);
		if (out[i]) {
			frames = true;
			in_guest |= nfvk_in_guest(out[i]);
		}
		cond_resched();
	}
	if (frames)
		transmit_all(s, ops, out, first, n);
}

int nfvk_batch(struct nfvk_session *s, const struct nfv_batch *batch)
{
	struct nfv_op __user *user = u64_to_user_ptr(batch->ops);
	struct sk_buff **out;
	struct nfv_op *ops;
	int err = 0;

	ops = memdup_user(user, batch->n * sizeof(*ops));
	if (IS_ERR(ops))
		return PTR_ERR(ops);
	out = kcalloc(batch->n, sizeof(*out), GFP_KERNEL_ACCOUNT);
	if (!out) {
		err = -ENOMEM;
		goto free_ops;
	}
	run(s, ops, out, batch->n);
	for (u32 i = 0; i < batch->n && !err; i++)
		err = put_user(ops[i].result, &user[i].result) ?: put_user(ops[i].copies, &user[i].copies);
	kfree(out);
free_ops:
	kfree(ops);
	return err;
}
