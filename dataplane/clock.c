/* SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"

uint64_t nfvd_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}
