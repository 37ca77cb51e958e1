// SPDX-License-Identifier: GPL-2.0
/*
 * Grant copies: GNTTABOP_copy takes a guest's page on either side, so a frame moves
 * from one guest to another without being mapped, and without coming here.
 */
#include <asm/xen/hypercall.h>
#include "vif.h"

/*
 * Not gnttab_batch_copy(): for a page that the hypervisor has to fetch first (GNTST_eagain) it sleeps
 * and tries again, for half a minute. The frame is lost instead, and by the next one the page is there.
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
