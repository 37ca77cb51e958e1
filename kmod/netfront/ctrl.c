// SPDX-License-Identifier: GPL-2.0
/* nfv-netfront.ko: the control ring, for requests to the backend. See netfront.h. */
#include "netfront.h"

#define RESPONSE_TIME	(5 * HZ)

static irqreturn_t interrupt(int irq, void *arg)
{
	struct netfront_ctrl *ctrl = arg;
	bool news = READ_ONCE(ctrl->ring.sring->rsp_prod) != READ_ONCE(ctrl->ring.rsp_cons);

	wake_up(&ctrl->wait);
	xen_irq_lateeoi(irq, news ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

int netfront_ctrl_make(struct netfront *nf)
{
	struct netfront_ctrl *ctrl = &nf->ctrl;
	struct xen_netif_ctrl_sring *ring;
	int err = xenbus_setup_ring(nf->xb, GFP_KERNEL, (void **)&ring, 1, &ctrl->ring_ref);

	if (err)
		return err;
	XEN_FRONT_RING_INIT(&ctrl->ring, ring, XEN_PAGE_SIZE);
	return netfront_bind(nf, interrupt, "nfv-netfront-ctrl", ctrl, &ctrl->port, &ctrl->irq);
}

void netfront_ctrl_free(struct netfront *nf)
{
	struct netfront_ctrl *ctrl = &nf->ctrl;

	if (ctrl->irq)
		unbind_from_irqhandler(ctrl->irq, ctrl);
	ctrl->irq = 0;
	if (ctrl->ring.sring)
		xenbus_teardown_ring((void **)&ctrl->ring.sring, 1, &ctrl->ring_ref);
}

/*
 * Look for the response to the last request; skip responses to earlier ones, which have timed out. Return 1 if *r is
 * it, 0 if it has not come, -EPROTO if the index is out of range. Each round after the first consumes responses, so the
 * loop ends.
 */
static int responded(struct netfront_ctrl *ctrl, struct xen_netif_ctrl_response *r)
{
	RING_IDX prod = READ_ONCE(ctrl->ring.sring->rsp_prod);

	for (;;) {
		virt_rmb();	/* the index, then what it announces; pairs with the backend's */
		if (prod - ctrl->ring.rsp_cons > ctrl->ring.req_prod_pvt - ctrl->ring.rsp_cons)
			return -EPROTO;
		while (ctrl->ring.rsp_cons != prod) {
			RING_COPY_RESPONSE(&ctrl->ring, ctrl->ring.rsp_cons, r);
			WRITE_ONCE(ctrl->ring.rsp_cons, ctrl->ring.rsp_cons + 1);
			if (r->id == ctrl->id)
				return 1;
		}
		ctrl->ring.sring->rsp_event = prod + 1;
		virt_mb();	/* the request for an event, then the index again; pairs with the backend's */
		prod = READ_ONCE(ctrl->ring.sring->rsp_prod);
		if (prod == ctrl->ring.rsp_cons)
			return 0;
	}
}

int netfront_ask(struct netfront *nf, u16 type, const u32 data[3], u32 *data_out)
{
	struct netfront_ctrl *ctrl = &nf->ctrl;
	struct xen_netif_ctrl_response r = { 0 };
	int notify, there = 0;

	if (RING_FULL(&ctrl->ring))
		return -EBUSY;
	*RING_GET_REQUEST(&ctrl->ring, ctrl->ring.req_prod_pvt) = (struct xen_netif_ctrl_request){
		.id = ++ctrl->id, .type = type, .data = { data[0], data[1], data[2] },
	};
	ctrl->ring.req_prod_pvt++;
	ctrl->ring.sring->rsp_event = ctrl->ring.rsp_cons + 1;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ctrl->ring, notify);
	if (notify)
		notify_remote_via_irq(ctrl->irq);
	wait_event_timeout(ctrl->wait, READ_ONCE(nf->closing) || (there = responded(ctrl, &r)), RESPONSE_TIME);
	if (there < 0)
		return there;
	if (!there)
		return -ETIMEDOUT;
	*data_out = r.data;
	return min_t(u32, r.status, INT_MAX);
}
