// SPDX-License-Identifier: GPL-2.0
/*
 * A vif's control ring: requests of the frontend other than frames. Handling one may sleep, so the interrupt only
 * starts a work, which also maps and unmaps named grants as they are used.
 *
 *	GET, ADD, DEL_GREF_MAPPING	maps.c
 *	all others (hashing)		not supported
 */
#include <linux/slab.h>
#include <asm/xen/hypercall.h>
#include <xen/events.h>
#include "backend.h"

#define AT_ONCE		32	/* requests handled in a row; then none for one tick, to bound the load */
#define REFRESH_MS	5000

static int copy_list(struct nfvk_vif *vif, u32 ref, unsigned int n, bool back)
{
	struct gnttab_copy op = { .len = n * sizeof(struct nfvk_xen_gref), .flags = back ? GNTCOPY_dest_gref : GNTCOPY_source_gref };
	struct gnttab_copy_ptr *guest = (void *)(back ? &op.dest : &op.source);
	struct gnttab_copy_ptr *own = (void *)(back ? &op.source : &op.dest);

	guest->u.ref = ref;
	guest->domid = vif->domid;
	own->u.gmfn = virt_to_gfn(vif->ctrl_list);
	own->domid = DOMID_SELF;
	/* See copy.c. */
	return !HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1) && op.status == GNTST_okay ? 0 : -EIO;
}

static u32 status_of(int err)
{
	switch (err) {
	case 0:
		return XEN_NETIF_CTRL_STATUS_SUCCESS;
	case -ENOSPC:
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	default:
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	}
}

static u32 change_maps(struct nfvk_vif *vif, const struct xen_netif_ctrl_request *r, u32 *data)
{
	struct nfvk_xen_queue *q = vif->queue[r->data[0]];
	u32 n = r->data[2];
	int err;

	if (!n || n > NFVK_XEN_GREFS_OF_PAGE || copy_list(vif, r->data[1], n, false))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (!q->maps) {
		struct nfvk_xen_maps *maps = nfvk_xen_maps_new(&vif->grants);

		if (!maps)
			return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
		smp_store_release(&q->maps, maps);	/* its contents before it; pairs with nfvk_xen_granted() */
	}
	if (r->type == NFVK_XEN_CTRL_ADD_GREF_MAPPING)
		return status_of(nfvk_xen_maps_add(q->maps, vif->ctrl_list, n));
	*data = nfvk_xen_maps_del(q->maps, vif->ctrl_list, n);
	err = copy_list(vif, r->data[1], n, true);
	return status_of(err);
}

static u32 handle(struct nfvk_vif *vif, const struct xen_netif_ctrl_request *r, u32 *data)
{
	*data = 0;
	switch (r->type) {
	case NFVK_XEN_CTRL_GET_GREF_MAPPING_SIZE:
	case NFVK_XEN_CTRL_ADD_GREF_MAPPING:
	case NFVK_XEN_CTRL_DEL_GREF_MAPPING:
		break;
	default:
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	}
	if (r->data[0] >= vif->nr_queues)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (r->type != NFVK_XEN_CTRL_GET_GREF_MAPPING_SIZE)
		return change_maps(vif, r, data);
	*data = NFVK_XEN_MAPS;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static void ctrl_respond(struct nfvk_vif *vif, const struct xen_netif_ctrl_request *r)
{
	struct xen_netif_ctrl_response *rsp, local = { .id = r->id, .type = r->type };
	bool notify;

	local.status = handle(vif, r, &local.data);
	rsp = RING_GET_RESPONSE(&vif->ctrl, vif->ctrl.rsp_prod_pvt++);
	*rsp = local;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&vif->ctrl, notify);
	if (notify)
		notify_remote_via_irq(vif->ctrl_irq);
}

/* Handle up to AT_ONCE requests. Return whether more are posted. Context: ctrl_lock held. */
static bool serve_some(struct nfvk_vif *vif)
{
	struct xen_netif_ctrl_request r;
	u32 prod = READ_ONCE(vif->ctrl.sring->req_prod), left;
	int more;

	virt_rmb();	/* the index, then the requests; pairs with the frontend's */
	if (!nfvk_xen_posted(prod, vif->ctrl.req_cons, vif->ctrl.rsp_prod_pvt, RING_SIZE(&vif->ctrl), &left)) {
		/* The interrupt is not ended, so there will be no further one. */
		vif->ctrl_broken = true;
		nfvk_xen_miss(vif->queue[0], NFV_MISS_BAD_PROD, 1);
		dev_warn_ratelimited(&vif->xb->dev, "control ring: producer index out of range: fenced until the frontend reconnects\n");
		return false;
	}
	/* Check connected for each request, so that a disconnect waits for one request, not for all. */
	for (unsigned int n = min_t(u32, left, AT_ONCE); n && READ_ONCE(vif->connected); n--) {
		RING_COPY_REQUEST(&vif->ctrl, vif->ctrl.req_cons, &r);
		vif->ctrl.req_cons++;
		ctrl_respond(vif, &r);
		cond_resched();
	}
	RING_FINAL_CHECK_FOR_REQUESTS(&vif->ctrl, more);
	return more;
}

static void serve(struct work_struct *work)
{
	struct nfvk_vif *vif = container_of(to_delayed_work(work), struct nfvk_vif, ctrl_work);
	u32 before = vif->ctrl.req_cons;
	bool more = false;

	mutex_lock(&vif->ctrl_lock);
	if (!vif->ctrl_broken)
		more = serve_some(vif);
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		if (vif->queue[i]->maps)
			nfvk_xen_maps_refresh(vif->queue[i]->maps);
	mutex_unlock(&vif->ctrl_lock);
	if (!more && !vif->ctrl_broken && atomic_xchg(&vif->ctrl_eoi, 0))
		xen_irq_lateeoi(vif->ctrl_irq, vif->ctrl.req_cons == before ? XEN_EOI_FLAG_SPURIOUS : 0);
	if (more)
		queue_delayed_work(system_wq, &vif->ctrl_work, 1);
	else
		queue_delayed_work(system_wq, &vif->ctrl_work, msecs_to_jiffies(REFRESH_MS));
}

static void kick(struct nfvk_xen_grants *g)
{
	mod_delayed_work(system_wq, &container_of(g, struct nfvk_vif, grants)->ctrl_work, 0);
}

static irqreturn_t interrupt(int irq, void *arg)
{
	struct nfvk_vif *vif = arg;

	atomic_set(&vif->ctrl_eoi, 1);
	kick(&vif->grants);
	return IRQ_HANDLED;
}

void nfvk_xen_ctrl_init(struct nfvk_vif *vif)
{
	vif->grants.kick = kick;
	INIT_DELAYED_WORK(&vif->ctrl_work, serve);
}

int nfvk_xen_ctrl_connect(struct nfvk_vif *vif, grant_ref_t ref, evtchn_port_t channel)
{
	struct xen_netif_ctrl_sring *ring;
	void *page;
	int irq, err;

	vif->ctrl_list = (void *)get_zeroed_page(GFP_KERNEL);
	if (!vif->ctrl_list)
		return -ENOMEM;
	err = xenbus_map_ring_valloc(vif->xb, &ref, 1, &page);
	if (err)
		goto free_list;
	ring = page;
	BACK_RING_ATTACH(&vif->ctrl, ring, READ_ONCE(ring->rsp_prod), XEN_PAGE_SIZE);
	vif->ctrl_broken = false;
	/* An event may arrive before ctrl_irq is set; the lock makes its work wait. */
	mutex_lock(&vif->ctrl_lock);
	irq = bind_interdomain_evtchn_to_irqhandler_lateeoi(vif->xb, channel, interrupt, 0, "nfv-vif-ctrl", vif);
	vif->ctrl_irq = max(irq, 0);
	mutex_unlock(&vif->ctrl_lock);
	if (irq < 0) {
		err = irq;
		goto unmap;
	}
	/* The frontend may have posted requests already. */
	kick(&vif->grants);
	return 0;
unmap:
	xenbus_unmap_ring_vfree(vif->xb, page);
	vif->ctrl.sring = NULL;
free_list:
	free_page((unsigned long)vif->ctrl_list);
	vif->ctrl_list = NULL;
	return err;
}

void nfvk_xen_ctrl_disconnect(struct nfvk_vif *vif)
{
	if (!vif->ctrl_irq)
		return;
	unbind_from_irqhandler(vif->ctrl_irq, vif);
	cancel_delayed_work_sync(&vif->ctrl_work);
	vif->ctrl_irq = 0;
	xenbus_unmap_ring_vfree(vif->xb, vif->ctrl.sring);
	vif->ctrl.sring = NULL;
	free_page((unsigned long)vif->ctrl_list);
	vif->ctrl_list = NULL;
}
