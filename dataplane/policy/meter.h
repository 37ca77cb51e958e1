/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits: how many bits and frames a second.
 *
 * A meter is a virtual clock (GCRA): the time at which all that has passed is paid for. It may run ahead of the true
 * time by the burst. Bits and frames have a clock each. A super-frame costs what its segments would on a wire, each
 * with its headers. (rte_meter's buckets belong to one thread.)
 *
 * Times are in 1/4096 ns and wrap after 52 days; only differences are looked at. So a clock must not stay behind for
 * long, or it would seem to be ahead: control starts it at the time of the attach, and looks after it each tick.
 */
#ifndef NFVD_METER_H
#define NFVD_METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "frame/frame.h"

#define NFVD_METER_NS		4096ull		/* units of a nanosecond */
#define NFVD_METER_WAIT_NS	40000000ull	/* bursts; this one makes up for a worker that did not get its processor */
#define NFVD_METER_DROP_NS	250000000ull
#define NFVD_METER_BEHIND	(3600000000000ull * NFVD_METER_NS)
#define NFVD_METER_MIN_BPS	1000ull
#define NFVD_METER_MAX_BPS	1000000000000ull
#define NFVD_METER_MAX_PPS	1000000000ull

struct nfvd_rate {
	uint64_t bps, pps;			/* 0: no limit */
	uint64_t byte, frame;			/* what one costs */
	uint64_t byte_burst, frame_burst;	/* how far a clock may be ahead */
};

struct nfvd_meter {
	_Atomic(uint64_t) bytes, frames;
	_Atomic(uint32_t) typical;	/* bytes of a frame, as of late; 0: not known */
};

static inline bool nfvd_rate_limits(const struct nfvd_rate *r)
{
	return r->bps || r->pps;
}

/* Fill in the rest of *r from bps and pps. */
static inline void nfvd_rate_prepare(struct nfvd_rate *r, uint64_t burst_ns)
{
	uint64_t burst = burst_ns * NFVD_METER_NS;

	r->byte = r->bps ? 8000000000ull * NFVD_METER_NS / r->bps : 0;
	r->frame = r->pps ? 1000000000ull * NFVD_METER_NS / r->pps : 0;
	r->byte_burst = r->byte * NFVD_FRAME_MAX > burst ? r->byte * NFVD_FRAME_MAX : burst;
	/* A super-frame is 45 segments, or more. */
	r->frame_burst = r->frame * 64 > burst ? r->frame * 64 : burst;
}

/* Return the value of clock at the time now; it is never in the past. */
static inline uint64_t nfvd_meter_at(uint64_t clock, uint64_t now)
{
	int64_t ahead = (int64_t)(clock - now);

	return ahead > 0 && ahead < INT64_MAX / 2 ? clock : now;
}

/* Nothing has passed yet. Context: nobody else uses the meter. */
static inline void nfvd_meter_start(struct nfvd_meter *m, uint64_t now)
{
	atomic_store(&m->bytes, now);
	atomic_store(&m->frames, now);
}

/* Move a clock that is an hour behind to now, which changes nothing else. Call it once a week or more often. */
static inline void nfvd_meter_catch_up(_Atomic(uint64_t) *clock, uint64_t now)
{
	uint64_t old = atomic_load_explicit(clock, memory_order_relaxed);

	if (now - old > NFVD_METER_BEHIND && nfvd_meter_at(old, now) == now)
		atomic_compare_exchange_strong(clock, &old, now);
}

static inline void nfvd_meter_look_after(struct nfvd_meter *m, uint64_t now)
{
	nfvd_meter_catch_up(&m->bytes, now);
	nfvd_meter_catch_up(&m->frames, now);
}

static inline void nfvd_meter_add(_Atomic(uint64_t) *clock, uint64_t cost, uint64_t now)
{
	uint64_t old = atomic_load_explicit(clock, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(clock, &old, nfvd_meter_at(old, now) + cost, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

/* Charge so many bytes and frames (segments) at now. Context: worker; several at once. */
static inline void nfvd_meter_charge(struct nfvd_meter *m, const struct nfvd_rate *r, uint64_t bytes, uint64_t frames,
				     uint64_t now)
{
	if (r->bps)
		nfvd_meter_add(&m->bytes, bytes * r->byte, now);
	if (r->pps)
		nfvd_meter_add(&m->frames, frames * r->frame, now);
}

/* Return for how long (in units) nothing may pass; 0: something may. */
static inline uint64_t nfvd_meter_wait(const struct nfvd_meter *m, const struct nfvd_rate *r, uint64_t now)
{
	uint64_t bytes = nfvd_meter_at(atomic_load_explicit(&m->bytes, memory_order_relaxed), now) - now;
	uint64_t frames = nfvd_meter_at(atomic_load_explicit(&m->frames, memory_order_relaxed), now) - now;
	uint64_t wait = r->bps && bytes > r->byte_burst ? bytes - r->byte_burst : 0;

	return r->pps && frames > r->frame_burst && frames - r->frame_burst > wait ? frames - r->frame_burst : wait;
}

/*
 * Return how many frames (1 to max) may pass if they are as large as the frames of late. If they are larger, the
 * clock is further ahead afterwards, and later frames wait for longer. Call it only while nfvd_meter_wait() is 0.
 */
static inline unsigned int nfvd_meter_room(const struct nfvd_meter *m, const struct nfvd_rate *r, uint64_t now, unsigned int max)
{
	uint64_t bytes = nfvd_meter_at(atomic_load_explicit(&m->bytes, memory_order_relaxed), now) - now;
	uint64_t frames = nfvd_meter_at(atomic_load_explicit(&m->frames, memory_order_relaxed), now) - now;
	uint64_t typical = atomic_load_explicit(&m->typical, memory_order_relaxed), each = r->byte * (typical ? typical : NFVD_FRAME_MAX);
	uint64_t n = max;

	if (r->bps && (r->byte_burst - bytes) / each < n)
		n = (r->byte_burst - bytes) / each;
	if (r->pps && (r->frame_burst - frames) / r->frame < n)
		n = (r->frame_burst - frames) / r->frame;
	return n ? n : 1;
}

/* Return whether a frame may pass, and charge it if so. */
static inline bool nfvd_meter_pass(struct nfvd_meter *m, const struct nfvd_rate *r, uint64_t bytes, uint64_t frames, uint64_t now)
{
	if (nfvd_meter_wait(m, r, now))
		return false;
	nfvd_meter_charge(m, r, bytes, frames, now);
	return true;
}

/* Many frames at one time: how far the clocks are ahead, and what they will be charged. */
struct nfvd_meter_batch {
	uint64_t byte_ahead, frame_ahead, bytes, frames;
};

static inline struct nfvd_meter_batch nfvd_meter_begin(const struct nfvd_meter *m, uint64_t now)
{
	return (struct nfvd_meter_batch){
		.byte_ahead = nfvd_meter_at(atomic_load_explicit(&m->bytes, memory_order_relaxed), now) - now,
		.frame_ahead = nfvd_meter_at(atomic_load_explicit(&m->frames, memory_order_relaxed), now) - now,
	};
}

/* Return whether so many more bytes and frames may pass all together. They may pass one by one, too, if so. */
static inline bool nfvd_meter_batch_all(struct nfvd_meter_batch *b, const struct nfvd_rate *r, uint64_t bytes, uint64_t frames)
{
	uint64_t byte_ahead = b->byte_ahead + bytes * r->byte, frame_ahead = b->frame_ahead + frames * r->frame;

	if ((r->bps && byte_ahead > r->byte_burst) || (r->pps && frame_ahead > r->frame_burst))
		return false;
	b->byte_ahead = byte_ahead;
	b->frame_ahead = frame_ahead;
	b->bytes += bytes;
	b->frames += frames;
	return true;
}

/* As nfvd_meter_pass(); charged with nfvd_meter_charge() at the end. */
static inline bool nfvd_meter_batch_pass(struct nfvd_meter_batch *b, const struct nfvd_rate *r, uint64_t bytes, uint64_t frames)
{
	if ((r->bps && b->byte_ahead > r->byte_burst) || (r->pps && b->frame_ahead > r->frame_burst))
		return false;
	b->byte_ahead += bytes * r->byte;
	b->frame_ahead += frames * r->frame;
	b->bytes += bytes;
	b->frames += frames;
	return true;
}

#endif
