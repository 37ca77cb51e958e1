/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/backlog.h"

#include <rte_branch_prediction.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "switch/context.h"
#include "switch/hand.h"
#include "switch/move.h"

#define AGE_MS		500
#define RETRY_MIN_NS	1000
#define RETRY_MAX_NS	20000000

/* ---- slots ---- */

static struct nfvd_backlog_slot *slot_of(struct nfvd_backlog *b, uint16_t name)
{
	return &b->slot[name - 1];
}

/* Put a slot at the end of q. There is one: the caller has looked. */
static struct nfvd_backlog_slot *append(struct nfvd_backlog *b, struct nfvd_backlog_queue *q)
{
	uint16_t name = b->free;

	if (name)
		b->free = slot_of(b, name)->next;
	else
		name = ++b->fresh;
	b->used++;
	if (q->n++)
		slot_of(b, q->last)->next = name;
	else
		q->first = name;
	q->last = name;
	slot_of(b, name)->next = 0;
	return slot_of(b, name);
}

static void remove_first(struct nfvd_backlog *b, struct nfvd_backlog_queue *q, unsigned int n)
{
	b->used -= n;
	q->n -= n;
	while (n--) {
		uint16_t name = q->first;

		q->first = slot_of(b, name)->next;
		slot_of(b, name)->next = b->free;
		b->free = name;
	}
}

/* ---- in ---- */

static uint32_t epochs_of(const struct nfvd_port *src, const struct nfvd_port *dst)
{
	return atomic_load_explicit(&src->epoch, memory_order_relaxed) + atomic_load_explicit(&dst->epoch, memory_order_relaxed);
}

static struct nfvd_backlog_queue *queue_of(struct nfvd_backlog *b, const struct nfvd_port *dst)
{
	struct nfvd_backlog_queue *q = &b->to[dst->id];

	if (q->n)
		return q;
	*q = (struct nfvd_backlog_queue){ .serial = dst->serial };
	b->active[b->n_active++] = dst->id;
	b->next_ns = 0;
	return q;
}

static void keep(struct nfvd_worker *w, const struct nfvd_port *src, const struct nfvd_port *dst, struct nfvd_frame *f)
{
	struct nfvd_backlog_slot *s = append(&w->backlog, queue_of(&w->backlog, dst));
	const struct iovec bytes = { s->bytes, sizeof(s->bytes) };

	s->src = src->id;
	s->serial = src->serial;
	s->len = f->len;
	s->hdr_len = f->hdr_len;
	s->spread = w->spread;
	s->origin_copies = f->origin_copies + 1;
	s->since_ms = w->now_ms;
	s->epochs = epochs_of(src, dst);
	s->from = rcu_dereference(src->policy);
	s->to = rcu_dereference(dst->policy);
	nfvd_move_to_memory(f, sizeof(f->vnet), &bytes);
	w->backlog.put++;
	w->spent += f->len;
	/* Not delivered yet, says the tap. */
	f->tap |= NFVD_TAP_LOST;
}

void nfvd_backlog_put(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n)
{
	/* NULL: detached in this iteration. */
	const struct nfvd_port *src = rcu_dereference(nfvd_ports[w->src]);
	struct nfvd_backlog *b = &w->backlog;

	if (b->trying) {
		b->kept += n;
		for (unsigned int i = 0; i < n; i++)
			frames[i]->tap |= NFVD_TAP_LOST;
		return;
	}
	/* A probe's copies do not wait. */
	if (w->copying) {
		nfvd_tx_drop(w, port, NFVD_DROP_DST_FULL, frames, n);
		return;
	}
	n = nfvd_fetch(w, port, frames, n, w->pair);
	for (unsigned int i = 0; i < n; i++)
		if (frames[i]->len > NFVD_BACKLOG_BYTES)
			nfvd_tx_drop(w, port, NFVD_DROP_DST_FULL, &frames[i], 1);
		else if (!src || b->to[port->id].n >= NFVD_BACKLOG_SLOTS - b->used)
			nfvd_tx_drop(w, port, NFVD_DROP_DST_QUEUE, &frames[i], 1);
		else
			keep(w, src, port, frames[i]);
}

/* ---- out ---- */

/* The ports of a frame, as far as they still exist, and what to do with the frame. */
struct fate {
	struct nfvd_port *src, *dst;	/* NULL: gone */
	enum nfvd_drop why;		/* NFVD_PASS: it is to be delivered */
};

static struct fate fate_of(const struct nfvd_worker *w, const struct nfvd_backlog_queue *q, unsigned int id, const struct nfvd_backlog_slot *s)
{
	struct fate fate = { rcu_dereference(nfvd_ports[s->src]), rcu_dereference(nfvd_ports[id]), NFVD_PASS };

	if (fate.src && fate.src->serial != s->serial)
		fate.src = NULL;
	if (fate.dst && fate.dst->serial != q->serial)
		fate.dst = NULL;
	if (!fate.dst)
		fate.why = NFVD_DROP_DST_DOWN;
	else if (!fate.src || nfvd_elapsed_ms(w->now_ms, s->since_ms) >= AGE_MS ||
		 epochs_of(fate.src, fate.dst) != s->epochs ||
		 rcu_dereference(fate.src->policy) != s->from || rcu_dereference(fate.dst->policy) != s->to)
		fate.why = NFVD_DROP_DST_QUEUE;
	return fate;
}

static void frame_of(const struct nfvd_backlog_slot *s, struct nfvd_frame *f, struct iovec *iov)
{
	f->len = s->len;
	f->hdr_len = s->hdr_len;
	f->held = f->flooded = false;
	f->origin_copies = s->origin_copies;
	f->needs = 0;
	memcpy(&f->vnet, s->bytes, sizeof(f->vnet));
	memcpy(f->hdr, s->bytes + sizeof(f->vnet), s->hdr_len);
	*iov = (struct iovec){ (uint8_t *)s->bytes + sizeof(f->vnet) + s->hdr_len, s->len - s->hdr_len };
	f->iov = iov;
	f->iov_n = iov->iov_len != 0;
}

/* Collect the first frames of q that have the same source, queue and fate. They stay in q. */
static void collect(struct nfvd_worker *w, struct nfvd_backlog_queue *q, unsigned int id, struct fate *fate, struct nfvd_out *out)
{
	const struct nfvd_backlog_slot *first = slot_of(&w->backlog, q->first), *s = first;

	*fate = fate_of(w, q, id, first);
	out->n = 0;
	while (s->serial == first->serial && s->spread == first->spread && fate_of(w, q, id, s).why == fate->why) {
		frame_of(s, &w->frames[out->n], &w->pool[out->n]);
		out->f[out->n] = &w->frames[out->n];
		if (++out->n == NFVD_BURST || !s->next)
			break;
		s = slot_of(&w->backlog, s->next);
	}
	w->spread = first->spread;
}

/* Deliver frames that were taken in an earlier turn of src, as a turn of its own. */
static void deliver(struct nfvd_worker *w, const struct fate *fate, struct nfvd_out *out)
{
	struct nfvd_ledger *l = nfvd_row_to(w->row[fate->src->id], fate->dst->id), before = *l;

	w->pair = l;
	nfvd_watch_delivery(&w->watched, fate->src->id, fate->dst->id);
	if (fate->why != NFVD_PASS) {
		nfvd_tx_drop(w, fate->dst, fate->why, out->f, out->n);
	} else if (nfvd_hand_ready(w, fate->dst, out)) {
		w->backlog.trying = true;
		nfvd_give(w, fate->dst, out->f, out->n, l);
		w->backlog.trying = false;
	}
	nfvd_hand_count(w, fate->dst, l, &before);
	nfvd_watch_delivery(&w->watched, fate->src->id, NFVD_NOWHERE);
}

/* Try to deliver the first frames of q that are alike. Return how many of them have left q. */
static unsigned int try_some(struct nfvd_worker *w, struct nfvd_backlog_queue *q, unsigned int id, bool *delivered)
{
	struct nfvd_out out;
	struct fate fate;

	collect(w, q, id, &fate, &out);
	w->backlog.kept = 0;
	w->tap.set = rcu_dereference(nfvd_taps);
	if (unlikely(w->tap.set)) {
		nfvd_tap_begin(&w->tap, fate.src);
		nfvd_tap_number(&w->tap, w->frames, out.n);
	}
	if (likely(fate.src)) {
		w->src = fate.src->id;
		nfvd_watch_turn(&w->watched, w->src);
		w->spent = 0;
		if (likely(fate.dst))
			deliver(w, &fate, &out);
		else
			nfvd_src_drop(w, fate.src, fate.why, out.f, out.n);
		*delivered |= w->turn.delivered;
		nfvd_settle(w);
	} else if (fate.dst) {
		/* What its source was is forgotten. */
		w->port[id].drops[fate.why] += out.n;
		if (unlikely(w->tap.set))
			nfvd_tap_dropped(&w->tap, fate.dst, fate.dst, fate.why, out.f, out.n);
	}
	out.n -= w->backlog.kept;
	remove_first(&w->backlog, q, out.n);
	return out.n;
}

static unsigned int try_queue(struct nfvd_worker *w, struct nfvd_backlog_queue *q, unsigned int id, uint64_t now_ns)
{
	bool delivered = false;
	unsigned int n = 0;
	uint64_t wait;

	do
		n += try_some(w, q, id, &delivered);
	while (q->n && !w->backlog.kept && n < NFVD_BURST);
	if (delivered || !q->stuck_ns)
		q->stuck_ns = now_ns;
	wait = (now_ns - q->stuck_ns) / 4;
	q->retry_ns = now_ns + (wait < RETRY_MIN_NS ? RETRY_MIN_NS : wait < RETRY_MAX_NS ? wait : RETRY_MAX_NS);
	return n;
}

unsigned int nfvd_backlog_try(struct nfvd_worker *w, uint64_t now_ns)
{
	struct nfvd_backlog *b = &w->backlog;
	unsigned int n = 0;

	if (now_ns < b->next_ns)
		return 0;
	b->next_ns = UINT64_MAX;
	for (unsigned int i = 0; i < b->n_active;) {
		struct nfvd_backlog_queue *q = &b->to[b->active[i]];

		if (now_ns >= q->retry_ns)
			n += try_queue(w, q, b->active[i], now_ns);
		if (!q->n) {
			b->active[i] = b->active[--b->n_active];
			continue;
		}
		if (q->retry_ns < b->next_ns)
			b->next_ns = q->retry_ns;
		i++;
	}
	return n;
}
