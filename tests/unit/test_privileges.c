// SPDX-License-Identifier: BSD-3-Clause
/*
 * The privileges that nfvd keeps. Each case runs in its own process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "privileges.c"

/* Run it in a child. Return the status of waitpid(). */
static int in_child(void (*run)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		run();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void must(bool ok, int code)
{
	if (!ok)
		_exit(code);
}

static bool refused(long result)
{
	return result == -1 && errno == EPERM;
}

static bool has(cap_value_t cap, cap_flag_t set)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	cap_get_flag(caps, cap, set, &value);
	cap_free(caps);
	return value == CAP_SET;
}

static void as_nfvd(void)
{
	int fds[2];

	must(!nfvd_privileges_of_nfvd(), 1);
	must(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, 2);
	for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); cap++)
		must(kept(cap) || (!has(cap, CAP_PERMITTED) && !has(cap, CAP_EFFECTIVE) && (geteuid() || !cap_get_bound(cap))), 3);
	must(!FILTERS || prctl(PR_GET_SECCOMP) == 2, 4);
	if (!FILTERS)
		return;
	must(refused(mount("none", "/", "tmpfs", 0, NULL)), 5);
	must(refused(ptrace(PTRACE_TRACEME, 0, 0, 0)), 6);
	must(refused(unshare(CLONE_NEWUSER)), 7);
	must(refused(unshare(CLONE_NEWNET | CLONE_NEWNS)), 8);
	must(refused(syscall(SYS_setns, 0, CLONE_NEWPID)), 9);
	must(refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)), 10);
	must(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS, 11);
	must(refused(socket(AF_VSOCK, SOCK_STREAM, 0)), 12);
	must(refused(syscall(SYS_init_module, NULL, 0, "")), 13);
	must(refused(syscall(SYS_keyctl, 0, 0)), 14);
	/* Its normal work is still allowed. */
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 15);
	must(open("/proc/self/ns/net", O_RDONLY) >= 0, 16);
	must(system("exit 0") == 0, 17);
}

static void as_spawner(void)
{
	must(!nfvd_privileges_of_nfvd() && !nfvd_privileges_of_spawner(), 1);
	for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); cap++)
		must(!has(cap, CAP_PERMITTED) && !has(cap, CAP_EFFECTIVE) && !has(cap, CAP_INHERITABLE), 2);
}

static void as_gate(void)
{
	struct rlimit limit;
	socklen_t len = sizeof(limit);
	struct stat st;

	as_spawner();
	must(!nfvd_privileges_of_gate(), 3);
	must(!getrlimit(RLIMIT_NOFILE, &limit), 4);
	must(recv(-1, &limit, sizeof(limit), 0) == -1 && errno == EBADF, 5);
	/* Calls on a peer's descriptor are allowed. */
	must(getsockopt(-1, SOL_SOCKET, SO_TYPE, &limit, &len) == -1 && errno == EBADF, 6);
	must(getsockname(-1, (void *)&limit, &len) == -1 && getpeername(-1, (void *)&limit, &len) == -1, 7);
	must(fcntl(-1, F_GET_SEALS) == -1 && fcntl(-1, F_GETFL) == -1 && fstat(-1, &st) == -1 && shutdown(-1, SHUT_RD) == -1, 8);
	must(readlink("/proc/self/fd/0", (char *)&limit, sizeof(limit)) > 0, 9);
}

static void spawner_opens_socket(void)
{
	as_spawner();
	socket(AF_INET, SOCK_STREAM, 0);
}

static void gate_opens_file(void)
{
	as_gate();
	open("/etc/passwd", O_RDONLY);
}

static void gate_opens_socket(void)
{
	as_gate();
	socket(AF_INET, SOCK_STREAM, 0);
}

static void gate_forks(void)
{
	as_gate();
	fork();
}

static void gate_executes(void)
{
	as_gate();
	execl("/bin/true", "true", NULL);
}

static void gate_maps(void)
{
	as_gate();
	mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void gate_sets_limit(void)
{
	struct rlimit limit = { 1, 1 };

	as_gate();
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void test_works(void **state)
{
	assert_int_equal(in_child(as_nfvd), 0);
	assert_int_equal(in_child(as_spawner), 0);
	assert_int_equal(in_child(as_gate), 0);
}

/* Each of these calls ends the process. */
static void test_forbidden(void **state)
{
	static void (*const cases[])(void) = {
		spawner_opens_socket, gate_opens_file, gate_opens_socket, gate_forks, gate_executes, gate_maps, gate_sets_limit,
	};

	if (!FILTERS)
		skip();
	for (unsigned int i = 0; i < COUNT(cases); i++) {
		int status = in_child(cases[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("case %u: status %x", i, status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_works),
		cmocka_unit_test(test_forbidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
