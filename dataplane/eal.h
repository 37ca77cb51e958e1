/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment, as little of it as a switch without a NIC needs: no hugepages, no PCI, nothing shared. */
#ifndef NFVD_EAL_H
#define NFVD_EAL_H

#include <stdbool.h>

int nfvd_eal_init(bool verbose);	/* 0 or -errno */
void nfvd_eal_fini(void);

#endif
