/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest made of plain memory, for tests of the virtqueue engine: two regions
 * that are adjacent in guest physical addresses but not in this process, a ring
 * in the first, and functions that write descriptors.
 */
#ifndef TEST_GUEST_H
#define TEST_GUEST_H

#include <stdlib.h>
#include <string.h>
#include "vring/vring_split.h"
#include "worker/call.h"

#define GUEST_SIZE	(1u << 20)	/* of each region, bytes */
#define GUEST_GPA	0x100000ull
#define GUEST_DATA	(GUEST_GPA + 0x40000)

struct guest {
	uint8_t *mem[2];
	struct nfvd_gmem gmem;
	struct nfvd_vring vr;
	struct nfvd_call_pace pace;
	struct vring_desc *desc;
	uint16_t size, avail;
};

/* Where a guest physical address is mapped in this process. */
static inline uint8_t *guest_at(struct guest *g, uint64_t gpa)
{
	uint64_t n = 1;

	return nfvd_gmem_at(&g->gmem, gpa, &n);
}

static inline void guest_init(struct guest *g, uint16_t size, bool event_idx, bool mergeable)
{
	memset(g, 0, sizeof(*g));
	for (unsigned int i = 0; i < 2; i++) {
		g->mem[i] = aligned_alloc(4096, GUEST_SIZE);
		memset(g->mem[i], 0, GUEST_SIZE);
		g->gmem.r[i] = (struct nfvd_gmem_region){ GUEST_GPA + i * (uint64_t)GUEST_SIZE, GUEST_SIZE, g->mem[i],
							  g->mem[i], GUEST_SIZE };
	}
	g->gmem.n = 2;
	g->size = size;
	g->desc = (struct vring_desc *)g->mem[0];
	g->pace = (struct nfvd_call_pace){ 0 };
	g->vr = (struct nfvd_vring){
		.desc = g->desc, .avail = (struct vring_avail *)(g->mem[0] + 0x20000),
		.used = (struct vring_used *)(g->mem[0] + 0x30000), .mem = &g->gmem, .size = size, .mask = size - 1,
		.hdr_len = 12, .event_idx = event_idx, .indirect = true, .mergeable = mergeable, .call = NFVD_CALL_NONE,
		.fault = NFVD_PASS, .pace = &g->pace,
	};
	rte_spinlock_init(&g->vr.lock);
}

static inline void guest_free(struct guest *g)
{
	free(g->mem[0]);
	free(g->mem[1]);
}

static inline void guest_desc(struct guest *g, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	g->desc[i] = (struct vring_desc){ gpa, len, flags, next };
}

static inline void guest_post(struct guest *g, uint16_t head)
{
	g->vr.avail->ring[g->avail++ % g->size] = head;
	g->vr.avail->idx = g->avail;
}

/* A Tx buffer of one descriptor: zeroed virtio_net_hdr, then a frame of len bytes counting up from seed. */
static inline void guest_fill(struct guest *g, uint64_t gpa, uint32_t len, uint8_t seed)
{
	for (uint32_t i = 0; i < 12 + len; i++)
		*guest_at(g, gpa + i) = i < 12 ? 0 : seed + (i - 12);
}

#endif
