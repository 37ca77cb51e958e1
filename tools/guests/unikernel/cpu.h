/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPU, for all platforms. */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

/* A value that others may write: read or written exactly once. */
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
/* x86 keeps the order of stores, and of loads; only the compiler needs a barrier. */
#define barrier()		__asm__ volatile("" : : : "memory")
/* Also keep a load after an earlier store. */
#define full_barrier()		__asm__ volatile("mfence" : : : "memory")

static inline uint64_t tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

#endif
