// SPDX-License-Identifier: GPL-2.0
/*
 * Grant copies: both ends of GNTTABOP_copy may be guests' pages. So a frame moves from one guest to another without
 * being mapped, and without a copy in this domain.
 */
#include <asm/xen/hypercall.h>
#include "backend.h"

/*
 * gnttab_batch_copy() is not used, because it sleeps: if the hypervisor must first fetch a page (GNTST_eagain), it
 * retries for half a minute. Here the frame is lost instead, and the page is usually present for the next one.
 */
void nfvk_xen_copies_run(struct nfvk_xen_copies *c)
{
	bool made;

	if (!c->n)
		return;
	made = !HYPERVISOR_grant_table_op(GNTTABOP_copy, c->op, c->n);
	atomic64_add(c->n, c->ops);
	for (unsigned int i = 0; i < c->n; i++)
		if (!made || c->op[i].status != GNTST_okay)
			__set_bit(c->owner[i], c->failed);
	c->n = 0;
}
