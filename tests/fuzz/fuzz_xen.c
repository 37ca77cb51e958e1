/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: a Xen guest's Tx ring. The input is position and number of requests
 * (2 bytes each), then slots. What comes out as a frame is within its pages, adds up,
 * and took no more of the ring than there was; where a checksum belongs is within the
 * header, whatever that is.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "xen_slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frame(const struct nfvk_xen_frame *f)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < f->n; i++) {
		sum += f->slot[i].size;
		if ((uint32_t)f->slot[i].offset + f->slot[i].size > NFVK_XEN_PAGE)
			abort();
	}
	if (sum != f->len || f->len < NFVK_XEN_FRAME_MIN || f->n > NFVK_XEN_SLOTS_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static union nfvk_xen_slot ring[NFVK_XEN_RING];
	static struct nfvk_xen_frame f;
	uint16_t head[2], start, offset;
	uint8_t *header;
	uint32_t n;

	if (size < sizeof(head))
		return 0;
	memcpy(head, data, sizeof(head));
	data += sizeof(head);
	size -= sizeof(head);
	memset(ring, 0, sizeof(ring));
	memcpy(ring, data, size < sizeof(ring) ? size : sizeof(ring));
	for (uint32_t cons = head[0], prod = cons + head[1] % (NFVK_XEN_RING + 1); cons != prod; cons += f.n + f.extras) {
		enum nfvk_xen_verdict verdict = nfvk_xen_gather(ring, cons, prod - cons, &f);

		if (verdict == NFVK_XEN_BAD_SLOT || verdict == NFVK_XEN_BAD_EXTRA)
			break;
		if (!f.n || f.n > NFVK_XEN_SLOTS_BAD || (uint32_t)f.n + f.extras > prod - cons)
			abort();
		if (verdict == NFVK_XEN_FRAME)
			check_frame(&f);
	}
	/* The same bytes as a header, of just that size. */
	n = size < 128 ? size : 128;
	header = malloc(n ? n : 1);
	if (!header)
		return 0;
	memcpy(header, data, n);
	if (nfvk_xen_csum_place(header, n, &start, &offset) && (uint32_t)start + offset + 2 > n)
		abort();
	free(header);
	return 0;
}
