/* SPDX-License-Identifier: BSD-3-Clause */
/* Xen's calls: 32 bytes of code each, in a page that the domain builder fills. */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include "xen.h"

#define HYPERCALL_BYTES	32

extern const char hypercall_page[];

static inline long hypercall(unsigned int number, uintptr_t a, uintptr_t b, uintptr_t c)
{
	long result = (long)(uintptr_t)(hypercall_page + number * HYPERCALL_BYTES);

	__asm__ volatile("call *%0" : "+a"(result), "+D"(a), "+S"(b), "+d"(c) : : "rcx", "r11", "memory");
	return result;
}

#endif
