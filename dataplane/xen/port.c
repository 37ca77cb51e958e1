/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Xen port: a guest's netfront, with nfv.ko as its backend; kmod.h carries its frames.
 *
 *	attach	the vif's backend is nfv.ko already (it was there first), or the vif is
 *		taken over from its backend, xen-netback: the guest keeps its rings and
 *		notices a pause
 *	gone	the guest was destroyed or gave the vif up: the port is detached
 *	detach	the vif goes (back) to xen-netback, if that is loaded, and its device to
 *		the bridge that it was in; else it stays with nfv.ko, on a dead network
 */
#include "xen/port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>
#include "clock.h"
#include "log.h"
#include "module/kmod.h"
#include "netlink.h"
#include "nfvd.h"
#include "port/port_state.h"
#include "shortcut/shortcut.h"

#define BUS		"/sys/bus/xen-backend"
#define OURS		"nfv-vif"
#define NETBACK		"vif"

_Static_assert(NFV_ACCEPT_CSUM == NFVD_ACCEPT_CSUM && NFV_ACCEPT_TSO4 == NFVD_ACCEPT_TSO4 &&
	       NFV_ACCEPT_TSO6 == NFVD_ACCEPT_TSO6, "told in the module's words");

struct xen {
	struct nfvd_port *port;
	struct nfvd_kmod kmod;
	unsigned int domid, devid;
	char device[32];		/* on the bus */
	struct nfvd_link was;		/* xen-netback's device, as it was taken over; ifindex 0: was not */
};

/* ---- sysfs ---- */

static int write_to(const char *driver, const char *file, const char *device)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), BUS "/drivers/%s/%s", driver, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, device, strlen(device)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Set driver to the driver that the vif is bound to, empty if to none. Return false if there is no such vif. */
static bool driver_of(const struct xen *x, char driver[64])
{
	char path[128], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), BUS "/devices/%s", x->device);
	if (access(path, F_OK))
		return false;
	strcat(path, "/driver");
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	snprintf(driver, 64, "%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : "");
	return true;
}

static bool loaded(const char *driver)
{
	char path[128];

	snprintf(path, sizeof(path), BUS "/drivers/%s", driver);
	return !access(path, F_OK);
}

/* From whatever driver to the other. */
static int hand_over(const struct xen *x, const char *to)
{
	char from[64];
	int err = 0;

	if (!driver_of(x, from))
		return -ENODEV;
	if (!strcmp(from, to))
		return 0;
	if (from[0])
		err = write_to(from, "unbind", x->device);
	return err ? err : write_to(to, "bind", x->device);
}

/* ---- attaching ---- */

static void netback_name(const struct xen *x, char name[32])
{
	snprintf(name, 32, "vif%u.%u", x->domid, x->devid);
}

/* A key of the vif's directory at the backend. NULL: there is none. Caller frees. */
static char *read_key(const struct xen *x, const char *key)
{
	struct xs_handle *xs = xs_open(0);
	unsigned int len;
	char path[128], *value;

	if (!xs)
		return NULL;
	snprintf(path, sizeof(path), "backend/vif/%u/%u/%s", x->domid, x->devid, key);
	value = xs_read(xs, XBT_NULL, path, &len);
	xs_close(xs);
	return value;
}

/* value NULL: it goes. */
static void write_key(const struct xen *x, const char *key, const char *value)
{
	struct xs_handle *xs = xs_open(0);
	char path[128];

	snprintf(path, sizeof(path), "backend/vif/%u/%u/%s", x->domid, x->devid, key);
	if (!xs || !(value ? xs_write(xs, XBT_NULL, path, value, strlen(value)) : xs_rm(xs, XBT_NULL, path)))
		nfvd_event(x->port->name, "xenstore: %s cannot be written: %s", path, strerror(errno));
	if (xs)
		xs_close(xs);
}

/* How many queues nfv.ko offers. */
static unsigned int queues_offered(void)
{
	unsigned int n = 0;
	FILE *f = fopen("/sys/module/nfv/parameters/xen_queues", "re");

	if (f && fscanf(f, "%u", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n ? n : 1;
}

/* Return the number of queues of a frontend that goes on with its queues. */
static unsigned int queues_used(const struct xen *x)
{
	char *dir = read_key(x, "frontend"), path[256], *value = NULL;
	struct xs_handle *xs = dir ? xs_open(0) : NULL;
	unsigned int n, len;

	if (xs) {
		snprintf(path, sizeof(path), "%s/multi-queue-num-queues", dir);
		value = xs_read(xs, XBT_NULL, path, &len);
		xs_close(xs);
	}
	n = value ? strtoul(value, NULL, 10) : 1;
	free(value);
	free(dir);
	return n;
}

/* Return whether there is such a guest; also if xenstore does not respond. */
static bool guest_is_there(unsigned int domid)
{
	struct xs_handle *xs = xs_open(0);
	unsigned int len;
	char path[64];
	void *value;
	bool there;

	if (!xs)
		return true;
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	value = xs_read(xs, XBT_NULL, path, &len);
	there = value || errno != ENOENT;
	free(value);
	xs_close(xs);
	return there;
}

static int no_interface(const struct xen *x, struct nfvd_err *err)
{
	if (guest_is_there(x->domid)) {
		nfvd_err(err, NFV_RPC_E_NOENT, "guest %u has no interface %u with its backend in this domain", x->domid, x->devid);
		nfvd_hint(err, "xl network-list %u", x->domid);
	} else {
		nfvd_err(err, NFV_RPC_E_GONE, "there is no guest %u", x->domid);
		nfvd_hint(err, "xl list");
	}
	return -1;
}

static int take_over(struct xen *x, struct nfvd_err *err)
{
	uint64_t start = nfvd_now_us();
	char driver[64], name[32];
	int ret;

	if (!driver_of(x, driver))
		return no_interface(x, err);
	if (!strcmp(driver, OURS))
		return 0;
	if (queues_used(x) > queues_offered()) {
		nfvd_err(err, NFV_RPC_E_FAILED, "guest %u uses %u queues of '%s', nfv.ko offers %u", x->domid, queues_used(x),
			 x->device, queues_offered());
		nfvd_hint(err, "insmod kmod/nfv.ko xen_queues=%u", queues_used(x));
		return -1;
	}
	netback_name(x, name);
	if (nfvd_link_get(-1, name, 0, &x->was))
		x->was.ifindex = 0;
	write_key(x, NFV_XEN_CLAIM, "1");
	ret = hand_over(x, OURS);
	if (ret) {
		write_key(x, NFV_XEN_CLAIM, NULL);
		nfvd_err(err, NFV_RPC_E_FAILED, "cannot take '%s' over from driver '%s': %s", x->device, driver,
			 strerror(-ret));
		nfvd_hint(err, "ls " BUS "/drivers");
		return -1;
	}
	/*
	 * xen-netback removes its hotplug-status, and no hotplug script runs for a guest that runs already. So write
	 * here that the vif has its network; the backend can then become Connected.
	 */
	write_key(x, "hotplug-status", "connected");
	nfvd_attach_step(x->port, "takeover", nfvd_now_us() - start);
	return 0;
}

static void pause_ms(unsigned int ms)
{
	struct timespec ts = { 0, ms * 1000000 };

	nanosleep(&ts, NULL);
}

/* Wait for at most half a second until xen-netback has made its device anew, and put it back into its bridge. */
static void put_device_back(const struct xen *x)
{
	struct nfvd_link now;
	char name[32];

	netback_name(x, name);
	for (unsigned int i = 0; i < 50 && nfvd_link_get(-1, name, 0, &now); i++)
		pause_ms(10);
	if (nfvd_link_get(-1, name, 0, &now)) {
		nfvd_event(x->port->name, "%s is back with xen-netback, but has no device yet: set it up, and into its bridge",
			   x->device);
		return;
	}
	if (x->was.master && nfvd_link_set_master(now.ifindex, x->was.master))
		nfvd_event(x->port->name, "%s is not in the bridge that it was in: ip link set %s master BRIDGE", name, name);
	if (x->was.flags & IFF_UP)
		nfvd_link_set_up(now.ifindex, true);
}

static void give_back(const struct xen *x)
{
	char driver[64];
	int err;

	if (!loaded(NETBACK) || !driver_of(x, driver))
		return;
	err = hand_over(x, NETBACK);
	write_key(x, NFV_XEN_CLAIM, NULL);
	if (err) {
		nfvd_event(x->port->name, "%s cannot be given back to xen-netback: %s", x->device, strerror(-err));
		return;
	}
	if (x->was.ifindex)
		put_device_back(x);
}

static void attach_error(const struct xen *x, int error, struct nfvd_err *err)
{
	switch (error) {
	case EBUSY:
		nfvd_err(err, NFV_RPC_E_EXIST, "'%s' is already a port", x->device);
		nfvd_hint(err, "nfvctl show");
		break;
	case EOPNOTSUPP:
		nfvd_err(err, NFV_RPC_E_FAILED, "nfv.ko does not run under Xen");
		break;
	default:
		nfvd_err(err, NFV_RPC_E_FAILED, "nfv.ko refused '%s': %s", x->device, strerror(error));
	}
}

static void follow(struct xen *x);

static int open_port(struct xen *x, struct nfvd_err *err)
{
	struct nfv_attach a = { .type = NFV_PORT_XEN, .netns_fd = -1, .domid = x->domid, .devid = x->devid };
	int ret;

	if (nfvd_kmod_init(&x->kmod, err))
		return -1;
	if (take_over(x, err))
		return -1;
	ret = nfvd_kmod_open(&x->kmod, x->port, &a);
	if (!ret)
		return 0;
	attach_error(x, -ret, err);
	nfvd_kmod_close(&x->kmod, x->port);
	if (ret != -EBUSY)
		give_back(x);
	return -1;
}

static int xen_attach(struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	struct xen *x = calloc(1, sizeof(*x));

	if (!x)
		return nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
	x->port = port;
	port->priv = x;
	x->domid = json_integer_value(json_object_get(params, "domid"));
	x->devid = json_integer_value(json_object_get(params, "devid"));
	snprintf(x->device, sizeof(x->device), "vif-%u-%u", x->domid, x->devid);
	if (open_port(x, err)) {
		nfvd_kmod_fini(&x->kmod);
		free(x);
		return -1;
	}
	if (nfvd_kmod_start(&x->kmod, port, err)) {
		nfvd_kmod_close(&x->kmod, port);
		give_back(x);
		nfvd_kmod_fini(&x->kmod);
		free(x);
		return -1;
	}
	nfvd_shortcut_port_add(port, 0, -1, 0, true);
	follow(x);
	return 0;
}

static void xen_detach(struct nfvd_port *port)
{
	struct xen *x = port->priv;

	nfvd_shortcut_port_del(port);
	nfvd_kmod_close(&x->kmod, port);
	give_back(x);
	nfvd_kmod_fini(&x->kmod);
	free(x);
}

/* ---- watching ---- */

/* Look at the vif as it is now. */
static void follow(struct xen *x)
{
	struct nfv_stats stats;

	if (atomic_load(&x->port->state) == NFVD_STATE_GONE || nfvd_kmod_stats(&x->kmod, &stats))
		return;
	if (stats.state & NFV_STATE_GONE) {
		nfvd_port_set_state(x->port, NFVD_STATE_GONE, "the guest or its interface is gone");
		nfvd_port_detach_later(x->port);
		return;
	}
	atomic_store(&x->port->accepts, stats.accepts | NFVD_ACCEPT_KERNEL);
	if (stats.state & NFV_STATE_DOWN)
		nfvd_port_set_state(x->port, NFVD_STATE_WAITING, "the guest's driver is not connected");
	else if (stats.state & NFV_STATE_FENCED)
		nfvd_port_set_state(x->port, NFVD_STATE_FENCED, "the guest wrote a malformed ring");
	else
		nfvd_port_set_state(x->port, NFVD_STATE_UP, x->device);
}

static void xen_tick(struct nfvd_port *port)
{
	follow(port->priv);
}

/* The guest's name, by the xenstore. NULL: not known. Caller frees. */
static char *domain_name(unsigned int domid)
{
	struct xs_handle *xs = xs_open(0);
	char path[64], *name;
	unsigned int len;

	if (!xs)
		return NULL;
	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	name = xs_read(xs, XBT_NULL, path, &len);
	xs_close(xs);
	return name;
}

static void show_offloads(const struct nfvd_port *port, json_t *obj)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
		{ NFVD_ACCEPT_CSUM, "csum" }, { NFVD_ACCEPT_TSO4, "tso4" }, { NFVD_ACCEPT_TSO6, "tso6" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (atomic_load(&port->accepts) & names[i].bit)
			json_array_append_new(list, json_string(names[i].name));
	json_object_set_new(obj, "offloads", list);
}

/* Show the limit on what the guest may send, if its configuration has one: bytes a second. */
static void show_rate(const struct xen *x, json_t *obj)
{
	char *value = read_key(x, "rate");
	unsigned int bytes, usec;

	if (value && sscanf(value, "%u,%u", &bytes, &usec) == 2 && bytes && usec)
		json_object_set_new(obj, "rate", json_integer((json_int_t)(bytes * 1000000ull / usec)));
	free(value);
}

static void xen_show(struct nfvd_port *port, json_t *obj)
{
	struct xen *x = port->priv;
	struct nfv_stats stats;
	char *name = domain_name(x->domid);

	json_object_set_new(obj, "domid", json_integer(x->domid));
	json_object_set_new(obj, "devid", json_integer(x->devid));
	if (name)
		json_object_set_new(obj, "domain", json_string(name));
	free(name);
	show_offloads(port, obj);
	show_rate(x, obj);
	if (atomic_load(&port->state) == NFVD_STATE_WAITING)
		nfvd_show_why(obj, "the guest's driver is not connected", "xl network-list %u", x->domid);
	else if (atomic_load(&port->state) == NFVD_STATE_FENCED)
		nfvd_show_why(obj, "the guest wrote a malformed ring; its driver has to connect anew", "nfvctl drops %s",
			      port->name);
	json_object_set_new(obj, "shortcut", json_boolean(nfvd_shortcut_enabled(port)));
	if (!nfvd_kmod_stats(&x->kmod, &stats)) {
		json_object_set_new(obj, "stalled", json_boolean(stats.state & NFV_STATE_STALLED));
		json_object_set_new(obj, "grant_ops", json_integer((json_int_t)stats.grant_ops));
		json_object_set_new(obj, "grant_maps", json_integer((json_int_t)stats.grant_maps));
		json_object_set_new(obj, "grants_mapped", json_integer(stats.mapped));
	}
	nfvd_kmod_show(&x->kmod, obj);
}

const struct nfvd_port_ops nfvd_port_xen = {
	.type = "xen",
	.mode = "module",
	.attach = xen_attach,
	.detach = xen_detach,
	.rx = nfvd_kmod_rx,
	.rx_done = nfvd_kmod_rx_done,
	.tx = nfvd_kmod_tx,
	.arm = nfvd_kmod_arm,
	.show = xen_show,
	.tick = xen_tick,
	.tx_work = NFVD_KMOD_TX_WORK,
};
