/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/hand.h"

#include <rte_branch_prediction.h>
#include "frame/cut.h"
#include "frame/offload.h"
#include "switch/move.h"

unsigned int nfvd_fetch(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame **f, unsigned int n, struct nfvd_ledger *l)
{
	unsigned int left = 0;

	nfvd_move_to_private(w, f, n, l);
	for (unsigned int i = 0; i < n; i++)
		if (likely(!nfvd_in_kernel(f[i])))
			f[left++] = f[i];
		else
			nfvd_tx_drop(w, dst, NFVD_DROP_EXPIRED, &f[i], 1);
	return left;
}

void nfvd_give(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame **frames, unsigned int n, struct nfvd_ledger *l)
{
	dst->ops->tx(w, dst, frames, n, l);
	if (unlikely(w->tap.set))
		nfvd_tap_given(&w->tap, dst, frames, n);
}

static void send_segments(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame *segs, unsigned int n,
			  struct nfvd_ledger *l)
{
	struct nfvd_frame *list[NFVD_BURST];

	for (unsigned int i = 0; i < n; i++) {
		list[i] = &segs[i];
		list[i]->held = false;	/* not what the kernel holds any more */
	}
	nfvd_give(w, dst, list, n, l);
}

/*
 * Finish the checksum or segmentation of one frame for a receiver that does not accept it unfinished, and deliver it.
 */
static void deliver_finished(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame *f, struct nfvd_ledger *l)
{
	struct nfvd_frame segs[NFVD_BURST];
	struct iovec whole[NFVD_CUT_IOVS(NFVD_IOV_MAX)], pool[NFVD_CUT_IOVS(NFVD_IOV_MAX) + 2 * NFVD_BURST];
	struct nfvd_sum_room room;
	struct nfvd_cut cut;
	unsigned int n;

	/* Summing and cutting read the payload. */
	if (nfvd_in_kernel(f) && !nfvd_fetch(w, dst, &f, 1, l))
		return;
	if (f->vnet.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		segs[0] = *f;
		nfvd_offload_checksum(&segs[0], &room);
		send_segments(w, dst, segs, 1, l);
		return;
	}
	if (!nfvd_cut_start(&cut, f, atomic_load_explicit(&dst->accepts, memory_order_relaxed), whole)) {
		nfvd_tx_drop(w, dst, NFVD_DROP_GSO_UNSUP, &f, 1);
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
		nfvd_tx_drop(w, dst, NFVD_DROP_MTU, &f, 1);
	else
		deliver_finished(w, dst, f, l);
}

bool nfvd_hand_ready(struct nfvd_worker *w, struct nfvd_port *dst, const struct nfvd_out *out)
{
	bool up = likely(atomic_load_explicit(&dst->state, memory_order_relaxed) == NFVD_STATE_UP);

	if (likely(up && !atomic_load_explicit(&dst->held, memory_order_relaxed)))
		return true;
	nfvd_tx_drop(w, dst, up ? NFVD_DROP_DST_HELD : NFVD_DROP_DST_DOWN, out->f, out->n);
	return false;
}

void nfvd_hand_over(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_out *out, struct nfvd_ledger *l)
{
	uint32_t accepts = atomic_load_explicit(&dst->accepts, memory_order_relaxed);
	uint32_t mtu = atomic_load_explicit(&dst->mtu, memory_order_relaxed);
	unsigned int from = 0;

	if (unlikely(w->tap.set))
		nfvd_tap_offer(out->f, out->n);
	if (!(accepts & NFVD_ACCEPT_KERNEL))
		out->n = nfvd_fetch(w, dst, out->f, out->n, l);
	for (unsigned int i = 0; i < out->n; i++) {
		enum nfvd_fit fit = nfvd_offload_fit(out->f[i], accepts, mtu);

		if (likely(fit == NFVD_FIT_AS_IS))
			continue;
		if (i > from)
			nfvd_give(w, dst, out->f + from, i - from, l);
		deliver_apart(w, dst, out->f[i], fit, l);
		from = i + 1;
	}
	if (out->n > from)
		nfvd_give(w, dst, out->f + from, out->n - from, l);
}

void nfvd_hand_count(struct nfvd_worker *w, const struct nfvd_port *dst, const struct nfvd_ledger *l, const struct nfvd_ledger *before)
{
	struct nfvd_counters *to = &w->port[dst->id];

	to->tx_frames += l->frames - before->frames;
	to->tx_bytes += l->bytes - before->bytes;
	w->turn.delivered += l->frames - before->frames;
	w->turn.lost += l->dropped - before->dropped;
	w->spent += l->bytes - before->bytes + (l->frames - before->frames) * dst->ops->tx_work;
}
