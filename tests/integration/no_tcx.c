/* SPDX-License-Identifier: BSD-3-Clause */
/* A library for LD_PRELOAD that refuses tcx, as kernels before 6.6 do. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* libc's own is hidden by this one; the instruction is not. */
static long call(long number, const long a[6])
{
	register long r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	if (ret < 0 && ret > -4096) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

long syscall(long number, ...)
{
	const uint32_t *attr;
	va_list ap;
	long a[6];

	va_start(ap, number);
	for (unsigned int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	attr = (const uint32_t *)a[1];
	/* The attach type is the third word to create a link, the second to ask; 46 and 47 are tcx's. */
	if (number == __NR_bpf && ((a[0] == BPF_LINK_CREATE && attr[2] / 2 == 23) || (a[0] == BPF_PROG_QUERY && attr[1] / 2 == 23))) {
		errno = EINVAL;
		return -1;
	}
	return call(number, a);
}
