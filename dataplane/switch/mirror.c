/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/mirror.h"

#include <urcu-qsbr.h>
#include "switch/hand.h"
#include "switch/move.h"

struct nfvd_mirrors *nfvd_mirrors;

/* Make room[] the first snap bytes of n frames, with their vectors in pool. */
static void shorten(struct nfvd_frame **f, unsigned int n, uint32_t snap, struct nfvd_frame *room, struct iovec *pool)
{
	for (unsigned int i = 0; i < n; i++) {
		struct nfvd_frame *s = &room[i];
		uint32_t left;

		*s = *f[i];
		/* What it asked for is of the whole frame. */
		memset(&s->vnet, 0, sizeof(s->vnet));
		s->needs = 0;
		s->held = false;
		if (s->len > snap)
			s->len = snap;
		if (s->hdr_len > s->len)
			s->hdr_len = s->len;
		left = s->len - s->hdr_len;
		s->iov_n = 0;
		for (const struct iovec *v = f[i]->iov; left; v++, pool++) {
			*pool = (struct iovec){ v->iov_base, v->iov_len < left ? v->iov_len : left };
			if (!s->iov_n++)
				s->iov = pool;
			left -= pool->iov_len;
		}
	}
}

static void hand_short(struct nfvd_worker *w, struct nfvd_port *dst, uint32_t snap, struct nfvd_out *out, struct nfvd_ledger *l)
{
	struct nfvd_frame room[NFVD_BURST];
	struct iovec pool[NFVD_IOV_POOL];

	out->n = nfvd_fetch(w, dst, out->f, out->n, l);
	shorten(out->f, out->n, snap, room, pool);
	for (unsigned int i = 0; i < out->n; i++)
		out->f[i] = &room[i];
	nfvd_hand_over(w, dst, out, l);
}

/* Hand copies of n frames of src, or of their first snap bytes, to a probe, which no policy keeps from it. */
static void copy(struct nfvd_worker *w, struct nfvd_port *src, struct nfvd_port *dst, uint32_t snap, struct nfvd_frame **f, unsigned int n)
{
	struct nfvd_ledger *l = nfvd_row_to(w->row[src->id], dst->id), before = *l, *pair = w->pair;
	uint32_t at = atomic_load_explicit(&w->watched.at, memory_order_relaxed);
	struct nfvd_out out = { .n = n };

	memcpy(out.f, f, n * sizeof(*f));
	w->copies = out;
	w->pair = l;
	w->copying = true;
	w->turn.replicated += n;
	nfvd_watch_delivery(&w->watched, src->id, dst->id);
	if (nfvd_hand_ready(w, dst, &out)) {
		if (snap)
			hand_short(w, dst, snap, &out, l);
		else
			nfvd_hand_over(w, dst, &out, l);
	}
	nfvd_hand_count(w, dst, l, &before);
	w->copying = false;
	w->pair = pair;
	/* What comes is delivered to the frames' own receiver. */
	atomic_store_explicit(&w->watched.at, at, memory_order_relaxed);
}

void nfvd_mirror(struct nfvd_worker *w, struct nfvd_port *src, unsigned int mirrors, struct nfvd_frame **f, unsigned int n)
{
	const struct nfvd_mirrors *all = rcu_dereference(nfvd_mirrors);

	for (unsigned int i = 0; all && i < NFVD_MIRRORS_MAX; i++) {
		struct nfvd_port *probe;

		if (!(mirrors >> i & 1) || all->m[i].probe == NFVD_NOWHERE)
			continue;
		probe = rcu_dereference(nfvd_ports[all->m[i].probe]);
		if (probe)
			copy(w, src, probe, all->m[i].snap, f, n);
	}
}

void nfvd_mirror_quarantined(struct nfvd_worker *w, struct nfvd_port *src, const struct nfvd_port *at, struct nfvd_frame **f, unsigned int n)
{
	uint32_t probe = atomic_load_explicit(&at->quarantine_probe, memory_order_relaxed);
	struct nfvd_port *port = probe ? rcu_dereference(nfvd_ports[probe - 1]) : NULL;

	if (port)
		copy(w, src, port, 0, f, n);
}
