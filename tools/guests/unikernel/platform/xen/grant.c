// SPDX-License-Identifier: BSD-3-Clause
/*
 * The grant table, version 1.
 */
#include "xen.h"
#include "console.h"
#include "hypercall.h"

#define FRAMES		2u
#define ENTRIES		(PAGE_BYTES / sizeof(struct grant_entry_v1))	/* entries of one frame of the table */
#define RESERVED	8u	/* the toolstack's: console, xenstore */

static struct grant_entry_v1 *frames[FRAMES];
static grant_ref_t next = RESERVED;

void grant_init(void)
{
	xen_pfn_t mfns[FRAMES];
	struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = FRAMES };
	unsigned int i;
	long error;

	set_xen_guest_handle(op.frame_list, mfns);
	error = hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, (uintptr_t)&op, 1);
	if (error || op.status != GNTST_okay)
		stop("no grant table: error %d, status %d", (int)error, op.status);
	for (i = 0; i < FRAMES; i++)
		frames[i] = xen_map(mfns[i]);
}

grant_ref_t grant_page(const void *page, domid_t to, bool readonly)
{
	struct grant_entry_v1 *entry = &frames[next / ENTRIES][next % ENTRIES];

	if (next == FRAMES * ENTRIES)
		stop("more than %u grants", next);
	entry->frame = (uint32_t)xen_mfn(page);
	entry->domid = to;
	barrier();
	WRITE_ONCE(entry->flags, GTF_permit_access | (readonly ? GTF_readonly : 0));
	return next++;
}
