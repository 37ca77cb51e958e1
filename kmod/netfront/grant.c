// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: granting pages, for one frame or persistently. See xen_gref.h.
 *
 * Persistent pages are used the same way whether or not the backend has them mapped. So their names need not be deleted
 * before the backend has closed, and a name that got lost does no harm.
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
	p->ref = gnttab_claim_grant_reference(grants);	/* cannot fail: there is one per slot */
	gnttab_page_grant_foreign_access_ref_one(p->ref, q->nf->xb->otherend_id, page, readonly);
}

/* ---- persistent pages ---- */

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

/* Grant the page, and take a reference of it. Return 0 or -errno. */
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

/* Send one ADD or DEL request for n pages, from first on. Return as netfront_ask(). */
static int list_some(struct netfront_queue *q, u16 type, unsigned int first, unsigned int n)
{
	struct netfront_page list_page;
	struct nfvk_xen_gref *list;
	u32 data_out;
	int status = stage_pages(q, &list_page, 0, false);

	if (status)
		return status;
	list = page_address(list_page.page);
	for (unsigned int i = 0; i < n; i++)
		list[i] = (struct nfvk_xen_gref){
			.ref = q->stage[first + i].ref,
			.flags = is_tx(first + i) ? NFVK_XEN_GREF_READONLY : 0,
		};
	status = netfront_ask(q->nf, type, (const u32[3]){ q->index, list_page.ref, n }, &data_out);
	gnttab_end_foreign_access(list_page.ref, list_page.page);
	return status;
}

/* Send as many such requests as the first n pages need. */
static int list_pages(struct netfront_queue *q, u16 type, unsigned int n)
{
	int status = 0;

	for (unsigned int i = 0; i < n && !status; i += NFVK_XEN_GREFS_OF_PAGE)
		status = list_some(q, type, i, min(n - i, (unsigned int)NFVK_XEN_GREFS_OF_PAGE));
	return status;
}

/* Return 1 if the pages are named, 0 if the backend does not want them, -errno if it does not respond. */
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
	/* The backend may be the previous one, which has the names already. */
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
		/* Publish the pages before staged; pairs with the acquire in xmit and fill. */
		smp_store_release(&q->staged, named > 0 || !nf->trusted);
	}
	if (nf->ctrl.irq && named < 0 && !READ_ONCE(nf->closing))
		netdev_warn(nf->dev, "control ring: error=%d: grants will not stay mapped\n", named);
}
