/* SPDX-License-Identifier: BSD-3-Clause */
/* vugen: writing, sending, receiving, checking and counting frames, as fast as possible. */
#include "vugen.h"

#include <x86intrin.h>

#define CHECK_EVERY	64
#define BEHIND		64u		/* frames by which a side may be behind its rate */
#define COLD_BURST	32u		/* frames written or read before the switch sees the first of them */
#define AHEAD		2u		/* buffers prefetched before their use */

/* Give the descriptor the next buffer. */
static void pool_advance(struct pool *p, struct vuf_vring *r, uint32_t id)
{
	p->at[id] = p->next;
	r->desc[id].addr = p->gpa + (uint64_t)p->next * p->stride;
	p->next = p->next + 1 < p->n ? p->next + 1 : 0;
}

/* Write a word of each cache line between the stamps, or of the last stamp if there is no room beside it. */
static void write_payload(uint8_t *buf, uint32_t bytes, uint64_t value)
{
	uint32_t last = bytes - sizeof(struct stamp), number = value;

	memcpy(buf + 40, &value, sizeof(value));
	for (uint32_t at = LINE; at + sizeof(value) <= last; at += LINE)
		memcpy(buf + at, &value, sizeof(value));
	memcpy(buf + last + offsetof(struct stamp, sequence), &number, sizeof(number));
}

static void read_payload(const uint8_t *buf, uint32_t bytes)
{
	for (uint32_t at = 0; at < bytes; at += LINE)
		(void)*(const volatile uint64_t *)(buf + at);
}

/* Give the frame in this buffer the next number. */
static void write_number(struct side *s, uint32_t id)
{
	uint8_t *buf = pool_buf(&s->tx_pool, id);

	s->number += !s->number;
	memcpy(buf + HDR_BYTES + STAMP_AT + offsetof(struct stamp, sequence), &s->number, sizeof(s->number));
	write_payload(buf, s->frame_bytes, s->number++);
}

/* Return whether the frame, which is in one buffer, is whole. Note whether it has arrived before. */
static bool read_number(struct side *s, uint32_t id)
{
	const uint8_t *buf = pool_buf(&s->rx_pool, id);
	uint32_t last = s->frame_bytes - sizeof(struct stamp);
	struct stamp first, end;
	uint64_t word;

	memcpy(&first, buf + HDR_BYTES + STAMP_AT, sizeof(first));
	memcpy(&end, buf + last, sizeof(end));
	memcpy(&word, buf + 40, sizeof(word));
	for (uint32_t at = LINE; at + sizeof(word) <= last && word == first.sequence; at += LINE)
		memcpy(&word, buf + at, sizeof(word));
	if (first.magic != MAGIC || end.magic != MAGIC || end.sequence != first.sequence || word != first.sequence)
		return false;
	s->c.twice += s->seen[first.sequence % NUMBERS] == first.sequence;
	s->seen[first.sequence % NUMBERS] = first.sequence;
	return true;
}

/* Write the next frame, before the descriptor is posted again with another buffer. */
static void write_next(struct side *s, uint32_t id)
{
	struct pool *p = &s->tx_pool;
	const uint8_t *ahead = p->base + (size_t)((p->next + AHEAD) % p->n) * p->stride;

	if (p->next == s->hello_id)	/* stays unchanged */
		p->next++;
	for (uint32_t at = 0; at < s->frame_bytes; at += LINE)
		__builtin_prefetch(ahead + at, 1);
	pool_advance(p, s->tx, id);
	write_payload(pool_buf(p, id), s->frame_bytes, s->c.sent);
}

/* Read the last frame, before the descriptor is posted again with another buffer; `ahead` is one to prefetch. */
static void read_last(struct side *s, uint32_t id, uint32_t ahead, uint32_t bytes)
{
	const uint8_t *soon = pool_buf(&s->rx_pool, ahead & s->rx->mask);

	for (uint32_t at = 0; at < bytes; at += LINE)
		__builtin_prefetch(soon + at, 0);
	read_payload(pool_buf(&s->rx_pool, id), bytes);
	pool_advance(&s->rx_pool, s->rx, id);
}

/* Return whether the frame ends with a stamp, and clear it, so that it cannot pass for the next frame's. */
static bool check_tail(const struct side *s, uint32_t id, uint32_t bytes)
{
	uint8_t *at = pool_buf(&s->rx_pool, id) + bytes - sizeof(struct stamp);
	struct stamp stamp;

	if (bytes < sizeof(stamp))
		return true;
	memcpy(&stamp, at, sizeof(stamp));
	memset(at, 0, sizeof(stamp));
	return stamp.magic == MAGIC;
}

/* Check the first and the last buffer of a sampled frame. */
static bool check_buffer(struct side *s, uint32_t id, unsigned int me, uint32_t bytes)
{
	if (s->seen && !read_number(s, id))
		return false;
	if (s->c.received % CHECK_EVERY)
		return true;
	return (!s->whole || check_frame(s, id, me, MAGIC)) && (s->left != bytes || check_tail(s, id, bytes));
}

/*
 * Take received frames, and post their buffers again. All frames have the same length, so the
 * used lengths alone show where a frame ends: each of its buffers except the last is full.
 */
static unsigned int poll_rx(struct side *s, unsigned int me, uint32_t frame_bytes)
{
	struct vuf_vring *r = s->rx;
	unsigned int n = vuf_used_ready(r), mask = r->mask;

	if (s->cold && n > COLD_BURST)
		n = COLD_BURST;
	for (unsigned int i = 0; i < n; i++) {
		const struct vring_used_elem *e = &r->used->ring[r->last_used++ & mask];
		uint32_t want = s->left < s->rx_bytes ? s->left : s->rx_bytes;

		if (e->id > mask) {
			s->c.bad++;
			continue;
		}
		if (e->len != want || !check_buffer(s, e->id, me, want)) {
			s->c.bad++;
			s->left = frame_bytes;
		} else {
			s->left -= want;
			if (!s->left) {
				s->c.received++;
				s->left = frame_bytes;
			}
		}
		s->whole = s->left == frame_bytes;
		if (s->cold)
			read_last(s, e->id, r->used->ring[(r->last_used - 1u + (i + AHEAD < n ? AHEAD : 0)) & mask].id, want);
		vuf_post(r, e->id);
	}
	vuf_publish(r);
	return n;
}

static unsigned int poll_tx(struct side *s)
{
	struct vuf_vring *r = s->tx;
	unsigned int n = vuf_used_ready(r);

	if (s->cold && n > COLD_BURST)
		n = COLD_BURST;
	if (n > s->may_send - s->c.sent)
		n = s->may_send > s->c.sent ? s->may_send - s->c.sent : 0;
	for (unsigned int i = 0; i < n; i++) {
		const struct vring_used_elem *e = &r->used->ring[r->last_used++ & r->mask];

		if (e->id > r->mask) {
			s->c.bad++;
			continue;
		}
		if (s->cold)
			write_next(s, e->id);
		if (s->seen)
			write_number(s, e->id);
		vuf_post(r, e->id);
	}
	s->c.sent += n;
	vuf_publish(r);
	return n;
}

struct run {
	double idle;	/* share of time in rounds without work; near 0, the generator is the bottleneck */
	double gap_ms;	/* the longest time without a frame received */
};

/* Raise how many frames the sides may have sent, after ns more. Frames not taken in time are not made up for. */
static void allow(struct side *s, double rate, uint64_t ns)
{
	for (unsigned int i = 0; i < 2; i++) {
		double most = s[i].c.sent + BEHIND;

		s[i].may_send += rate * ns / 1e9;
		if (rate <= 0)
			s[i].may_send = UINT32_MAX + most;
		else if (s[i].may_send > most)
			s[i].may_send = most;
	}
}

static struct run run(struct side *s, double seconds, double rate, uint32_t frame_bytes)
{
	uint64_t begin = now_ns(), now_is = begin, start = __rdtsc(), last = start, received = start, idle = 0, gap = 0;

	s[0].c = s[1].c = (struct counters){ 0 };
	s[0].may_send = s[1].may_send = 0;
	do {
		uint64_t before = now_is;

		now_is = now_ns();
		allow(s, rate, now_is - before);
		for (unsigned int i = 0; i < 64; i++) {
			unsigned int n = poll_rx(&s[0], 0, frame_bytes) + poll_rx(&s[1], 1, frame_bytes);
			uint64_t now = __rdtsc();

			if (n) {
				gap = now - received > gap ? now - received : gap;
				received = now;
			}
			n += poll_tx(&s[0]) + poll_tx(&s[1]);
			now = __rdtsc();
			idle += n ? 0 : now - last;
			last = now;
		}
	} while (now_is < begin + seconds * 1e9);
	return (struct run){ (double)idle / (last - start), (double)gap / (last - start) * (now_is - begin) / 1e6 };
}

void measure(struct side *s, const struct options *o)
{
	uint32_t frame_bytes = HDR_BYTES + o->size;
	struct counters sum = { 0 };
	uint64_t start;
	struct run got;
	double took;

	for (unsigned int i = 0; i < (o->oneway ? 1 : 2); i++)
		for (unsigned int id = 0; id < s[i].hello_id; id++) {
			if (s[i].seen)
				write_number(&s[i], id);
			vuf_post(s[i].tx, id);
		}
	run(s, o->warmup, o->rate, frame_bytes);
	start = now_ns();
	got = run(s, o->seconds, o->rate, frame_bytes);
	took = (now_ns() - start) / 1e9;
	for (unsigned int i = 0; i < 2; i++) {
		sum.sent += s[i].c.sent;
		sum.received += s[i].c.received;
		sum.bad += s[i].c.bad;
		sum.twice += s[i].c.twice;
	}
	printf("{\"size\":%u,\"cold_mib\":%u,\"seconds\":%.3f,\"frames\":%lu,\"mpps\":%.4f,\"gbps\":%.4f,\"bad\":%lu,\"twice\":%lu,\"sent\":%lu,"
	       "\"received\":%lu,\"kicks\":%lu,\"idle\":%.3f,\"gap_ms\":%.3f,\"offered\":%.0f}\n",
	       o->size, o->cold_mib, took, sum.received, sum.received / took / 1e6, sum.received * 8.0 * o->size / took / 1e9,
	       sum.bad, sum.twice, sum.sent, sum.received,
	       s[0].rx->kicks + s[0].tx->kicks + s[1].rx->kicks + s[1].tx->kicks, got.idle, got.gap_ms,
	       o->rate > 0 ? o->rate * took * (o->oneway ? 1 : 2) : (double)sum.sent);
}
