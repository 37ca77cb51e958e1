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
#include "port/fdb.h"
#include "port/port_state.h"
#include "shortcut/addresses.h"
#include "shortcut/inherit.h"
#include "shortcut/programs.h"
#include "shortcut/table.h"
#include "shortcut/tc.h"

/* One device with our programs on it; index is the port id. */
struct device {
	struct nfvd_port *port;		/* NULL: unused */
	int ifindex;			/* 0: none of the host's, or gone */
	struct nfvd_shortcut_device is;
	bool redirect, on;
	uint32_t group;			/* ports of one group reach each other without nfvd; NOBODY: none does */
	int sock;			/* packet socket; -1: there is none */
	uint64_t cookie;		/* of it; 0: none */
	bool stored;			/* the next nfvd can go on with all of it */
	bool redirected;		/* as of the last publish_port() */
	uint64_t from_ns;		/* since when, and a little */
	struct nfvd_tc tc;
	uint64_t lost;			/* nfvd_order_lost() that has been counted */
	atomic_bool first;		/* the program at egress sees what our socket sends before all others; read by workers */
};

#define NOBODY	UINT32_MAX
#define MEMBARRIER_ELSE_US	100000	/* where the kernel has no such call (nohz_full) */

static uint32_t last_group;		/* that was given; each is one segment's for ever */
static bool all_on = true;
static bool adopting;			/* the maps are an earlier nfvd's, and stay as they are until all ports are attached */
static struct device devices[NFVD_PORTS_MAX];

/* The last sync's entries, to be applied anew when a switch is turned. */
static struct nfvd_shortcut_entry *learnt;
static size_t n_learnt;

int nfvd_shortcut_init(void)
{
	int err;

	nfvd_port_forget_elsewhere = nfvd_shortcut_forget;
	err = nfvd_programs_load(&adopting);
	if (err)
		return err;
	if (adopting)
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
	free(learnt);
	learnt = NULL;
	n_learnt = 0;
}

bool nfvd_shortcut_available(void)
{
	return nfvd_programs;
}

/* By the module's table, which forwards as nfvd would. */
static bool allowed(unsigned int id)
{
	const struct device *d = &devices[id];

	return all_on && d->port && !atomic_load(&d->port->captured) && d->redirect && d->on && d->is.up && d->group != NOBODY;
}

/* The module's table knows no groups. */
static bool allowed_by_module(unsigned int id)
{
	return allowed(id) && !devices[id].group;
}

/* By our programs, past all that is on the device. */
static bool redirects(unsigned int id)
{
	return allowed(id) && devices[id].is.plain;
}

static void publish_port(struct device *d)
{
	uint32_t ifindex = d->ifindex;
	bool on = redirects(d->port->id);
	struct shortcut_port value = {
		.port = d->port->id, .group = d->group, .on = on, .mtu = d->is.mtu, .aside = d->is.aside, .cookie = d->cookie,
	};

	/* While ports are being adopted, keep the setting of the earlier nfvd until the new one is known. */
	if (adopting && nfvd_inherit_of(d->port->id))
		return;
	strcpy(value.name, d->port->name);
	if (on && !d->redirected)
		d->from_ns = nfvd_programs_now_ns() + NFVD_SETTLE_NS;
	d->redirected = on;
	value.from_ns = d->from_ns;
	if (nfvd_programs && ifindex)
		bpf_map__update_elem(nfvd_programs->maps.ports, &ifindex, sizeof(ifindex), &value, sizeof(value), BPF_ANY);
}

static void unpublish_kept(const struct nfvd_inherited *k)
{
	uint32_t ifindex = k->ifindex;

	bpf_map__delete_elem(nfvd_programs->maps.ports, &ifindex, sizeof(ifindex), 0);
}

static void unpublish_port(const struct device *d)
{
	uint32_t ifindex = d->ifindex;

	if (nfvd_programs && ifindex)
		bpf_map__delete_elem(nfvd_programs->maps.ports, &ifindex, sizeof(ifindex), 0);
}

static int ingress_of(const struct device *d)
{
	return bpf_program__fd(d->cookie ? nfvd_programs->progs.shortcut_ingress : nfvd_programs->progs.shortcut_direct);
}

static void store(struct device *d)
{
	int err = d->sock >= 0 && nfvd_fdstore_ready() ? nfvd_inherit_put(d->port, &d->tc, d->sock) : -ENOTSUP;

	d->stored = !err;
	if (err && err != -ENOTSUP)
		nfvd_log(LOG_WARNING, "%s: it is attached anew should nfvd end: it cannot be stored: %s", d->port->name, strerror(-err));
}

/* What was lost behind nfvd's back. */
static void count_lost(struct device *d)
{
	uint64_t lost = nfvd_order_lost(d->port->id);

	if (lost != d->lost)
		nfvd_fault(d->port, NFVD_DROP_UNCOMPLETED, lost - d->lost);
	d->lost = lost;
}

void nfvd_shortcut_tick(void)
{
	static bool no_tcx;
	int err;

	if (!nfvd_programs)
		return;
	nfvd_programs_alive();
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (devices[id].port)
			count_lost(&devices[id]);
	for (unsigned int id = 0; id < NFVD_PORTS_MAX && !no_tcx; id++) {
		struct device *d = &devices[id];

		if (!d->port || !d->tc.ifindex || nfvd_tc_settled(&d->tc))
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

/* Go on with what an earlier nfvd left: its links, with our programs. */
static int adopt(struct device *d, struct nfvd_inherited *k)
{
	d->redirected = k->as.on;
	d->from_ns = k->as.from_ns;
	d->is = (struct nfvd_shortcut_device){ 0 };
	d->stored = true;
	k->taken = false;
	return nfvd_tc_adopt(&d->tc, d->ifindex, k->tc.link, ingress_of(d), bpf_program__fd(nfvd_programs->progs.shortcut_egress));
}

/* Our filter on the packet socket, our programs on the device. */
static int install(struct device *d)
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
	publish_port(d);
	if (d->sock >= 0 && setsockopt(d->sock, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd)))
		return -errno;
	if (k && k->taken)
		return adopt(d, k);
	return nfvd_tc_attach(&d->tc, d->ifindex, ingress_of(d), bpf_program__fd(nfvd_programs->progs.shortcut_egress),
			      bpf_program__fd(nfvd_programs->progs.shortcut_mark));
}

static void resync(void);

/*
 * Return the group of a port. Ports without a policy are group 0. Any other group is one zone with its VLANs. If no
 * port has that group yet, it gets a number that was never used, because entries of an older group may still be in
 * the map.
 */
static uint32_t group_of(const struct nfvd_port *port)
{
	if (nfvd_port_inspects(port))
		return NOBODY;
	if (!port->policy)
		return 0;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		const struct nfvd_port *other = devices[id].port;

		if (other && other != port && other->policy && devices[id].group != NOBODY &&
		    nfvd_policy_same_segment(other->policy, port->policy))
			return devices[id].group;
	}
	return ++last_group;
}

void nfvd_shortcut_policies_changed(const bool changed[NFVD_PORTS_MAX])
{
	bool any = false;

	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		struct device *d = &devices[id];

		if (!changed[id] || !d->port || d->port != nfvd_ports[id])
			continue;
		d->group = group_of(d->port);
		publish_port(d);
		any = true;
	}
	if (any)
		resync();
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
	struct device *d = &devices[port->id];
	int err;

	*d = (struct device){ .port = port, .ifindex = ifindex, .sock = sock, .redirect = redirect, .on = true };
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
static void unstore(struct device *d)
{
	if (d->stored)
		nfvd_inherit_remove(d->port);
	d->stored = false;
	nfvd_inherit_forget(d->port->id);
}

void nfvd_shortcut_port_del(struct nfvd_port *port)
{
	struct device *d = &devices[port->id];

	if (d->port != port)
		return;
	atomic_store(&d->first, false);
	if (nfvd_shortcut_stays(port)) {
		nfvd_tc_forget(&d->tc);
		d->port = NULL;
		return;
	}
	unstore(d);
	unpublish_port(d);
	nfvd_tc_detach(&d->tc);
	if (nfvd_programs)
		nfvd_programs_forget(port->id);
	d->port = NULL;
	resync();
}

bool nfvd_shortcut_stays(const struct nfvd_port *port)
{
	return devices[port->id].port == port && devices[port->id].stored && nfvd_fdstore_handing_over();
}

void nfvd_shortcut_port_gone(struct nfvd_port *port)
{
	struct device *d = &devices[port->id];

	if (d->port != port)
		return;
	atomic_store(&d->first, false);
	unstore(d);
	unpublish_port(d);
	nfvd_tc_forget(&d->tc);
	d->ifindex = 0;
	d->is.up = false;
	resync();
}

static bool same(const struct nfvd_shortcut_device *a, const struct nfvd_shortcut_device *b)
{
	return a->up == b->up && a->plain == b->plain && a->aside == b->aside && a->mtu == b->mtu &&
	       !memcmp(a->peer, b->peer, sizeof(a->peer));
}

void nfvd_shortcut_port_update(struct nfvd_port *port, const struct nfvd_shortcut_device *is)
{
	struct device *d = &devices[port->id];

	if (d->port != port || !d->ifindex)
		return;
	atomic_store(&d->first, d->cookie && nfvd_tc_first(&d->tc, NFVD_TC_EGRESS));
	if (same(&d->is, is))
		return;
	d->is = *is;
	publish_port(d);
	resync();
}

/* Return nfvd's programs on the port, including those of an earlier nfvd. */
static const struct nfvd_tc *tc_of(const struct nfvd_port *port)
{
	const struct nfvd_inherited *k = nfvd_inherit_of(port->id);

	return devices[port->id].port == port ? &devices[port->id].tc : k && k->taken ? &k->tc : NULL;
}

bool nfvd_shortcut_other(const struct nfvd_port *port, int ifindex, char *what, size_t size)
{
	const struct nfvd_tc *mine = tc_of(port);
	struct shortcut_port value;
	uint32_t key = ifindex;

	if (nfvd_tc_other(ifindex, NFVD_TC_INGRESS, mine, what, size))
		return true;
	if (devices[port->id].port != port || !nfvd_programs || bpf_map__lookup_elem(nfvd_programs->maps.ports, &key, sizeof(key), &value, sizeof(value), 0) || !value.stolen)
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
	return atomic_load_explicit(&devices[id].first, memory_order_relaxed);
}

static bool usable(const struct nfvd_port *port)
{
	const struct device *d = &devices[port->id];

	return d->port == port && d->redirect && ((nfvd_programs && d->ifindex) || nfvd_kmod_of(port->id));
}

int nfvd_shortcut_set(struct nfvd_port *port, bool on)
{
	if (port ? !usable(port) : !nfvd_programs && !nfvd_kmod_available())
		return -ENODEV;
	if (port)
		devices[port->id].on = on;
	else
		all_on = on;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (devices[id].port)
			publish_port(&devices[id]);
	resync();
	return 0;
}

bool nfvd_shortcut_enabled(const struct nfvd_port *port)
{
	if (!port)
		return all_on;
	return usable(port) && devices[port->id].on && all_on && (nfvd_kmod_of(port->id) || devices[port->id].is.plain);
}

/*
 * Set *key to the key of a learnt address, with the VLAN of the tag on its frames. Return false if it has none,
 * because tags are put on or taken off in its VLAN.
 */
static bool key_of(const struct nfvd_shortcut_entry *e, struct shortcut_address *key)
{
	const struct device *d = &devices[e->port];
	const struct nfvd_policy *p = d->port ? d->port->policy : NULL;

	if (d->group == NOBODY)
		return false;
	memset(key, 0, sizeof(*key));
	memcpy(key->mac, e->mac, 6);
	key->group = d->group;
	key->vlan = p && p->native == e->vlan && !p->native_tagged ? 0 : e->vlan;
	return true;
}

/* Set *s to the entry that the map should have for a learnt address. Return false if it should have none. */
static bool wanted(const struct nfvd_shortcut_entry *e, struct nfvd_address *s)
{
	const struct device *d = e->port < NFVD_PORTS_MAX ? &devices[e->port] : NULL;

	if (!d || !d->port || !d->redirect || !d->ifindex)
		return false;
	memset(s, 0, sizeof(*s));
	if (!key_of(e, &s->key))
		return false;
	s->where.port = e->port;
	/*
	 * Redirect only to the address of the device itself, where the frame has arrived. For any other address only
	 * the device can tell whether the frame is received there (a bridge, a macvlan), or whether the address is no
	 * longer in use.
	 */
	s->where.ifindex = redirects(e->port) && !memcmp(e->mac, d->is.peer, sizeof(e->mac)) ? d->ifindex : 0;
	s->where.mtu = d->is.mtu;
	return true;
}

static void resync(void)
{
	struct nfvd_address *want = calloc(n_learnt ? n_learnt : 1, sizeof(*want));
	size_t n = 0;

	nfvd_kmod_table_sync(learnt, n_learnt, allowed_by_module);
	if (!want || !nfvd_programs || adopting || nfvd_fdstore_handing_over()) {
		free(want);
		return;
	}
	for (size_t i = 0; i < n_learnt && n < SHORTCUT_ADDRESSES; i++)
		n += wanted(&learnt[i], &want[n]);
	nfvd_addresses_set(want, n);
}

void nfvd_shortcut_sync(const struct nfvd_shortcut_entry *entries, size_t n)
{
	struct nfvd_shortcut_entry *copy;

	copy = malloc((n ? n : 1) * sizeof(*copy));
	if (!copy)
		return;
	if (n)
		memcpy(copy, entries, n * sizeof(*copy));
	free(learnt);
	learnt = copy;
	n_learnt = n;
	resync();
}

void nfvd_shortcut_forget(const struct nfvd_port *port)
{
	size_t n = 0;

	if (devices[port->id].port != port)
		return;
	for (size_t i = 0; i < n_learnt; i++)
		if (learnt[i].port != port->id)
			learnt[n++] = learnt[i];
	if (n == n_learnt)
		return;
	n_learnt = n;
	resync();
}

/* ---- adopted ---- */

/*
 * Set *vlan to the VLAN of an address that an earlier nfvd had at port, from the tag on its frames. The zone is the
 * port's of now. Return false if the policy is another now.
 */
static bool vlan_of_key(const struct nfvd_port *port, const struct shortcut_address *key, uint16_t *vlan)
{
	const struct nfvd_policy *p = port->policy;

	*vlan = p && !key->vlan ? p->native : key->vlan;
	return !p || nfvd_policy_carries(p, *vlan);
}

/* Learn the addresses that the earlier nfvd had learnt at ports that are attached again. */
static void learn_addresses(void)
{
	uint64_t now = nfvd_programs_now_ns();
	const struct nfvd_address *a;
	size_t n;

	a = nfvd_addresses(&n);
	learnt = calloc(n ? n : 1, sizeof(*learnt));
	rcu_thread_online();
	for (; learnt && n; n--, a++) {
		struct nfvd_port *port = a->where.port < NFVD_PORTS_MAX ? devices[a->where.port].port : NULL;
		const struct nfvd_inherited *k = port ? nfvd_inherit_of(port->id) : NULL;
		uint32_t age_ms = a->where.seen_ns && now > a->where.seen_ns ? (now - a->where.seen_ns) / 1000000 : 0;
		uint16_t vlan;

		if (!k || k->as.group != a->key.group || atomic_load(&port->state) != NFVD_STATE_UP || !vlan_of_key(port, &a->key, &vlan))
			continue;
		learnt[n_learnt] = (struct nfvd_shortcut_entry){ .vlan = vlan, .port = port->id };
		memcpy(learnt[n_learnt++].mac, a->key.mac, sizeof(a->key.mac));
		nfvd_fdb_learn(port, nfvd_policy_zone(port->policy), nfvd_fdb_key(a->key.mac, vlan), nfvd_now_ms() - age_ms);
	}
	rcu_thread_offline();
}

void nfvd_shortcut_adopted(void)
{
	unsigned int n = 0;

	nfvd_inherit_say_anew();
	if (!adopting)
		return;
	nfvd_addresses_adopt();
	learn_addresses();
	adopting = false;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		const struct nfvd_inherited *k = nfvd_inherit_of(id);

		if (k && !devices[id].port) {
			unpublish_kept(k);
			nfvd_programs_forget(id);
		}
		if (k && devices[id].port)
			n++;
		nfvd_inherit_forget(id);
		if (devices[id].port)
			publish_port(&devices[id]);
	}
	resync();
	if (n)
		nfvd_event_of(NFVD_EVENT_SHORTCUT, NULL, "shortcut: goes on with %u container(s) and %zu address(es)", n, n_learnt);
}

bool nfvd_shortcut_last_seen(const struct nfvd_shortcut_entry *e, uint64_t *age_ms)
{
	struct shortcut_address key;
	uint64_t seen, now;

	seen = nfvd_programs && key_of(e, &key) ? nfvd_addresses_seen_ns(&key, e->port) : 0;
	if (!seen)
		return false;
	now = nfvd_programs_now_ns();
	*age_ms = now > seen ? (now - seen) / 1000000 : 0;
	return true;
}
