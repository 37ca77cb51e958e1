// SPDX-License-Identifier: GPL-2.0
/* Connecting a vif: reading its frontend's keys, mapping rings, binding event channels. And disconnecting it. */
#include <linux/slab.h>
#include <linux/string.h>
#include <xen/events.h>
#include "backend.h"

/* Read which offloads the frontend accepts. */
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
	/* NFV_ACCEPT_CSUM covers IPv4 and IPv6, so without IPv6 checksums the frontend accepts no open checksums. */
	if (!xenbus_read_unsigned(dir, "feature-ipv6-csum-offload", 0))
		vif->accepts &= ~(NFV_ACCEPT_CSUM | NFV_ACCEPT_TSO4 | NFV_ACCEPT_TSO6);
}

/* Read the limit that the toolstack wrote for `rate=` of the guest's configuration. */
static void read_rate(struct nfvk_vif *vif)
{
	struct nfvk_xen_rate *rate = &vif->rate;

	rate->usec = 0;
	atomic64_set(&rate->paid, 0);
	if (xenbus_scanf(XBT_NIL, vif->xb->nodename, "rate", "%u,%u", &rate->bytes, &rate->usec) != 2 || !rate->bytes)
		rate->usec = 0;
}

/* Attach a back ring at the index that the previous backend has left. */
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

/* Free queues that are stopped or were not started, after one grace period for all. */
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

void nfvk_xen_disconnect(struct nfvk_vif *vif)
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

	if (n < 1 || n > nfvk_xen_queues) {
		xenbus_dev_fatal(vif->xb, -EINVAL, "multi-queue-num-queues must be from 1 to %u, not %d", nfvk_xen_queues, n);
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

/* Connect the control ring, if the frontend has one: without it there are no persistent grants, only grant copies. */
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

int nfvk_xen_connect(struct nfvk_vif *vif)
{
	int err;

	if (vif->connected)
		return 0;
	if (!xenbus_read_unsigned(vif->xb->otherend, "request-rx-copy", 0)) {
		xenbus_dev_fatal(vif->xb, -EOPNOTSUPP, "the frontend does not set request-rx-copy");
		return -EOPNOTSUPP;
	}
	read_features(vif);
	read_rate(vif);
	err = make_queues(vif);
	if (err)
		return err;
	smp_store_release(&vif->connected, true);	/* after the queues; pairs with the users' acquire */
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		nfvk_xen_queue_start(vif->queue[i]);
	connect_ctrl(vif);
	return 0;
}
