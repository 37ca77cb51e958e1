/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deciding: each frame's private header says where it goes.
 *
 * A learning Ethernet switch per IEEE 802.1Q, with the VLAN identifier as part
 * of the address; tags pass unchanged, unless a port's policy wants another. Frames of one burst are collected by
 * destination, then each destination gets its own in one call, in order.
 *
 * The work of one turn of a queue is bounded. It is counted in bytes copied: flooding to n ports costs n copies,
 * segmentation costs its segments. Frames beyond the bound wait in the sender's ring while the other queues have
 * their turns.
 */
#include "switch/switch.h"

#include <rte_branch_prediction.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "frame/offload.h"
#include "policy/address.h"
#include "policy/storm.h"
#include "port/fdb.h"
#include "switch/deliver.h"
#include "switch/mirror.h"
#include "switch/move.h"

/* The last look-ups of a burst: neighbouring frames tend to belong together. */
struct memo {
	uint64_t src_key, dst_key;
	bool src_valid, dst_valid;
	uint32_t dst;		/* port id; FLOOD or more */
	/* The policy of the source in this turn, and what follows from it for all frames. */
	const struct nfvd_policy *policy;
	bool stops;			/* some may have to be dropped at once: stop() */
	bool addresses;			/* they are looked at */
	enum nfvd_drop untagged;	/* NFVD_PASS, or why none without a tag passes */
};

#define FLOOD NFVD_PORTS_MAX
#define MORE ((enum nfvd_drop)(NFVD_N_REASONS + 1))	/* flooded in part: to be gone on with */

/*
 * Bytes copied, or as much other work: some 0.3 ms. More than NFVD_BURST_BYTES, so that
 * what goes to one port is never cut short. A frame above the limit is still done, to one port.
 */
#define TURN_WORK	(2u << 20)
#define FLOOD_WORK	(128u << 10)	/* a flood is broken off after less: others have it to wait for */
#define SEGMENT_WORK	1024	/* of making and delivering one more segment */
#define SEARCH_WORK	64	/* of seeing whether one more port is a receiver of a flood */

atomic_bool nfvd_link_local_forward;

static void note_learnt(struct nfvd_worker *w, struct nfvd_port *src, enum nfvd_learnt what)
{
	w->port[src->id].learnt[what]++;
	if (what == NFVD_LEARNT_LIMIT && !atomic_load_explicit(&src->macs_full, memory_order_relaxed))
		atomic_store_explicit(&src->macs_full, true, memory_order_relaxed);
}

static inline enum nfvd_drop learn(struct nfvd_worker *w, struct nfvd_port *src, const struct nfvd_frame *f,
				   uint16_t zone, uint16_t vlan, struct memo *memo)
{
	uint64_t key = nfvd_fdb_key(f->hdr + 6, vlan);
	enum nfvd_learnt what;

	if (memo->src_valid && memo->src_key == key)
		return NFVD_PASS;
	if (unlikely(nfvd_bad_source(f->hdr + 6)))
		return NFVD_DROP_BAD_SRC_MAC;
	what = nfvd_fdb_learn(src, zone, key, w->now_ms);
	memo->src_key = key;
	memo->src_valid = what == NFVD_LEARNT;
	if (likely(what == NFVD_LEARNT))
		return NFVD_PASS;
	note_learnt(w, src, what);
	return what == NFVD_LEARNT_LIMIT && src->macs_drop ? NFVD_DROP_MACS : NFVD_PASS;
}

/* Return the port of an address. If that port is not up, the address counts as unknown. */
static inline uint32_t port_of(struct nfvd_fdb_entry *e)
{
	uint32_t at = e ? nfvd_fdb_at(e) : FLOOD;
	const struct nfvd_port *port = at < FLOOD ? rcu_dereference(nfvd_ports[at]) : NULL;

	return port && atomic_load_explicit(&port->state, memory_order_relaxed) == NFVD_STATE_UP ? at : FLOOD;
}

static inline uint32_t lookup(const struct nfvd_frame *f, uint16_t zone, uint16_t vlan, struct memo *memo)
{
	uint64_t key = nfvd_fdb_key(f->hdr, vlan);

	if (f->hdr[0] & 1)
		return FLOOD;
	if (memo->dst_valid && memo->dst_key == key)
		return memo->dst;
	memo->dst_key = key;
	memo->dst_valid = true;
	memo->dst = port_of(nfvd_fdb_lookup(zone, key));
	return memo->dst;
}

static inline void append(struct nfvd_worker *w, unsigned int id, struct nfvd_frame *f)
{
	struct nfvd_out *out = &w->out[id];

	if (!out->n)
		w->touched[w->n_touched++] = id;
	out->f[out->n++] = f;
}

/*
 * Return the work of finishing f for port, if port needs that. The payload is then read once more and copied once
 * more.
 */
static uint64_t finishing_work(const struct nfvd_port *port, const struct nfvd_frame *f)
{
	uint32_t accepts = atomic_load_explicit(&port->accepts, memory_order_relaxed);

	return f->needs & ~accepts ? 2ull * f->len + nfvd_offload_segments(f) * SEGMENT_WORK : 0;
}

static inline bool may_reach(const struct nfvd_policy *src, const struct nfvd_port *port, uint16_t vlan)
{
	const struct nfvd_policy *dst = rcu_dereference(port->policy);

	return likely(!src && !dst) || nfvd_policy_between(src, dst, vlan) == NFVD_PASS;
}

static enum nfvd_storm kind_of(const uint8_t *mac)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (!(mac[0] & 1))
		return NFVD_STORM_UNKNOWN;
	return memcmp(mac, broadcast, sizeof(broadcast)) ? NFVD_STORM_MULTICAST : NFVD_STORM_BROADCAST;
}

/* A frame to be flooded: who sent it, and what decides who gets it. */
struct flooding {
	const struct nfvd_port *src;
	const struct nfvd_policy *policy;
	uint16_t vlan;
	uint64_t searched;		/* the work of finding them, so far */
};

/* Return the next receiver, from port id on, or NULL. */
static struct nfvd_port *next_receiver(struct flooding *to, unsigned int id)
{
	for (unsigned int end = atomic_load_explicit(&nfvd_ports_end, memory_order_relaxed); id < end; id++) {
		struct nfvd_port *port = rcu_dereference(nfvd_ports[id]);

		to->searched += SEARCH_WORK;
		if (port && port != to->src && atomic_load_explicit(&port->state, memory_order_relaxed) == NFVD_STATE_UP &&
		    may_reach(to->policy, port, to->vlan))
			return port;
	}
	return NULL;
}

/*
 * Return the first port to flood to: the one where the turn before stopped if f is the frame of then, else 0. A guest
 * may have put another frame in its place. If that has the same addresses and causes no more work, the result is as
 * good.
 */
static unsigned int flood_from(const struct nfvd_flooded *before, const struct nfvd_frame *f, uint32_t segs)
{
	return before->next && before->len == f->len && segs <= before->segs &&
	       !memcmp(before->macs, f->hdr, sizeof(before->macs)) ? before->next : 0;
}

/*
 * Flood f. work: the work of this turn so far. before: where the last turn stopped; empty for all but the first
 * frame.
 */
static enum nfvd_drop flood_to(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *f, struct flooding *to,
			       uint64_t work, const struct nfvd_flooded *before)
{
	uint32_t segs = nfvd_offload_segments(f);
	unsigned int n = 0, from = flood_from(before, f, segs);
	struct nfvd_port *port = next_receiver(to, from);

	if (!from) {
		if (!port)
			return NFVD_DROP_NO_DST;
		if (next_receiver(to, port->id + 1) &&
		    !nfvd_storm_pass(q->port->storm, to->policy, q->port->ops->storms, kind_of(f->hdr), segs, nfvd_now_us()))
			return NFVD_DROP_STORM;
	}
	work += w->work;
	for (; port && (!n || work + to->searched < FLOOD_WORK); port = next_receiver(to, port->id + 1)) {
		unsigned int mirrors = __builtin_popcount(atomic_load_explicit(&port->mirror_to, memory_order_relaxed));
		uint64_t one = (1 + mirrors) * (uint64_t)f->len + port->ops->tx_work + finishing_work(port, f);

		append(w, port->id, f);
		w->work += one;
		work += one;
		n++;
	}
	/* The module must keep the frame until its last receiver has it. */
	f->flooded = n > 1 || from || port;
	if (!port) {
		w->turn.replicated += n - 1ull;
		return NFVD_PASS;
	}
	/* f does not count as taken yet, so all n copies are additional. */
	w->turn.replicated += n;
	q->flooded = (struct nfvd_flooded){ .next = port->id, .len = f->len, .segs = segs };
	memcpy(q->flooded.macs, f->hdr, sizeof(q->flooded.macs));
	return MORE;
}

/* Among many ports the search costs more than the frame, also if it is dropped then: charge it to who sent it. */
static enum nfvd_drop flood(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *f, struct flooding to,
			    uint64_t work, const struct nfvd_flooded *before)
{
	enum nfvd_drop why = flood_to(w, q, f, &to, work, before);

	w->work += to.searched;
	w->spent += to.searched;
	return why;
}

/* Return why f stops here: its port is in quarantine, or sends faster than its limit. Return NFVD_PASS otherwise. */
static __attribute__((noinline)) enum nfvd_drop stop(const struct nfvd_worker *w, struct nfvd_port *src,
						     const struct nfvd_policy *p, const struct nfvd_frame *f,
						     const struct nfvd_flooded *before)
{
	uint32_t segs = nfvd_offload_segments(f);

	if (p->quarantined)
		return NFVD_DROP_QUARANTINED;
	/* If frames wait at the endpoint, the worker has applied the limit before it took them. A flood is charged once. */
	if (!src->ops->pausable && nfvd_rate_limits(&p->from) && !flood_from(before, f, segs) &&
	    !nfvd_meter_pass(&src->from, &p->from_dropped, nfvd_offload_wire_bytes(f), segs, w->meter_now))
		return NFVD_DROP_LIMIT_FROM;
	return NFVD_PASS;
}

/* Return whether the source may send this frame, and set *vlan to the VLAN that it belongs to. */
static inline enum nfvd_drop judge(struct nfvd_port *src, const struct memo *memo, const struct nfvd_frame *f, uint16_t *vlan)
{
	enum nfvd_drop why = memo->untagged;

	*vlan = memo->policy->native;
	if (unlikely(nfvd_is_tag(f->hdr + 12)))
		why = nfvd_policy_classify(memo->policy, f, vlan);
	if (why != NFVD_PASS || !memo->addresses)
		return why;
	/* The source address was checked before it was learnt, in this turn. */
	if (memo->src_valid && memo->src_key == nfvd_fdb_key(f->hdr + 6, *vlan))
		return nfvd_address_check_rest(&src->address, memo->policy, f);
	return nfvd_address_check(&src->address, memo->policy, f);
}

/* Do the same as judge() for a frame whose check needs more than the private header. */
static __attribute__((noinline)) enum nfvd_drop judge_all(struct nfvd_worker *w, struct nfvd_port *src, const struct memo *memo,
							  struct nfvd_frame *f, uint16_t *vlan)
{
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop why = nfvd_make_private(w, f, &l) ? judge(src, memo, f, vlan) : NFVD_DROP_SPOOFED_MAC;

	nfvd_rx_syscalls(w, src, l.syscalls);
	w->work += f->len;
	return why == NFVD_ADDRESS_BEHIND ? NFVD_DROP_SPOOFED_MAC : why;
}

static void note_policy(struct memo *memo, const struct nfvd_port *src, const struct nfvd_policy *p)
{
	memo->policy = p;
	memo->stops = p->quarantined || (!src->ops->pausable && nfvd_rate_limits(&p->from));
	memo->addresses = nfvd_policy_has_addresses(p);
	memo->untagged = nfvd_policy_carries(p, p->native) ? NFVD_PASS : NFVD_DROP_VLAN;
}

/* Compiled twice. With plain, for a source without a policy, no check of a policy costs anything. */
static inline __attribute__((always_inline)) enum nfvd_drop decide(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *f,
	struct memo *memo, const bool plain, uint64_t work, const struct nfvd_flooded *before)
{
	const uint16_t zone = plain ? 0 : memo->policy->zone;
	struct nfvd_port *src = q->port;
	enum nfvd_drop why = nfvd_offload_check(f);
	uint16_t vlan;
	uint32_t dst;

	if (unlikely(why != NFVD_PASS))
		return why;
	if (!plain && memo->stops && (why = stop(w, src, memo->policy, f, before)) != NFVD_PASS)
		return why;
	if (unlikely(nfvd_link_local(f->hdr)) && nfvd_stays_on_link(f->hdr))
		return NFVD_DROP_CTRL_PROTO;
	if (plain)
		vlan = nfvd_vlan_of(f);
	else if ((why = judge(src, memo, f, &vlan)) == NFVD_ADDRESS_BEHIND)
		why = judge_all(w, src, memo, f, &vlan);
	if (why != NFVD_PASS)
		return why;
	why = learn(w, src, f, zone, vlan, memo);
	if (unlikely(why != NFVD_PASS))
		return why;
	dst = lookup(f, zone, vlan, memo);
	if (unlikely(dst == FLOOD))
		return flood(w, q, f, (struct flooding){ src, memo->policy, vlan, 0 }, work, before);
	if (unlikely(dst == src->id))
		return NFVD_DROP_SAME_PORT;
	if (unlikely(f->needs)) {
		const struct nfvd_port *port = rcu_dereference(nfvd_ports[dst]);

		w->work += port ? finishing_work(port, f) : 0;
	}
	append(w, dst, f);
	return NFVD_PASS;
}

/* Remember that mirrors get a copy of f. */
static void note_copied(struct nfvd_worker *w, const struct nfvd_port *src, struct nfvd_frame *f)
{
	unsigned int mirrors = __builtin_popcount(atomic_load_explicit(&src->mirror_from, memory_order_relaxed));

	w->work += (mirrors ? mirrors : 1) * (uint64_t)f->len;
	f->flooded = true;
	w->copied[w->n_copied++] = f;
}

static void send_copies(struct nfvd_worker *w, struct nfvd_port *src, const struct nfvd_policy *policy)
{
	if (policy && policy->quarantined)
		nfvd_mirror_quarantined(w, src, src, w->copied, w->n_copied);
	else
		nfvd_mirror(w, src, atomic_load_explicit(&src->mirror_from, memory_order_relaxed), w->copied, w->n_copied);
	w->n_copied = 0;
}

/* Decide on n frames; return how many were taken, with *bytes. */
static inline __attribute__((always_inline)) unsigned int decide_all(struct nfvd_worker *w, struct nfvd_rxq *q,
	struct nfvd_frame *frames, unsigned int n, struct memo *memo, const bool plain, uint64_t *bytes)
{
	struct nfvd_flooded before = q->flooded;
	const bool mirrored = unlikely(atomic_load_explicit(&q->port->mirror_from, memory_order_relaxed) ||
				       atomic_load_explicit(&q->port->quarantine_probe, memory_order_relaxed));
	unsigned int done = 0;

	q->flooded.next = 0;
	for (; done < n && w->work + *bytes < TURN_WORK; done++) {
		enum nfvd_drop why = decide(w, q, &frames[done], memo, plain, *bytes, &before);

		if (unlikely(why == MORE))
			break;
		*bytes += frames[done].len;
		before.next = 0;
		if (unlikely(mirrored) && (why == NFVD_PASS || why == NFVD_DROP_QUARANTINED))
			note_copied(w, q->port, &frames[done]);
		if (unlikely(why != NFVD_PASS)) {
			nfvd_src_drop(w, q->port, why, &(struct nfvd_frame *){ &frames[done] }, 1);
		}
	}
	return done;
}

unsigned int nfvd_switch(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int n)
{
	struct nfvd_port *src = q->port;
	const struct nfvd_policy *policy = rcu_dereference(src->policy);
	struct memo memo = { 0 };
	uint64_t bytes = 0;
	unsigned int done;

	w->work = 0;
	if (unlikely(w->tap.set))
		nfvd_tap_number(&w->tap, frames, n);
	if (likely(!policy)) {
		done = decide_all(w, q, frames, n, &memo, true, &bytes);
	} else {
		note_policy(&memo, src, policy);
		done = decide_all(w, q, frames, n, &memo, false, &bytes);
	}
	w->turn.rx_bytes += bytes;
	if (unlikely(w->tap.set))
		nfvd_tap_taken(&w->tap, frames, done);
	for (unsigned int i = 0; i < w->n_touched; i++) {
		struct nfvd_out *out = &w->out[w->touched[i]];
		struct nfvd_port *dst = rcu_dereference(nfvd_ports[w->touched[i]]);

		if (likely(dst)) {
			nfvd_deliver(w, src, policy, dst, out);
		} else {
			/* Detached in this iteration. */
			nfvd_src_drop(w, src, NFVD_DROP_DST_DOWN, out->f, out->n);
		}
		out->n = 0;
	}
	w->n_touched = 0;
	if (unlikely(w->n_copied))
		send_copies(w, src, policy);
	return done;
}
