// SPDX-License-Identifier: GPL-2.0
/*
 * Grant copies: GNTTABOP_copy takes a guest's page on either side, so a frame moves
 * from one guest to another without being mapped, and without coming here.
 */
#include <xen/grant_table.h>
#include "xen.h"

void nfvk_xen_copies_run(struct nfvk_xen_copies *c)
{
	if (!c->n)
		return;
	gnttab_batch_copy(c->op, c->n);
	atomic64_add(c->n, c->ops);
	for (unsigned int i = 0; i < c->n; i++)
		if (c->op[i].status != GNTST_okay)
			__set_bit(c->owner[i], c->failed);
	c->n = 0;
}
