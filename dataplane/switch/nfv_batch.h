/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel module does for us, many operations in one call: <linux/nfv.h>. */
#ifndef NFVD_NFV_BATCH_H
#define NFVD_NFV_BATCH_H

#include <uapi/linux/nfv.h>

/* The module's session, which kmod.c opens and closes; -1: there is none. */
extern int nfvd_kernel_fd;

/* Have the module do n operations in one system call; each has its result afterwards. Any worker. */
void nfvd_kernel_batch(struct nfv_op *ops, unsigned int n);

#endif
