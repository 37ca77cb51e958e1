/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

int nfvd_eal_init(bool verbose)
{
	char lcores[32], prefix[48], level[] = "--log-level=lib.*:error";
	/* One lcore, which may run anywhere: our threads choose their CPUs themselves. */
	char *argv[] = {
		"nfvd", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m", "16",
		"--lcores", lcores, prefix, level, NULL,
	};

	snprintf(lcores, sizeof(lcores), "0@(0-%ld)", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	snprintf(prefix, sizeof(prefix), "--file-prefix=nfvd-%d", getpid());
	if (!verbose)
		rte_log_set_global_level(RTE_LOG_ERR);
	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]) - 1, argv) < 0) {
		nfvd_log(LOG_ERR, "DPDK: %s", rte_strerror(rte_errno));
		return rte_errno ? -rte_errno : -EIO;
	}
	return 0;
}

void nfvd_eal_fini(void)
{
	rte_eal_cleanup();
}
