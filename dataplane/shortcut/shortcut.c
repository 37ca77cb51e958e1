/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/shortcut.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "clock.h"
#include "fdstore.h"
#include "log.h"
#include "module/kmod.h"
#include "port/port_state.h"
#include "shortcut/addresses.h"
#include "shortcut/device.h"
#include "shortcut/inherit.h"
#include "shortcut/learnt.h"
#include "shortcut/programs.h"
#include "shortcut/tc.h"

#define MEMBARRIER_ELSE_US	100000	/* where the kernel has no such call (nohz_full) */
/*
 * Filters become links when no port has come for CALM_US, or when the port is UNSETTLED_US old. Not later: only links are
 * stored for the nfvd after this one, and end with it if there is none.
 */
#define CALM_US			100000
#define UNSETTLED_US		500000

static uint64_t last_added_us;
static uint32_t last_group;		/* that was given; each is one segment's for ever */

int nfvd_shortcut_init(void)
{
	int err;

	nfvd_port_forget_elsewhere = nfvd_shortcut_forget;
	err = nfvd_programs_load(&nfvd_shortcut_adopting);
	if (err)
		return err;
	if (nfvd_shortcut_adopting)
		last_group = nfvd_inherit_read(bpf_map__fd(nfvd_programs->maps.ports));
	nfvd_inherit_maps_put(nfvd_programs->obj);
	return 0;
}

void nfvd_shortcut_fini(void)
{
	if (nfvd_programs && !nfvd_fdstore_handing_over())
		nfvd_inherit_maps_remove(nfvd_programs->obj);
	nfvd_programs_free();
	nfvd_addresses_free();
	nfvd_learnt_free();
}

bool nfvd_shortcut_available(void)
{
	return nfvd_programs;
}

static void unpublish_kept(const struct nfvd_inherited *k)
{
	uint32_t ifindex = k->ifindex;

	bpf_map__delete_elem(nfvd_programs->maps.ports, &ifindex, sizeof(ifindex), 0);
}

static int ingress_of(const struct nfvd_device *d)
{
	return bpf_program__fd(d->cookie ? nfvd_programs->progs.shortcut_ingress : nfvd_programs->progs.shortcut_direct);
}

static void store(struct nfvd_device *d)
{
	int err = d->sock >= 0 && nfvd_fdstore_ready() ? nfvd_inherit_put(d->port, &d->tc, d->sock) : -ENOTSUP;

	d->stored = !err;
	if (err && err != -ENOTSUP)
		nfvd_log(LOG_WARNING, "%s: it is attached anew should nfvd end: it cannot be stored: %s", d->port->name, strerror(-err));
}

/* What was lost behind nfvd's back. */
static void count_lost(struct nfvd_device *d)
{
	uint64_t lost = nfvd_order_lost(d->port->id);

	if (lost != d->lost)
		nfvd_fault(d->port, NFVD_DROP_UNCOMPLETED, lost - d->lost);
	d->lost = lost;
}

/*
 * Make links of one port's filters. For the two grace periods that it takes the kernel holds the lock (RTNL) that each
 * attach needs, and everybody else's change of a device: so not while ports are being attached.
 */
static void settle_one(void)
{
	static bool no_tcx;
	uint64_t now_us = nfvd_now_us();
	bool calm = now_us - last_added_us >= CALM_US;
	int err;

	for (unsigned int id = 0; id < NFVD_PORTS_MAX && !no_tcx; id++) {
		struct nfvd_device *d = &nfvd_devices[id];

		if (!d->port || !d->tc.ifindex || nfvd_tc_settled(&d->tc) || (!calm && now_us - d->added_us < UNSETTLED_US))
			continue;
		err = nfvd_tc_settle(&d->tc, ingress_of(d), bpf_program__fd(nfvd_programs->progs.shortcut_egress),
				     bpf_program__fd(nfvd_programs->progs.shortcut_mark));
		no_tcx = err == -EINVAL;
		if (err)
			continue;
		store(d);
		break;
	}
}

void nfvd_shortcut_tick(void)
{
	if (!nfvd_programs)
		return;
	nfvd_programs_alive();
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_devices[id].port)
			count_lost(&nfvd_devices[id]);
	settle_one();
}

/* Go on with what an earlier nfvd left: its links, with our programs. */
static int adopt(struct nfvd_device *d, struct nfvd_inherited *k)
{
	d->redirected = k->as.on;
	d->from_ns = k->as.from_ns;
	d->is = (struct nfvd_shortcut_device){ 0 };
	d->stored = true;
	k->taken = false;
	return nfvd_tc_adopt(&d->tc, d->ifindex, k->tc.link, ingress_of(d), bpf_program__fd(nfvd_programs->progs.shortcut_egress));
}

/* Our filter on the packet socket, our programs on the device. */
static int install(struct nfvd_device *d)
{
	struct nfvd_inherited *k = nfvd_inherit_of(d->port->id);
	socklen_t len = sizeof(d->cookie);
	int fd = bpf_program__fd(nfvd_programs->progs.shortcut_filter);

	if (k && !k->taken) {
		unpublish_kept(k);
		nfvd_inherit_forget(d->port->id);
	}
	if (d->sock >= 0 && getsockopt(d->sock, SOL_SOCKET, SO_COOKIE, &d->cookie, &len))
		return -errno;
	nfvd_device_publish(d);
	if (d->sock >= 0 && setsockopt(d->sock, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd)))
		return -errno;
	if (k && k->taken)
		return adopt(d, k);
	return nfvd_tc_attach(&d->tc, d->ifindex, ingress_of(d), bpf_program__fd(nfvd_programs->progs.shortcut_egress),
			      bpf_program__fd(nfvd_programs->progs.shortcut_mark));
}

/*
 * Return the group of a port. Ports without a policy are group 0. Any other group is one zone with its VLANs. If no
 * port has that group yet, it gets a number that was never used, because entries of an older group may still be in
 * the map.
 */
static uint32_t group_of(const struct nfvd_port *port)
{
	if (nfvd_port_inspects(port))
		return NFVD_NOBODY;
	if (!port->policy)
		return 0;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		const struct nfvd_port *other = nfvd_devices[id].port;

		if (other && other != port && other->policy && nfvd_devices[id].group != NFVD_NOBODY &&
		    nfvd_policy_same_segment(other->policy, port->policy))
			return nfvd_devices[id].group;
	}
	return ++last_group;
}

void nfvd_shortcut_policies_changed(const bool changed[NFVD_PORTS_MAX])
{
	bool any = false;

	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		struct nfvd_device *d = &nfvd_devices[id];

		if (!changed[id] || !d->port || d->port != nfvd_ports[id])
			continue;
		d->group = group_of(d->port);
		nfvd_device_publish(d);
		any = true;
	}
	if (any)
		nfvd_learnt_resync();
	/* Wait for an RCU grace period: then programs that began before have ended. */
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(MEMBARRIER_ELSE_US);
}

void nfvd_shortcut_policy_changed(const struct nfvd_port *port)
{
	bool changed[NFVD_PORTS_MAX] = { false };

	changed[port->id] = true;
	nfvd_shortcut_policies_changed(changed);
}

int nfvd_shortcut_port_add(struct nfvd_port *port, int ifindex, int sock, uint32_t mtu, bool redirect)
{
	struct nfvd_device *d = &nfvd_devices[port->id];
	int err;

	*d = (struct nfvd_device){ .port = port, .ifindex = ifindex, .sock = sock, .redirect = redirect, .on = true };
	d->added_us = last_added_us = nfvd_now_us();
	d->group = group_of(port);
	d->lost = nfvd_order_lost(port->id);
	/* A port without a device of the host is the module's alone. A device is checked before it is used. */
	d->is = (struct nfvd_shortcut_device){ .up = !ifindex, .mtu = mtu };
	if (!nfvd_programs)
		return ifindex ? -ENOSYS : 0;
	if (!nfvd_inherit_of(port->id) || !nfvd_inherit_of(port->id)->taken)
		nfvd_programs_forget(port->id);
	if (!ifindex)
		return 0;
	err = install(d);
	if (err)
		nfvd_shortcut_port_del(port);
	return err;
}

/* It is not the next nfvd's to go on with. */
static void unstore(struct nfvd_device *d)
{
	if (d->stored)
		nfvd_inherit_remove(d->port);
	d->stored = false;
	nfvd_inherit_forget(d->port->id);
}

void nfvd_shortcut_port_del(struct nfvd_port *port)
{
	struct nfvd_device *d = &nfvd_devices[port->id];

	if (d->port != port)
		return;
	atomic_store(&d->first, false);
	if (nfvd_shortcut_stays(port)) {
		nfvd_tc_forget(&d->tc);
		d->port = NULL;
		return;
	}
	unstore(d);
	nfvd_device_unpublish(d);
	nfvd_tc_detach(&d->tc);
	if (nfvd_programs)
		nfvd_programs_forget(port->id);
	d->port = NULL;
	nfvd_learnt_resync();
}

bool nfvd_shortcut_stays(const struct nfvd_port *port)
{
	return nfvd_devices[port->id].port == port && nfvd_devices[port->id].stored && nfvd_fdstore_handing_over();
}

void nfvd_shortcut_port_gone(struct nfvd_port *port)
{
	struct nfvd_device *d = &nfvd_devices[port->id];

	if (d->port != port)
		return;
	atomic_store(&d->first, false);
	unstore(d);
	nfvd_device_unpublish(d);
	nfvd_tc_forget(&d->tc);
	d->ifindex = 0;
	d->is.up = false;
	nfvd_learnt_resync();
}

static bool same(const struct nfvd_shortcut_device *a, const struct nfvd_shortcut_device *b)
{
	return a->up == b->up && a->plain == b->plain && a->aside == b->aside && a->mtu == b->mtu &&
	       !memcmp(a->peer, b->peer, sizeof(a->peer));
}

void nfvd_shortcut_port_update(struct nfvd_port *port, const struct nfvd_shortcut_device *is)
{
	struct nfvd_device *d = &nfvd_devices[port->id];

	if (d->port != port || !d->ifindex)
		return;
	atomic_store(&d->first, d->cookie && nfvd_tc_first(&d->tc, NFVD_TC_EGRESS));
	if (same(&d->is, is))
		return;
	d->is = *is;
	nfvd_device_publish(d);
	nfvd_learnt_resync();
}

/* Return nfvd's programs on the port, including those of an earlier nfvd. */
static const struct nfvd_tc *tc_of(const struct nfvd_port *port)
{
	const struct nfvd_inherited *k = nfvd_inherit_of(port->id);

	return nfvd_devices[port->id].port == port ? &nfvd_devices[port->id].tc : k && k->taken ? &k->tc : NULL;
}

bool nfvd_shortcut_other(const struct nfvd_port *port, int ifindex, char *what, size_t size)
{
	const struct nfvd_tc *mine = tc_of(port);
	struct shortcut_port value;
	uint32_t key = ifindex;

	if (nfvd_tc_other(ifindex, NFVD_TC_INGRESS, mine, what, size))
		return true;
	if (nfvd_devices[port->id].port != port || !nfvd_programs || bpf_map__lookup_elem(nfvd_programs->maps.ports, &key, sizeof(key), &value, sizeof(value), 0) || !value.stolen)
		return false;
	snprintf(what, size, "program that took frames before ours");
	return true;
}

bool nfvd_shortcut_other_egress(const struct nfvd_port *port, int ifindex, char *what, size_t size)
{
	return nfvd_tc_other(ifindex, NFVD_TC_EGRESS, tc_of(port), what, size);
}

bool nfvd_shortcut_completes(unsigned int id)
{
	return atomic_load_explicit(&nfvd_devices[id].first, memory_order_relaxed);
}

static bool usable(const struct nfvd_port *port)
{
	const struct nfvd_device *d = &nfvd_devices[port->id];

	return d->port == port && d->redirect && ((nfvd_programs && d->ifindex) || nfvd_kmod_of(port->id));
}

int nfvd_shortcut_set(struct nfvd_port *port, bool on)
{
	if (port ? !usable(port) : !nfvd_programs && !nfvd_kmod_available())
		return -ENODEV;
	if (port)
		nfvd_devices[port->id].on = on;
	else
		nfvd_shortcut_on = on;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (nfvd_devices[id].port)
			nfvd_device_publish(&nfvd_devices[id]);
	nfvd_learnt_resync();
	return 0;
}

bool nfvd_shortcut_enabled(const struct nfvd_port *port)
{
	if (!port)
		return nfvd_shortcut_on;
	return usable(port) && nfvd_devices[port->id].on && nfvd_shortcut_on && (nfvd_kmod_of(port->id) || nfvd_devices[port->id].is.plain);
}

void nfvd_shortcut_adopted(void)
{
	unsigned int n = 0;
	size_t n_learnt;

	nfvd_inherit_say_anew();
	if (!nfvd_shortcut_adopting)
		return;
	nfvd_addresses_adopt();
	n_learnt = nfvd_learnt_adopt();
	nfvd_shortcut_adopting = false;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		const struct nfvd_inherited *k = nfvd_inherit_of(id);

		if (k && !nfvd_devices[id].port) {
			unpublish_kept(k);
			nfvd_programs_forget(id);
		}
		if (k && nfvd_devices[id].port)
			n++;
		nfvd_inherit_forget(id);
		if (nfvd_devices[id].port)
			nfvd_device_publish(&nfvd_devices[id]);
	}
	nfvd_learnt_resync();
	if (n)
		nfvd_event_of(NFVD_EVENT_SHORTCUT, NULL, "shortcut: goes on with %u container(s) and %zu address(es)", n, n_learnt);
}
