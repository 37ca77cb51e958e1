/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/turn.h"

#include <rte_branch_prediction.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "switch/switch.h"

/* ---- limits on what is taken: what is beyond waits where it is ---- */

static bool paced(const struct nfvd_port *port, const struct nfvd_policy *p)
{
	return port->ops->pausable && nfvd_rate_limits(&p->from);
}

/* How many frames may be taken now. */
static __attribute__((noinline)) unsigned int room(struct nfvd_worker *w, struct nfvd_port *port, const struct nfvd_policy *p)
{
	return nfvd_meter_wait(&port->from, &p->from, w->meter_now) ? 0 :
		nfvd_meter_room(&port->from, &p->from, w->meter_now, NFVD_BURST);
}

static __attribute__((noinline)) void charge(struct nfvd_worker *w, struct nfvd_port *port, const struct nfvd_policy *p, unsigned int n)
{
	const struct nfvd_frame *f = w->frames;
	uint64_t bytes = 0, segs = 0;

	for (unsigned int i = 0; i < n; i++) {
		/* nfvd has dropped frames with malformed requests, but this is the request as the guest wrote it. */
		if (likely(!f[i].vnet.hdr.gso_size)) {
			bytes += f[i].len;
			segs++;
		} else {
			bytes += nfvd_offload_wire_bytes(&f[i]);
			segs += nfvd_offload_segments(&f[i]);
		}
	}
	nfvd_meter_charge(&port->from, &p->from, bytes, segs, w->meter_now);
	if (n)
		atomic_store_explicit(&port->from.typical, bytes / n, memory_order_relaxed);
}

unsigned int nfvd_paused_ms(const struct nfvd_port *port)
{
	const struct nfvd_policy *p = rcu_dereference(port->policy);

	if (likely(!p || !paced(port, p)))
		return 0;
	return (nfvd_meter_wait(&port->from, &p->from, nfvd_now_ns() * NFVD_METER_NS) + 1000000 * NFVD_METER_NS - 1) /
	       (1000000 * NFVD_METER_NS);
}

/* Take nothing in this turn, and record since when. */
static __attribute__((noinline)) unsigned int pause_queue(struct nfvd_rxq *q)
{
	if (!q->paused_ns)
		q->paused_ns = nfvd_now_ns();
	return 0;
}

static __attribute__((noinline)) void end_pause(struct nfvd_worker *w, struct nfvd_rxq *q)
{
	w->port[q->port->id].pressure.paused_ns += nfvd_now_ns() - q->paused_ns;
	q->paused_ns = 0;
}

/* Count for the pressure a turn that took n frames and has processed done of them. */
static void note_pressure(struct nfvd_worker *w, unsigned int n, unsigned int done, unsigned int max)
{
	struct nfvd_pressure *p = &w->port[w->src].pressure;

	p->taken++;
	p->taken_full += n >= max || done < n || w->turn.rx_bytes >= NFVD_BURST_BYTES;
}

/* One turn of a queue. */
static unsigned int turn(struct nfvd_worker *w, struct nfvd_rxq *q, const struct nfvd_policy *policy, bool nobody_called)
{
	const struct nfvd_port_ops *ops = q->port->ops;
	unsigned int n, done = 0, max = NFVD_BURST;

	nfvd_watch_turn(&w->watched, q->port->id);
	if (unlikely(atomic_load_explicit(&q->port->held, memory_order_relaxed)))
		return 0;
	if (unlikely(policy && paced(q->port, policy)) && !(max = room(w, q->port, policy)))
		return pause_queue(q);
	if (unlikely(q->paused_ns))
		end_pause(w, q);
	w->src = q->port->id;
	w->tap.set = rcu_dereference(nfvd_taps);
	if (unlikely(w->tap.set))
		nfvd_tap_begin(&w->tap, q->port);
	w->spread = q->port->id + q->index;
	w->spent = 0;
	n = ops->rx(w, q, w->frames, max);
	if (q->woken) {
		q->woken = false;
		if (!n)
			nfvd_fault(q->port, NFVD_DROP_KICK_SPURIOUS, 1);
	} else if (unlikely(nobody_called) && n) {
		nfvd_fault(q->port, NFVD_DROP_KICK_MISSING, 1);
	}
	if (n) {
		done = nfvd_switch(w, q, w->frames, n);
		w->turn.rx_frames += done;
		note_pressure(w, n, done, max);
		if (unlikely(policy && paced(q->port, policy)))
			charge(w, q->port, policy, done);
	}
	nfvd_watch_delivery(&w->watched, w->src, NFVD_NOWHERE);
	q->share.credit -= w->spent + w->turn.rx_frames * NFVD_SHARE_FRAME;
	/* Settle before the endpoint gets its buffers back, and so learns that its frames were processed. */
	nfvd_settle(w);
	ops->rx_done(w, q, done);
	return n;
}

unsigned int nfvd_turns(struct nfvd_worker *w, struct nfvd_rxq *q, bool nobody_called)
{
	const struct nfvd_policy *policy = rcu_dereference(q->port->policy);
	unsigned int weight = nfvd_policy_weight(policy), n = 0, got;
	struct nfvd_busy *busy = likely(q->port->nr_rxq == 1) ? NULL : &q->port->busy[w->index];
	int32_t each = weight * NFVD_SHARE_ROUND;

	if (busy)
		each /= nfvd_busy_in(busy, w->round);
	if (unlikely(!nfvd_share_begin(&q->share, each))) {
		w->owing = true;
	} else {
		do {
			got = turn(w, q, policy, nobody_called);
			n += got;
		} while (got && unlikely(--weight) && q->share.credit > 0);
	}
	if (busy && (n || q->share.credit <= 0))
		busy->now++;
	return n;
}
