/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame/drop.h"

#include <errno.h>

const struct nfvd_reason nfvd_reasons[NFVD_N_REASONS] = {
#define X(e, n, h) [NFVD_DROP_##e] = { n, h },
	NFVD_DROPS(X)
	NFVD_LOST_IN_KERNEL(X)
	NFVD_FAULTS(X)
#undef X
};

enum nfvd_drop nfvd_kernel_reason(int result)
{
	switch (result) {
	case -ESTALE:
		return NFVD_DROP_EXPIRED;
	case -ENOBUFS:
	case -ENOMEM:
		return NFVD_DROP_DST_FULL;
	case -ENODEV:
	case -ENOENT:
	case -ENETDOWN:
		return NFVD_DROP_DST_DOWN;
	case -EMSGSIZE:
		return NFVD_DROP_MTU;
	case -EFAULT:
		return NFVD_DROP_MEM_FAULT;
	default:
		return NFVD_DROP_DST_ERROR;
	}
}
