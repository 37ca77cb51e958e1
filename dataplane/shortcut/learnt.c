/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/learnt.h"

#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "fdstore.h"
#include "port/fdb.h"
#include "port/port_state.h"
#include "shortcut/addresses.h"
#include "shortcut/device.h"
#include "shortcut/inherit.h"
#include "shortcut/programs.h"
#include "shortcut/table.h"

/* The last sync's entries, to be applied anew when a switch is turned. */
static struct nfvd_shortcut_entry *learnt;
static size_t n_learnt;

/*
 * Set *key to the key of a learnt address, with the VLAN of the tag on its frames. Return false if it has none,
 * because tags are put on or taken off in its VLAN.
 */
static bool key_of(const struct nfvd_shortcut_entry *e, struct shortcut_address *key)
{
	const struct nfvd_device *d = &nfvd_devices[e->port];
	const struct nfvd_policy *p = d->port ? d->port->policy : NULL;

	if (d->group == NFVD_NOBODY)
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
	const struct nfvd_device *d = e->port < NFVD_PORTS_MAX ? &nfvd_devices[e->port] : NULL;

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
	s->where.ifindex = nfvd_device_redirects(e->port) && !memcmp(e->mac, d->is.peer, sizeof(e->mac)) ? d->ifindex : 0;
	s->where.mtu = d->is.mtu;
	return true;
}

void nfvd_learnt_resync(void)
{
	struct nfvd_address *want = calloc(n_learnt ? n_learnt : 1, sizeof(*want));
	size_t n = 0;

	nfvd_kmod_table_sync(learnt, n_learnt, nfvd_device_by_module);
	if (!want || !nfvd_programs || nfvd_shortcut_adopting || nfvd_fdstore_handing_over()) {
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
	nfvd_learnt_resync();
}

void nfvd_shortcut_forget(const struct nfvd_port *port)
{
	size_t n = 0;

	if (nfvd_devices[port->id].port != port)
		return;
	for (size_t i = 0; i < n_learnt; i++)
		if (learnt[i].port != port->id)
			learnt[n++] = learnt[i];
	if (n == n_learnt)
		return;
	n_learnt = n;
	nfvd_learnt_resync();
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

size_t nfvd_learnt_adopt(void)
{
	uint64_t now = nfvd_programs_now_ns();
	const struct nfvd_address *a;
	size_t n;

	a = nfvd_addresses(&n);
	learnt = calloc(n ? n : 1, sizeof(*learnt));
	rcu_thread_online();
	for (; learnt && n; n--, a++) {
		struct nfvd_port *port = a->where.port < NFVD_PORTS_MAX ? nfvd_devices[a->where.port].port : NULL;
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
	return n_learnt;
}

void nfvd_learnt_free(void)
{
	free(learnt);
	learnt = NULL;
	n_learnt = 0;
}
