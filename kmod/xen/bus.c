// SPDX-License-Identifier: GPL-2.0
/*
 * The backend driver for xenbus devices of type vif, beside or instead of xen-netback.
 * It takes those whose script is vif-nfv, and those that nfvd claims; whatever is loaded
 * first, others are xen-netback's. A bound one can be handed over by sysfs unbind and
 * bind, also while its guest runs: rings and grants are the guest's.
 *
 *	backend (we)				frontend
 *	------------				--------
 *	probe: features ─► InitWait
 *	                                        reads features, makes rings ─► Connected
 *	map rings, bind events
 *	hotplug-status = connected ─► Connected
 *	                                        Closing, Closed
 *	let go of all ─► Closing, Closed
 *	  online = 1: it comes back (reboot, kexec)	Initialising
 *	  ─► InitWait again
 *	  online = 0, or it is gone (Unknown):
 *	  unregister the device ─► remove
 *
 * Nothing that the frontend wrote is believed: numbers are bounded, and what cannot be
 * mapped is an error in the xenstore and state Closing, of that vif alone.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <xen/events.h>
#include <xen/xen.h>
#include "compat.h"
#include "vif.h"

static bool registered;

/* ---- what we offer ---- */

static unsigned int queues_max(void)
{
	return nfvk_xen_queues ?: min_t(unsigned int, num_online_cpus(), NFV_QUEUES_MAX);
}

static const struct {
	const char *key;
	unsigned int value;
} offers[] = {
	{ "feature-sg", 1 },
	{ "feature-gso-tcpv4", 1 },
	{ "feature-gso-tcpv6", 1 },
	{ "feature-ipv6-csum-offload", 1 },
	{ "feature-rx-copy", 1 },
	{ "feature-rx-flip", 0 },
	{ "feature-split-event-channels", 1 },
	{ "feature-multicast-control", 1 },
	{ "feature-ctrl-ring", 1 },
};

static int write_offers(struct xenbus_device *xb, struct xenbus_transaction t)
{
	int err = xenbus_printf(t, xb->nodename, "multi-queue-max-queues", "%u", queues_max());

	for (unsigned int i = 0; i < ARRAY_SIZE(offers) && !err; i++)
		err = xenbus_printf(t, xb->nodename, offers[i].key, "%u", offers[i].value);
	return err;
}

static int offer(struct xenbus_device *xb)
{
	struct xenbus_transaction t;
	int err;

	do {
		err = xenbus_transaction_start(&t);
		if (err)
			return err;
		err = write_offers(xb, t);
		if (err) {
			xenbus_transaction_end(t, 1);
			return err;
		}
		err = xenbus_transaction_end(t, 0);
	} while (err == -EAGAIN);
	return err;
}

/* ---- connecting: under vif->lock ---- */

/* What the frontend takes unfinished. */
static void read_features(struct nfvk_vif *vif)
{
	const char *dir = vif->xb->otherend;

	vif->sg = xenbus_read_unsigned(dir, "feature-sg", 0);
	vif->mcast_control = xenbus_read_unsigned(dir, "request-multicast-control", 0);
	vif->n_mcast = 0;
	vif->accepts = xenbus_read_unsigned(dir, "feature-no-csum-offload", 0) ? 0 : NFV_ACCEPT_CSUM;
	if (vif->sg && xenbus_read_unsigned(dir, "feature-gso-tcpv4", 0))
		vif->accepts |= NFV_ACCEPT_TSO4;
	if (vif->sg && xenbus_read_unsigned(dir, "feature-gso-tcpv6", 0))
		vif->accepts |= NFV_ACCEPT_TSO6;
	/* One switch for both protocols: what is open for IPv6 is closed for all, unless it takes that, too. */
	if (!xenbus_read_unsigned(dir, "feature-ipv6-csum-offload", 0))
		vif->accepts &= ~(NFV_ACCEPT_CSUM | NFV_ACCEPT_TSO4 | NFV_ACCEPT_TSO6);
}

/* What `rate=` of its configuration came to. */
static void read_rate(struct nfvk_vif *vif)
{
	struct nfvk_xen_rate *rate = &vif->rate;

	rate->usec = 0;
	atomic64_set(&rate->paid, 0);
	if (xenbus_scanf(XBT_NIL, vif->xb->nodename, "rate", "%u,%u", &rate->bytes, &rate->usec) != 2 || !rate->bytes)
		rate->usec = 0;
}

/* Attach a back ring where whoever served it before has left it. */
#define ATTACH_RING(back, ring) ({						\
	typeof(ring) ring__ = (ring);						\
	RING_IDX at__ = READ_ONCE(ring__->rsp_prod);				\
	u32 n__;								\
										\
	BACK_RING_ATTACH(back, ring__, at__, XEN_PAGE_SIZE);			\
	nfvk_xen_posted(READ_ONCE(ring__->req_prod), at__, at__, NFVK_XEN_RING, &n__) ? 0 : -EIO; \
})

static int map_rings(struct nfvk_xen_queue *q, grant_ref_t tx, grant_ref_t rx)
{
	struct xenbus_device *xb = q->vif->xb;
	void *page;
	int err = xenbus_map_ring_valloc(xb, &tx, 1, &page);

	if (err)
		return err;
	err = ATTACH_RING(&q->tx, (struct xen_netif_tx_sring *)page);
	if (err)
		return err;
	err = xenbus_map_ring_valloc(xb, &rx, 1, &page);
	if (err)
		return err;
	return ATTACH_RING(&q->rx, (struct xen_netif_rx_sring *)page);
}

static int bind_event(struct nfvk_xen_queue *q, evtchn_port_t channel, irq_handler_t handler, const char *kind)
{
	return bind_interdomain_evtchn_to_irqhandler_lateeoi(q->vif->xb, channel, handler, 0, kind, q);
}

static int bind_events(struct nfvk_xen_queue *q, const char *dir)
{
	unsigned int tx, rx;
	int irq;

	if (xenbus_gather(XBT_NIL, dir, "event-channel-tx", "%u", &tx, "event-channel-rx", "%u", &rx, NULL)) {
		if (xenbus_scanf(XBT_NIL, dir, "event-channel", "%u", &tx) != 1)
			return -ENOENT;
		irq = bind_event(q, tx, nfvk_xen_interrupt, "nfv-vif");
		if (irq < 0)
			return irq;
		q->tx_irq = q->rx_irq = irq;
		return 0;
	}
	irq = bind_event(q, tx, nfvk_xen_tx_interrupt, "nfv-vif-tx");
	if (irq < 0)
		return irq;
	q->tx_irq = irq;
	irq = bind_event(q, rx, nfvk_xen_rx_interrupt, "nfv-vif-rx");
	if (irq < 0)
		return irq;
	q->rx_irq = irq;
	return 0;
}

static void unbind_events(struct nfvk_xen_queue *q)
{
	if (q->rx_irq && q->rx_irq != q->tx_irq)
		unbind_from_irqhandler(q->rx_irq, q);
	if (q->tx_irq)
		unbind_from_irqhandler(q->tx_irq, q);
	q->tx_irq = q->rx_irq = 0;
}

static void free_queue(struct nfvk_xen_queue *q)
{
	if (q->maps)
		nfvk_xen_maps_free(q->maps);
	nfvk_xen_queue_free(q);
	if (q->tx.sring)
		xenbus_unmap_ring_vfree(q->vif->xb, q->tx.sring);
	if (q->rx.sring)
		xenbus_unmap_ring_vfree(q->vif->xb, q->rx.sring);
	kvfree(q);
}

/* Those that are stopped, or were not started. One grace period for all. */
static void free_queues(struct nfvk_xen_queue **queue, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		unbind_events(queue[i]);
		nfvk_xen_queue_end(queue[i]);
	}
	synchronize_rcu_expedited();
	for (unsigned int i = 0; i < n; i++)
		free_queue(queue[i]);
}

static int connect_queue(struct nfvk_xen_queue *q, const char *dir)
{
	unsigned int tx, rx;
	int err = xenbus_gather(XBT_NIL, dir, "tx-ring-ref", "%u", &tx, "rx-ring-ref", "%u", &rx, NULL);

	if (err)
		return err;
	if (tx == rx)
		return -EINVAL;
	err = map_rings(q, tx, rx);
	if (err)
		return err;
	err = nfvk_xen_queue_init(q);
	if (err)
		return err;
	return bind_events(q, dir);
}

static struct nfvk_xen_queue *make_queue(struct nfvk_vif *vif, unsigned int i)
{
	struct nfvk_xen_queue *q = kvzalloc(sizeof(*q), GFP_KERNEL);
	char *dir;
	int err = -ENOMEM;

	if (!q)
		return ERR_PTR(-ENOMEM);
	q->vif = vif;
	q->index = i;
	dir = vif->nr_queues > 1 ? kasprintf(GFP_KERNEL, "%s/queue-%u", vif->xb->otherend, i) :
				   kstrdup(vif->xb->otherend, GFP_KERNEL);
	if (dir)
		err = connect_queue(q, dir);
	kfree(dir);
	if (err) {
		free_queues(&q, 1);
		return ERR_PTR(err);
	}
	return q;
}

static void drop_queues(struct nfvk_vif *vif, unsigned int n)
{
	free_queues(vif->queue, n);
	kfree(vif->queue);
	vif->queue = NULL;
}

/*
 * The vif's frames stop; when it returns, no grant of the guest's is in use. It waits for two grace periods,
 * and for what runs in softirq and in the control ring's work: for nobody else.
 */
static void disconnect(struct nfvk_vif *vif)
{
	if (!vif->connected)
		return;
	WRITE_ONCE(vif->connected, false);
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		WRITE_ONCE(vif->queue[i]->source->gone, true);
	synchronize_rcu_expedited();
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		nfvk_xen_queue_stop(vif->queue[i]);
	nfvk_xen_port_flush(vif);
	nfvk_xen_ctrl_disconnect(vif);
	drop_queues(vif, vif->nr_queues);
}

static int make_queues(struct nfvk_vif *vif)
{
	int n = xenbus_read_unsigned(vif->xb->otherend, "multi-queue-num-queues", 1);

	if (n < 1 || n > queues_max()) {
		xenbus_dev_fatal(vif->xb, -EINVAL, "multi-queue-num-queues is %d, not 1 to %u", n, queues_max());
		return -EINVAL;
	}
	vif->nr_queues = n;
	vif->queue = kcalloc(n, sizeof(*vif->queue), GFP_KERNEL);
	if (!vif->queue)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		vif->queue[i] = make_queue(vif, i);
		if (IS_ERR(vif->queue[i])) {
			int err = PTR_ERR(vif->queue[i]);

			xenbus_dev_fatal(vif->xb, err, "queue %d: its rings or event channels cannot be used", i);
			drop_queues(vif, i);
			return err;
		}
	}
	return 0;
}

/* Who has one, may name grants to be kept mapped; without it all is copied by grant. */
static void connect_ctrl(struct nfvk_vif *vif)
{
	unsigned int ref, channel;
	int err;

	if (xenbus_gather(XBT_NIL, vif->xb->otherend, "ctrl-ring-ref", "%u", &ref, "event-channel-ctrl", "%u", &channel, NULL))
		return;
	err = nfvk_xen_ctrl_connect(vif, ref, channel);
	if (err)
		xenbus_dev_error(vif->xb, err, "the control ring or its event channel cannot be used");
}

static int connect(struct nfvk_vif *vif)
{
	int err;

	if (vif->connected)
		return 0;
	if (!xenbus_read_unsigned(vif->xb->otherend, "request-rx-copy", 0)) {
		xenbus_dev_fatal(vif->xb, -EOPNOTSUPP, "the frontend does not ask for request-rx-copy");
		return -EOPNOTSUPP;
	}
	read_features(vif);
	read_rate(vif);
	err = make_queues(vif);
	if (err)
		return err;
	smp_store_release(&vif->connected, true);	/* queues before it; pairs with the users' acquire */
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		nfvk_xen_queue_start(vif->queue[i]);
	connect_ctrl(vif);
	return 0;
}

/* ---- hotplug-status ---- */

static bool hotplugged(struct xenbus_device *xb)
{
	char *status = xenbus_read(XBT_NIL, xb->nodename, "hotplug-status", NULL);
	bool yes;

	if (IS_ERR(status))
		return false;
	yes = !strcmp(status, "connected");
	kfree(status);
	return yes;
}

static void stop_watching(struct nfvk_vif *vif)
{
	if (!vif->watching)
		return;
	unregister_xenbus_watch(&vif->hotplug);
	kfree(vif->hotplug.node);
	vif->watching = false;
}

static void hotplug_changed(struct xenbus_watch *watch, const char *path, const char *token)
{
	struct nfvk_vif *vif = container_of(watch, struct nfvk_vif, hotplug);

	mutex_lock(&vif->lock);
	if (vif->connected && hotplugged(vif->xb))
		xenbus_switch_state(vif->xb, XenbusStateConnected);
	mutex_unlock(&vif->lock);
}

static void say_connected(struct nfvk_vif *vif)
{
	if (hotplugged(vif->xb)) {
		xenbus_switch_state(vif->xb, XenbusStateConnected);
		return;
	}
	if (!vif->watching)
		vif->watching = !xenbus_watch_pathfmt(vif->xb, &vif->hotplug, NULL, hotplug_changed,
						      "%s/hotplug-status", vif->xb->nodename);
}

/* ---- the state machine: drawn above ---- */

/* It begins anew, whatever was: an instance that was killed (kexec) has not said goodbye. */
static void begin_anew(struct nfvk_vif *vif)
{
	struct xenbus_device *xb = vif->xb;

	if (vif->connected) {
		disconnect(vif);
		xenbus_switch_state(xb, XenbusStateClosing);
	}
	if (xb->state == XenbusStateClosing)
		xenbus_switch_state(xb, XenbusStateClosed);
	if (xb->state == XenbusStateClosed)
		xenbus_switch_state(xb, XenbusStateInitWait);
}

static void frontend_changed(struct xenbus_device *xb, enum xenbus_state state)
{
	struct nfvk_vif *vif = dev_get_drvdata(&xb->dev);
	bool forget = false;

	mutex_lock(&vif->lock);
	switch (state) {
	case XenbusStateInitialising:
		begin_anew(vif);
		break;
	case XenbusStateConnected:
		if (!vif->connected && xb->state == XenbusStateInitWait && !connect(vif))
			say_connected(vif);
		break;
	case XenbusStateClosing:
		disconnect(vif);
		xenbus_switch_state(xb, XenbusStateClosing);
		break;
	case XenbusStateClosed:
		disconnect(vif);
		xenbus_switch_state(xb, XenbusStateClosed);
		forget = !xenbus_dev_is_online(xb);
		break;
	case XenbusStateUnknown:
		disconnect(vif);
		xenbus_switch_state(xb, XenbusStateClosed);
		forget = true;
		break;
	default:
		break;
	}
	mutex_unlock(&vif->lock);
	if (forget)
		device_unregister(&xb->dev);
}

static void remove(struct xenbus_device *xb)
{
	struct nfvk_vif *vif = dev_get_drvdata(&xb->dev);

	stop_watching(vif);
	nfvk_vif_unlist(vif);
	mutex_lock(&vif->lock);
	vif->removed = true;
	disconnect(vif);
	nfvk_xen_port_gone(vif);
	mutex_unlock(&vif->lock);
	dev_set_drvdata(&xb->dev, NULL);
	nfvk_vif_put(vif);
}

static bool has_our_script(struct xenbus_device *xb)
{
	char *script = xenbus_read(XBT_NIL, xb->nodename, "script", NULL);
	bool ours;

	if (IS_ERR(script))
		return false;
	ours = !strcmp(kbasename(script), "vif-nfv");
	kfree(script);
	return ours;
}

static int probe(struct xenbus_device *xb, const struct xenbus_device_id *id)
{
	int err;

	if (!has_our_script(xb) && !xenbus_read_unsigned(xb->nodename, NFV_XEN_CLAIM, 0))
		return -ENODEV;
	err = nfvk_vif_make(xb);
	if (err)
		return err;
	nfvk_xen_ctrl_init(dev_get_drvdata(&xb->dev));
	nfvk_vif_list(dev_get_drvdata(&xb->dev));
	err = offer(xb);
	if (!err)
		err = xenbus_switch_state(xb, XenbusStateInitWait);
	if (err) {
		xenbus_dev_fatal(xb, err, "cannot write to %s", xb->nodename);
		remove(xb);
	}
	return err;
}

static const struct xenbus_device_id ids[] = {
	{ "vif" },
	{ "" },
};

static struct xenbus_driver driver = {
	.name = "nfv-vif",	/* xen-netback's is vif */
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.otherend_changed = frontend_changed,
	.allow_rebind = true,
};

int nfvk_xen_init(void)
{
	int err;

	if (!xen_domain())
		return 0;
	err = xenbus_register_backend(&driver);
	registered = !err;
	return err;
}

void nfvk_xen_fini(void)
{
	if (registered)
		xenbus_unregister_driver(&driver);
}
