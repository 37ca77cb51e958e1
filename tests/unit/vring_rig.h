/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from a guest's ring and into it, for the tests of vrings. */
#ifndef NFV_TEST_VRING_RIG_H
#define NFV_TEST_VRING_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include "guest.h"
#include "vring/vring_setup.c"
#include "vring/vring_split.c"
#include "vring/gmem.c"
#include "worker/call.c"
#include "module.h"

#define W VRING_DESC_F_WRITE
#define N VRING_DESC_F_NEXT
#define I VRING_DESC_F_INDIRECT

static struct nfvd_frame frames[NFVD_BURST];
static struct iovec pool[4096];
static struct nfvd_take_drops drops;

static unsigned int taken;

static inline unsigned int take(struct guest *g)
{
	taken = nfvd_vring_take(&g->vr, frames, NFVD_BURST, pool, 4096, &drops);
	return taken;
}

static inline unsigned int done(struct guest *g)
{
	return nfvd_vring_take_done(&g->vr, taken);
}

/* Return the frame's byte at offset off, from the header or a vector. */
static inline uint8_t byte_of(const struct nfvd_frame *f, uint32_t off)
{
	if (off < f->hdr_len)
		return f->hdr[off];
	off -= f->hdr_len;
	for (unsigned int i = 0; i < f->iov_n; off -= f->iov[i++].iov_len)
		if (off < f->iov[i].iov_len)
			return ((uint8_t *)f->iov[i].iov_base)[off];
	fail_msg("frame is shorter than its length");
	return 0;
}

static inline void assert_frame(const struct nfvd_frame *f, uint32_t len, uint8_t seed)
{
	assert_int_equal(f->len, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(byte_of(f, i), (uint8_t)(seed + i));
}

/* A frame of len bytes in this process's memory. */
static inline struct nfvd_frame *make(uint32_t len, uint8_t seed)
{
	static struct nfvd_frame f;
	static struct iovec iov;
	static uint8_t rest[NFVD_FRAME_MAX];

	memset(&f, 0, sizeof(f));
	f.len = len;
	f.hdr_len = len < NFVD_HDR_MAX ? len : NFVD_HDR_MAX;
	for (uint32_t i = 0; i < len; i++)
		*(i < f.hdr_len ? f.hdr + i : rest + i - f.hdr_len) = seed + i;
	iov = (struct iovec){ rest, len - f.hdr_len };
	f.iov = &iov;
	f.iov_n = len > f.hdr_len;
	return &f;
}

static inline enum nfvd_drop deliver(struct guest *g, struct nfvd_frame *f, struct nfvd_ledger *l)
{
	enum nfvd_drop result = NFVD_N_REASONS + 1;

	nfvd_vring_deliver(&g->vr, &f, 1, &result, l);
	return result;
}

static inline void rx_buffers(struct guest *g, unsigned int n, uint32_t len)
{
	for (unsigned int i = 0; i < n; i++) {
		guest_desc(g, i, GUEST_DATA + i * 4096, len, W, 0);
		memset(guest_at(g, GUEST_DATA + i * 4096), 0xee, 4096);
		guest_post(g, i);
	}
}

#endif
