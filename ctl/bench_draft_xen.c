// SPDX-License-Identifier: BSD-3-Clause
/*
 * Xen guests of bench draft. xl runs in the network namespace that nfvctl was started
 * in, for interfaces of guests appear there and scripts of theirs look for them:
 *
 *	container host-nfvd ── veth ── nfvd ──── nfv.ko ────── guest		(in the sandbox)
 *	container host-xen ─── veth ── bridge ── xen-netback ── guest, the stock way
 *
 * The bridge is out there, too. What no namespace ends, this bridge and the guest, is
 * named after the run's folder, and removed by that name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "bench_draft.h"

#define XENSTORED	"/run/xenstored/socket"
#define BRIDGE		"draft-%s"
#define HOST_LINK	"dhost-%s"	/* the container's, in the bridge */

static int home = -1;	/* that network namespace */
static char bridge[IF_NAMESIZE], host_link[IF_NAMESIZE];

/* Its clients would wait for one. */
static bool xenstored_runs(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = XENSTORED };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool runs = fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr));

	if (fd >= 0)
		close(fd);
	return runs;
}

const char *xen_missing(void)
{
	char word[16] = "";
	FILE *f = fopen("/proc/xen/capabilities", "re");

	if (f) {
		if (!fgets(word, sizeof(word), f))
			word[0] = '\0';
		fclose(f);
	}
	if (!strstr(word, "control_d"))
		return "not on a Xen host";
	if (!xenstored_runs())
		return "xenstored does not run; try: service xen start";
	if (access("/sys/bus/xen-backend/drivers/nfv-vif", F_OK))
		return "nfv.ko is not loaded; try: make module && insmod kmod/nfv.ko";
	if (access("/sys/bus/xen-backend/drivers/vif", F_OK))
		return "xen-netback, for the stock way, is not loaded; try: modprobe xen-netback";
	return NULL;
}

/* What follows the dot in the name of the run's folder. */
static const char *suffix(const char *path)
{
	return strrchr(path, '.') + 1;
}

static const char *name_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

static void destroy(const char *path)
{
	struct ctl_err ignored = { 0 };

	run_shell(NULL, &ignored, "xl destroy '%s'", name_of(path));
}

void xen_clean(const char *path)
{
	struct ctl_err ignored = { 0 };

	if (xenstored_runs())
		destroy(path);
	run_shell(NULL, &ignored, "ip link del " HOST_LINK "; ip link del " BRIDGE, suffix(path), suffix(path));
}

void xen_set_home(int netns)
{
	home = netns;
}

const char *xen_bridge(void)
{
	return bridge;
}

const char *xen_host_link(void)
{
	return host_link;
}

int xen_enter(struct ctl_err *err)
{
	int previous = netns_enter(home);

	if (previous < 0)
		ctl_fail(err, NFV_RPC_E_FAILED, "cannot enter dom0's network namespace: %s", strerror(errno));
	return previous;
}

int xen_net_open(struct ctl_err *err)
{
	char path[PATH_MAX * 2];

	/* For vif-nfv, which xl runs. */
	snprintf(path, sizeof(path), "%s:%s", run_self_dir(), getenv("PATH"));
	setenv("PATH", path, 1);
	setenv("NFV_STATE_DIR", ctl_state_dir, 1);
	snprintf(bridge, sizeof(bridge), BRIDGE, suffix(sandbox_dir()));
	snprintf(host_link, sizeof(host_link), HOST_LINK, suffix(sandbox_dir()));
	return run_shell(NULL, err, "ip link add %s type bridge && ip link set %s up", bridge, bridge);
}

pid_t xen_start(char *const argv[], int *out, const char *errors, struct ctl_err *err)
{
	int previous = xen_enter(err);
	pid_t pid;

	if (previous < 0)
		return -1;
	pid = run_start(argv, out, errors, err);
	netns_leave(previous);
	return pid;
}

void xen_stop(void)
{
	destroy(sandbox_dir());
}
