/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/shortcut.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/types.h>
#include "shortcut/bpf/shortcut.h" /* for the next */
#include <shortcut.skel.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/membarrier.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "fdstore.h"
#include "log.h"
#include "shortcut/inherit.h"
#include "shortcut/table.h"
#include "shortcut/tc.h"
#include "switch/fdb.h"
#include "switch/offload.h"
#include "switch/port_state.h"

/* A frame that the filter sees now was decided by the maps of then at the latest so long ago. */
#define SETTLE_NS	100000000ull
#define ALIVE_NS	2000000000ull	/* how long nfvd is believed to live after it said so; it says so every tick */

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
	atomic_bool first;		/* the program at egress sees what our socket sends before all others; read by workers */
};

#define NOBODY	UINT32_MAX
#define MEMBARRIER_ELSE_US	100000	/* where the kernel has no such call (nohz_full) */

static struct shortcut_bpf *bpf;	/* also read by workers, which start after init and end before fini */
static bool all_on = true;
static bool adopting;			/* the maps are an earlier nfvd's, and stay as they are until all ports are attached */
static struct device devices[NFVD_PORTS_MAX];

/* What the addresses map holds, but for seen_ns; sorted by key. */
struct shadow {
	struct shortcut_address key;
	struct shortcut_where where;
};
static struct shadow *shadow;
static size_t n_shadow;

/* The last sync's entries, to be applied anew when a switch is turned. */
static struct nfvd_shortcut_entry *learnt;
static size_t n_learnt;

uint64_t nfvd_shortcut_ring_queued(unsigned int id)
{
	return bpf ? __atomic_load_n(&bpf->bss->orders[id].queued, __ATOMIC_RELAXED) : 0;
}

void nfvd_shortcut_ring_starts(unsigned int id, uint64_t done)
{
	if (bpf)
		__atomic_store_n(&bpf->bss->orders[id].done, done, __ATOMIC_RELEASE);
}

uint32_t *nfvd_shortcut_ring_position(unsigned int id)
{
	return bpf ? &bpf->bss->orders[id].position : NULL;
}

void nfvd_shortcut_ring_done(unsigned int id, uint64_t n)
{
	if (bpf)
		__atomic_fetch_add(&bpf->bss->orders[id].done, n, __ATOMIC_RELEASE);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level != LIBBPF_WARN)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void alive(void)
{
	bpf->bss->alive_until_ns = now_ns() + ALIVE_NS;
}

/* With the maps of the store, if wanted and if they are there. NULL with errno. */
static struct shortcut_bpf *open_and_load(bool wanted, bool *stored)
{
	struct shortcut_bpf *obj = shortcut_bpf__open();
	int err;

	if (!obj)
		return NULL;
	*stored = wanted && nfvd_inherit_maps_take(obj->obj);
	err = shortcut_bpf__load(obj);
	if (!err)
		return obj;
	shortcut_bpf__destroy(obj);
	errno = -err;
	return NULL;
}

int nfvd_shortcut_init(void)
{
	nfvd_port_forget_elsewhere = nfvd_shortcut_forget;
	libbpf_set_print(quiet);
	/* It reads a file, the first time: counters are to be had without a descriptor left, too. */
	libbpf_num_possible_cpus();
	bpf = open_and_load(true, &adopting);
	if (!bpf && adopting)
		bpf = open_and_load(false, &adopting);
	if (!bpf)
		return -errno;
	alive();
	if (adopting)
		nfvd_inherit_read(bpf_map__fd(bpf->maps.ports));
	nfvd_inherit_maps_put(bpf->obj);
	return 0;
}

void nfvd_shortcut_fini(void)
{
	if (bpf && !nfvd_fdstore_handing_over())
		nfvd_inherit_maps_remove(bpf->obj);
	shortcut_bpf__destroy(bpf);
	bpf = NULL;
	free(shadow);
	free(learnt);
	shadow = NULL;
	learnt = NULL;
	n_shadow = n_learnt = 0;
}

bool nfvd_shortcut_available(void)
{
	return bpf;
}

/* By the module's table, which forwards as nfvd would. */
static bool allowed(unsigned int id)
{
	const struct device *d = &devices[id];

	return all_on && d->port && d->redirect && d->on && d->is.up && d->group != NOBODY;
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

	/* As it was, until it is known what it is to be. */
	if (adopting && nfvd_inherit_of(d->port->id))
		return;
	strcpy(value.name, d->port->name);
	if (on && !d->redirected)
		d->from_ns = now_ns() + SETTLE_NS;
	d->redirected = on;
	value.from_ns = d->from_ns;
	if (bpf && ifindex)
		bpf_map__update_elem(bpf->maps.ports, &ifindex, sizeof(ifindex), &value, sizeof(value), BPF_ANY);
}

static void unpublish_kept(const struct nfvd_inherited *k)
{
	uint32_t ifindex = k->ifindex;

	bpf_map__delete_elem(bpf->maps.ports, &ifindex, sizeof(ifindex), 0);
}

static void unpublish_port(const struct device *d)
{
	uint32_t ifindex = d->ifindex;

	if (bpf && ifindex)
		bpf_map__delete_elem(bpf->maps.ports, &ifindex, sizeof(ifindex), 0);
}

/* Counters of whoever had this id before are not this port's. */
static void forget_counters(unsigned int id)
{
	struct shortcut_pair key, next, *prev = NULL;

	while (!bpf_map__get_next_key(bpf->maps.counters, prev, &next, sizeof(next))) {
		if (prev && (prev->src == id || prev->dst == id))
			bpf_map__delete_elem(bpf->maps.counters, prev, sizeof(*prev), 0);
		key = next;
		prev = &key;
	}
	if (prev && (prev->src == id || prev->dst == id))
		bpf_map__delete_elem(bpf->maps.counters, prev, sizeof(*prev), 0);
}

static int ingress_of(const struct device *d)
{
	return bpf_program__fd(d->cookie ? bpf->progs.shortcut_ingress : bpf->progs.shortcut_direct);
}

static void store(struct device *d)
{
	int err = d->sock >= 0 && nfvd_fdstore_ready() ? nfvd_inherit_put(d->port, &d->tc, d->sock) : -ENOTSUP;

	d->stored = !err;
	if (err && err != -ENOTSUP)
		nfvd_log(LOG_WARNING, "%s: it is attached anew should nfvd end: it cannot be stored: %s", d->port->name, strerror(-err));
}

void nfvd_shortcut_tick(void)
{
	static bool no_tcx;
	int err;

	if (!bpf)
		return;
	alive();
	for (unsigned int id = 0; id < NFVD_PORTS_MAX && !no_tcx; id++) {
		struct device *d = &devices[id];

		if (!d->port || !d->tc.ifindex || nfvd_tc_settled(&d->tc))
			continue;
		err = nfvd_tc_settle(&d->tc, ingress_of(d), bpf_program__fd(bpf->progs.shortcut_egress),
				     bpf_program__fd(bpf->progs.shortcut_mark));
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
	return nfvd_tc_adopt(&d->tc, d->ifindex, k->tc.link, ingress_of(d), bpf_program__fd(bpf->progs.shortcut_egress));
}

/* Our filter on the packet socket, our programs on the device. */
static int install(struct device *d)
{
	struct nfvd_inherited *k = nfvd_inherit_of(d->port->id);
	socklen_t len = sizeof(d->cookie);
	int fd = bpf_program__fd(bpf->progs.shortcut_filter);

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
	return nfvd_tc_attach(&d->tc, d->ifindex, ingress_of(d), bpf_program__fd(bpf->progs.shortcut_egress),
			      bpf_program__fd(bpf->progs.shortcut_mark));
}

/* The first port with the same zone and VLANs lends its number; ports without a policy are group 0. */
static uint32_t group_of(const struct nfvd_port *port)
{
	unsigned int id = 0;

	if (!port->policy)
		return 0;
	if (nfvd_policy_inspects(port->policy))
		return NOBODY;
	while (id < port->id && !(devices[id].port && devices[id].port->policy && !nfvd_policy_inspects(devices[id].port->policy) &&
				  nfvd_policy_same_segment(devices[id].port->policy, port->policy)))
		id++;
	return id + 1;
}

static void resync(void);

/* Make groups of the ports as they are now. */
static void make_groups(void)
{
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (devices[id].port)
			devices[id].group = group_of(devices[id].port);
}

/* And have the programs know. */
static void regroup(void)
{
	make_groups();
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
		if (devices[id].port)
			publish_port(&devices[id]);
	resync();
}

void nfvd_shortcut_policy_changed(void)
{
	regroup();
	/* A program that began before has ended after this: the kernel waits for a grace period of RCU. */
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(MEMBARRIER_ELSE_US);
}

int nfvd_shortcut_port_add(struct nfvd_port *port, int ifindex, int sock, uint32_t mtu, bool redirect)
{
	struct device *d = &devices[port->id];
	int err;

	*d = (struct device){ .port = port, .ifindex = ifindex, .sock = sock, .redirect = redirect, .on = true };
	d->group = group_of(port);
	/* What has no device of the host is the module's alone; a device is looked at before it is used. */
	d->is = (struct nfvd_shortcut_device){ .up = !ifindex, .mtu = mtu };
	if (!bpf)
		return ifindex ? -ENOSYS : 0;
	if (!nfvd_inherit_of(port->id) || !nfvd_inherit_of(port->id)->taken)
		forget_counters(port->id);
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
	if (bpf)
		forget_counters(port->id);
	d->port = NULL;
	regroup();
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

/* The programs that are ours: an earlier nfvd's, too. */
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
	if (devices[port->id].port != port || !bpf || bpf_map__lookup_elem(bpf->maps.ports, &key, sizeof(key), &value, sizeof(value), 0) || !value.stolen)
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

static void address_nobody(const uint8_t *hdr, uint8_t *head)
{
	static const uint8_t nobody[] = SHORTCUT_NOBODY;

	for (unsigned int i = 0; i < sizeof(nobody); i++)
		head[i] = hdr[i] ^ nobody[i];
	memcpy(head + ETH_ALEN, hdr + ETH_ALEN, ETH_ALEN);
}

uint32_t nfvd_shortcut_untag(unsigned int id, const uint8_t *hdr, uint8_t head[14])
{
	uint32_t mark = SHORTCUT_TAG | hdr[14] << 8 | hdr[15];
	uint16_t tpid, next;

	if (!nfvd_shortcut_completes(id))
		return 0;
	memcpy(&tpid, hdr + 12, sizeof(tpid));
	memcpy(&next, hdr + 16, sizeof(next));
	if (tpid == htons(ETH_P_8021AD))
		mark |= SHORTCUT_TAG_8021AD;
	/* Beyond the MTU the socket takes a tag of 802.1Q. */
	if (next == htons(ETH_P_8021AD)) {
		mark |= SHORTCUT_NEXT_8021AD;
		next = htons(ETH_P_8021Q);
	}
	address_nobody(hdr, head);
	memcpy(head + 12, &next, sizeof(next));
	return mark;
}

_Static_assert(NFVD_OUTER_LEN == SHORTCUT_OUTER_LEN, "the program's are those of the layout");

uint32_t nfvd_shortcut_tunnel(unsigned int id, const uint8_t *hdr, uint8_t head[14])
{
	if (!nfvd_shortcut_completes(id))
		return 0;
	address_nobody(hdr, head);
	memcpy(head + 12, hdr + 12, 2);
	return SHORTCUT_OUTER;
}

static bool usable(const struct nfvd_port *port)
{
	const struct device *d = &devices[port->id];

	return d->port == port && d->redirect && ((bpf && d->ifindex) || nfvd_kmod_of(port->id));
}

int nfvd_shortcut_set(struct nfvd_port *port, bool on)
{
	if (port ? !usable(port) : !bpf && !nfvd_kmod_available())
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

static int compare(const void *a, const void *b)
{
	return memcmp(&((const struct shadow *)a)->key, &((const struct shadow *)b)->key, sizeof(struct shortcut_address));
}

/*
 * The key of a learnt address: by the tag that its frames have. False: none, for in its VLAN tags are put on
 * and taken off.
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

/* What the map should hold for one learnt address. False: nothing. */
static bool wanted(const struct nfvd_shortcut_entry *e, struct shadow *s)
{
	const struct device *d = e->port < NFVD_PORTS_MAX ? &devices[e->port] : NULL;

	if (!d || !d->port || !d->redirect || !d->ifindex)
		return false;
	memset(s, 0, sizeof(*s));
	if (!key_of(e, &s->key))
		return false;
	s->where.port = e->port;
	/*
	 * A frame for the device itself has arrived where it goes. Whether one for another address is received
	 * there (a bridge, a macvlan) or is not (the address is no longer in use) is for that device to say.
	 */
	s->where.ifindex = redirects(e->port) && !memcmp(e->mac, d->is.peer, sizeof(e->mac)) ? d->ifindex : 0;
	s->where.mtu = d->is.mtu;
	return true;
}

static void put(const struct shadow *s)
{
	bpf_map__update_elem(bpf->maps.addresses, &s->key, sizeof(s->key), &s->where, sizeof(s->where), BPF_ANY);
}

static void drop(const struct shadow *s)
{
	bpf_map__delete_elem(bpf->maps.addresses, &s->key, sizeof(s->key), 0);
}

/* An entry that was none to redirect to is one a little later. */
static void set_from(struct shadow *want, const struct shadow *was)
{
	if (was && was->where.ifindex == want->where.ifindex)
		want->where.from_ns = was->where.from_ns;
	else if (want->where.ifindex)
		want->where.from_ns = now_ns() + SETTLE_NS;
}

/* Make the map what the n entries of want (sorted) say; both lists are walked once. */
static void apply(struct shadow *want, size_t n)
{
	size_t old = 0, fresh = 0;

	while (old < n_shadow || fresh < n) {
		int c = old == n_shadow ? 1 : fresh == n ? -1 : compare(&shadow[old], &want[fresh]);

		if (c < 0) {
			drop(&shadow[old++]);
		} else if (c > 0) {
			set_from(&want[fresh], NULL);
			put(&want[fresh++]);
		} else {
			set_from(&want[fresh], &shadow[old]);
			if (memcmp(&shadow[old].where, &want[fresh].where, sizeof(want[fresh].where)))
				put(&want[fresh]);
			old++;
			fresh++;
		}
	}
	free(shadow);
	shadow = want;
	n_shadow = n;
}

static void resync(void)
{
	struct shadow *want = calloc(n_learnt ? n_learnt : 1, sizeof(*want));
	size_t n = 0;

	nfvd_kmod_table_sync(learnt, n_learnt, allowed_by_module);
	if (!want || !bpf || adopting || nfvd_fdstore_handing_over()) {
		free(want);
		return;
	}
	for (size_t i = 0; i < n_learnt && n < SHORTCUT_ADDRESSES; i++)
		n += wanted(&learnt[i], &want[n]);
	qsort(want, n, sizeof(*want), compare);
	apply(want, n);
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

/* What an earlier nfvd put into the map becomes what we did. */
static void read_addresses(void)
{
	struct shortcut_address key, *prev = NULL;
	struct shadow *s;

	while (n_shadow < SHORTCUT_ADDRESSES && !bpf_map__get_next_key(bpf->maps.addresses, prev, &key, sizeof(key))) {
		prev = &key;
		if (!(n_shadow & (n_shadow - 1))) {
			s = realloc(shadow, (n_shadow ? 2 * n_shadow : 1) * sizeof(*s));
			if (!s)
				break;
			shadow = s;
		}
		s = &shadow[n_shadow];
		s->key = key;
		if (!bpf_map__lookup_elem(bpf->maps.addresses, &key, sizeof(key), &s->where, sizeof(s->where), 0))
			n_shadow++;
	}
	qsort(shadow, n_shadow, sizeof(*shadow), compare);
}

/* The VLAN of an address with this key, at a port of its group; it is in the zone of that. False: the policy is another now. */
static bool vlan_of_key(const struct device *d, const struct shortcut_address *key, uint16_t *vlan)
{
	const struct nfvd_policy *p = d->port->policy;

	if (d->group != key->group)
		return false;
	*vlan = p && !key->vlan ? p->native : key->vlan;
	return !p || nfvd_policy_carries(p, *vlan);
}

/* Learn again what it had learnt at ports that are here again. */
static void learn_addresses(void)
{
	uint64_t now = now_ns();

	learnt = calloc(n_shadow ? n_shadow : 1, sizeof(*learnt));
	rcu_thread_online();
	for (size_t i = 0; learnt && i < n_shadow; i++) {
		struct shadow *s = &shadow[i];
		struct nfvd_port *port = s->where.port < NFVD_PORTS_MAX ? devices[s->where.port].port : NULL;
		uint32_t age_ms = s->where.seen_ns && now > s->where.seen_ns ? (now - s->where.seen_ns) / 1000000 : 0;
		uint16_t vlan;

		s->where.seen_ns = 0;
		if (!port || !nfvd_inherit_of(port->id) || atomic_load(&port->state) != NFVD_STATE_UP ||
		    !vlan_of_key(&devices[port->id], &s->key, &vlan))
			continue;
		learnt[n_learnt] = (struct nfvd_shortcut_entry){ .vlan = vlan, .port = port->id };
		memcpy(learnt[n_learnt++].mac, s->key.mac, sizeof(s->key.mac));
		nfvd_fdb_learn(port, nfvd_policy_zone(port->policy), nfvd_fdb_key(s->key.mac, vlan), nfvd_now_ms() - age_ms);
	}
	rcu_thread_offline();
}

void nfvd_shortcut_adopted(void)
{
	unsigned int n = 0;

	if (!adopting)
		return;
	make_groups();
	read_addresses();
	learn_addresses();
	adopting = false;
	for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++) {
		const struct nfvd_inherited *k = nfvd_inherit_of(id);

		if (k && !devices[id].port) {
			unpublish_kept(k);
			forget_counters(id);
		}
		if (k && devices[id].port)
			n++;
		nfvd_inherit_forget(id);
		if (devices[id].port)
			publish_port(&devices[id]);
	}
	resync();
	if (n)
		nfvd_event(NULL, "shortcut: goes on with %u container(s) and %zu address(es)", n, n_learnt);
}

bool nfvd_shortcut_last_seen(const struct nfvd_shortcut_entry *e, uint64_t *age_ms)
{
	struct shadow probe = { 0 };
	struct shortcut_where where;
	uint64_t now;

	if (!bpf || !n_shadow || !key_of(e, &probe.key) || !bsearch(&probe, shadow, n_shadow, sizeof(*shadow), compare) ||
	    bpf_map__lookup_elem(bpf->maps.addresses, &probe.key, sizeof(probe.key), &where, sizeof(where), 0) ||
	    !where.seen_ns || where.port != e->port)
		return false;
	now = now_ns();
	*age_ms = now > where.seen_ns ? (now - where.seen_ns) / 1000000 : 0;
	return true;
}

#define PAIRS_AT_ONCE	1024	/* of up to 65536: a call for each pair would take longer than an answer may */

void nfvd_shortcut_counters(void (*cb)(unsigned int src, unsigned int dst, const struct nfvd_shortcut_count *n, void *),
			    void *arg)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct shortcut_pair *keys;
	struct shortcut_count *counts;
	uint32_t position, n;

	if (!bpf || cpus < 1)
		return;
	keys = calloc(PAIRS_AT_ONCE, sizeof(*keys));
	counts = calloc((size_t)PAIRS_AT_ONCE * cpus, sizeof(*counts));
	for (bool first = true; keys && counts && !err; first = false) {
		n = PAIRS_AT_ONCE;
		/* ENOENT: these are the last. */
		err = bpf_map_lookup_batch(bpf_map__fd(bpf->maps.counters), first ? NULL : &position, &position, keys, counts,
					   &n, NULL);
		for (uint32_t i = 0; i < n && (!err || err == -ENOENT); i++) {
			struct nfvd_shortcut_count sum = { 0 };

			for (int cpu = 0; cpu < cpus; cpu++) {
				sum.frames += counts[i * cpus + cpu].frames;
				sum.bytes += counts[i * cpus + cpu].bytes;
				sum.stolen += counts[i * cpus + cpu].stolen;
			}
			cb(keys[i].src, keys[i].dst, &sum, arg);
		}
	}
	free(keys);
	free(counts);
}
