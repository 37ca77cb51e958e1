/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev/netdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <nfv/text.h>
#include "clock.h"
#include "log.h"
#include "netdev/lookup.h"
#include "nfvd.h"
#include "port/port_state.h"
#include "shortcut/shortcut.h"

#define LOOKS	32	/* at devices in one tick, at most: each takes some 0.2 ms */

static struct nfvd_netdev *attached[NFVD_PORTS_MAX];	/* by port id */
static unsigned int n_attached;

static bool is_veth(const struct nfvd_port *port)
{
	return !strcmp(port->ops->type, "veth");
}

static struct nfvd_netdev *by_ifindex(int ifindex)
{
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (attached[id] && attached[id]->link.ifindex == ifindex)
			return attached[id];
	return NULL;
}

static int find_device(struct nfvd_netdev *nd, json_t *params, struct nfvd_err *err)
{
	struct nfvd_found found = { 0 };
	const struct nfvd_netdev *other;

	if (nfvd_netdev_lookup(nd->port->name, is_veth(nd->port), params, &found, err))
		return -1;
	nd->link = found.link;
	memcpy(nd->netns, found.netns, sizeof(nd->netns));
	memcpy(nd->container_dev, found.container_dev, sizeof(nd->container_dev));
	other = by_ifindex(nd->link.ifindex);
	if (other) {
		nfvd_err(err, NFV_RPC_E_EXIST, "'%s' is port '%s' already", nd->link.name, other->port->name);
		nfvd_hint(err, "nfvctl detach %s", other->port->name);
		return -1;
	}
	return 0;
}

/* The command that attaches nevertheless. */
static void hint_force(const struct nfvd_netdev *nd, struct nfvd_err *err)
{
	nfvd_hint(err, "nfvctl attach %s %s dev %s force yes", nd->port->ops->type, nd->port->name, nd->link.name);
}

/* What of others' would suffer. */
static int check_others(struct nfvd_netdev *nd, struct nfvd_err *err)
{
	struct nfvd_use use = { .link = &nd->link };
	char what[NFVD_OTHER_MAX];

	nfvd_netdev_uses(&use, 1);
	if (use.what[0]) {
		nfvd_err(err, NFV_RPC_E_EXIST, "this host uses '%s' itself, and would lose it: it %s", nd->link.name, use.what);
		hint_force(nd, err);
		return -1;
	}
	if (nd->carrier->before_tc && nfvd_shortcut_other(nd->port, nd->link.ifindex, what, sizeof(what))) {
		nfvd_err(err, NFV_RPC_E_EXIST,
			 "'%s' has a %s at ingress, a bandwidth limiter perhaps: without nfv.ko nfvd takes frames before it",
			 nd->link.name, what);
		hint_force(nd, err);
		return -1;
	}
	return 0;
}

static int claim(struct nfvd_netdev *nd, struct nfvd_err *err)
{
	nd->claim = nfvd_netdev_claim(nd->link.ifindex);
	if (nd->claim >= 0)
		return 0;
	if (nd->claim == -EBUSY) {
		nfvd_err(err, NFV_RPC_E_EXIST, "'%s' is a port of another nfvd on this host", nd->link.name);
		nfvd_hint(err, "ss -xlp | grep nfvd/device/%d", nd->link.ifindex);
		return -1;
	}
	return nfvd_err(err, NFV_RPC_E_FAILED, "cannot claim '%s': %s", nd->link.name, strerror(-nd->claim));
}

/* Undo whatever of an attach was done; the device may be gone. */
void nfvd_netdev_detach(struct nfvd_netdev *nd)
{
	nd->stays = nfvd_shortcut_stays(nd->port);
	n_attached -= attached[nd->port->id] != NULL;
	attached[nd->port->id] = NULL;
	nfvd_shortcut_port_del(nd->port);
	/* The index of a device that is gone does not belong to it any more. */
	if (nd->link.ifindex && !nd->trace.was_up && !nd->stays)
		nfvd_trace_put_down(nd->link.ifindex);
	nd->carrier->close(nd);
	if (!nd->stays)
		nfvd_trace_remove(&nd->trace, nd->port->name);
	if (nd->claim >= 0)
		close(nd->claim);
	nd->claim = -1;
}

static int take_device(struct nfvd_netdev *nd, struct nfvd_err *err)
{
	uint64_t start;
	int ret;

	nd->trace.was_up = nd->link.flags & IFF_UP;
	if (nd->carrier->open(nd, err))
		return -1;
	nfvd_trace_take(&nd->trace, nd->port->name, &nd->link, nd->netns);
	start = nfvd_now_us();
	ret = nfvd_shortcut_port_add(nd->port, nd->link.ifindex, nd->sock, nd->link.mtu, is_veth(nd->port));
	/* Without eBPF the port works; doctor tells what is missing. */
	if (ret && ret != -ENOSYS)
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot put the ingress program on '%s': %s", nd->link.name,
				strerror(-ret));
	nfvd_attach_step(nd->port, "ingress", nfvd_now_us() - start);
	start = nfvd_now_us();
	ret = nfvd_link_set_up(nd->link.ifindex, true);
	if (ret)
		return nfvd_err(err, NFV_RPC_E_FAILED, "cannot set '%s' up: %s", nd->link.name, strerror(-ret));
	nfvd_attach_step(nd->port, "up", nfvd_now_us() - start);
	return 0;
}

static void gone(struct nfvd_netdev *nd)
{
	nfvd_shortcut_port_gone(nd->port);
	nd->link.ifindex = 0;
	nfvd_port_set_state(nd->port, NFVD_STATE_GONE, "its device was deleted or moved to another namespace");
	nfvd_port_detach_later(nd->port);
}

static void follow_state(struct nfvd_netdev *nd, bool up, bool carrier)
{
	int stale;
	socklen_t len = sizeof(stale);

	nd->lost_carrier = up && !carrier;
	if (nd->link.master) {
		nfvd_port_set_state(nd->port, NFVD_STATE_DOWN, "its device was put into a bridge or bond, which has its frames now");
	} else if (!up) {
		nfvd_port_set_state(nd->port, NFVD_STATE_DOWN, "its device was set down");
	} else if (!carrier) {
		nfvd_port_set_state(nd->port, NFVD_STATE_DOWN, "its device has no carrier: the other end is down");
	} else if (atomic_load(&nd->port->state) != NFVD_STATE_UP) {
		/* A socket remembers that the device was down, and would refuse one frame for it. */
		if (nd->sock >= 0)
			getsockopt(nd->sock, SOL_SOCKET, SO_ERROR, &stale, &len);
		nfvd_port_set_state(nd->port, NFVD_STATE_UP, nd->link.name);
	}
}

/* Check whether the shortcut would still change nothing but speed. */
static void follow_others(struct nfvd_netdev *nd)
{
	struct nfvd_shortcut_device is = { 0 };
	char why[NFVD_OTHER_MAX] = "", what[NFVD_OTHER_MAX];
	struct nfvd_link peer = { 0 };

	is.up = nd->link.flags & IFF_UP && nd->link.carrier && !nd->link.master;
	is.plain = is_veth(nd->port) && !nfvd_netdev_not_plain(nd->port, &nd->link, &peer, why);
	is.aside = nd->link.master;
	is.mtu = nd->link.mtu;
	memcpy(is.peer, peer.address, sizeof(is.peer));
	nfvd_shortcut_port_update(nd->port, &is);
	nd->passed_by = nd->carrier->before_tc && nfvd_shortcut_other(nd->port, nd->link.ifindex, what, sizeof(what));
	if (!strcmp(why, nd->not_plain))
		return;
	strcpy(nd->not_plain, why);
	if (why[0])
		nfvd_event_of(NFVD_EVENT_SHORTCUT, nd->port->name, "shortcut not used: %s", why);
	else
		nfvd_event_of(NFVD_EVENT_SHORTCUT, nd->port->name, "shortcut used again: nothing is in its way");
}

/* Read the state of the device. The message that announced a change may be out of date. */
static void follow(struct nfvd_netdev *nd)
{
	struct nfvd_link now;
	bool up;
	int err;

	if (atomic_load(&nd->port->state) == NFVD_STATE_GONE)
		return;
	err = nfvd_link_get(-1, NULL, nd->link.ifindex, &now);
	if (err == -ENODEV || !nd->carrier->bound(nd))
		gone(nd);
	if (err || !nd->link.ifindex)
		return;
	if (strcmp(nd->link.name, now.name))
		nfvd_event(nd->port->name, "device %s is now called %s", nd->link.name, now.name);
	nd->link = now;
	atomic_store(&nd->port->mtu, now.mtu);
	up = now.flags & IFF_UP;
	follow_others(nd);
	follow_state(nd, up, now.carrier);
}

int nfvd_netdev_attach(struct nfvd_netdev *nd, struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	bool force = !strcmp(json_string_value(json_object_get(params, "force")), "yes");

	port->priv = nd;
	nd->port = port;
	nd->sock = nd->claim = -1;
	nd->trace.was_up = true;
	if (find_device(nd, params, err))
		return -1;
	if (claim(nd, err)) {
		nfvd_netdev_detach(nd);
		return -1;
	}
	if (nd->carrier->adopt)
		nd->carrier->adopt(nd);
	if ((!force && check_others(nd, err)) || take_device(nd, err)) {
		nfvd_netdev_detach(nd);
		return -1;
	}
	attached[port->id] = nd;
	n_attached++;
	nd->ticks = port->id;
	follow(nd);
	return 0;
}

void nfvd_netdev_link_changed(int ifindex)
{
	struct nfvd_netdev *nd = ifindex ? by_ifindex(ifindex) : NULL;

	if (nd)
		follow(nd);
	for (unsigned int id = 0; !ifindex && id < NFVD_PORTS_MAX; id++)
		if (attached[id])
			attached[id]->unsure = true;
}

/*
 * Three kinds of changes come late or without any message. The device may have gone: check every second. Messages
 * about the carrier may come a second late: check in each tick while it is lost. There are none about XDP, tcx and
 * the container's end: check every 0.2 s. This holds for up to LOOKS devices. With more devices each is checked less
 * often, so that the cost stays the same.
 */
void nfvd_netdev_tick(struct nfvd_port *port)
{
	struct nfvd_netdev *nd = port->priv;
	unsigned int every = 1 + n_attached / LOOKS, turn = nd->ticks / every;

	if (nd->ticks++ % every)
		return;
	if (turn % 10 == 0 || nd->lost_carrier || nd->unsure) {
		nd->unsure = false;
		follow(nd);
	} else if (turn % 2 == 0 && nd->link.ifindex) {
		follow_others(nd);
	}
}

/* Linux lets a device, a qdisc or a program have almost any name. */
static json_t *name_json(const char *name)
{
	char buf[NFVD_OTHER_MAX + 160];

	snprintf(buf, sizeof(buf), "%s", name);
	nfv_text_clean(buf);
	return json_string(buf);
}

static json_t *finding(const struct nfvd_port *port, const char *hint, const char *fmt, const char *what)
{
	char text[NFVD_OTHER_MAX + 160];

	snprintf(text, sizeof(text), fmt, what);
	return json_pack("{s:s, s:s, s:o, s:o}", "level", "warn", "port", port->name, "text", name_json(text), "hint",
			 name_json(hint));
}

static void find(const struct nfvd_netdev *nd, const struct nfvd_use *use, json_t *list)
{
	const struct nfvd_port *port = nd->port;
	char what[NFVD_OTHER_MAX], hint[64];

	snprintf(hint, sizeof(hint), "nfvctl detach %s", port->name);
	if (nd->passed_by && nfvd_shortcut_other(port, nd->link.ifindex, what, sizeof(what)))
		json_array_append_new(list, finding(port,
			access("/proc/modules", F_OK) ? hint : "make module && insmod kmod/nfv.ko",
			"the container's frames do not pass the %s at ingress of its device, which limits nothing: nfvd takes them before it", what));
	else if (nd->not_plain[0])
		json_array_append_new(list, finding(port, "ip -d link show", "the shortcut is not used: %s", nd->not_plain));
	if (nd->link.master)
		json_array_append_new(list, finding(port, hint, "its device '%s' was put into a bridge or bond", nd->link.name));
	else if (use->what[0])
		json_array_append_new(list, finding(port, hint, "the host uses its device, and is not heard there: it %s", use->what));
}

void nfvd_netdev_findings(json_t *list)
{
	static struct nfvd_use uses[NFVD_PORTS_MAX];
	const struct nfvd_netdev *of[NFVD_PORTS_MAX];
	unsigned int n = 0;

	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (attached[id] && attached[id]->link.ifindex) {
			of[n] = attached[id];
			uses[n++].link = &attached[id]->link;
		}
	nfvd_netdev_uses(uses, n);
	for (unsigned int i = 0; i < n; i++)
		find(of[i], &uses[i], list);
}

/*
 * Return name if it is one plain word to a shell, else otherwise. A container chooses the name of its device itself.
 */
static const char *word(const char *name, const char *otherwise)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@/-";

	return name[0] && name[0] != '-' && strspn(name, plain) == strlen(name) ? name : otherwise;
}

static void show_no_carrier(const struct nfvd_netdev *nd, json_t *obj)
{
	const char *dir = "/run/netns/", *device = word(nd->container_dev, "DEVICE"), *netns = word(nd->netns, "");

	if (!is_veth(nd->port))
		nfvd_show_why(obj, "its device has no carrier: the other end is down", "ip -d link show dev %s",
			      word(nd->link.name, "DEVICE"));
	else if (!strncmp(netns, dir, strlen(dir)))
		nfvd_show_why(obj, "the container's end of its device is down", "ip -n %s link set dev %s up",
			      netns + strlen(dir), device);
	else if (netns[0])
		nfvd_show_why(obj, "the container's end of its device is down", "nsenter --net=%s ip link set dev %s up",
			      netns, device);
	else
		nfvd_show_why(obj, "the container's end of its device is down", "ip -n NETNS link set dev DEVICE up");
}

static void show_why(const struct nfvd_netdev *nd, json_t *obj)
{
	const char *dev = word(nd->link.name, "DEVICE");
	enum nfvd_state state = atomic_load(&nd->port->state);

	if (state == NFVD_STATE_UP)
		return;
	if (state == NFVD_STATE_GONE)
		nfvd_show_why(obj, "its device was deleted or moved to another namespace", NULL);
	else if (nd->link.master)
		nfvd_show_why(obj, "its device is in a bridge or bond, which has its frames", "ip link set dev %s nomaster", dev);
	else if (!(nd->link.flags & IFF_UP))
		nfvd_show_why(obj, "its device is set down", "ip link set dev %s up", dev);
	else
		show_no_carrier(nd, obj);
}

void nfvd_netdev_show(struct nfvd_port *port, json_t *obj)
{
	struct nfvd_netdev *nd = port->priv;

	json_object_set_new(obj, "dev", name_json(nd->link.name));
	json_object_set_new(obj, "ifindex", json_integer(nd->link.ifindex));
	json_object_set_new(obj, "mtu", json_integer(nd->link.mtu));
	show_why(nd, obj);
	if (!is_veth(port))
		return;
	json_object_set_new(obj, "peer_ifindex", json_integer(nd->link.peer));
	json_object_set_new(obj, "shortcut", json_boolean(nfvd_shortcut_enabled(port)));
	if (nfvd_port_inspects(port))
		json_object_set_new(obj, "shortcut_hindered", json_string("nfvd carries out its policy, or mirrors it, frame by frame"));
	else if (atomic_load(&port->captured))
		json_object_set_new(obj, "shortcut_hindered", json_string("its frames are captured"));
	else if (nd->not_plain[0])
		json_object_set_new(obj, "shortcut_hindered", name_json(nd->not_plain));
	if (nd->netns[0])
		json_object_set_new(obj, "container_netns", name_json(nd->netns));
	if (nd->container_dev[0])
		json_object_set_new(obj, "container_dev", name_json(nd->container_dev));
}
