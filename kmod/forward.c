// SPDX-License-Identifier: GPL-2.0
/*
 * The forwarding table, NFV_IOC_FDB: it says which frames the module may forward from one of its ports to another
 * without asking the daemon.
 *
 *	port's rx ─► nfvk_route() ─► known source here, known destination there, taken as it is
 *	                │ no                    │ yes
 *	                ▼                       ▼
 *	            the ring, for nfvd      nfvk_forward() ─► other port's xmit, counted by pair
 *
 * A table is replaced, not changed. Only two fields of its entries change: the time of the last frame, which the next
 * table takes over, and the flags, which become 0 when the port leaves.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include "check.h"
#include "nfvk.h"
#include "trace.h"

#define EMPTY	(~0ull)		/* no key: no VLAN is 65535 */
#define PAIRS_BYTES	(32 << 20)	/* memory of one session's pairs; frames of further pairs go to the daemon */

struct route {
	u64 key;
	u32 port;
	u32 flags;		/* NFV_FDB_*; 0 once its port is gone */
	unsigned long seen;	/* jiffies, odd; 0: never */
};

struct nfvk_table {
	struct rcu_head rcu;
	hsiphash_key_t hash;	/* keyed, so that guests cannot choose addresses that collide */
	u32 mask;
	struct route slot[];
};

/* One direction between two ports, on one CPU. */
struct nfvk_pair {
	u64_stats_t frames, bytes, refused[NFV_N_REFUSALS];
	struct u64_stats_sync syncp;
};

static u64 key_of(const u8 *mac, u16 vlan)
{
	return ether_addr_to_u64(mac) | (u64)vlan << 48;
}

/* Return the slot of key, or the empty slot where it belongs. A table is never full. */
static struct route *find(struct nfvk_table *t, u64 key)
{
	u32 i = hsiphash_2u32(key, key >> 32, &t->hash) & t->mask;

	while (t->slot[i].key != key && t->slot[i].key != EMPTY)
		i = (i + 1) & t->mask;
	return &t->slot[i];
}

/* ---- in softirq, under RCU ---- */

/* Set *vlan to the outer tag's VLAN, as the daemon reads it. Return false if the tag is not in the linear part. */
static bool vlan_of(const struct sk_buff *skb, u16 *vlan)
{
	*vlan = 0;
	if (skb_headlen(skb) < ETH_HLEN)
		return false;
	if (skb_vlan_tag_present(skb)) {
		*vlan = skb_vlan_tag_get_id(skb);
		return true;
	}
	if (!eth_type_vlan(((const struct ethhdr *)skb->data)->h_proto))
		return true;
	if (skb_headlen(skb) < VLAN_ETH_HLEN)
		return false;
	*vlan = ntohs(((const struct vlan_ethhdr *)skb->data)->h_vlan_TCI) & VLAN_VID_MASK;
	return true;
}

/* Allocate the counters of a pair, at its first frame. Return NULL without memory. */
static noinline struct nfvk_pair __percpu *make_pair(struct nfvk_port *src, u32 dst)
{
	struct nfvk_session *s = src->session;
	struct nfvk_pair __percpu *pair, *was;
	int cpu;

	if (atomic_inc_return(&s->pairs) > PAIRS_BYTES / (sizeof(*pair) * num_possible_cpus()))
		goto none;
	pair = alloc_percpu_gfp(struct nfvk_pair, GFP_NOWAIT | __GFP_NOWARN);
	if (!pair)
		goto none;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(pair, cpu)->syncp);
	was = cmpxchg(&src->to[dst], NULL, pair);
	if (!was)
		return pair;
	free_percpu(pair);
	atomic_dec(&s->pairs);
	return was;
none:
	atomic_dec(&s->pairs);
	return NULL;
}

static void free_pair(struct nfvk_port *src, u32 dst)
{
	if (!src->to[dst])
		return;
	free_percpu(src->to[dst]);
	src->to[dst] = NULL;
	atomic_dec(&src->session->pairs);
}

static void see(struct route *r)
{
	unsigned long now = jiffies | 1;

	if (READ_ONCE(r->seen) != now)
		WRITE_ONCE(r->seen, now);
}

struct nfvk_port *nfvk_route(struct nfvk_port *src, const struct sk_buff *skb)
{
	struct nfvk_table *t = rcu_dereference(src->session->table);
	const struct ethhdr *eth = (const struct ethhdr *)skb->data;
	struct nfvk_port *dst;
	struct route *from, *to;
	u16 vlan;

	if (!t || !vlan_of(skb, &vlan) || is_multicast_ether_addr(eth->h_dest))
		return NULL;
	from = find(t, key_of(eth->h_source, vlan));
	if (!(READ_ONCE(from->flags) & NFV_FDB_FROM) || from->port != src->id)
		return NULL;
	to = find(t, key_of(eth->h_dest, vlan));
	if (!(READ_ONCE(to->flags) & NFV_FDB_TO) || to->port == src->id)
		return NULL;
	dst = nfvk_port_get(src->session, to->port);
	if (!dst || !rcu_access_pointer(dst->dev) || (dst->ops->takes && !dst->ops->takes(dst, skb)))
		return NULL;
	if (unlikely(!READ_ONCE(src->to[dst->id])) && !make_pair(src, dst->id))
		return NULL;
	see(from);
	return dst;
}

static enum nfv_refusal refusal_of(int err)
{
	switch (err) {
	case -ENOBUFS:
	case -ENOMEM:
		return NFV_REFUSED_FULL;
	case -ENETDOWN:
		return NFV_REFUSED_DOWN;
	case -EMSGSIZE:
		return NFV_REFUSED_MTU;
	default:
		return NFV_REFUSED_OTHER;
	}
}

void nfvk_forwarded(struct nfvk_port *src, struct nfvk_port *dst, int result)
{
	struct nfvk_pair *p = this_cpu_ptr(READ_ONCE(src->to[dst->id]));

	u64_stats_update_begin(&p->syncp);
	if (result > 0) {
		u64_stats_inc(&p->frames);
		u64_stats_add(&p->bytes, result);
	} else {
		u64_stats_inc(&p->refused[refusal_of(result)]);
	}
	u64_stats_update_end(&p->syncp);
}

void nfvk_forward(struct nfvk_port *src, struct nfvk_port *dst, struct sk_buff *skb)
{
	u32 len = skb->len;
	int ret = -ENETDOWN;

	skb->dev = rcu_dereference(dst->dev);
	if (skb->dev)
		ret = nfvk_port_xmit(dst, skb);
	else
		kfree_skb(skb);
	trace_tx(dst->id, len, ret);
	nfvk_forwarded(src, dst, ret);
}

/* ---- the table, set: under session->lock ---- */

static struct nfvk_table *make_table(u32 n)
{
	u32 slots = roundup_pow_of_two(2 * max(n, 4u));
	struct nfvk_table *t = kvmalloc(struct_size(t, slot, slots), GFP_KERNEL_ACCOUNT);

	if (!t)
		return NULL;
	get_random_bytes(&t->hash, sizeof(t->hash));
	t->mask = slots - 1;
	for (u32 i = 0; i < slots; i++)
		t->slot[i] = (struct route){ .key = EMPTY };
	return t;
}

/* Add an entry. Unless its port exists (there), it stays inactive, even if a later port gets the same id. */
static void add_entry(struct nfvk_table *t, struct nfvk_table *old, const struct nfv_fdb_entry *e, bool there)
{
	u64 key = key_of(e->mac, e->vlan);
	struct route *r = find(t, key), *before = old ? find(old, key) : NULL;

	*r = (struct route){ .key = key, .port = e->port, .flags = there ? e->flags : 0 };
	if (before && before->key == key && before->port == e->port)
		r->seen = READ_ONCE(before->seen);
}

static u32 idle_ms(struct nfvk_table *t, const struct nfv_fdb_entry *e)
{
	unsigned long seen = READ_ONCE(find(t, key_of(e->mac, e->vlan))->seen);

	return seen ? jiffies_to_msecs(jiffies - (seen & ~1ul)) : NFV_FDB_NEVER;
}

int nfvk_table_set(struct nfvk_session *s, struct nfv_fdb_entry *entries, u32 n)
{
	struct nfvk_table *t = NULL, *old;

	for (u32 i = 0; i < n; i++)
		if (!nfvk_fdb_entry_ok(&entries[i]))
			return -EINVAL;
	if (n) {
		t = make_table(n);
		if (!t)
			return -ENOMEM;
	}
	mutex_lock(&s->lock);
	old = rcu_dereference_protected(s->table, lockdep_is_held(&s->lock));
	for (u32 i = 0; i < n; i++)
		add_entry(t, old, &entries[i], nfvk_port_get(s, entries[i].port));
	rcu_assign_pointer(s->table, t);
	for (u32 i = 0; i < n; i++)
		entries[i].idle_ms = idle_ms(t, &entries[i]);
	mutex_unlock(&s->lock);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

void nfvk_table_free(struct nfvk_session *s)
{
	kvfree(rcu_dereference_raw(s->table));
}

/* ---- ports that come and go: under session->lock ---- */

void nfvk_table_leave(struct nfvk_session *s, u32 id)
{
	struct nfvk_table *t = rcu_dereference_protected(s->table, lockdep_is_held(&s->lock));

	for (u32 i = 0; t && i <= t->mask; i++)
		if (t->slot[i].port == id)
			WRITE_ONCE(t->slot[i].flags, 0);
}

static void add_pair(struct nfv_pair *sum, struct nfvk_pair __percpu *pairs)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct nfvk_pair *p = per_cpu_ptr(pairs, cpu), now;
		unsigned int start;

		do {
			start = u64_stats_fetch_begin(&p->syncp);
			now = *p;
		} while (u64_stats_fetch_retry(&p->syncp, start));
		sum->frames += u64_stats_read(&now.frames);
		sum->bytes += u64_stats_read(&now.bytes);
		for (unsigned int i = 0; i < NFV_N_REFUSALS; i++)
			sum->refused[i] += u64_stats_read(&now.refused[i]);
	}
}

void nfvk_pairs_retire(struct nfvk_session *s, u32 id)
{
	for (u32 i = 0; i < NFV_PORTS_MAX; i++) {
		struct nfvk_port *src = nfvk_port_get(s, i);

		if (!src || !src->to[id])
			continue;
		add_pair(&src->to_gone, src->to[id]);
		free_pair(src, id);
	}
}

void nfvk_pairs_free(struct nfvk_port *port)
{
	for (u32 i = 0; i < NFV_PORTS_MAX; i++)
		free_pair(port, i);
}

int nfvk_pairs_read(struct nfvk_session *s, u32 id, struct nfv_pair *to)
{
	struct nfvk_port *src;
	int err = -ENOENT;

	mutex_lock(&s->lock);
	src = nfvk_port_get(s, id);
	if (src) {
		for (u32 i = 0; i < NFV_PORTS_MAX; i++)
			if (src->to[i])
				add_pair(&to[i], src->to[i]);
		to[NFV_PORTS_MAX] = src->to_gone;
		err = 0;
	}
	mutex_unlock(&s->lock);
	return err;
}
