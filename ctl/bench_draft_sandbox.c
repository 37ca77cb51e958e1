// SPDX-License-Identifier: BSD-3-Clause
/*
 * Network, mount and process namespaces for bench draft, with a /run of their own.
 * The first process in there ends with its parent, and all others with it. Only
 * control groups outlive that; a run removes its own, and those of runs that were
 * killed too hard to do so.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench_draft.h"

static char dir[48];		/* its name is also the control group's */
static volatile sig_atomic_t interrupted;
static volatile pid_t worker;

const char *sandbox_dir(void)
{
	return dir;
}

static void interrupt(int sig)
{
	interrupted = sig;
	if (worker > 0)
		kill(worker, SIGKILL);
}

/* Below each hierarchy of version 1, or the one of version 2. Those with processes in them stay. */
static void remove_cgroups(void)
{
	static const char *const patterns[] = { "/sys/fs/cgroup/nfv-draft.*", "/sys/fs/cgroup/*/nfv-draft.*" };
	glob_t g;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		if (glob(patterns[i], 0, NULL, &g))
			continue;
		for (size_t n = 0; n < g.gl_pathc; n++)
			rmdir(g.gl_pathv[n]);
		globfree(&g);
	}
}

static int furnish(void)
{
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ||
	    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"))
		return -1;
	return mkdir("/run/netns", 0755) || mkdir(dir, 0700) ? -1 : 0;
}

pid_t sandbox_enter(struct ctl_err *err)
{
	struct sigaction action = { .sa_handler = interrupt };
	pid_t parent = getpid();

	snprintf(dir, sizeof(dir), "/run/nfv-draft.%d", parent);
	remove_cgroups();
	if (unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID)) {
		ctl_fail(err, NFV_RPC_E_DENIED, "cannot make namespaces: %s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	worker = fork();
	if (!worker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		if (!furnish())
			return 0;
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot mount in a new namespace: %s", strerror(errno));
		return -1;
	}
	if (worker < 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "fork: %s", strerror(errno));
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	return worker;
}

int sandbox_wait(pid_t pid, struct ctl_err *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	remove_cgroups();
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!interrupted)
		return ctl_fail(err, NFV_RPC_E_FAILED, "ended by signal %d", WTERMSIG(status));
	ctl_fail(err, NFV_RPC_E_FAILED, "interrupted; what was measured is kept, and the same command goes on from there");
	return CTL_FAILED;
}
