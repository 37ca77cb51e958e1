/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame/nfv_batch.h"

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

int nfvd_kernel_fd = -1;

void nfvd_kernel_batch(struct nfv_op *ops, unsigned int n)
{
	struct nfv_batch batch = { .ops = (uintptr_t)ops, .n = n };
	int err;

	if (!ioctl(nfvd_kernel_fd, NFV_IOC_BATCH, &batch))
		return;
	err = -errno;
	for (unsigned int i = 0; i < n; i++)
		ops[i].result = err;
}
