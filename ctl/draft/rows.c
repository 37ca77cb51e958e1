// SPDX-License-Identifier: BSD-3-Clause
/* What the draft's tables have: their rows with what it has published, and what is measured. */
#include "draft/draft.h"

const struct draft_row draft_rows[] = {
	{ "standardvm.xen", true, 6500, 23.1, 24.5, 34, 913, 112 },
	{ "standardvm.kvm", false, 2988, 20.1, 38.9, 18, 913, 82 },
	{ "container", false, 1711, 45.1, 43.8, 4, 61, 3.8 },
	{ "tinyx.kvm", false, 1081, 21.5, 37.9, 19, 3.5, 30 },
	{ "tinyx.xen", true, 431, 28.6, 24.9, 15, 3.7, 31 },
	{ "unikernel.osv.kvm", false, 330, 47.9, 47.7, 9, 12, 52 },
	{ "unikernel.minios.xen", true, 31, 49.5, 32.6, 5, 2, 8 },
	{ "unikernel.kvm", false, 0, 0, 0, 0, 0, 0 },	/* ours; the draft has none that compares */
	{ "unikernel.xen", true, 0, 0, 0, 0, 0, 0 },
	{ NULL, false, 0, 0, 0, 0, 0, 0 }
};

const char *const draft_measures[] = { "instantiation", "throughput", "rtt", "image", "memory", NULL };
