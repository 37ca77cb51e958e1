// SPDX-License-Identifier: GPL-2.0
/* Port type xen: the list of vifs; counting lost frames; fencing. See vif.h. */
#include <linux/etherdevice.h>
#include <linux/slab.h>
#include "backend.h"

static DEFINE_MUTEX(vifs_lock);
static LIST_HEAD(vifs);

struct nfvk_vif *nfvk_vif_get(u32 domid, u32 devid)
{
	struct nfvk_vif *vif, *found = NULL;

	mutex_lock(&vifs_lock);
	list_for_each_entry(vif, &vifs, all)
		if (vif->domid == domid && vif->devid == devid) {
			found = vif;
			kref_get(&vif->ref);
			break;
		}
	mutex_unlock(&vifs_lock);
	return found;
}

static void free_vif(struct kref *ref)
{
	struct nfvk_vif *vif = container_of(ref, struct nfvk_vif, ref);

	if (vif->dev)
		free_netdev(vif->dev);
	mutex_destroy(&vif->lock);
	mutex_destroy(&vif->ctrl_lock);
	kfree(vif);
}

void nfvk_vif_put(struct nfvk_vif *vif)
{
	kref_put(&vif->ref, free_vif);
}

/* The nodename is .../vif/DOMID/DEVID. */
static int read_ids(struct nfvk_vif *vif)
{
	const char *slash = strrchr(vif->xb->nodename, '/');

	vif->domid = vif->grants.domid = vif->xb->otherend_id;
	return slash ? kstrtou32(slash + 1, 10, &vif->devid) : -EINVAL;
}

int nfvk_vif_make(struct xenbus_device *xb)
{
	struct nfvk_vif *vif = kzalloc(sizeof(*vif), GFP_KERNEL);
	int err;

	if (!vif)
		return -ENOMEM;
	kref_init(&vif->ref);
	mutex_init(&vif->lock);
	mutex_init(&vif->ctrl_lock);
	vif->xb = xb;
	spin_lock_init(&vif->mcast_lock);
	vif->dev = alloc_netdev(0, "nfv-vif", NET_NAME_UNKNOWN, ether_setup);
	err = vif->dev ? read_ids(vif) : -ENOMEM;
	if (err) {
		nfvk_vif_put(vif);
		return err;
	}
	dev_set_drvdata(&xb->dev, vif);
	return 0;
}

void nfvk_vif_list(struct nfvk_vif *vif)
{
	mutex_lock(&vifs_lock);
	list_add(&vif->all, &vifs);
	mutex_unlock(&vifs_lock);
}

void nfvk_vif_unlist(struct nfvk_vif *vif)
{
	mutex_lock(&vifs_lock);
	list_del(&vif->all);
	mutex_unlock(&vifs_lock);
}

void nfvk_xen_miss(struct nfvk_xen_queue *q, enum nfv_miss why, unsigned int n)
{
	struct nfvk_port *port;

	rcu_read_lock();
	port = rcu_dereference(q->vif->port);
	while (port && n--)
		nfvk_miss(port, why);
	rcu_read_unlock();
}

void nfvk_xen_fence(struct nfvk_xen_queue *q, enum nfv_miss why)
{
	/* Polling and delivering may both find something. */
	if (xchg(&q->broken, true))
		return;
	nfvk_xen_miss(q, why, 1);
	dev_warn_ratelimited(&q->vif->xb->dev, "queue %u: malformed request (reason=%d): fenced until the frontend reconnects\n", q->index, why);
}
