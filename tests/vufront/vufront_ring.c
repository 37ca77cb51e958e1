/* SPDX-License-Identifier: BSD-3-Clause */
#include "vufront.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096ull
#define REGION_GAP	0x10000ull	/* between regions, in guest physical addresses */
#define MEM_BYTES	(16ull << 20)

void *vuf_alloc(struct vuf *f, size_t bytes, size_t align)
{
	for (unsigned int i = 0; i < f->n_regions; i++) {
		size_t start = f->region[i].mmap_offset, end = start + f->region[i].size;
		size_t at = f->mem_taken > start ? f->mem_taken : start;

		at = (at + align - 1) / align * align;
		if (at < end && bytes <= end - at) {
			f->mem_taken = at + bytes;
			return f->mem + at;
		}
	}
	return NULL;
}

uint64_t vuf_gpa(const struct vuf *f, const void *p)
{
	uint64_t off = (const uint8_t *)p - f->mem;

	for (unsigned int i = 0; i < f->n_regions; i++)
		if (off - f->region[i].mmap_offset < f->region[i].size)
			return f->region[i].gpa + off - f->region[i].mmap_offset;
	return 0;
}

int vuf_make_memory(struct vuf *f, const struct vuf_options *o)
{
	unsigned int n = o->regions ? o->regions : 1;
	uint64_t part = (o->mem_bytes ? o->mem_bytes : MEM_BYTES) / n / PAGE * PAGE;

	if (n > VU_REGIONS_MAX || !part)
		return -EINVAL;
	f->memfd = memfd_create("guest", MFD_CLOEXEC | (o->huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
	if (f->memfd < 0 || ftruncate(f->memfd, part * n) < 0)
		return -errno;
	f->mem = mmap(NULL, part * n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, f->memfd, 0);
	if (f->mem == MAP_FAILED) {
		f->mem = NULL;
		return -errno;
	}
	f->mem_bytes = part * n;
	f->n_regions = n;
	for (unsigned int i = 0; i < n; i++)
		f->region[i] = (struct nfvd_vu_region){
			.gpa = (o->gpa ? o->gpa : 0x100000) + i * (part + REGION_GAP),
			.size = part,
			.uva = (uintptr_t)f->mem + i * part,
			.mmap_offset = i * part,
		};
	return 0;
}

int vuf_make_ring(struct vuf *f, unsigned int i, unsigned int size)
{
	struct vuf_vring *r = &f->vq[i];

	r->rx = !(i & 1);
	r->f = f;
	r->size = size;
	r->mask = size - 1;
	/* Own pages: the two sides write different ones. */
	r->desc = vuf_alloc(f, size * sizeof(*r->desc), PAGE);
	r->avail = vuf_alloc(f, sizeof(*r->avail) + 2 * size + 2, PAGE);
	r->used = vuf_alloc(f, sizeof(*r->used) + sizeof(struct vring_used_elem) * size + 2, PAGE);
	if (!r->desc || !r->avail || !r->used)
		return -ENOMEM;
	r->free_ids = calloc(size, sizeof(*r->free_ids));
	if (!r->free_ids)
		return -ENOMEM;
	r->kickfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->callfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return r->kickfd < 0 || r->callfd < 0 ? -errno : 0;
}

void vuf_ring_reset(struct vuf_vring *r)
{
	memset(r->desc, 0, r->size * sizeof(*r->desc));
	memset(r->avail, 0, sizeof(*r->avail) + 2 * r->size + 2);
	memset(r->used, 0, sizeof(*r->used) + sizeof(struct vring_used_elem) * r->size + 2);
	r->avail_idx = r->published = r->last_used = 0;
	r->n_free = 0;
	for (unsigned int i = r->bufs ? r->size : 0; i; i--) {
		r->free_ids[r->n_free++] = i - 1;
		vuf_set_desc(r->f, r, i - 1, vuf_buf(r, i - 1), r->buf_bytes, r->rx ? VRING_DESC_F_WRITE : 0);
	}
}

void vuf_set_desc(const struct vuf *f, struct vuf_vring *r, uint16_t i, const void *p, uint32_t bytes,
		  uint16_t flags)
{
	r->desc[i] = (struct vring_desc){ .addr = vuf_gpa(f, p), .len = bytes, .flags = flags };
}

int vuf_kick(struct vuf_vring *r)
{
	uint64_t one = 1;

	r->kicks++;
	return write(r->kickfd, &one, sizeof(one)) < 0 ? -errno : 0;
}

int vuf_make_buffers(struct vuf *f, struct vuf_vring *r, uint32_t bytes)
{
	r->bufs = vuf_alloc(f, (size_t)r->size * bytes, 64);
	if (!r->bufs)
		return -ENOMEM;
	r->buf_bytes = bytes;
	vuf_ring_reset(r);
	return 0;
}

void vuf_rx_fill(struct vuf_vring *r)
{
	while (r->n_free)
		vuf_post(r, r->free_ids[--r->n_free]);
	vuf_publish(r);
}

unsigned int vuf_rx_reap(struct vuf_vring *r, vuf_rx_fn fn, void *arg)
{
	unsigned int n = 0;
	uint32_t id, bytes;

	for (; vuf_used(r, &id, &bytes); n++) {
		if (id >= r->size)
			continue;
		fn(arg, vuf_buf(r, id), bytes < r->buf_bytes ? bytes : r->buf_bytes);
		vuf_post(r, id);
	}
	vuf_publish(r);
	return n;
}

int vuf_tx_post(struct vuf_vring *r, const void *hdr, size_t hdr_bytes, const void *frame, size_t bytes)
{
	uint16_t id;

	if (bytes > r->buf_bytes || hdr_bytes > r->buf_bytes - bytes)
		return -EMSGSIZE;
	if (!r->n_free && !vuf_tx_reap(r))
		return -ENOBUFS;
	id = r->free_ids[--r->n_free];
	if (hdr)
		memcpy(vuf_buf(r, id), hdr, hdr_bytes);
	else
		memset(vuf_buf(r, id), 0, hdr_bytes);
	memcpy(vuf_buf(r, id) + hdr_bytes, frame, bytes);
	r->desc[id].len = hdr_bytes + bytes;
	vuf_post(r, id);
	return 0;
}

unsigned int vuf_tx_reap(struct vuf_vring *r)
{
	unsigned int n = 0;
	uint32_t id, bytes;

	while (vuf_used(r, &id, &bytes))
		if (id < r->size && r->n_free < r->size) {
			r->free_ids[r->n_free++] = id;
			n++;
		}
	return n;
}
