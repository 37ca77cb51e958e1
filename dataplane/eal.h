/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment for a switch without a NIC: no hugepages, no PCI, no shared memory. */
#ifndef NFVD_EAL_H
#define NFVD_EAL_H

#include <stdbool.h>

int nfvd_eal_init(bool verbose);	/* 0 or -errno */
void nfvd_eal_fini(void);

#endif
