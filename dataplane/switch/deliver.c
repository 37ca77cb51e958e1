/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/deliver.h"

#include <rte_branch_prediction.h>
#include <urcu-qsbr.h>
#include "frame/offload.h"
#include "switch/hand.h"
#include "switch/mirror.h"

/*
 * The decision about a frame between two policies, except their limits. It is the same for all frames without a tag.
 */
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
	if (nfvd_in_kernel(f) && !nfvd_fetch(w, dst, &f, 1, l))
		return false;
	if (nfvd_retag(to, f, v->how, v->vlan))
		return true;
	nfvd_tx_drop(w, dst, NFVD_DROP_BAD_CSUM, &f, 1);
	return false;
}

/* The size of the frames in out on a wire. Return false if one has a tag. */
static bool size_of(const struct nfvd_out *out, uint64_t *bytes, uint64_t *segs)
{
	uint32_t tags = 0;

	*bytes = *segs = 0;
	for (unsigned int i = 0; i < out->n; i++) {
		const struct nfvd_frame *f = out->f[i];

		tags |= nfvd_is_tag(f->hdr + 12);
		*bytes += nfvd_offload_wire_bytes(f);
		*segs += nfvd_offload_segments(f);
	}
	return !tags;
}

/*
 * Apply the policies src of port from, and to of port dst, to the frames in out, and change their tags as dst wants.
 * The frames that remain in out go to dst. A frame whose tag changes is a copy in w->retagged.
 */
static __attribute__((noinline)) void police(struct nfvd_worker *w, const struct nfvd_policy *src, struct nfvd_port *from,
	struct nfvd_port *dst, const struct nfvd_policy *to, struct nfvd_out *out, struct nfvd_ledger *l)
{
	struct nfvd_frame *room = w->retagged;
	const struct nfvd_rate *limit = to && nfvd_rate_limits(&to->to) ? &to->to : NULL;
	struct nfvd_meter_batch batch = nfvd_meter_begin(&dst->to, w->meter_now);
	struct verdict untagged = { .vlan = UINT16_MAX }, v;
	struct nfvd_frame *held[NFVD_BURST];
	unsigned int n = 0, n_held = 0;
	uint64_t bytes, segs;

	/* Most often they are all alike, and all may pass. */
	if (likely(size_of(out, &bytes, &segs))) {
		untagged = verdict_on(src, to, out->f[0]);
		if (untagged.why == NFVD_PASS && untagged.how == NFVD_RETAG_NOT &&
		    (!limit || nfvd_meter_batch_all(&batch, limit, bytes, segs)))
			n = out->n;
	}
	for (unsigned int i = n; i < out->n; i++) {
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
			if (v.why == NFVD_DROP_QUARANTINED)
				held[n_held++] = f;
			nfvd_tx_drop(w, dst, v.why, &f, 1);
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
		nfvd_meter_charge(&dst->to, limit, batch.bytes, batch.frames, w->meter_now);
	if (unlikely(n_held))
		nfvd_mirror_quarantined(w, from, dst, held, n_held);
}

/* Copy the frames for dst to its mirrors, except those that have copied them at src. */
static void mirror(struct nfvd_worker *w, struct nfvd_port *src, unsigned int mirrors, const struct nfvd_out *out)
{
	struct nfvd_frame *f[NFVD_BURST];

	for (unsigned int i = 0; i < out->n; i++) {
		f[i] = out->f[i];
		f[i]->flooded = true;
	}
	nfvd_mirror(w, src, mirrors, f, out->n);
}

static void note_burst(struct nfvd_pressure *from, struct nfvd_pressure *to, bool full)
{
	from->sent++;
	from->sent_full += full;
	to->given++;
	to->given_full += full;
}

/* Frames for which there was no buffer. */
static uint64_t found_few(const struct nfvd_worker *w, const struct nfvd_counters *at)
{
	return at->drops[NFVD_DROP_DST_FULL] + at->drops[NFVD_DROP_DST_QUEUE] + w->backlog.put;
}

void nfvd_deliver(struct nfvd_worker *w, struct nfvd_port *src, const struct nfvd_policy *policy, struct nfvd_port *dst,
		  struct nfvd_out *out)
{
	unsigned int mirrors = atomic_load_explicit(&dst->mirror_to, memory_order_relaxed);
	struct nfvd_ledger *l = nfvd_row_to(w->row[src->id], dst->id), before = *l;
	const struct nfvd_policy *to = rcu_dereference(dst->policy);
	struct nfvd_counters *at = &w->port[dst->id];
	uint64_t few = found_few(w, at);

	w->pair = l;
	nfvd_watch_delivery(&w->watched, src->id, dst->id);
	if (nfvd_hand_ready(w, dst, out)) {
		if (unlikely(policy || to))
			police(w, policy, src, dst, to, out, l);
		if (unlikely(mirrors))
			mirrors &= ~atomic_load_explicit(&src->mirror_from, memory_order_relaxed);
		if (unlikely(mirrors))
			mirror(w, src, mirrors, out);
		nfvd_hand_over(w, dst, out, l);
	}
	nfvd_hand_count(w, dst, l, &before);
	note_burst(&w->port[src->id].pressure, &at->pressure, found_few(w, at) != few);
}
