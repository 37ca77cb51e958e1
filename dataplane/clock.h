/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time, and millisecond stamps on data that several threads share.
 *
 * Each worker reads the clock once per iteration. So the "now" of two threads differs by up to an iteration, and a
 * stamp may lie in the reader's future. Only the functions here compute the difference of two stamps.
 */
#ifndef NFVD_CLOCK_H
#define NFVD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Return the time in milliseconds: monotonic, coarse, wraps after 49 days. */
static inline uint32_t nfvd_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t nfvd_now_us(void);	/* monotonic, exact */

static inline uint64_t nfvd_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Return the milliseconds from then to now; 0 if then is in the future. Both are less than 24 days apart. */
static inline uint32_t nfvd_elapsed_ms(uint32_t now, uint32_t then)
{
	int32_t passed = now - then;

	return passed > 0 ? passed : 0;
}

/* Return the same for stamps of which only the lowest 28 bits are kept. They are less than 37 hours apart. */
static inline uint32_t nfvd_elapsed_ms28(uint32_t now, uint32_t then)
{
	int32_t passed = (int32_t)((now - then) << 4) >> 4;

	return passed > 0 ? passed : 0;
}

/* Return whether stamp a is later than stamp b. */
static inline bool nfvd_later(uint32_t a, uint32_t b)
{
	return nfvd_elapsed_ms(a, b);
}

#endif
