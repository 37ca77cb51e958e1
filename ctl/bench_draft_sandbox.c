// SPDX-License-Identifier: BSD-3-Clause
/*
 * Network, mount and process namespaces for bench draft, with a folder and named
 * namespaces of their own. The first process in there ends with its parent, and all
 * others with it. Only control groups, the empty folder and what Xen has outlive that; a
 * run removes its own, and those of runs that were killed too hard to do so.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench_draft.h"

#define NETNS_DIR	"/run/netns"

static char dir[PATH_MAX];	/* its name is also the control group's */
static bool made_netns_dir;
static int own_pidns = -1;
static volatile sig_atomic_t interrupted;
static volatile pid_t worker;

const char *sandbox_dir(void)
{
	return dir;
}

static const char *temporary(void)
{
	const char *path = getenv("TMPDIR");

	return path && path[0] == '/' ? path : "/tmp";
}

static void interrupt(int sig)
{
	interrupted = sig;
	if (worker > 0)
		kill(worker, SIGKILL);
}

/* The folder, on which nothing is mounted out here; of that name Xen's guest; control groups, version 1 or 2. */
static void remove_run(const char *path)
{
	const char *name = strrchr(path, '/');
	char pattern[128];
	glob_t g;

	rmdir(path);
	xen_clean(path);
	snprintf(pattern, sizeof(pattern), "/sys/fs/cgroup/{,*/}%s", name + 1);
	if (glob(pattern, GLOB_BRACE, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++)
		rmdir(g.gl_pathv[i]);
	globfree(&g);
}

/* Each run holds a lock on its folder. */
static void remove_stale_runs(void)
{
	char pattern[PATH_MAX];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/nfv-draft.*", temporary());
	if (glob(pattern, 0, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		int fd = open(g.gl_pathv[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
			remove_run(g.gl_pathv[i]);
		if (fd >= 0)
			close(fd);
	}
	globfree(&g);
}

static int make_dir(void)
{
	int fd;

	snprintf(dir, sizeof(dir), "%s/nfv-draft.XXXXXX", temporary());
	if (!mkdtemp(dir))
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);	/* until we end */
	return fd < 0 ? -1 : flock(fd, LOCK_EX);
}

static int furnish(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ||
	    mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=700") ||
	    mount("tmpfs", NETNS_DIR, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"))
		return -1;
	return 0;
}

pid_t sandbox_enter(struct ctl_err *err)
{
	struct sigaction action = { .sa_handler = interrupt };

	remove_stale_runs();
	made_netns_dir = !mkdir(NETNS_DIR, 0755);
	if (make_dir()) {
		ctl_fail(err, NFV_RPC_E_FAILED, "%s: %s", dir, strerror(errno));
		return -1;
	}
	own_pidns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (own_pidns < 0 || unshare(CLONE_NEWPID)) {
		ctl_fail(err, NFV_RPC_E_DENIED, "cannot make namespaces: %s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	worker = fork();
	if (!worker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		xen_set_home(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
		if (!furnish())
			return 0;
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot make namespaces: %s", strerror(errno));
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
	/* Where there is nobody left, no process can be started. */
	if (setns(own_pidns, CLONE_NEWPID))
		perror("nfvctl: setns");
	remove_run(dir);
	if (made_netns_dir)
		rmdir(NETNS_DIR);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!interrupted)
		return ctl_fail(err, NFV_RPC_E_FAILED, "ended by signal %d", WTERMSIG(status));
	ctl_fail(err, NFV_RPC_E_FAILED, "interrupted; what was measured is kept, and the same command goes on from there");
	return CTL_FAILED;
}
