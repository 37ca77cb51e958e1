/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations of the kernel module, many in one call: <linux/nfv.h>. */
#ifndef NFVD_NFV_BATCH_H
#define NFVD_NFV_BATCH_H

#include <uapi/linux/nfv.h>

/* The session with the module, which kmod.c opens and closes; -1 without one. */
extern int nfvd_kernel_fd;

/* Have the module carry out n operations in one system call, and set their results. Context: any worker. */
void nfvd_kernel_batch(struct nfv_op *ops, unsigned int n);

#endif
