// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: the device on the xenbus. Its states are drawn in netfront.h.
 *
 * The module has no alias for vifs, so that it is loaded only by name, before xen-netfront or instead of it. A new vif
 * goes to the driver that was registered first.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <xen/platform_pci.h>
#include <xen/xen.h>
#include "netfront.h"

#define CLOSE_US	(5 * USEC_PER_SEC)	/* the backend's time to follow a change of state */

static bool persistent = true;
module_param(persistent, bool, 0444);
MODULE_PARM_DESC(persistent, "Offer persistent grants: pages that stay granted, for backends that keep them mapped (default 1)");

static bool trusted = true;
module_param(trusted, bool, 0444);
MODULE_PARM_DESC(trusted, "Trust all backends except those with trusted = 0 in xenstore (default 1)");

static bool lend;
module_param(lend, bool, 0444);
MODULE_PARM_DESC(lend, "Pass received pages to the stack uncopied, although a trusted backend can still write to them (default 0)");

/* ---- rings and events ---- */

static int bind_events(struct netfront_queue *q, bool split)
{
	struct netfront *nf = q->nf;
	int err;

	if (split) {
		err = netfront_bind(nf, netfront_tx_interrupt, "nfv-netfront-tx", q, &q->tx_port, &q->tx_irq);
		return err ?: netfront_bind(nf, netfront_rx_interrupt, "nfv-netfront-rx", q, &q->rx_port, &q->rx_irq);
	}
	err = netfront_bind(nf, netfront_interrupt, "nfv-netfront", q, &q->tx_port, &q->tx_irq);
	q->rx_port = q->tx_port;
	q->rx_irq = q->tx_irq;
	return err;
}

static void unbind_events(struct netfront_queue *q)
{
	if (q->rx_irq && q->rx_irq != q->tx_irq)
		unbind_from_irqhandler(q->rx_irq, q);
	if (q->tx_irq)
		unbind_from_irqhandler(q->tx_irq, q);
	q->tx_irq = q->rx_irq = 0;
}

static void free_rings(struct netfront_queue *q)
{
	if (q->tx.sring)
		xenbus_teardown_ring((void **)&q->tx.sring, 1, &q->tx_ring_ref);
	if (q->rx.sring)
		xenbus_teardown_ring((void **)&q->rx.sring, 1, &q->rx_ring_ref);
}

static int make_rings(struct netfront_queue *q)
{
	struct xen_netif_tx_sring *tx;
	struct xen_netif_rx_sring *rx;
	int err = xenbus_setup_ring(q->nf->xb, GFP_KERNEL, (void **)&tx, 1, &q->tx_ring_ref);

	if (err)
		return err;
	XEN_FRONT_RING_INIT(&q->tx, tx, XEN_PAGE_SIZE);
	err = xenbus_setup_ring(q->nf->xb, GFP_KERNEL, (void **)&rx, 1, &q->rx_ring_ref);
	if (err)
		return err;
	XEN_FRONT_RING_INIT(&q->rx, rx, XEN_PAGE_SIZE);
	return 0;
}

static int make_queue(struct netfront_queue *q, bool split)
{
	int err = make_rings(q);

	if (err)
		goto rings;
	err = netfront_queue_init(q);
	if (err)
		goto rings;
	err = bind_events(q, split);
	if (!err)
		return 0;
	unbind_events(q);
	netfront_queue_free(q);
rings:
	free_rings(q);
	return err;
}

static void free_queue(struct netfront_queue *q)
{
	unbind_events(q);
	netfront_queue_free(q);
	free_rings(q);
}

/* ---- up and down: under RTNL ---- */

/* Poll all queues and send an event for each, because a new backend took over the rings. */
static void go_on(struct netfront *nf)
{
	for (unsigned int i = 0; i < nf->nr_queues; i++) {
		netfront_kick(&nf->queue[i]);
		notify_remote_via_irq(nf->queue[i].tx_irq);
		notify_remote_via_irq(nf->queue[i].rx_irq);
	}
}

static void start(struct work_struct *work)
{
	struct netfront *nf = container_of(work, struct netfront, start);

	netfront_name_pages(nf);
	rtnl_lock();
	if (!READ_ONCE(nf->closing)) {
		WRITE_ONCE(nf->connected, true);
		if (!test_bit(0, &nf->broken))
			netif_carrier_on(nf->dev);
		if (nf->going)
			go_on(nf);
		else
			netfront_up(nf);
	}
	rtnl_unlock();
}

/* ---- connect and release: one at a time ---- */

static void quiesce(struct netfront *nf)
{
	WRITE_ONCE(nf->closing, true);
	wake_up(&nf->ctrl.wait);
	cancel_work_sync(&nf->start);
	rtnl_lock();
	nf->connected = false;
	netif_carrier_off(nf->dev);
	netfront_down(nf);
	rtnl_unlock();
}

static void release(struct netfront *nf)
{
	quiesce(nf);
	while (nf->nr_queues)
		free_queue(&nf->queue[--nf->nr_queues]);
	netfront_ctrl_free(nf);
}

/* Read the key from the frontend's directory, which the toolstack has created. */
static void read_trust(struct netfront *nf)
{
	nf->trusted = trusted && xenbus_read_unsigned(nf->xb->nodename, "trusted", 1);
	nf->lends = nf->trusted && lend;
}

static void read_offers(struct netfront *nf)
{
	static const struct {
		const char *key;
		netdev_features_t what;
	} keys[] = {
		{ "feature-sg", NETIF_F_SG },
		{ "feature-gso-tcpv4", NETIF_F_TSO },
		{ "feature-gso-tcpv6", NETIF_F_TSO6 },
		{ "feature-ipv6-csum-offload", NETIF_F_IPV6_CSUM },
	};
	netdev_features_t offers = NETIF_F_IP_CSUM;

	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++)
		if (xenbus_read_unsigned(nf->xb->otherend, keys[i].key, 0))
			offers |= keys[i].what;
	rtnl_lock();
	nf->offers = offers;
	nf->dev->max_mtu = offers & NETIF_F_SG ? NETFRONT_FRAME_MAX - VLAN_ETH_HLEN : ETH_DATA_LEN;
	netdev_update_features(nf->dev);
	rtnl_unlock();
}

static int make_queues(struct netfront *nf)
{
	const char *dir = nf->xb->otherend;
	bool split = xenbus_read_unsigned(dir, "feature-split-event-channels", 0);
	unsigned int n = clamp(xenbus_read_unsigned(dir, "multi-queue-max-queues", 1), 1u, nf->max_queues);
	int err;

	while (nf->nr_queues < n) {
		err = make_queue(&nf->queue[nf->nr_queues], split);
		if (err)
			return err;
		nf->nr_queues++;
	}
	rtnl_lock();
	err = netif_set_real_num_queues(nf->dev, n, n);
	rtnl_unlock();
	if (!err && persistent && xenbus_read_unsigned(dir, "feature-ctrl-ring", 0))
		err = netfront_ctrl_make(nf);
	return err;
}

static int write_events(struct netfront_queue *q, struct xenbus_transaction t, const char *dir)
{
	int err;

	if (q->tx_irq == q->rx_irq) {
		/* An earlier driver may have left these keys. */
		xenbus_rm(t, dir, "event-channel-tx");
		xenbus_rm(t, dir, "event-channel-rx");
		return xenbus_printf(t, dir, "event-channel", "%u", q->tx_port);
	}
	err = xenbus_printf(t, dir, "event-channel-tx", "%u", q->tx_port);
	return err ?: xenbus_printf(t, dir, "event-channel-rx", "%u", q->rx_port);
}

static int write_queue(struct netfront_queue *q, struct xenbus_transaction t)
{
	const char *top = q->nf->xb->nodename;
	char *dir = q->nf->nr_queues > 1 ? kasprintf(GFP_KERNEL, "%s/queue-%u", top, q->index) : kstrdup(top, GFP_KERNEL);
	int err;

	if (!dir)
		return -ENOMEM;
	err = xenbus_printf(t, dir, "tx-ring-ref", "%u", q->tx_ring_ref) ?:
	      xenbus_printf(t, dir, "rx-ring-ref", "%u", q->rx_ring_ref) ?:
	      write_events(q, t, dir);
	kfree(dir);
	return err;
}

static int write_ctrl(struct netfront *nf, struct xenbus_transaction t)
{
	const char *dir = nf->xb->nodename;

	if (!nf->ctrl.irq) {
		xenbus_rm(t, dir, "ctrl-ring-ref");
		xenbus_rm(t, dir, "event-channel-ctrl");
		return 0;
	}
	return xenbus_printf(t, dir, "ctrl-ring-ref", "%u", nf->ctrl.ring_ref) ?:
	       xenbus_printf(t, dir, "event-channel-ctrl", "%u", nf->ctrl.port);
}

static int write_all(struct netfront *nf, struct xenbus_transaction t)
{
	static const struct {
		const char *key;
		unsigned int value;
	} wants[] = {
		{ "request-rx-copy", 1 },
		{ "feature-rx-notify", 1 },
		{ "feature-sg", 1 },
		{ "feature-gso-tcpv4", 1 },
		{ "feature-gso-tcpv6", 1 },
		{ "feature-ipv6-csum-offload", 1 },
		{ "feature-no-csum-offload", 0 },
	};
	const char *dir = nf->xb->nodename;
	int err = xenbus_printf(t, dir, "multi-queue-num-queues", "%u", nf->nr_queues) ?: write_ctrl(nf, t);

	for (unsigned int i = 0; i < ARRAY_SIZE(wants) && !err; i++)
		err = xenbus_printf(t, dir, wants[i].key, "%u", wants[i].value);
	for (unsigned int i = 0; i < nf->nr_queues && !err; i++)
		err = write_queue(&nf->queue[i], t);
	return err;
}

static int publish(struct netfront *nf)
{
	struct xenbus_transaction t;
	int err;

	do {
		err = xenbus_transaction_start(&t);
		if (err)
			return err;
		err = write_all(nf, t);
		if (err) {
			xenbus_transaction_end(t, 1);
			return err;
		}
		err = xenbus_transaction_end(t, 0);
	} while (err == -EAGAIN);
	return err;
}

static int connect(struct netfront *nf)
{
	int err;

	release(nf);
	if (!xenbus_read_unsigned(nf->xb->otherend, "feature-rx-copy", 0)) {
		xenbus_dev_fatal(nf->xb, -EOPNOTSUPP, "the backend does not offer feature-rx-copy");
		return -EOPNOTSUPP;
	}
	clear_bit(0, &nf->broken);
	WRITE_ONCE(nf->closing, false);
	read_trust(nf);
	read_offers(nf);
	err = make_queues(nf) ?: publish(nf);
	if (err) {
		release(nf);
		xenbus_dev_fatal(nf->xb, err, "cannot make rings, or cannot write them to xenstore");
	}
	return err;
}

/* ---- the state machine ---- */

static void backend_closed(struct netfront *nf)
{
	struct xenbus_device *xb = nf->xb;
	bool again = xb->state == XenbusStateConnected && xenbus_read_unsigned(xb->otherend, "online", 0);

	release(nf);
	if (again)
		xenbus_switch_state(xb, XenbusStateInitialising);
	else
		xenbus_frontend_closed(xb);
}

static void backend_changed(struct xenbus_device *xb, enum xenbus_state state)
{
	struct netfront *nf = dev_get_drvdata(&xb->dev);

	switch (state) {
	case XenbusStateInitWait:
		/* A backend that took over may never say Connected: hotplug-status went with the previous one. */
		if (READ_ONCE(nf->connected))
			schedule_work(&nf->start);
		else if (xb->state == XenbusStateInitialising && !connect(nf))
			xenbus_switch_state(xb, XenbusStateConnected);
		break;
	case XenbusStateConnected:
		if (xb->state == XenbusStateConnected)
			schedule_work(&nf->start);
		break;
	case XenbusStateClosing:
		quiesce(nf);
		xenbus_frontend_closed(xb);
		break;
	case XenbusStateClosed:
		/* While Initialising, this is the state that the previous backend has left. */
		if (xb->state != XenbusStateInitialising)
			backend_closed(nf);
		break;
	default:
		break;
	}
}

/* ---- probe and remove ---- */

static int read_mac(struct net_device *dev, const char *dir)
{
	char *text = xenbus_read(XBT_NIL, dir, "mac", NULL);
	u8 mac[ETH_ALEN];
	bool good;

	if (IS_ERR(text))
		return PTR_ERR(text);
	good = mac_pton(text, mac) && is_valid_ether_addr(mac);
	kfree(text);
	if (!good)
		return -EINVAL;
	eth_hw_addr_set(dev, mac);
	return 0;
}

static void init_queue(struct netfront *nf, unsigned int i)
{
	struct netfront_queue *q = &nf->queue[i];

	q->nf = nf;
	q->index = i;
	u64_stats_init(&q->tx_count.syncp);
	u64_stats_init(&q->rx_count.syncp);
	INIT_DELAYED_WORK(&q->refill, netfront_refill);
	netif_napi_add(nf->dev, &q->napi, netfront_poll);
}

static struct netfront *make_netfront(struct xenbus_device *xb)
{
	unsigned int n = min(num_online_cpus(), NETFRONT_QUEUES_MAX);
	struct net_device *dev = alloc_etherdev_mq(struct_size((struct netfront *)NULL, queue, n), n);
	struct netfront *nf;

	if (!dev)
		return NULL;
	nf = netdev_priv(dev);
	nf->xb = xb;
	nf->dev = dev;
	nf->max_queues = n;
	nf->closing = true;
	INIT_WORK(&nf->start, start);
	init_waitqueue_head(&nf->ctrl.wait);
	for (unsigned int i = 0; i < n; i++)
		init_queue(nf, i);
	SET_NETDEV_DEV(dev, &xb->dev);
	netfront_dev_setup(dev);
	return nf;
}

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	struct netfront *nf = make_netfront(xb);
	int err = -ENOMEM;

	if (!nf)
		goto fail;
	err = read_mac(nf->dev, xb->nodename) ?: register_netdev(nf->dev);
	if (err) {
		free_netdev(nf->dev);
		goto fail;
	}
	dev_set_drvdata(&xb->dev, nf);
	xenbus_switch_state(xb, XenbusStateInitialising);
	return 0;
fail:
	xenbus_dev_fatal(xb, err, "cannot make the network device");
	return err;
}

/* Free rings and grants: the backend of before has gone. New ones are made when the backend is in InitWait. */
static int resume(struct xenbus_device *xb)
{
	release(dev_get_drvdata(&xb->dev));
	return 0;
}

static bool backend_is(struct xenbus_device *xb, enum xenbus_state wanted)
{
	enum xenbus_state state = xenbus_read_driver_state(xb->otherend);

	return state == wanted || state == XenbusStateClosed || state == XenbusStateUnknown;
}

static void follow(struct xenbus_device *xb, enum xenbus_state state)
{
	bool done;

	xenbus_switch_state(xb, state);
	if (read_poll_timeout(backend_is, done, done, 10 * USEC_PER_MSEC, CLOSE_US, false, xb, state))
		dev_warn(&xb->dev, "the backend does not close within 5 s\n");
}

static void remove(struct xenbus_device *xb)
{
	struct netfront *nf = dev_get_drvdata(&xb->dev);

	quiesce(nf);
	if (!backend_is(xb, XenbusStateClosed)) {
		follow(xb, XenbusStateClosing);
		follow(xb, XenbusStateClosed);
	}
	release(nf);
	unregister_netdev(nf->dev);
	free_netdev(nf->dev);
}

static const struct xenbus_device_id ids[] = {
	{ "vif" },
	{ "" },
};

static struct xenbus_driver driver = {
	.name = "nfv-netfront",		/* xen-netfront's is vif */
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.resume = resume,
	.otherend_changed = backend_changed,
};

static int __init init(void)
{
	if (!xen_domain() || !xen_has_pv_nic_devices())
		return -ENODEV;
	return xenbus_register_frontend(&driver);
}

static void __exit fini(void)
{
	xenbus_unregister_driver(&driver);
}

module_init(init);
module_exit(fini);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Xen virtual network device, with persistent grants if the backend is nfv.ko");
