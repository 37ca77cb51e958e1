// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: pages that are granted, for a frame or once. See xen_gref.h.
 *
 * Whether the backend maps them makes no difference to what we do with them: a frame is
 * in such a page for a while, and the page is used again. So one that was named need not
 * be unnamed before the backend has closed, and one whose name got lost does no harm.
 */
#include <linux/slab.h>
#include "netfront.h"
#include "xen_gref.h"

static_assert(sizeof(struct nfvk_xen_gref) * NFVK_XEN_GREFS_OF_PAGE <= XEN_PAGE_SIZE);

/* ---- for a frame ---- */

bool netfront_end_grant(struct netfront_page *p, grant_ref_t *grants)
{
	if (!gnttab_end_foreign_access_ref(p->ref))
		return false;
	gnttab_release_grant_reference(grants, p->ref);
	p->page = NULL;
	return true;
}

void netfront_grant(struct netfront_queue *q, struct netfront_page *p, struct page *page, grant_ref_t *grants, bool readonly)
{
	p->page = page;
	p->ref = gnttab_claim_grant_reference(grants);	/* there are as many as slots */
	gnttab_page_grant_foreign_access_ref_one(p->ref, q->nf->xb->otherend_id, page, readonly);
}

/* ---- once ---- */

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

/* ADD or DEL of n from first on; netfront_ask()'s result. */
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
	status = netfront_ask(q->nf, type, (const u32[3]){ q->index, list_page.ref, n }, &answer);
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
	int status = netfront_ask(q->nf, NFVK_XEN_CTRL_GET_GREF_MAPPING_SIZE, (const u32[3]){ q->index }, &size);

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
