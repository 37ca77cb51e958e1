/* SPDX-License-Identifier: BSD-3-Clause */
#include "vring/vring_setup.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

uint16_t nfvd_virtio_hdr_len(uint64_t features)
{
	uint64_t long_hdr = 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_F_VERSION_1;

	return features & long_hdr ? 12 : 10;
}

static bool inside(const struct nfvd_gmem *m, const void *p, size_t n)
{
	for (unsigned int i = 0; i < m->n; i++) {
		const struct nfvd_gmem_region *r = &m->r[i];
		uint64_t off = (const uint8_t *)p - r->hva;

		if ((const uint8_t *)p >= r->hva && off < r->size && n <= r->size - off)
			return true;
	}
	return false;
}

static bool overlap(const void *a, size_t an, const void *b, size_t bn)
{
	return (const uint8_t *)a < (const uint8_t *)b + bn && (const uint8_t *)b < (const uint8_t *)a + an;
}

enum nfvd_drop nfvd_vring_check(const struct nfvd_vring *vr)
{
	size_t event = vr->event_idx ? 2 : 0, n = vr->size;
	size_t desc = n * sizeof(struct vring_desc), avail = 4 + 2 * n + event, used = 4 + 8 * n + event;

	if (!n || n > NFVD_VRING_SIZE_MAX || n & (n - 1))
		return NFVD_DROP_VU_BAD_NUM;
	if ((uintptr_t)vr->desc % 16 || (uintptr_t)vr->avail % 2 || (uintptr_t)vr->used % 4)
		return NFVD_DROP_VU_BAD_ADDR;
	if (!inside(vr->mem, vr->desc, desc) || !inside(vr->mem, vr->avail, avail) ||
	    !inside(vr->mem, vr->used, used))
		return NFVD_DROP_VU_BAD_ADDR;
	if (overlap(vr->desc, desc, vr->avail, avail) || overlap(vr->desc, desc, vr->used, used) ||
	    overlap(vr->avail, avail, vr->used, used))
		return NFVD_DROP_VU_BAD_ADDR;
	return NFVD_PASS;
}

void nfvd_vring_resume(struct nfvd_vring *vr)
{
	gread_begin();
	vr->last_avail = vr->used_idx = vr->signalled = gread16(&vr->used->idx);
}

unsigned int nfvd_vring_replays(const struct nfvd_vring *vr, uint32_t taken)
{
	uint16_t n = taken - vr->used_idx;

	return (taken & ~0xffffu) == NFVD_TAKEN && n <= NFVD_BURST ? n : 0;
}

bool nfvd_vring_used(const struct vring_avail *avail)
{
	gread_begin();
	return gread16(&avail->idx);
}
