/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: a guest's split ring, as Tx and as Rx queue. The input is the
 * guest's memory: options (1 byte), then descriptors, avail ring, data. Whatever
 * it is, frames that come out are whole and readable, and nothing is written
 * outside writable descriptors (ASan watches), neither by nfvd nor by the module.
 */
#include "../unit/guest.h"
#include "offload.h"
#include "vring_split.c"
#include "gmem.c"
#include "call.c"
#include "../unit/module.h"

#define SIZE		16
#define DESC_BYTES	(SIZE * sizeof(struct vring_desc))
#define AVAIL_BYTES	(4 + 2 * SIZE + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nfvd_frame frames[NFVD_BURST];
static struct iovec pool[4096];
static volatile uint8_t sink;

static void touch(struct nfvd_frame *f)
{
	uint64_t bytes = f->hdr_len;

	for (unsigned int i = 0; i < f->iov_n; bytes += f->iov[i++].iov_len)
		for (size_t k = 0; k < f->iov[i].iov_len; k += 64)
			sink = ((const uint8_t *)f->iov[i].iov_base)[k];
	if (bytes != f->len)
		abort();
	if (nfvd_offload_check(f) == NFVD_N_REASONS && f->vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		static struct nfvd_frame segs[NFVD_SEGS_MAX];
		static struct iovec parts[8192];

		if (f->vnet.hdr.gso_type)
			nfvd_offload_segment(f, segs, parts, 8192);
		else
			nfvd_offload_checksum(f);
	}
}

/* Most addresses are made to hit guest memory or its edges; else nothing gets past the first check. */
static void load(struct guest *g, const uint8_t *data, size_t size)
{
	size_t n = size < DESC_BYTES ? size : DESC_BYTES;

	memcpy(g->mem[0], data, n);
	for (unsigned int i = 0; i < SIZE; i++)
		if (!(g->desc[i].addr >> 63))
			g->desc[i].addr = GUEST_GPA + g->desc[i].addr % (2 * GUEST_SIZE + 64);
	data += n;
	size -= n;
	n = size < AVAIL_BYTES ? size : AVAIL_BYTES;
	memcpy(g->mem[0] + 0x20000, data, n);
	data += n;
	size -= n;
	memcpy(guest_at(g, GUEST_DATA), data, size < 4096 ? size : 4096);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nfvd_take_drops drops;
	struct nfvd_ledger l = { 0 };
	struct nfvd_frame f = { .len = 900, .hdr_len = NFVD_HDR_MAX, .iov_n = 1 }, *list[3] = { &f, &f, &f };
	static uint8_t rest[900];
	struct iovec iov = { rest, 900 - NFVD_HDR_MAX };
	enum nfvd_drop results[3];
	struct nfvd_frame held;
	struct guest g;
	unsigned int n;

	if (!size)
		return 0;
	guest_init(&g, SIZE, data[0] & 1, data[0] & 2);
	g.vr.indirect = data[0] & 4;
	g.vr.hdr_len = data[0] & 8 ? 10 : 12;
	load(&g, data + 1, size - 1);
	if (data[0] & 16) {
		f.iov = &iov;
		/* The second of three is the kernel's. */
		if (data[0] & 32) {
			held = module_frame(7, 900);
			list[1] = &held;
		}
		nfvd_vring_deliver(&g.vr, list, 3, results, &l);
		for (unsigned int i = 0; i < 3; i++)
			if (results[i] > NFVD_N_REASONS)
				abort();
	} else {
		n = nfvd_vring_take(&g.vr, frames, NFVD_BURST, pool, 4096, &drops);
		for (unsigned int i = 0; i < n; i++)
			touch(&frames[i]);
		if (n + drops.n > SIZE)
			abort();
		nfvd_vring_take_done(&g.vr);
	}
	nfvd_vring_arm(&g.vr, true);
	guest_free(&g);
	return 0;
}
