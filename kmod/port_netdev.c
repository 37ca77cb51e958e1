// SPDX-License-Identifier: GPL-2.0
/*
 * Port type netdev: an Ethernet device of the host, usually the host end of a container's veth.
 *
 *	attach	register an rx_handler on the device, make it promiscuous, disable LRO
 *	gone	the device is unregistered, is moved to another namespace, or its namespace ends: the port stays,
 *		without a device
 *	detach	undo the steps of attach
 */
#include <linux/capability.h>
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/net_namespace.h>
#include "compat.h"
#include "nfvk.h"

#define SEGMENTS_MAX	2048	/* of a frame whose sender is not trusted: 64 KiB of the smallest MSS, 48, and BIG TCP */

static LIST_HEAD(ports);	/* under RTNL */

/* ---- receiving: softirq ---- */

/* Return the sender's queue if it is recorded, else this CPU's, so that a flow stays in order. */
static struct nfvk_queue *queue_of(struct nfvk_port *port, const struct sk_buff *skb)
{
	u32 n = skb_rx_queue_recorded(skb) ? skb_get_rx_queue(skb) : smp_processor_id();

	return &port->queue[n % port->nr_queues];
}

/* Forward skb to another port if the table allows it. Return false if skb is not consumed. */
static bool forward(struct nfvk_port *port, struct sk_buff *skb)
{
	struct nfvk_port *dst = nfvk_route(port, skb);

	if (!dst)
		return false;
	nfvk_forward(port, dst, skb);
	if (dst->ops->kick)
		dst->ops->kick(dst);
	return true;
}

/* Return whether the ABI's header can express the frame's offloads, so that the daemon can pass them on. */
static bool expressible(struct sk_buff *skb)
{
	return nfvk_csum_plain(skb, NFV_HDR_MAX - VLAN_HLEN) &&
	       (!skb_is_gso(skb) || (nfvk_gso_plain(skb) && skb->len <= NFV_FRAME_MAX - VLAN_HLEN));
}

/* Return whether this kernel's virtio_net_hdr can express the offloads: UDP_L4 is not in all of them. */
static bool has_word(const struct sk_buff *skb)
{
	struct virtio_net_hdr vnet;

	return !virtio_net_hdr_from_skb(skb, &vnet, true, true, 0);
}

static void put_finished(struct nfvk_port *port, struct nfvk_queue *q, struct sk_buff *skb)
{
	struct sk_buff *next;
	unsigned int lost;

	skb = nfvk_finish(skb, true, NFV_HDR_MAX - VLAN_HLEN, &lost);
	while (lost--)
		nfvk_miss(port, NFV_MISS_BAD_FRAME);
	skb_list_walk_safe(skb, skb, next) {
		skb_mark_not_on_list(skb);
		skb->dev = NULL;
		nfvk_queue_put(q, skb);
	}
}

static void receive(struct nfvk_port *port, struct sk_buff *skb)
{
	struct nfvk_queue *q = queue_of(port, skb);

	if (skb_orphan_frags_rx(skb, GFP_ATOMIC)) {
		nfvk_miss(port, NFV_MISS_NO_MEMORY);
		kfree_skb(skb);
		return;
	}
	/* The frame may be held, and passed on: remove references to its sender's objects, and data about them. */
	skb_scrub_packet(skb, true);
	skb_orphan(skb);
	skb_push(skb, skb->data - skb_mac_header(skb));
	/* No TCP makes such small segments: cutting them would only keep this CPU busy. */
	if (unlikely(skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_DODGY &&
		     skb->len / skb_shinfo(skb)->gso_size > SEGMENTS_MAX)) {
		nfvk_miss(port, NFV_MISS_BAD_FRAME);
		kfree_skb(skb);
		return;
	}
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	if (forward(port, skb))
		return;
	if (unlikely(!expressible(skb) || (skb_is_gso(skb) && !has_word(skb)))) {
		put_finished(port, q, skb);
		return;
	}
	skb->dev = NULL;
	nfvk_queue_put(q, skb);
}

static rx_handler_result_t handle_frame(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	struct nfvk_port *port = rcu_dereference(skb->dev->rx_handler_data);

	if (unlikely(skb->pkt_type == PACKET_LOOPBACK))
		return RX_HANDLER_PASS;
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (likely(skb))
		receive(port, skb);
	else
		nfvk_miss(port, NFV_MISS_NO_MEMORY);
	return RX_HANDLER_CONSUMED;
}

/* ---- transmitting: BH disabled, under RCU ---- */

static int xmit_one(struct net_device *dev, struct sk_buff *skb)
{
	u16 queue = dev->real_num_tx_queues > 1 ? netdev_pick_tx(dev, skb, NULL) : 0;

	return dev_direct_xmit(skb, queue) == NETDEV_TX_OK ? 0 : -ENOBUFS;
}

/*
 * Segment a frame that the device cannot segment itself (dev_direct_xmit() would drop it), and send the segments. Count
 * those that were sent, even if some failed.
 */
static int xmit_segments(struct nfvk_port *port, struct net_device *dev, struct sk_buff *skb, netdev_features_t features)
{
	struct sk_buff *segs = skb_gso_segment(skb, features & ~NETIF_F_GSO_MASK), *next;
	u32 n = 0, bytes = 0;
	int err = 0;

	if (IS_ERR_OR_NULL(segs)) {
		kfree_skb(skb);
		return -EINVAL;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, skb, next) {
		u32 len = skb->len;
		int failed;

		skb_mark_not_on_list(skb);
		failed = xmit_one(dev, skb);
		err = failed ?: err;
		n += !failed;
		bytes += failed ? 0 : len;
	}
	if (n)
		nfvk_count_tx(port, n, bytes);
	return err;
}

/* Return how many of the frame's first two tags are in its bytes, not in skb->vlan_tci. */
static unsigned int tags_in_bytes(const struct sk_buff *skb)
{
	unsigned int most = 2 - skb_vlan_tag_present(skb), n;
	__be16 bytes, *type;

	for (n = 0; n < most; n++) {
		type = skb_header_pointer(skb, ETH_HLEN - sizeof(bytes) + n * VLAN_HLEN, sizeof(bytes), &bytes);
		if (!type || !eth_type_vlan(*type))
			break;
	}
	return n;
}

/*
 * Check the frame's length against the device's MTU, which does not include tags. The kernel allows the length of one
 * tag beyond the MTU, and does not count a tag in skb->vlan_tci. So if the bytes contain two tags, move the outer one
 * there.
 */
static int check_length(const struct net_device *dev, struct sk_buff *skb)
{
	u32 max = READ_ONCE(dev->mtu) + ETH_HLEN;
	unsigned int tags;
	__be16 type;
	u16 tci;

	if (likely(skb_is_gso(skb) ? skb_gso_validate_mac_len(skb, max) : skb->len <= max))
		return 0;
	tags = tags_in_bytes(skb);
	max += tags * VLAN_HLEN;
	if (skb_is_gso(skb) ? !skb_gso_validate_mac_len(skb, max) : skb->len > max)
		return -EMSGSIZE;
	if (skb_is_gso(skb) || tags < 2)
		return 0;
	type = eth_hdr(skb)->h_proto;
	if (__skb_vlan_pop(skb, &tci))
		return -ENOMEM;
	__vlan_hwaccel_put_tag(skb, type, tci);
	return 0;
}

static int xmit(struct nfvk_port *port, struct sk_buff *skb)
{
	struct net_device *dev = skb->dev;
	u32 len = skb->len + (skb_vlan_tag_present(skb) ? VLAN_HLEN : 0);
	netdev_features_t features;
	int err = -ENETDOWN;

	if (netif_running(dev) && netif_carrier_ok(dev))
		err = check_length(dev, skb);
	if (err) {
		kfree_skb(skb);
		return err;
	}
	features = netif_skb_features(skb);
	if (skb_is_gso(skb) && !skb_gso_ok(skb, features | NETIF_F_GSO_ROBUST))
		return xmit_segments(port, dev, skb, features) ?: (int)len;
	err = xmit_one(dev, skb);
	if (err)
		return err;
	nfvk_count_tx(port, 1, len);
	return len;
}

/* ---- attaching ---- */

static int check_device(struct net_device *dev)
{
	if (dev->type != ARPHRD_ETHER || dev->flags & IFF_LOOPBACK || netif_is_bridge_master(dev) ||
	    dev->priv_flags & IFF_DONT_BRIDGE)
		return -EOPNOTSUPP;
	if (netdev_is_rx_handler_busy(dev) || netdev_master_upper_dev_get(dev))
		return -EBUSY;
	return 0;
}

/* Context: RTNL held. */
static int take_device(struct nfvk_port *port, struct net_device *dev)
{
	int err = check_device(dev);

	if (err)
		return err;
	err = dev_set_promiscuity(dev, 1);
	if (err)
		return err;
	dev_disable_lro(dev);
	rcu_assign_pointer(port->dev, dev);
	err = netdev_rx_handler_register(dev, handle_frame, port);
	if (err) {
		RCU_INIT_POINTER(port->dev, NULL);
		dev_set_promiscuity(dev, -1);
		return err;
	}
	netdev_hold(dev, &port->tracker, GFP_KERNEL);
	list_add(&port->all, &ports);
	return 0;
}

/* Undo take_device(). When it returns, no softirq and no batch uses the device for the port. Context: RTNL held. */
static void leave_device(struct nfvk_port *port)
{
	struct net_device *dev = rtnl_dereference(port->dev);

	if (!dev)
		return;
	RCU_INIT_POINTER(port->dev, NULL);
	netdev_rx_handler_unregister(dev);	/* waits for a grace period */
	dev_set_promiscuity(dev, -1);
	list_del_init(&port->all);
	netdev_put(dev, &port->tracker);
}

static struct net *net_of(const struct nfv_attach *args)
{
	struct net *net;

	if (args->netns_fd < 0)
		return get_net(current->nsproxy->net_ns);
	net = get_net_ns_by_fd(args->netns_fd);
	return IS_ERR(net) ? ERR_PTR(-EBADF) : net;
}

static int attach(struct nfvk_port *port, const struct nfv_attach *args)
{
	struct net *net = net_of(args);
	struct net_device *dev;
	int err = -ENODEV;

	if (IS_ERR(net))
		return PTR_ERR(net);
	if (!ns_capable(net->user_ns, CAP_NET_ADMIN)) {
		put_net(net);
		return -EPERM;
	}
	rtnl_lock();
	dev = __dev_get_by_index(net, args->ifindex);
	if (dev)
		err = take_device(port, dev);
	rtnl_unlock();
	put_net(net);
	return err;
}

static void detach(struct nfvk_port *port)
{
	rtnl_lock();
	leave_device(port);
	rtnl_unlock();
}

const struct nfvk_port_ops nfvk_port_netdev = {
	.attach = attach,
	.detach = detach,
	.xmit = xmit,
};

static int on_event(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct nfvk_port *port;

	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	list_for_each_entry(port, &ports, all)
		if (rtnl_dereference(port->dev) == dev) {
			leave_device(port);
			wake_up_interruptible(&port->session->wait);
			break;
		}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = on_event };

int nfvk_netdev_init(void)
{
	return register_netdevice_notifier(&notifier);
}

void nfvk_netdev_fini(void)
{
	unregister_netdevice_notifier(&notifier);
}
