/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hook DEV tcx|tcx-egress|xdp RESULT - attach to DEV a program that returns RESULT for each frame, at the head of
 * tcx ingress or egress or as native XDP. Print "ready", and run until killed, which removes the program.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TCX_INGRESS	46
#define TCX_EGRESS	47
#define TCX_BEFORE	(1u << 3)
#define XDP_DRIVER	(1u << 2)

static int load(int type, int result)
{
	static const char license[] = "GPL";
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = result },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = type, .insns = (uintptr_t)code, .insn_cnt = 2, .license = (uintptr_t)license,
		.expected_attach_type = type == BPF_PROG_TYPE_XDP ? BPF_XDP : 0, .prog_name = "another",
	};

	return syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

int main(int argc, char **argv)
{
	struct {
		uint32_t prog_fd, ifindex, type, flags, more[4];
	} link = { 0 };

	if (argc != 4)
		return 2;
	link.ifindex = if_nametoindex(argv[1]);
	if (!strncmp(argv[2], "tcx", 3)) {
		link.prog_fd = load(BPF_PROG_TYPE_SCHED_CLS, atoi(argv[3]));
		link.type = argv[2][3] ? TCX_EGRESS : TCX_INGRESS;
		link.flags = TCX_BEFORE;
	} else {
		link.prog_fd = load(BPF_PROG_TYPE_XDP, atoi(argv[3]));
		link.type = BPF_XDP;
		link.flags = XDP_DRIVER;
	}
	if ((int)link.prog_fd < 0 || syscall(__NR_bpf, BPF_LINK_CREATE, &link, sizeof(link)) < 0) {
		fprintf(stderr, "hook %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
