// SPDX-License-Identifier: BSD-3-Clause
/*
 * Network, mount and process namespaces for bench draft, with a folder and named
 * namespaces of their own. The first process in there ends with its parent, and all
 * others with it. Only control groups, the empty folder and what Xen has outlive that; a
 * run removes its own, and those of runs that were killed too hard to do so. It knows them by
 * folders in RUNS, where nobody but root makes any.
 */
#include <dirent.h>
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
#include <nfv/folder.h>
#include "draft/draft.h"

#define RUNS	"/run/nfv-draft"
#define RUN	"nfv-draft."

static char dir[64];	/* its name is also the control group's, and the Xen guest's */
static bool made_netns_dir;
static int own_pidns = -1;
static volatile sig_atomic_t interrupted;
static volatile pid_t worker;

const char *sandbox_dir(void)
{
	return dir;
}

const char *sandbox_name(void)
{
	return dir + sizeof(RUNS);
}

static void interrupt(int sig)
{
	interrupted = sig;
	if (worker > 0)
		kill(worker, SIGKILL);
}

/*
 * Remove what a run has left: its folder, on which nothing is mounted outside of it, the Xen guest of that name, and
 * the control groups, version 1 or 2.
 */
static void remove_run(const char *name)
{
	char path[128];
	glob_t g;

	snprintf(path, sizeof(path), RUNS "/%s", name);
	rmdir(path);
	xen_clean(name);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/{,*/}%s", name);
	if (glob(path, GLOB_BRACE, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++)
		rmdir(g.gl_pathv[i]);
	globfree(&g);
}

/* As mkdtemp() makes them. */
static bool is_run(const char *name)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return !strncmp(name, RUN, sizeof(RUN) - 1) && strlen(name) == sizeof(RUN) - 1 + 6 &&
	       strspn(name + sizeof(RUN) - 1, alphabet) == 6;
}

/* Each run holds a lock on its folder. */
static void remove_stale_runs(int runs)
{
	int copy = dup(runs);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (!list) {
		close(copy);
		return;
	}
	while ((entry = readdir(list))) {
		struct stat st;
		int fd = is_run(entry->d_name) ?
			 openat(runs, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

		if (fd >= 0 && !fstat(fd, &st) && st.st_uid == 0 && !flock(fd, LOCK_EX | LOCK_NB))
			remove_run(entry->d_name);
		if (fd >= 0)
			close(fd);
	}
	closedir(list);
}

/* RUNS itself: root's alone, in a folder of root's. */
static int open_runs(struct ctl_err *err)
{
	char culprit[PATH_MAX];
	int run = nfv_folder_open("/run", culprit), runs;

	runs = run < 0 ? run : nfv_folder_make(run, &RUNS[sizeof("/run")], 0700);
	if (run >= 0)
		close(run);
	if (runs == -EPERM)
		ctl_fail(err, NFV_RPC_E_DENIED, "users other than root can change %s", run < 0 ? culprit : RUNS);
	else if (runs < 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot make " RUNS ": %s", strerror(-runs));
	return runs;
}

static int make_dir(struct ctl_err *err)
{
	int runs = open_runs(err), fd;

	if (runs < 0)
		return -1;
	remove_stale_runs(runs);
	close(runs);
	strcpy(dir, RUNS "/" RUN "XXXXXX");
	fd = mkdtemp(dir) ? open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;	/* until we end */
	if (fd < 0 || flock(fd, LOCK_EX)) {
		ctl_fail(err, NFV_RPC_E_FAILED, "%s: %s", dir, strerror(errno));
		return -1;
	}
	return 0;
}

static int set_up(void)
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

	made_netns_dir = !mkdir(NETNS_DIR, 0755);
	if (make_dir(err))
		return -1;
	own_pidns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (own_pidns < 0 || unshare(CLONE_NEWPID)) {
		ctl_fail(err, NFV_RPC_E_DENIED, "cannot make namespaces: %s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	worker = fork();
	if (!worker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		xen_set_home(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), sandbox_name());
		if (!set_up())
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
		out_note("cannot return to the previous process namespace: %s", strerror(errno));
	remove_run(sandbox_name());
	if (made_netns_dir)
		rmdir(NETNS_DIR);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!interrupted)
		return ctl_fail(err, NFV_RPC_E_FAILED, "ended by signal %d", WTERMSIG(status));
	ctl_fail(err, NFV_RPC_E_FAILED, "interrupted; finished measurements are kept, and the same command continues from there");
	return CTL_FAILED;
}
