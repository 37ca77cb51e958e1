/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redirect DEVICE PATH [peer] - pin at PATH a program for tc that sends each frame out of DEVICE; with "peer", into
 * the network namespace of its other end. `tc filter add dev OTHER ingress bpf da object-pinned PATH` uses it.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int what, union bpf_attr *a)
{
	return syscall(SYS_bpf, what, a, sizeof(*a));
}

int main(int argc, char **argv)
{
	int helper = argc > 3 ? BPF_FUNC_redirect_peer : BPF_FUNC_redirect;
	struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = argc > 1 ? if_nametoindex(argv[1]) : 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2 },
		{ .code = BPF_JMP | BPF_CALL, .imm = helper },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (uintptr_t)program, .insn_cnt = 4,
				.license = (uintptr_t)"Dual BSD/GPL" };
	union bpf_attr pin = { .pathname = (uintptr_t)argv[2] };
	int fd;

	if (argc < 3 || !program[0].imm) {
		fputs("usage: redirect DEVICE PATH [peer]\n", stderr);
		return 2;
	}
	fd = bpf(BPF_PROG_LOAD, &load);
	pin.bpf_fd = fd;
	if (fd < 0 || bpf(BPF_OBJ_PIN, &pin) < 0) {
		fprintf(stderr, "redirect: %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	return 0;
}
