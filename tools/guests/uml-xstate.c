// SPDX-License-Identifier: BSD-3-Clause
/*
 * A library for LD_PRELOAD of User-mode Linux, for CPUs with more register state than it knows.
 *
 * User-mode Linux keeps a guest's vector registers in 2696 bytes (up to AVX-512 and
 * PKU), and restores them with PTRACE_SETREGSET. The host accepts only complete
 * register sets: if its own is larger (AMX), it returns EFAULT, and the guest panics
 * at its first process. So this library adds the missing part in its initial state;
 * the guest's processes cannot have used it, because they never requested it.
 */
#include <cpuid.h>
#include <dlfcn.h>
#include <linux/elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define XSTATE_BV	512		/* offset of the bit vector of states in use */
#define KNOWN_STATES	0x2ffULL	/* x87, SSE, AVX, MPX, AVX-512, PKU */

/* Size in bytes of all register state that the host kernel has enabled. */
static size_t xstate_bytes(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx) ? ebx : 0;
}

static void complete(uint8_t *full, const struct iovec *part)
{
	uint64_t states;

	memcpy(full, part->iov_base, part->iov_len);
	memcpy(&states, full + XSTATE_BV, sizeof(states));
	states &= KNOWN_STATES;
	memcpy(full + XSTATE_BV, &states, sizeof(states));
}

long ptrace(enum __ptrace_request request, ...)
{
	static long (*libc_ptrace)(enum __ptrace_request, pid_t, void *, void *);
	static uint8_t full[16384];	/* not on the stack, which is as small as a kernel's */
	static size_t full_bytes;
	struct iovec iov;
	void *addr, *data;
	va_list args;
	pid_t pid;

	va_start(args, request);
	pid = va_arg(args, pid_t);
	addr = va_arg(args, void *);
	data = va_arg(args, void *);
	va_end(args);

	if (!libc_ptrace) {
		*(void **)&libc_ptrace = dlsym(RTLD_NEXT, "ptrace");
		full_bytes = xstate_bytes();
	}
	if (request == PTRACE_SETREGSET && (uintptr_t)addr == NT_X86_XSTATE) {
		iov = *(struct iovec *)data;
		if (iov.iov_len < full_bytes && full_bytes <= sizeof(full)) {
			complete(full, &iov);
			iov.iov_base = full;
			iov.iov_len = full_bytes;
			data = &iov;
		}
	}
	return libc_ptrace(request, pid, addr, data);
}
