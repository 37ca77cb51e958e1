// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: the control ring, and pages that are granted once. See xen_gref.h.
 *
 * Whether the backend maps them makes no difference to what we do with them: a frame is
 * in such a page for a while, and the page is used again. So one that was named need not
 * be unnamed before the backend has closed, and one whose name got lost does no harm.
 */
#include <linux/slab.h>
#include "netfront.h"
#include "xen_gref.h"

#define ANSWER_TIME	(5 * HZ)

static_assert(sizeof(struct nfvk_xen_gref) * NFVK_XEN_GREFS_OF_PAGE <= XEN_PAGE_SIZE);

/* ---- the control ring ---- */

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
 * Is the answer to the last request there? Others are to requests that nobody waits for any more.
 * Each round but the first takes answers, so it ends.
 */
static int answered(struct netfront_ctrl *ctrl, struct xen_netif_ctrl_response *r)
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

/* Returns XEN_NETIF_CTRL_STATUS_*, or an error. */
static int ask(struct netfront *nf, u16 type, const u32 data[3], u32 *answer)
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
	wait_event_timeout(ctrl->wait, READ_ONCE(nf->closing) || (there = answered(ctrl, &r)), ANSWER_TIME);
	if (there < 0)
		return there;
	if (!there)
		return -ETIMEDOUT;
	*answer = r.data;
	return min_t(u32, r.status, INT_MAX);
}

/* ---- pages ---- */

void netfront_stage_free(struct netfront_queue *q)
{
	for (unsigned int i = 0; q->stage && i < netfront_stages(q->nf) && q->stage[i].page; i++)
		gnttab_end_foreign_access(q->stage[i].ref, q->stage[i].page);
	kvfree(q->stage);
	q->stage = NULL;
	q->staged = q->persistent = false;
}

static bool is_tx(unsigned int stage)
{
	return stage < NETFRONT_RING;
}

/* Has a reference of the page from now on. */
static int stage_page(struct netfront_queue *q, struct netfront_page *p, struct page *page, bool readonly)
{
	int ref = gnttab_grant_foreign_access(q->nf->xb->otherend_id, xen_page_to_gfn(page), readonly);

	if (ref < 0)
		return ref;
	get_page(page);
	p->page = page;
	p->ref = ref;
	return 0;
}

static int stage_pages(struct netfront_queue *q, struct netfront_page *p, unsigned int order, bool readonly)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP | __GFP_NOWARN, order);
	int err = 0;

	if (!page)
		return -ENOMEM;
	for (unsigned int i = 0; i < 1u << order && !err; i++)
		err = stage_page(q, &p[i], page + i, readonly);
	put_page(page);
	return err;
}

int netfront_stage_make(struct netfront_queue *q)
{
	unsigned int order, n = netfront_stages(q->nf);
	int err = 0;

	if (q->stage)
		return 0;
	q->stage = kvcalloc(n, sizeof(*q->stage), GFP_KERNEL);
	if (!q->stage)
		return -ENOMEM;
	for (unsigned int i = 0; i < n && !err; i += 1u << order) {
		order = is_tx(i) ? 0 : NETFRONT_BLOCK_ORDER;
		err = stage_pages(q, &q->stage[i], order, is_tx(i));
	}
	if (err) {
		netfront_stage_free(q);
		return err;
	}
	memset(q->posted, 0, sizeof(q->posted));
	for (unsigned int i = 0; i < NETFRONT_RING; i++) {
		q->rx_stage[i] = NETFRONT_RING + i;
		q->posted[i / NETFRONT_BLOCK] |= BIT(i % NETFRONT_BLOCK);
	}
	q->block = 0;
	q->undealt = 0;
	return 0;
}

/* ADD or DEL of n from first on; ask's result. */
static int list_some(struct netfront_queue *q, u16 type, unsigned int first, unsigned int n)
{
	struct netfront_page list_page;
	struct nfvk_xen_gref *list;
	u32 answer;
	int status = stage_pages(q, &list_page, 0, false);

	if (status)
		return status;
	list = page_address(list_page.page);
	for (unsigned int i = 0; i < n; i++)
		list[i] = (struct nfvk_xen_gref){
			.ref = q->stage[first + i].ref,
			.flags = is_tx(first + i) ? NFVK_XEN_GREF_READONLY : 0,
		};
	status = ask(q->nf, type, (const u32[3]){ q->index, list_page.ref, n }, &answer);
	gnttab_end_foreign_access(list_page.ref, list_page.page);
	return status;
}

/* The same of the first n, however many. */
static int list_pages(struct netfront_queue *q, u16 type, unsigned int n)
{
	int status = 0;

	for (unsigned int i = 0; i < n && !status; i += NFVK_XEN_GREFS_OF_PAGE)
		status = list_some(q, type, i, min(n - i, (unsigned int)NFVK_XEN_GREFS_OF_PAGE));
	return status;
}

/* 1: named. 0: the backend does not want them. Below: it does not answer, and will not be asked again. */
static int name_pages(struct netfront_queue *q)
{
	bool had = q->stage;
	u32 size = 0;
	int status = ask(q->nf, NFVK_XEN_CTRL_GET_GREF_MAPPING_SIZE, (const u32[3]){ q->index }, &size);

	if (status)
		return min(status, 0);
	size = min(size, netfront_stages(q->nf));
	if (!size || netfront_stage_make(q))
		return 0;
	/* It may be the backend that has them already, or another. */
	if (had)
		status = list_pages(q, NFVK_XEN_CTRL_DEL_GREF_MAPPING, size);
	if (status >= 0)
		status = list_pages(q, NFVK_XEN_CTRL_ADD_GREF_MAPPING, size);
	return status > 0 ? 0 : status ?: 1;
}

void netfront_name_pages(struct netfront *nf)
{
	int named = nf->ctrl.irq ? 0 : -ENOENT;

	for (unsigned int i = 0; i < nf->nr_queues; i++) {
		struct netfront_queue *q = &nf->queue[i];

		if (named >= 0)
			named = name_pages(q);
		WRITE_ONCE(q->persistent, named > 0);
		/* Its pages before it; pairs with the datapath's acquire. */
		smp_store_release(&q->staged, named > 0 || !nf->trusted);
	}
	if (nf->ctrl.irq && named < 0 && !READ_ONCE(nf->closing))
		netdev_warn(nf->dev, "control ring: error=%d: its grants will not stay mapped\n", named);
}
