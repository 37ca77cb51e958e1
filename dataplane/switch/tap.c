/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/tap.h"

#include <time.h>
#include <urcu-qsbr.h>

_Static_assert(NFVD_BURST == NFV_CAPTURE_TURN, "a frame's number in its turn is the lowest bits of its id");

struct nfvd_tap_set *nfvd_taps;
_Atomic(uint32_t) nfvd_tap_generation;

/* What is seen, before it is known who wants to. */
struct sighting {
	enum nfv_capture_kind kind;
	const struct nfvd_port *from, *to, *at;
	enum nfvd_drop why;
};

static bool chosen(const struct nfvd_tap *tap, const struct nfvd_port *port)
{
	return tap->all || (port && tap->serial[port->id] == port->serial);
}

static bool wanted(const struct nfvd_tap *tap, const struct sighting *s)
{
	bool from = tap->in && chosen(tap, s->from), to = tap->out && chosen(tap, s->to);

	if (s->kind == NFV_CAPTURE_DROP)
		return (tap->reason == NFVD_PASS || tap->reason == s->why) && (from || (to && !tap->onward));
	if (tap->dropped_only)
		return false;
	return s->kind == NFV_CAPTURE_IN || tap->onward ? from : to;
}

static void fill(struct nfv_capture_record *r, const struct nfvd_tapped *t, const struct nfvd_tap *tap, const struct sighting *s,
		 const struct nfvd_frame *f)
{
	*r = (struct nfv_capture_record){
		.id = f ? t->id + (f->tap & ~NFVD_TAP_LOST) : 0, .time_ns = t->now_ns,
		.from = s->from ? s->from->serial : 0, .to = s->to ? s->to->serial : 0, .at = s->at->serial,
		.generation = atomic_load_explicit(&nfvd_tap_generation, memory_order_relaxed),
		.reason = s->why, .kind = s->kind,
	};
	if (!f)
		return;
	r->len = f->len;
	r->bytes = f->hdr_len < tap->bytes ? f->hdr_len : tap->bytes;
	r->gso_type = f->vnet.hdr.gso_type;
	r->gso_size = f->vnet.hdr.gso_size;
	memcpy(r->data, f->hdr, r->bytes);
}

static void put(struct nfvd_tapped *t, struct nfvd_tap *tap, const struct sighting *s, const struct nfvd_frame *f)
{
	struct nfv_capture_ring *ring = tap->ring[t->worker];
	uint64_t n = tap->head[t->worker][0]++;
	struct nfv_capture_slot *slot = &ring->slot[n & tap->mask];

	atomic_store_explicit(&slot->seq, 2 * n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);	/* pairs with the acquire fence of the reader */
	fill(&slot->r, t, tap, s, f);
	atomic_store_explicit(&slot->seq, 2 * n + 2, memory_order_release);
	atomic_store_explicit(&ring->head, n + 1, memory_order_release);
}

static void see(struct nfvd_tapped *t, const struct sighting *s, const struct nfvd_frame *f)
{
	for (unsigned int i = 0; i < t->set->n; i++)
		if (wanted(t->set->tap[i], s))
			put(t, t->set->tap[i], s, f);
}

void nfvd_tap_begin(struct nfvd_tapped *t, const struct nfvd_port *src)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	t->src = src;
	t->now_ns = ts.tv_sec * 1000000000ull + ts.tv_nsec;
	t->id += NFVD_BURST;
}

void nfvd_tap_number(struct nfvd_tapped *t, struct nfvd_frame *frames, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		frames[i].tap = i;
}

void nfvd_tap_taken(struct nfvd_tapped *t, const struct nfvd_frame *frames, unsigned int n)
{
	const struct sighting s = { .kind = NFV_CAPTURE_IN, .from = t->src, .at = t->src };

	for (unsigned int i = 0; i < n; i++)
		if (!(frames[i].tap & NFVD_TAP_LOST))
			see(t, &s, &frames[i]);
}

void nfvd_tap_offer(struct nfvd_frame *const *frames, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		frames[i]->tap &= ~NFVD_TAP_LOST;
}

void nfvd_tap_given(struct nfvd_tapped *t, const struct nfvd_port *dst, struct nfvd_frame *const *frames, unsigned int n)
{
	const struct sighting s = { .kind = NFV_CAPTURE_OUT, .from = t->src, .to = dst, .at = dst };

	for (unsigned int i = 0; i < n; i++)
		if (!(frames[i]->tap & NFVD_TAP_LOST))
			see(t, &s, frames[i]);
}

void nfvd_tap_dropped(struct nfvd_tapped *t, const struct nfvd_port *at, const struct nfvd_port *dst, enum nfvd_drop why,
		      struct nfvd_frame *const *frames, unsigned int n)
{
	const struct sighting s = { .kind = NFV_CAPTURE_DROP, .from = t->src, .to = dst, .at = at, .why = why };

	for (unsigned int i = 0; i < n; i++) {
		see(t, &s, frames ? frames[i] : NULL);
		if (frames)
			frames[i]->tap |= NFVD_TAP_LOST;
	}
}
