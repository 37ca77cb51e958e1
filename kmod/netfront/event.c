// SPDX-License-Identifier: GPL-2.0
/* nfv-netfront.ko: event channels; fencing a backend. See netfront.h. */
#include "netfront.h"

int netfront_bind(struct netfront *nf, irq_handler_t handler, const char *name, void *arg, evtchn_port_t *port, int *irq)
{
	int err = xenbus_alloc_evtchn(nf->xb, port);

	if (err)
		return err;
	err = bind_evtchn_to_irqhandler_lateeoi(*port, handler, 0, name, arg);
	if (err < 0) {
		xenbus_free_evtchn(nf->xb, *port);
		return err;
	}
	*irq = err;
	return 0;
}

void netfront_broke(struct netfront_queue *q, const char *how)
{
	struct net_device *dev = q->nf->dev;

	if (test_and_set_bit(0, &q->nf->broken))
		return;
	netif_carrier_off(dev);
	netif_tx_stop_all_queues(dev);
	netdev_err(dev, "queue %u: the backend %s: device stopped until the backend reconnects\n", q->index, how);
}
