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
#include "draft/draft.h"
#include "link.h"

#define XENSTORED	"/run/xenstored/socket"
#define XL_SECONDS	60

static int home = -1;	/* that network namespace */
static const char *run;	/* its name */
static char bridge[IF_NAMESIZE], host_link[IF_NAMESIZE];	/* the container's, in that bridge */

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

/* What follows the dot in the name of a run. */
static void name_links(const char *name)
{
	const char *suffix = strrchr(name, '.') + 1;

	snprintf(bridge, sizeof(bridge), "draft-%s", suffix);
	snprintf(host_link, sizeof(host_link), "dhost-%s", suffix);
}

static void destroy(const char *name)
{
	struct ctl_err ignored = { 0 };

	run_command(NULL, -1, XL_SECONDS, ARGV("xl", "destroy", name), &ignored);
}

void xen_clean(const char *name)
{
	if (xenstored_runs())
		destroy(name);
	name_links(name);
	link_del(host_link);
	link_del(bridge);
}

void xen_set_home(int netns, const char *name)
{
	home = netns;
	run = name;
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
	const char *search = getenv("PATH");
	char path[PATH_MAX * 2];
	int rc;

	/* For vif-nfv, which xl runs. */
	snprintf(path, sizeof(path), "%s%s%s", run_self_dir(), search ? ":" : "", search ? search : "");
	setenv("PATH", path, 1);
	setenv("NFV_STATE_DIR", ctl_state_dir, 1);
	name_links(run);
	rc = link_add_bridge(bridge);
	if (!rc)
		rc = link_up(bridge, NULL);
	return rc ? ctl_fail(err, NFV_RPC_E_FAILED, "cannot make bridge %s: %s", bridge, strerror(-rc)) : CTL_OK;
}

pid_t xen_start(const char *const argv[], int *out, int log, struct ctl_err *err)
{
	return run_start(argv, home, out, log, err);
}

void xen_stop(void)
{
	destroy(run);
}
