// SPDX-License-Identifier: BSD-3-Clause
/*
 * Run a tiny virtual machine, and measure its time. It is not enough that /dev/kvm opens and makes a machine: on some
 * nested hosts guests hang or are very slow.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ctl.h"

#define GUEST_BYTES	0x4000
#define PML4		0x0000	/* page tables that map the first 2 MiB to themselves */
#define PDPT		0x1000
#define PD		0x2000
#define CODE		0x3000
#define PORT		0x10
#define RESULT		42
#define TIMEOUT_MS	1500

/*
 * In long mode with paging, as any kernel. Ten million turns of a loop take a
 * CPU some 20 ms; where KVM interprets the guest one instruction after the
 * other, they take 10 s, and a kernel never gets through its decompression.
 */
static const uint8_t program[] = {
	0xb9, 0x80, 0x96, 0x98, 0x00,	/* mov $10000000, %ecx */
	0xe2, 0xfe,			/* loop . */
	0x48, 0x89, 0x0c, 0x25, 0x00, 0x38, 0x00, 0x00,	/* mov %rcx, 0x3800 */
	0xb0, RESULT,			/* mov $RESULT, %al */
	0xe6, PORT,			/* out %al, $PORT */
	0xf4,				/* hlt */
};

static void fill_memory(uint8_t *mem)
{
	const uint64_t present_writable = 0x3, large = 0x80;

	*(uint64_t *)(mem + PML4) = PDPT | present_writable;
	*(uint64_t *)(mem + PDPT) = PD | present_writable;
	*(uint64_t *)(mem + PD) = 0 | present_writable | large;
	memcpy(mem + CODE, program, sizeof(program));
}

static const char *set_registers(int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_segment code = { .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1 };

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return "KVM_GET_SREGS";
	sregs.cr0 = 0x80000001;		/* PG, PE */
	sregs.cr3 = PML4;
	sregs.cr4 = 0x20;		/* PAE */
	sregs.efer = 0x500;		/* LMA, LME */
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs))
		return "KVM_SET_SREGS";
	return ioctl(vcpu, KVM_SET_REGS, &regs) ? "KVM_SET_REGS" : NULL;
}

/* NULL when the program has run; else the step that failed. In a child process: descriptors are not closed. */
static const char *run_machine(void)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_BYTES,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu, run_size;
	struct kvm_run *run;
	const char *failed;
	void *mem;

	if (kvm < 0)
		return "open /dev/kvm";
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return "KVM_CREATE_VM";
	mem = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return "mmap";
	fill_memory(mem);
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		return "KVM_SET_USER_MEMORY_REGION";
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu < 0 || run_size < 0)
		return "KVM_CREATE_VCPU";
	run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return "mmap of the virtual CPU";
	failed = set_registers(vcpu);
	if (failed)
		return failed;
	if (ioctl(vcpu, KVM_RUN, 0))
		return "KVM_RUN";
	errno = 0;
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT ||
	    *((uint8_t *)run + run->io.data_offset) != RESULT)
		return "the guest's first instructions";
	return NULL;
}

static void child(int out)
{
	const char *failed = run_machine();
	char text[128];
	int n = 0;

	if (failed)
		n = snprintf(text, sizeof(text), errno ? "%s: %s" : "%s failed", failed, strerror(errno));
	_exit(n && write(out, text, (size_t)n) == n ? 1 : n != 0);
}

bool kvm_runs(char *why, size_t size)
{
	struct pollfd p = { .events = POLLIN };
	int fds[2], status;
	ssize_t n = 0;
	pid_t pid;

	snprintf(why, size, "cannot try");
	if (pipe2(fds, O_CLOEXEC))
		return false;
	fflush(NULL);
	pid = fork();
	if (!pid)
		child(fds[1]);
	close(fds[1]);
	p.fd = fds[0];
	if (pid > 0 && poll(&p, 1, TIMEOUT_MS) == 1) {
		n = read(fds[0], why, size - 1);
		why[n > 0 ? n : 0] = '\0';
	} else {
		snprintf(why, size, "it hangs or creeps");
	}
	close(fds[0]);
	if (pid < 0)
		return false;
	kill(pid, SIGKILL);	/* harmless when it has ended; until it is waited for, the pid is ours */
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status) && !n;
}
