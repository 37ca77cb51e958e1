/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time; milliseconds as they are stamped on what several threads share.
 *
 * Each worker reads the clock once per iteration, so two threads' "now" differ by
 * up to an iteration: a stamp may well lie in the reader's future. The
 * difference of two stamps is therefore taken here and nowhere else.
 */
#ifndef NFVD_CLOCK_H
#define NFVD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Monotonic, coarse, wraps after 49 days. */
static inline uint32_t nfvd_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t nfvd_now_us(void);	/* monotonic, exact */

/* Milliseconds from then to now, both of nfvd_now_ms(), less than 24 days apart. A stamp from the future is 0 old. */
static inline uint32_t nfvd_elapsed_ms(uint32_t now, uint32_t then)
{
	int32_t passed = now - then;

	return passed > 0 ? passed : 0;
}

/* Is stamp a later than stamp b? */
static inline bool nfvd_later(uint32_t a, uint32_t b)
{
	return nfvd_elapsed_ms(a, b);
}

#endif
