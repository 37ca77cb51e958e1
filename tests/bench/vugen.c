/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vugen - load generator between two vhost-user ports of a switch.
 *
 * Two frontends, one busy-polling thread. It must not be what is measured: "idle" in what it prints, one JSON
 * object, is the share of time in which it found nothing to do.
 *
 * Hot: frames are written once, and what the switch gives back is posted again as it is; no payload is touched
 * but every CHECK_EVERYth header. All of it stays in caches.
 * Cold (--cold MIB): as applications do it, each frame lies in another buffer than the last one had, and is
 * written before it is sent, and read when it has come, a word of each cache line. So many MiB pass before a
 * buffer is used again.
 * Numbered (--numbered): each frame has a number of its own, a word of each cache line says it, and all of them are
 * read when it has come: "bad" are those that are none whole, "twice" those that have come before.
 */
#include "vufront.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#define HDR_BYTES	12u		/* virtio_net_hdr_mrg_rxbuf */
#define ETH_BYTES	14u
#define FRAME_MAX	9018u
#define CHECK_EVERY	64
#define MAGIC		0x6e667667u	/* in a frame that is measured */
#define MAGIC_HELLO	0x6e667668u	/* in a broadcast that teaches the switch */
#define ETHERTYPE	0x88b5		/* for local experiments, IEEE 802 */
#define HELLO_TRIES	500
#define HELLO_WAIT_NS	10000000ull
#define QUIET_NS	100000000ull	/* this long without a frame: the hellos are through */
#define LINE		64u		/* bytes of a cache line */
#define BEHIND		64u		/* frames that a side with a rate may be behind it */
#define COLD_BURST	32u		/* frames that are written or read before the switch sees the first of them */
#define AHEAD		2u		/* buffers that are fetched ahead of their use */
#define NUMBERS		65536u		/* a frame that comes twice does so within so many */

struct stamp {
	uint32_t magic, sequence;
};

struct options {
	const char *path[2];
	bool listen, oneway, numbered;
	unsigned int size, ring, rxbuf, cold_mib;
	double seconds, warmup, rate;	/* rate: frames per second and side; 0: as many as the switch takes */
	int cpu;
};

struct counters {
	uint64_t sent, received, bad, twice;
};

/* Buffers. Of as many as the ring has entries, i is at descriptor i for ever. */
struct pool {
	uint8_t *base;
	uint64_t gpa;
	uint32_t stride, n, next;
	uint32_t *at;	/* by descriptor: the buffer that it has */
};

struct side {
	struct vuf f;
	struct vuf_vring *rx, *tx;
	struct pool rx_pool, tx_pool;
	bool cold;
	uint32_t *seen;		/* numbered: the last frame that had come of each number modulo NUMBERS; else NULL */
	uint32_t number;	/* of the next frame to be sent, from 1 on */
	uint32_t rx_bytes, frame_bytes, left;	/* left: of the frame being received, header included */
	struct counters c;
	double may_send;	/* frames, by the rate */
	uint32_t hello_id;
	bool greeted, whole;	/* whole: a frame started at the current entry */
};

static const uint8_t mac[2][6] = { { 2, 0, 0, 0, 0, 10 }, { 2, 0, 0, 0, 0, 11 } };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "vugen: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* Stamped at both ends: also the last byte has to arrive. */
static void write_frame(uint8_t *buf, uint32_t size, const uint8_t *dst, const uint8_t *src, uint32_t magic,
			uint32_t sequence)
{
	struct stamp s = { magic, sequence };
	uint8_t *eth = buf + HDR_BYTES;

	memset(buf, 0, HDR_BYTES);
	memcpy(eth, dst, 6);
	memcpy(eth + 6, src, 6);
	eth[12] = ETHERTYPE >> 8;
	eth[13] = ETHERTYPE & 0xff;
	memcpy(eth + ETH_BYTES, &s, sizeof(s));
	memcpy(eth + size - sizeof(s), &s, sizeof(s));
}

/* So many that they make a quarter of what shall be touched; none that a ring has is taken again. */
static uint32_t pool_size(const struct options *o, uint32_t touched_bytes)
{
	uint64_t lines = (touched_bytes + LINE - 1) / LINE, n = ((uint64_t)o->cold_mib << 20) / 4 / (lines * LINE);
	uint32_t least = o->cold_mib ? 2 * o->ring : o->ring;

	return n > least ? n : least;
}

static void pool_make(struct side *s, struct pool *p, uint32_t stride, uint32_t n)
{
	*p = (struct pool){ .stride = stride, .n = n, .base = vuf_alloc(&s->f, (size_t)stride * n, 4096) };
	p->at = calloc(s->rx->size, sizeof(*p->at));
	if (!p->base || !p->at)
		die("guest memory", -ENOMEM);
	/* There before it is measured, as a guest's is that has run for a while. */
	for (size_t at = 0; at < (size_t)stride * n; at += 4096)
		p->base[at] = 0;
	p->gpa = vuf_gpa(&s->f, p->base);
	for (unsigned int i = 0; i < s->rx->size; i++)
		p->at[i] = i;
	p->next = n > s->rx->size ? s->rx->size : 0;
}

static uint8_t *pool_buf(const struct pool *p, uint32_t id)
{
	return p->base + (size_t)p->at[id] * p->stride;
}

/* Give the descriptor the next buffer. */
static void pool_advance(struct pool *p, struct vuf_vring *r, uint32_t id)
{
	p->at[id] = p->next;
	r->desc[id].addr = p->gpa + (uint64_t)p->next * p->stride;
	p->next = p->next + 1 < p->n ? p->next + 1 : 0;
}

/* Buffers, descriptors and frames. The last Tx descriptor is for the hello. */
static void prepare(struct side *s, unsigned int me, const struct options *o)
{
	static const uint8_t everyone[6] = { 255, 255, 255, 255, 255, 255 };
	uint32_t bytes = HDR_BYTES + o->size;

	s->cold = o->cold_mib > 0;
	s->frame_bytes = bytes;
	s->rx_bytes = o->rxbuf;
	pool_make(s, &s->tx_pool, (bytes + LINE - 1) & ~(LINE - 1), pool_size(o, bytes));
	pool_make(s, &s->rx_pool, o->rxbuf, pool_size(o, bytes < o->rxbuf ? bytes : o->rxbuf));
	s->hello_id = s->tx->size - 1;
	for (uint32_t i = 0; i < s->tx_pool.n; i++) {
		uint8_t *p = s->tx_pool.base + (size_t)i * s->tx_pool.stride;
		bool hello = i == s->hello_id;

		write_frame(p, o->size, hello ? everyone : mac[!me], mac[me], hello ? MAGIC_HELLO : MAGIC, i);
		if (i < s->tx->size)
			vuf_set_desc(&s->f, s->tx, i, p, bytes, 0);
	}
	for (unsigned int i = 0; i < s->rx->size; i++) {
		vuf_set_desc(&s->f, s->rx, i, pool_buf(&s->rx_pool, i), s->rx_bytes, VRING_DESC_F_WRITE);
		vuf_post(s->rx, i);
	}
	s->tx->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	/* Numbered, it asks for interrupts, so that a switch is killed now and then between the delivery and what follows. */
	s->rx->avail->flags = o->numbered ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	s->rx->avail->idx = s->rx->published = s->rx->avail_idx;
	s->left = bytes;
	s->whole = true;
	if (o->numbered && !(s->seen = calloc(NUMBERS, sizeof(*s->seen))))
		die("numbers", -ENOMEM);
}

/* A word of each line, between the stamps; where there is no room beside the last stamp, of that. */
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
	memcpy(buf + HDR_BYTES + ETH_BYTES + offsetof(struct stamp, sequence), &s->number, sizeof(s->number));
	write_payload(buf, s->frame_bytes, s->number++);
}

/* Is it one frame from end to end? It is in one buffer. Note whether it has come before. */
static bool read_number(struct side *s, uint32_t id)
{
	const uint8_t *buf = pool_buf(&s->rx_pool, id);
	uint32_t last = s->frame_bytes - sizeof(struct stamp);
	struct stamp first, end;
	uint64_t word;

	memcpy(&first, buf + HDR_BYTES + ETH_BYTES, sizeof(first));
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

/* Before the descriptor is posted again, with another buffer. */
static void write_next(struct side *s, uint32_t id)
{
	struct pool *p = &s->tx_pool;
	const uint8_t *ahead = p->base + (size_t)((p->next + AHEAD) % p->n) * p->stride;

	if (p->next == s->hello_id)	/* stays what it is */
		p->next++;
	for (uint32_t at = 0; at < s->frame_bytes; at += LINE)
		__builtin_prefetch(ahead + at, 1);
	pool_advance(p, s->tx, id);
	write_payload(pool_buf(p, id), s->frame_bytes, s->c.sent);
}

/* Before the descriptor is posted again, with another buffer; `ahead` is one whose turn comes soon. */
static void read_last(struct side *s, uint32_t id, uint32_t ahead, uint32_t bytes)
{
	const uint8_t *soon = pool_buf(&s->rx_pool, ahead & s->rx->mask);

	for (uint32_t at = 0; at < bytes; at += LINE)
		__builtin_prefetch(soon + at, 0);
	read_payload(pool_buf(&s->rx_pool, id), bytes);
	pool_advance(&s->rx_pool, s->rx, id);
}

static bool check_frame(const struct side *s, uint32_t id, unsigned int me, uint32_t magic)
{
	const uint8_t *eth = pool_buf(&s->rx_pool, id) + HDR_BYTES;
	struct stamp stamp;

	memcpy(&stamp, eth + ETH_BYTES, sizeof(stamp));
	return stamp.magic == magic && !memcmp(eth + 6, mac[!me], 6) &&
	       (magic == MAGIC_HELLO || !memcmp(eth, mac[me], 6));
}

/* Does the frame end with a stamp? Taken away, so that an old one does not pass for the next. */
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

/* Of a sampled frame: the first buffer and the last. */
static bool check_buffer(struct side *s, uint32_t id, unsigned int me, uint32_t bytes)
{
	if (s->seen && !read_number(s, id))
		return false;
	if (s->c.received % CHECK_EVERY)
		return true;
	return (!s->whole || check_frame(s, id, me, MAGIC)) && (s->left != bytes || check_tail(s, id, bytes));
}

/*
 * Take what came, post the buffers again. All frames have one length, so that the
 * used lengths alone tell where a frame ends: every buffer but its last is full.
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

/* Take hellos, and whatever else the switch says at first; how many buffers. */
static unsigned int drain(struct side *s, unsigned int me)
{
	uint32_t id, bytes;
	unsigned int n = 0;

	for (; vuf_used(s->rx, &id, &bytes); n++) {
		if (id > s->rx->mask)
			die("used ring", -EPROTO);
		s->greeted |= check_frame(s, id, me, MAGIC_HELLO);
		vuf_post(s->rx, id);
	}
	vuf_publish(s->rx);
	while (vuf_used(s->tx, &id, &bytes))
		;
	return n;
}

static void say_hello(struct side *s)
{
	if (s->tx->avail_idx != s->tx->last_used)
		return;
	vuf_post(s->tx, s->hello_id);
	vuf_publish(s->tx);
}

/* Until both have heard each other, and all is quiet again. */
static void greet(struct side *s)
{
	uint64_t last;

	for (unsigned int i = 0; !(s[0].greeted && s[1].greeted); i++) {
		uint64_t end = now_ns() + HELLO_WAIT_NS;

		if (i == HELLO_TRIES)
			die("no broadcast came through the switch", -ETIMEDOUT);
		say_hello(&s[0]);
		say_hello(&s[1]);
		while (now_ns() < end && !(s[0].greeted && s[1].greeted)) {
			drain(&s[0], 0);
			drain(&s[1], 1);
		}
	}
	for (last = now_ns(); now_ns() - last < QUIET_NS;)
		if (drain(&s[0], 0) + drain(&s[1], 1))
			last = now_ns();
}

struct run {
	double idle;	/* share of time in rounds that found nothing to do: near 0, the generator is the bottleneck */
	double gap_ms;	/* the longest time without a frame received */
};

/* What the sides may have sent after ns more of a run. What the switch did not take in its time is not made up for. */
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

static void measure(struct side *s, const struct options *o)
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

/* Both listen before either is waited for: the switch connects in its own order. */
static void connect_sides(struct side *s, const struct options *o)
{
	uint32_t bytes = o->size + HDR_BYTES;
	struct vuf_options vo = {
		.wanted = VUF_NET_FEATURES,
		.ring_size = o->ring,
		.mem_bytes = (size_t)pool_size(o, bytes) * (bytes + LINE) +
			     (size_t)pool_size(o, bytes < o->rxbuf ? bytes : o->rxbuf) * o->rxbuf + o->ring * 64 + (1 << 20),
		/* OVS makes its buffers when the first device comes: seconds, many on a busy machine. */
		.timeout_ms = 60000,
	};
	int err;

	for (unsigned int i = 0; i < 2; i++) {
		err = vuf_init(&s[i].f, &vo);
		if (!err && o->listen)
			err = vuf_listen(&s[i].f, o->path[i]);
		if (err)
			die(o->path[i], err);
		s[i].rx = &s[i].f.vq[VUF_RX(0)];
		s[i].tx = &s[i].f.vq[VUF_TX(0)];
		prepare(&s[i], i, o);
	}
	for (unsigned int i = 0; i < 2; i++) {
		err = o->listen ? vuf_accept(&s[i].f) : vuf_connect(&s[i].f, o->path[i]);
		if (!err)
			err = vuf_start(&s[i].f);
		if (err)
			die(o->path[i], err);
		if (!(s[i].f.features & 1ull << VIRTIO_F_VERSION_1) ||
		    (o->size + HDR_BYTES > o->rxbuf && !(s[i].f.features & 1ull << VIRTIO_NET_F_MRG_RXBUF)))
			die("the switch does not offer VERSION_1 or mergeable Rx buffers", -ENOTSUP);
	}
}

static int usage(void)
{
	fputs("usage: vugen --a SOCK --b SOCK [--listen] [--size BYTES] [--seconds S] [--warmup S]\n"
	      "             [--cpu N] [--oneway] [--ring N] [--rxbuf BYTES] [--cold MIB] [--rate PPS] [--numbered] [--json]\n"
	      "Frames per second that a switch carries between two vhost-user ports, both ways at once\n"
	      "unless --oneway (a to b). Sizes are of Ethernet frames without FCS. One JSON object, always.\n",
	      stderr);
	return 2;
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "a", 1, NULL, 'a' }, { "b", 1, NULL, 'b' }, { "listen", 0, NULL, 'l' }, { "size", 1, NULL, 's' },
		{ "seconds", 1, NULL, 't' }, { "warmup", 1, NULL, 'w' }, { "cpu", 1, NULL, 'c' },
		{ "oneway", 0, NULL, 'o' }, { "ring", 1, NULL, 'r' }, { "rxbuf", 1, NULL, 'x' },
		{ "cold", 1, NULL, 'C' }, { "rate", 1, NULL, 'R' }, { "numbered", 0, NULL, 'n' }, { "json", 0, NULL, 'j' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'a': o->path[0] = optarg; break;
		case 'b': o->path[1] = optarg; break;
		case 'l': o->listen = true; break;
		case 's': o->size = strtoul(optarg, NULL, 10); break;
		case 't': o->seconds = strtod(optarg, NULL); break;
		case 'w': o->warmup = strtod(optarg, NULL); break;
		case 'c': o->cpu = strtol(optarg, NULL, 10); break;
		case 'o': o->oneway = true; break;
		case 'r': o->ring = strtoul(optarg, NULL, 10); break;
		case 'x': o->rxbuf = strtoul(optarg, NULL, 10); break;
		case 'C': o->cold_mib = strtoul(optarg, NULL, 10); break;
		case 'n': o->numbered = true; break;
		case 'R': o->rate = strtod(optarg, NULL); break;
		case 'j': break;
		default: return false;
		}
	}
	return optind == argc && o->path[0] && o->path[1] && o->size >= 60 && o->size <= FRAME_MAX &&
	       o->ring >= 8 && o->ring <= 32768 && !(o->ring & (o->ring - 1)) && o->rxbuf >= 256 &&
	       o->rxbuf <= 65536 && (!o->numbered || o->size + HDR_BYTES <= o->rxbuf) && o->cold_mib <= 4096 && o->seconds > 0 && o->warmup >= 0 && o->rate >= 0;
}

int main(int argc, char **argv)
{
	struct options o = { .size = 64, .ring = 256, .rxbuf = 2048, .seconds = 2, .warmup = 0.5, .cpu = -1 };
	static struct side sides[2];

	if (!parse(argc, argv, &o))
		return usage();
	if (o.cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(o.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0)
			die("--cpu", -errno);
	}
	connect_sides(sides, &o);
	greet(sides);
	measure(sides, &o);
	for (unsigned int i = 0; i < 2; i++) {
		int err = vuf_stop(&sides[i].f);

		if (err)
			die("stopping", err);
		free(sides[i].rx_pool.at);
		free(sides[i].tx_pool.at);
		free(sides[i].seen);
		vuf_fini(&sides[i].f);
	}
	return 0;
}
