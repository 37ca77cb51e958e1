/* SPDX-License-Identifier: BSD-3-Clause */
/* The processor, wherever it is. */
#ifndef CPU_H
#define CPU_H

#include <stdint.h>

/* A value that somebody else writes: read once, written once. */
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
/* x86 keeps stores in order, and loads; only the compiler has to be told. */
#define barrier()		__asm__ volatile("" : : : "memory")
/* And a load after a store. */
#define full_barrier()		__asm__ volatile("mfence" : : : "memory")

static inline uint64_t tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

#endif
