/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/deliver.h"

#include <rte_branch_prediction.h>
#include <urcu-qsbr.h>
#include "frame/cut.h"
#include "frame/offload.h"
#include "switch/move.h"

/* Bring here what the kernel still holds of n frames. What cannot be is dropped; returns how many are left. */
static unsigned int bring(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame **f, unsigned int n,
			  struct nfvd_ledger *l)
{
	unsigned int left = 0;

	nfvd_move_to_private(w, f, n, l);
	for (unsigned int i = 0; i < n; i++)
		if (likely(!nfvd_in_kernel(f[i])))
			f[left++] = f[i];
	if (left < n)
		nfvd_tx_drop(w, dst, NFVD_DROP_EXPIRED, n - left);
	return left;
}

static void send_segments(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame *segs, unsigned int n,
			  struct nfvd_ledger *l)
{
	struct nfvd_frame *list[NFVD_BURST];

	for (unsigned int i = 0; i < n; i++) {
		list[i] = &segs[i];
		list[i]->held = false;	/* not what the kernel holds any more */
	}
	dst->ops->tx(w, dst, list, n, l);
}

/* Deliver one frame that asks for more than the receiver takes. */
static void deliver_finished(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame *f, struct nfvd_ledger *l)
{
	static __thread struct nfvd_frame segs[NFVD_BURST];
	static __thread struct iovec whole[NFVD_CUT_IOVS(NFVD_IOV_MAX)], pool[NFVD_CUT_IOVS(NFVD_IOV_MAX) + 2 * NFVD_BURST];
	static __thread struct nfvd_sum_room room;
	static __thread struct nfvd_cut cut;
	unsigned int n;

	/* Summing and cutting read the payload. */
	if (nfvd_in_kernel(f) && !bring(w, dst, &f, 1, l))
		return;
	if (f->vnet.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		segs[0] = *f;
		nfvd_offload_checksum(&segs[0], &room);
		send_segments(w, dst, segs, 1, l);
		return;
	}
	if (!nfvd_cut_start(&cut, f, atomic_load_explicit(&dst->accepts, memory_order_relaxed), whole)) {
		nfvd_tx_drop(w, dst, NFVD_DROP_GSO_UNSUP, 1);
		return;
	}
	while ((n = nfvd_cut_next(&cut, segs, NFVD_BURST, pool, sizeof(pool) / sizeof(pool[0]))))
		send_segments(w, dst, segs, n, l);
	w->turn.replicated += cut.frames - 1;
}

/* Deliver a frame that the receiver does not take as it is. */
static void deliver_apart(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame *f, enum nfvd_fit fit,
			  struct nfvd_ledger *l)
{
	if (fit == NFVD_FIT_NOT)
		nfvd_tx_drop(w, dst, NFVD_DROP_MTU, 1);
	else
		deliver_finished(w, dst, f, l);
}

/* What becomes of a frame between two policies, but for limits; the same for all frames without a tag. */
struct verdict {
	enum nfvd_drop why;
	enum nfvd_retag how;
	uint16_t vlan;
};

static struct verdict verdict_on(const struct nfvd_policy *src, const struct nfvd_policy *to, const struct nfvd_frame *f)
{
	struct verdict v;

	v.why = nfvd_policy_classify(src, f, &v.vlan);
	if (v.why == NFVD_PASS)
		v.why = nfvd_policy_between(src, to, v.vlan);
	v.how = v.why == NFVD_PASS ? nfvd_policy_retag(to, f, v.vlan) : NFVD_RETAG_NOT;
	if (v.how == NFVD_RETAG_DOUBLE)
		v.why = NFVD_DROP_VLAN;
	if (v.why == NFVD_PASS && to && to->quarantined)
		v.why = NFVD_DROP_QUARANTINED;
	return v;
}

/* Make *to of f, with another tag. False: it is dropped, and counted. */
static bool retag(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame *to, struct nfvd_frame *f, const struct verdict *v,
		  struct nfvd_ledger *l)
{
	/* The kernel sends what it holds as it is. */
	if (nfvd_in_kernel(f) && !bring(w, dst, &f, 1, l))
		return false;
	if (nfvd_retag(to, f, v->how, v->vlan))
		return true;
	nfvd_tx_drop(w, dst, NFVD_DROP_BAD_CSUM, 1);
	return false;
}

/*
 * Judge what goes from a port of policy src to dst, of policy to, and give it the tag that dst wants. What is left of out
 * goes to dst. Frames that change are copies in room.
 */
static __attribute__((noinline)) void police(struct nfvd_worker *w, const struct nfvd_policy *src, struct nfvd_port *dst,
			    const struct nfvd_policy *to, struct nfvd_out *out, struct nfvd_ledger *l)
{
	static __thread struct nfvd_frame room[NFVD_BURST];
	const struct nfvd_rate *limit = to && nfvd_rate_limits(&to->to) ? &to->to : NULL;
	uint64_t now = limit ? nfvd_turn_now(w) : 0;
	struct nfvd_meter_batch batch = nfvd_meter_begin(&dst->to, now);
	struct verdict untagged = { .vlan = UINT16_MAX }, v;
	unsigned int n = 0;

	for (unsigned int i = 0; i < out->n; i++) {
		struct nfvd_frame *f = out->f[i];

		if (unlikely(nfvd_is_tag(f->hdr + 12)))
			v = verdict_on(src, to, f);
		else if (untagged.vlan == UINT16_MAX)
			v = untagged = verdict_on(src, to, f);
		else
			v = untagged;
		if (limit && v.why == NFVD_PASS &&
		    !nfvd_meter_batch_pass(&batch, limit, nfvd_offload_wire_bytes(f), nfvd_offload_segments(f)))
			v.why = NFVD_DROP_LIMIT_TO;
		if (v.why != NFVD_PASS) {
			nfvd_tx_drop(w, dst, v.why, 1);
			continue;
		}
		if (v.how != NFVD_RETAG_NOT) {
			if (!retag(w, dst, &room[n], f, &v, l))
				continue;
			f = &room[n];
		}
		out->f[n++] = f;
	}
	out->n = n;
	if (limit)
		nfvd_meter_charge(&dst->to, limit, batch.bytes, batch.frames, now);
}

static void deliver_all(struct nfvd_worker *w, const struct nfvd_policy *src, struct nfvd_port *dst, struct nfvd_out *out,
			struct nfvd_ledger *l)
{
	const struct nfvd_policy *policy = rcu_dereference(dst->policy);
	uint32_t accepts = atomic_load_explicit(&dst->accepts, memory_order_relaxed);
	uint32_t mtu = atomic_load_explicit(&dst->mtu, memory_order_relaxed);
	unsigned int from = 0;

	if (unlikely(atomic_load_explicit(&dst->state, memory_order_relaxed) != NFVD_STATE_UP)) {
		nfvd_tx_drop(w, dst, NFVD_DROP_DST_DOWN, out->n);
		return;
	}
	if (unlikely(atomic_load_explicit(&dst->held, memory_order_relaxed))) {
		nfvd_tx_drop(w, dst, NFVD_DROP_DST_HELD, out->n);
		return;
	}
	if (unlikely(src || policy))
		police(w, src, dst, policy, out, l);
	if (!(accepts & NFVD_ACCEPT_KERNEL))
		out->n = bring(w, dst, out->f, out->n, l);
	for (unsigned int i = 0; i < out->n; i++) {
		enum nfvd_fit fit = nfvd_offload_fit(out->f[i], accepts, mtu);

		if (likely(fit == NFVD_FIT_AS_IS))
			continue;
		if (i > from)
			dst->ops->tx(w, dst, out->f + from, i - from, l);
		deliver_apart(w, dst, out->f[i], fit, l);
		from = i + 1;
	}
	if (out->n > from)
		dst->ops->tx(w, dst, out->f + from, out->n - from, l);
}

static void note_burst(struct nfvd_pressure *from, struct nfvd_pressure *to, bool full)
{
	from->sent++;
	from->sent_full += full;
	to->given++;
	to->given_full += full;
}

void nfvd_deliver(struct nfvd_worker *w, struct nfvd_port *src, const struct nfvd_policy *policy, struct nfvd_port *dst,
		  struct nfvd_out *out)
{
	struct nfvd_ledger *l = &w->row[src->id][dst->id], before = *l;
	struct nfvd_counters *to = &w->port[dst->id];
	uint64_t full = to->drops[NFVD_DROP_DST_FULL];

	w->pair = l;
	nfvd_watch_delivery(&w->watched, src->id, dst->id);
	deliver_all(w, policy, dst, out, l);
	to->tx_frames += l->frames - before.frames;
	to->tx_bytes += l->bytes - before.bytes;
	w->turn.delivered += l->frames - before.frames;
	w->turn.lost += l->dropped - before.dropped;
	w->spent += l->bytes - before.bytes + (l->frames - before.frames) * dst->ops->tx_work;
	note_burst(&w->port[src->id].pressure, &to->pressure, to->drops[NFVD_DROP_DST_FULL] != full);
}
