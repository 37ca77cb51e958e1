// SPDX-License-Identifier: GPL-2.0
/* Port type xen: the session's calls. See vif.h. */
#include <linux/if_vlan.h>
#include "backend.h"

/* Connect the vif with the port. Return 0, -ENODEV or -EBUSY. Context: vif->lock held. */
static int join(struct nfvk_vif *vif, struct nfvk_port *port)
{
	if (vif->removed)
		return -ENODEV;
	if (rcu_access_pointer(vif->port))
		return -EBUSY;
	port->priv = vif;
	rcu_assign_pointer(port->dev, vif->dev);
	rcu_assign_pointer(vif->port, port);
	return 0;
}

static int attach(struct nfvk_port *port, const struct nfv_attach *args)
{
	struct nfvk_vif *vif = nfvk_vif_get(args->domid, args->devid);
	int err;

	if (!vif)
		return -ENODEV;
	mutex_lock(&vif->lock);
	err = join(vif, port);
	mutex_unlock(&vif->lock);
	if (err)
		nfvk_vif_put(vif);
	return err;
}

/* Take the vif from its port, and free the frames that wait for the guest. Context: vif->lock held. */
static void part(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	RCU_INIT_POINTER(port->dev, NULL);
	RCU_INIT_POINTER(vif->port, NULL);
	synchronize_rcu_expedited();
	for (unsigned int i = 0; vif->connected && i < vif->nr_queues; i++)
		nfvk_xen_purge(vif->queue[i]);
}

static void detach(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	mutex_lock(&vif->lock);
	if (rcu_access_pointer(port->dev))
		part(port);
	mutex_unlock(&vif->lock);
	nfvk_vif_put(vif);
}

void nfvk_xen_port_flush(struct nfvk_vif *vif)
{
	struct nfvk_port *port = rcu_dereference_protected(vif->port, lockdep_is_held(&vif->lock));

	for (unsigned int i = 0; port && i < port->nr_queues; i++)
		nfvk_queue_flush(&port->queue[i]);
}

void nfvk_xen_port_gone(struct nfvk_vif *vif)
{
	struct nfvk_port *port = rcu_dereference_protected(vif->port, lockdep_is_held(&vif->lock));

	if (!port)
		return;
	part(port);
	wake_up_interruptible(&port->session->wait);
}

/*
 * Return whether the frontend finds the open checksum. The protocol does not say where it is: xen-netfront looks for
 * TCP or UDP in IPv4 or IPv6 without a tag, and takes any super-frame for one of these.
 */
static bool found_by_frontend(const struct sk_buff *skb)
{
	u16 start, offset;

	return !skb_vlan_tag_present(skb) && nfvk_xen_csum_place(skb->data, skb_headlen(skb), &start, &offset) &&
	       !eth_type_vlan(((const struct ethhdr *)skb->data)->h_proto) &&
	       start == skb_checksum_start_offset(skb) && offset == skb->csum_offset;
}

static bool takes_csum(const struct nfvk_vif *vif, const struct sk_buff *skb)
{
	return skb->ip_summed != CHECKSUM_PARTIAL || (vif->accepts & NFV_ACCEPT_CSUM && found_by_frontend(skb));
}

static bool takes_gso(const struct nfvk_vif *vif, const struct sk_buff *skb)
{
	unsigned int type = skb_shinfo(skb)->gso_type;
	u32 needs = type & SKB_GSO_TCPV4 ? NFV_ACCEPT_TSO4 : type & SKB_GSO_TCPV6 ? NFV_ACCEPT_TSO6 : 0;

	/* A longer one (BIG TCP) has more slots than a frontend takes. */
	return !skb_is_gso(skb) ||
	       (skb->len <= NFV_FRAME_MAX && needs & vif->accepts && nfvk_gso_plain(skb) && found_by_frontend(skb));
}

/* Only frames in a guest's memory need the check: xmit() finishes all others. */
static bool takes(struct nfvk_port *port, const struct sk_buff *skb)
{
	const struct nfvk_vif *vif = port->priv;

	return !nfvk_in_guest(skb) || (takes_csum(vif, skb) && takes_gso(vif, skb));
}

/* Return whether a part of a frag_list (GRO makes such lists) has a frag_list itself, which cannot be copied. */
static bool has_lists_of_lists(const struct sk_buff *skb)
{
	const struct sk_buff *part;

	if (nfvk_in_guest(skb))
		return false;
	skb_walk_frags(skb, part)
		if (skb_has_frag_list(part))
			return true;
	return false;
}

/* Send a frame that the frontend accepts as it is; otherwise as xmit. */
static int xmit_one(struct nfvk_port *port, struct sk_buff *skb)
{
	struct nfvk_vif *vif = port->priv;
	u32 queue, len = skb->len;
	int err;

	/* Count it as sent: as with a NIC's filter, the frame arrived, and the receiver discards it. */
	if (nfvk_xen_filtered(vif, skb)) {
		nfvk_miss(port, NFV_MISS_RX_FILTERED);
		consume_skb(skb);
		return len;
	}
	if (!vif->sg && len > XEN_PAGE_SIZE) {
		err = -EMSGSIZE;
	} else {
		queue = vif->nr_queues > 1 ? reciprocal_scale(skb_get_hash(skb), vif->nr_queues) : 0;
		err = nfvk_xen_enqueue(vif->queue[queue], port->session, skb);
	}
	if (err)
		kfree_skb(skb);
	return err ?: len;
}

static int xmit_finished(struct nfvk_port *port, struct sk_buff *skb, bool gso)
{
	struct sk_buff *next;
	unsigned int lost;
	int sent = 0, err;

	skb = nfvk_finish(skb, gso, 0, &lost);
	err = lost ? -EINVAL : 0;
	skb_list_walk_safe(skb, skb, next) {
		int ret;

		skb_mark_not_on_list(skb);
		ret = xmit_one(port, skb);
		if (ret < 0)
			err = ret;
		else
			sent += ret;
	}
	return err ?: sent;
}

static int xmit(struct nfvk_port *port, struct sk_buff *skb)
{
	struct nfvk_vif *vif = port->priv;
	bool gso, csum;
	int err = 0;

	if (skb_vlan_tag_present(skb)) {
		skb = __vlan_hwaccel_push_inside(skb);
		if (!skb)
			return -ENOMEM;
	}
	if (unlikely(has_lists_of_lists(skb)) && __skb_linearize(skb))
		err = -ENOMEM;
	else if (!smp_load_acquire(&vif->connected))
		err = -ENETDOWN;
	gso = !takes_gso(vif, skb);
	csum = !takes_csum(vif, skb);
	if (!err && likely(!gso && !csum))
		return xmit_one(port, skb);
	/* takes() was true before, so the frontend's offloads have changed since. */
	if (!err && nfvk_in_guest(skb))
		err = -EINVAL;
	if (!err)
		return xmit_finished(port, skb, gso);
	kfree_skb(skb);
	return err;
}

static void flush(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!smp_load_acquire(&vif->connected))
		return;
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		if (!skb_queue_empty_lockless(&vif->queue[i]->waiting))
			nfvk_xen_deliver(vif->queue[i]);
}

static void kick(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!smp_load_acquire(&vif->connected))
		return;
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		if (!skb_queue_empty_lockless(&vif->queue[i]->waiting))
			napi_schedule(&vif->queue[i]->napi);
}

static void expire(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!rcu_access_pointer(port->dev) || !smp_load_acquire(&vif->connected))
		return;
	local_bh_disable();
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		nfvk_xen_deliver(vif->queue[i]);
		nfvk_xen_expire(vif->queue[i]);
	}
	local_bh_enable();
}

static void stats(struct nfvk_port *port, struct nfv_stats *stats)
{
	struct nfvk_vif *vif = port->priv;

	if (!rcu_access_pointer(port->dev))
		return;
	stats->accepts = vif->accepts;
	stats->grant_ops = atomic64_read(&vif->grants.ops);
	stats->grant_maps = atomic64_read(&vif->grants.maps);
	stats->mapped = atomic_read(&vif->grants.mapped);
	if (!smp_load_acquire(&vif->connected)) {
		stats->state |= NFV_STATE_DOWN;
		return;
	}
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		if (READ_ONCE(vif->queue[i]->broken))
			stats->state |= NFV_STATE_FENCED;
		if (READ_ONCE(vif->queue[i]->stalled))
			stats->state |= NFV_STATE_STALLED;
	}
}

const struct nfvk_port_ops nfvk_port_xen = {
	.attach = attach,
	.detach = detach,
	.xmit = xmit,
	.xmit_in_guest = xmit,
	.flush = flush,
	.kick = kick,
	.takes = takes,
	.expire = expire,
	.stats = stats,
	.xen = true,
};
