/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nfv.ko, as far as the move engine sees it: frames of handle h have the bytes h, h + 1, ...
 * MODULE_STALE is a handle of a frame that is no longer held; copying MODULE_FAULT hits memory that is not mapped.
 */
#ifndef TEST_MODULE_H
#define TEST_MODULE_H

#include <errno.h>
#include "frame/drop.c"
#include "frame/nfv_batch.h"
#include "switch/move.c"

#define MODULE_STALE	1000
#define MODULE_FAULT	1001

static unsigned int module_calls;

static int module_copy(const struct nfv_op *op)
{
	const struct iovec *iov = (const struct iovec *)(uintptr_t)op->iov;
	uint32_t at = op->offset;

	if (op->code != NFV_OP_COPY)
		return -EINVAL;
	if (op->handle == MODULE_STALE)
		return -ESTALE;
	if (op->handle == MODULE_FAULT)
		return -EFAULT;
	for (unsigned int i = 0; i < op->iov_n; i++)
		for (size_t k = 0; k < iov[i].iov_len; k++)
			((uint8_t *)iov[i].iov_base)[k] = op->handle + at++;
	return at - op->offset;
}

void nfvd_kernel_batch(struct nfv_op *ops, unsigned int n)
{
	module_calls++;
	for (unsigned int i = 0; i < n; i++) {
		ops[i].copies = 1;
		ops[i].result = module_copy(&ops[i]);
	}
}

static inline struct nfvd_frame module_frame(uint64_t handle, uint32_t len)
{
	struct nfvd_frame f = { .len = len, .hdr_len = len < NFVD_HDR_MAX ? len : NFVD_HDR_MAX, .held = true, .handle = handle };

	for (unsigned int i = 0; i < f.hdr_len; i++)
		f.hdr[i] = handle + i;
	return f;
}

#endif
