// SPDX-License-Identifier: GPL-2.0
/* nfv-netfront.ko: the network device's operations. See netfront.h. */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include "netfront.h"

void netfront_up(struct netfront *nf)
{
	if (nf->going || !nf->connected || !netif_running(nf->dev))
		return;
	nf->going = true;
	for (unsigned int i = 0; i < nf->nr_queues; i++) {
		napi_enable(&nf->queue[i].napi);
		netfront_kick(&nf->queue[i]);
	}
	netif_tx_wake_all_queues(nf->dev);
}

void netfront_down(struct netfront *nf)
{
	if (!nf->going)
		return;
	nf->going = false;
	/* End polls first: they wake queues, and arm the refill. */
	for (unsigned int i = 0; i < nf->nr_queues; i++) {
		napi_disable(&nf->queue[i].napi);
		cancel_delayed_work_sync(&nf->queue[i].refill);
	}
	netif_tx_disable(nf->dev);
}

#define OFFLOADS	(NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_TSO | NETIF_F_TSO6)

static int netdev_open(struct net_device *dev)
{
	netfront_up(netdev_priv(dev));
	return 0;
}

static int netdev_stop(struct net_device *dev)
{
	netfront_down(netdev_priv(dev));
	return 0;
}

static netdev_features_t fix_features(struct net_device *dev, netdev_features_t features)
{
	struct netfront *nf = netdev_priv(dev);

	return features & (nf->offers | ~(netdev_features_t)OFFLOADS);
}

static void read_count(const struct netfront_count *c, u64 *packets, u64 *bytes, u64 *dropped)
{
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&c->syncp);
		*packets = u64_stats_read(&c->packets);
		*bytes = u64_stats_read(&c->bytes);
		*dropped = u64_stats_read(&c->dropped);
	} while (u64_stats_fetch_retry(&c->syncp, start));
}

static void get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	struct netfront *nf = netdev_priv(dev);
	u64 packets, bytes, dropped;

	for (unsigned int i = 0; i < nf->max_queues; i++) {
		read_count(&nf->queue[i].tx_count, &packets, &bytes, &dropped);
		s->tx_packets += packets;
		s->tx_bytes += bytes;
		s->tx_dropped += dropped;
		read_count(&nf->queue[i].rx_count, &packets, &bytes, &dropped);
		s->rx_packets += packets;
		s->rx_bytes += bytes;
		s->rx_dropped += dropped;
	}
}

static const struct net_device_ops netdev_ops = {
	.ndo_open = netdev_open,
	.ndo_stop = netdev_stop,
	.ndo_start_xmit = netfront_xmit,
	.ndo_get_stats64 = get_stats64,
	.ndo_fix_features = fix_features,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

/* The counters of each queue that ethtool -S prints. */
static const char *const stat_names[] = {
	"persistent", "tx_packets", "tx_bytes", "tx_dropped", "rx_packets", "rx_bytes", "rx_dropped",
	"rx_lent",			/* frames passed to the stack in the persistent pages */
	"staged",			/* 1: frames are copied to and from persistent pages */
};

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "nfv-netfront", sizeof(info->driver));
	strscpy(info->bus_info, dev_name(dev->dev.parent), sizeof(info->bus_info));
}

static int get_sset_count(struct net_device *dev, int set)
{
	struct netfront *nf = netdev_priv(dev);

	return set == ETH_SS_STATS ? nf->max_queues * ARRAY_SIZE(stat_names) : -EOPNOTSUPP;
}

static void get_strings(struct net_device *dev, u32 set, u8 *to)
{
	struct netfront *nf = netdev_priv(dev);

	for (unsigned int i = 0; i < nf->max_queues; i++)
		for (unsigned int k = 0; k < ARRAY_SIZE(stat_names); k++)
			ethtool_sprintf(&to, "queue_%u_%s", i, stat_names[k]);
}

static void get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *to)
{
	struct netfront *nf = netdev_priv(dev);

	for (unsigned int i = 0; i < nf->max_queues; i++, to += ARRAY_SIZE(stat_names)) {
		to[0] = READ_ONCE(nf->queue[i].persistent);
		read_count(&nf->queue[i].tx_count, &to[1], &to[2], &to[3]);
		read_count(&nf->queue[i].rx_count, &to[4], &to[5], &to[6]);
		to[7] = READ_ONCE(nf->queue[i].rx_lent);
		to[8] = READ_ONCE(nf->queue[i].staged);
	}
}

static const struct ethtool_ops ethtool_ops = {
	.get_drvinfo = get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_sset_count = get_sset_count,
	.get_strings = get_strings,
	.get_ethtool_stats = get_ethtool_stats,
};

void netfront_dev_setup(struct net_device *dev)
{
	dev->netdev_ops = &netdev_ops;
	dev->ethtool_ops = &ethtool_ops;
	dev->hw_features = OFFLOADS;
	dev->features = OFFLOADS | NETIF_F_RXCSUM;
	dev->min_mtu = ETH_MIN_MTU;
	netif_set_tso_max_size(dev, NETFRONT_FRAME_MAX);
	netif_carrier_off(dev);
	netif_tx_stop_all_queues(dev);
}
