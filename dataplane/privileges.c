/* SPDX-License-Identifier: BSD-3-Clause */
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/securebits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

/*
 * Sanitizers make system calls that the program itself does not make. gcc announces a sanitizer by a macro, clang by
 * a feature.
 */
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FILTERS	0
#else
#define FILTERS	1
#endif

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

#define NAMESPACES	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* ---- capabilities ---- */

/*
 * SYS_ADMIN is needed to enter a container's network namespace, and to read the names of BPF programs of others; the
 * filter lets it do little else. SYS_PTRACE finds that namespace by a process. DAC_OVERRIDE, CHOWN and FOWNER are for
 * sockets: to give them to their owners, and to connect to those of other users.
 */
static const cap_value_t keep[] = {
	CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER,
};

static bool kept(cap_value_t cap)
{
	for (unsigned int i = 0; i < COUNT(keep); i++)
		if (keep[i] == cap)
			return true;
	return false;
}

/* Keep those of the first n capabilities of keep[] that the process has. */
static int set_capabilities(unsigned int n)
{
	cap_t now = cap_get_proc(), then = cap_init();
	int err = now && then ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && i < n; i++) {
		cap_flag_value_t has = CAP_CLEAR;

		if (cap_get_flag(now, keep[i], CAP_PERMITTED, &has) || has == CAP_CLEAR)
			continue;
		cap_set_flag(then, CAP_PERMITTED, 1, &keep[i], CAP_SET);
		cap_set_flag(then, CAP_EFFECTIVE, 1, &keep[i], CAP_SET);
	}
	if (!err && cap_set_proc(then))
		err = -errno;
	cap_free(now);
	cap_free(then);
	return err;
}

/* Without CAP_SETPCAP the bounding set stays as it is. A process that is not root gains nothing by it. */
static void bound_capabilities(void)
{
	for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); cap++)
		if (!kept(cap))
			cap_drop_bound(cap);
	prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
		SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED);
}

/* ---- system calls ---- */

#define S(name)	SCMP_SYS(name)

/* Of nfvd and of all that it starts. */
static const int common[] = {
	S(arch_prctl), S(brk), S(capget), S(capset), S(clock_getres), S(clock_gettime), S(clock_nanosleep), S(close), S(close_range),
	S(exit), S(exit_group), S(futex), S(getpid), S(getppid), S(getrandom), S(gettid), S(gettimeofday), S(madvise), S(mmap),
	S(mprotect), S(mremap), S(munmap), S(nanosleep), S(poll), S(ppoll), S(prctl), S(prlimit64), S(getrlimit), S(read), S(recvfrom),
	S(recvmsg), S(restart_syscall), S(rseq), S(rt_sigaction), S(rt_sigprocmask), S(rt_sigreturn), S(seccomp), S(sendmsg), S(sendto),
	S(set_robust_list), S(set_tid_address), S(tgkill), S(write), S(writev),
};

static const int of_nfvd[] = {
	/* files */
	S(access), S(chmod), S(chown), S(dup), S(dup2), S(dup3), S(faccessat), S(faccessat2), S(fchmod), S(fchmodat), S(fchown), S(fchownat),
	S(fcntl), S(fdatasync), S(flock), S(fstat), S(fstatfs), S(fsync), S(ftruncate), S(getcwd), S(getdents64), S(ioctl), S(lchown),
	S(linkat), S(lseek), S(lstat), S(memfd_create), S(mkdir), S(mkdirat), S(newfstatat), S(open), S(openat), S(pipe), S(pipe2),
	S(pread64), S(preadv), S(pwrite64), S(pwritev), S(readlink), S(readlinkat), S(readv), S(rename), S(renameat), S(renameat2), S(rmdir),
	S(setxattr), S(stat), S(statfs), S(statx), S(umask), S(unlink), S(unlinkat), S(utimensat),
	/* sockets, events */
	S(accept), S(accept4), S(bind), S(connect), S(epoll_create1), S(epoll_ctl), S(epoll_pwait), S(epoll_pwait2), S(epoll_wait),
	S(eventfd2), S(getpeername), S(getsockname), S(getsockopt), S(listen), S(pselect6), S(recvmmsg), S(select), S(sendmmsg),
	S(setsockopt), S(shutdown), S(signalfd4), S(socketpair), S(timerfd_create), S(timerfd_gettime), S(timerfd_settime),
	S(io_cancel), S(io_destroy), S(io_getevents), S(io_pgetevents), S(io_setup), S(io_submit),
	/* threads, memory, the gates' spawner */
	S(bpf), S(execve), S(get_mempolicy), S(get_robust_list), S(getcpu), S(kill), S(mbind), S(membarrier), S(mincore), S(mlock), S(move_pages),
	S(munlock), S(rt_sigtimedwait), S(sched_get_priority_max), S(sched_get_priority_min), S(sched_getaffinity), S(sched_getparam),
	S(sched_getscheduler), S(sched_setaffinity), S(sched_yield), S(set_mempolicy), S(sigaltstack), S(vfork), S(wait4), S(waitid),
	/* what is asked */
	S(getegid), S(geteuid), S(getgid), S(getgroups), S(getpgrp), S(getrusage), S(getuid), S(setrlimit), S(sysinfo), S(times), S(uname),
};

/* System calls that only the spawner makes: it starts as any program does. */
static const int of_spawner[] = {
	S(access), S(fcntl), S(fstat), S(getcwd), S(kill), S(lseek), S(memfd_create), S(newfstatat), S(openat), S(pread64), S(sched_getaffinity),
	S(vfork), S(wait4),
};

/* System calls of a gate: to pass messages on, and to find out the kind of a peer's descriptor (vhost/msg.c). */
static const int of_gate[] = {
	S(clock_gettime), S(close), S(exit), S(exit_group), S(fstat), S(getpeername), S(getsockname), S(getsockopt), S(poll), S(readlink),
	S(recvfrom), S(recvmsg), S(restart_syscall), S(rt_sigreturn), S(sendmsg), S(shutdown),
};

static int allow(scmp_filter_ctx filter, const int *calls, unsigned int n)
{
	int err = 0;

	for (unsigned int i = 0; i < n && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

/* No namespace but a network's; clone3 hides its flags, and libc then does without it. */
static int allow_clone(scmp_filter_ctx filter)
{
	int err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), S(clone3), 0);

	return err ? err : seccomp_rule_add(filter, SCMP_ACT_ALLOW, S(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
}

static int allow_network(scmp_filter_ctx filter)
{
	static const int families[] = { AF_UNIX, AF_NETLINK, AF_PACKET, AF_INET, AF_INET6 };
	int err = 0;

	for (unsigned int i = 0; i < COUNT(families) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, S(socket), 1, SCMP_A0(SCMP_CMP_EQ, families[i]));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, S(setns), 1, SCMP_A1(SCMP_CMP_EQ, CLONE_NEWNET));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, S(unshare), 1, SCMP_A0(SCMP_CMP_EQ, CLONE_NEWNET));
	return err;
}

static scmp_filter_ctx new_filter(uint32_t otherwise)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);

	if (filter)
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return filter;
}

/* ---- a refused call of nfvd's ---- */

#define LINES_MAX	16

/* Let the refused call fail with EPERM, and report the first few. Do only what a signal handler may do. */
static void on_refused(int sig, siginfo_t *info, void *context)
{
	static atomic_uint n;
	ucontext_t *c = context;
	char line[] = "nfvd: system call     0 is refused (dataplane/privileges.c)\n", *digit = strstr(line, "0 is");

	c->uc_mcontext.gregs[REG_RAX] = -EPERM;
	if (atomic_fetch_add(&n, 1) >= LINES_MAX)
		return;
	for (int call = info->si_syscall; call && *digit != 'l'; call /= 10)
		*digit-- = '0' + call % 10;
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
		return;
}

static int tell_refused(void)
{
	struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_RESTART };

	return sigaction(SIGSYS, &action, NULL) ? -errno : 0;
}

/* ---- who ---- */

/* What nfvd needs when it starts: more descriptors than are allowed, and to give capabilities away. */
static const cap_value_t at_start[] = { CAP_SYS_RESOURCE, CAP_SETPCAP };

int nfvd_privileges_of_fdkeep(void)
{
	cap_t caps = cap_get_proc();
	int err = caps ? 0 : -ENOMEM;

	for (cap_value_t cap = 0; !err && CAP_IS_SUPPORTED(cap); cap++) {
		if (kept(cap) || cap == at_start[0] || cap == at_start[1])
			continue;
		cap_drop_bound(cap);
		cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_CLEAR);
		cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_CLEAR);
		cap_set_flag(caps, CAP_INHERITABLE, 1, &cap, CAP_CLEAR);
	}
	if (!err && cap_set_proc(caps))
		err = -errno;
	cap_free(caps);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !err)
		err = -errno;
	return err;
}

static int filter_nfvd(void)
{
	scmp_filter_ctx filter = new_filter(SCMP_ACT_TRAP);
	int err = filter ? tell_refused() : -ENOMEM;

	if (!err)
		err = allow(filter, common, COUNT(common));
	if (!err)
		err = allow(filter, of_nfvd, COUNT(of_nfvd));
	if (!err)
		err = allow_clone(filter);
	if (!err)
		err = allow_network(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int nfvd_privileges_of_nfvd(void)
{
	int err, not_filtered;

	bound_capabilities();
	err = set_capabilities(COUNT(keep));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !err)
		err = -errno;
	not_filtered = FILTERS ? filter_nfvd() : 0;
	return err ? err : not_filtered;
}

/* A gate's filter, made once: a gate is made for each peer that connects. */
static struct sock_filter program[BPF_MAXINSNS];
static struct sock_fprog gate_filter = { .filter = program };

static int compile_gate(void)
{
	scmp_filter_ctx filter = new_filter(SCMP_ACT_KILL_PROCESS);
	int fd = memfd_create("nfvd-filter", MFD_CLOEXEC), err;
	ssize_t n;

	err = fd < 0 ? -errno : filter ? allow(filter, of_gate, COUNT(of_gate)) : -ENOMEM;
	/* getrlimit() is this. Nobody's limits are set. */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, S(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, S(newfstatat), 1, SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, S(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_GET_SEALS));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, S(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, F_GETFL));
	if (!err)
		err = seccomp_export_bpf(filter, fd);
	n = err ? 0 : pread(fd, program, sizeof(program), 0);
	gate_filter.len = n > 0 ? n / sizeof(program[0]) : 0;
	seccomp_release(filter);
	if (fd >= 0)
		close(fd);
	return err;
}

static int filter_spawner(void)
{
	scmp_filter_ctx filter = new_filter(SCMP_ACT_KILL_PROCESS);
	int err = filter ? allow(filter, common, COUNT(common)) : -ENOMEM;

	if (!err)
		err = allow(filter, of_spawner, COUNT(of_spawner));
	if (!err)
		err = allow(filter, of_gate, COUNT(of_gate));	/* which have this filter, too */
	if (!err)
		err = allow_clone(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int nfvd_privileges_of_spawner(void)
{
	int err = set_capabilities(0);

	if (!err && FILTERS)
		err = compile_gate();
	if (!err && FILTERS)
		err = filter_spawner();
	return err;
}

int nfvd_privileges_of_gate(void)
{
	if (!FILTERS)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &gate_filter) ? -errno : 0;
}
