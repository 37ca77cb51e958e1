/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vupace - frames at a steady rate from one vhost-user port to another, and how late each of them was.
 *
 * Unlike vugen it leaves its processor to others: it wakes up each tick, sends what is due, looks for at most two fifths
 * of a tick whether it has come, and sleeps. With --fifo it runs before whatever else wants that processor (SCHED_FIFO), so that
 * what it sees is the switch's delay.
 *
 * Each frame has a number and the time when it was shown to the switch. A frame came at some time between two looks.
 * "delay" counts up to the look that found it; a frame is "late" if that is more than LATE_NS, "missing" if
 * even the look before, which did not find it, was. What is late and not missing may be vupace's own lateness, which "tick" tells.
 */
#include "vufront.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HDR_BYTES	12u		/* virtio_net_hdr_mrg_rxbuf */
#define BUF_BYTES	2048u
#define MAGIC		0x6e667670u
#define ETHERTYPE	0x88b5		/* for local experiments, IEEE 802 */
#define LATE_NS		100000u
#define BINS		20000		/* of 1 us each; the last: and longer */
#define OCTAVES		16		/* in what is printed: up to 1, 2, 4 ... us, the last: and longer */
#define GREET_NS	10000000000ull
#define DRAIN_NS	200000000ull	/* so long without a frame at the end: what is not there is lost */

struct frame {
	uint8_t dst[6], src[6];
	uint8_t type[2];
	uint16_t pad;
	uint32_t magic;
	uint64_t number, sent_ns;
} __attribute__((packed));

struct options {
	const char *path[2];
	unsigned int size, ring, tick_us;
	double seconds, warmup, rate;
	int cpu;
	bool fifo;
};

struct seen {
	uint64_t received, late, missing, bad, max_ns, max_at_ns;
	uint32_t bin[BINS];
};

struct pace {
	struct vuf f[2];
	uint8_t frame[9018];
	unsigned int size;
	uint64_t number, sent, held;	/* held: due, and not sent in its tick, for the switch had not taken enough */
	uint64_t now_ns, before_ns;	/* this look, and the one before */
	uint64_t begin_ns;
	bool counts;
	struct seen delay, tick;
};

static const uint8_t mac[2][6] = { { 2, 0, 0, 0, 0, 12 }, { 2, 0, 0, 0, 0, 13 } };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	const struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "vupace: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* ---- what is seen ---- */

static void see(struct seen *s, uint64_t ns, uint64_t least_ns, uint64_t at_ns)
{
	uint64_t us = ns / 1000;

	s->received++;
	s->late += ns > LATE_NS;
	s->missing += least_ns > LATE_NS;
	if (ns > s->max_ns) {
		s->max_ns = ns;
		s->max_at_ns = at_ns;
	}
	s->bin[us < BINS ? us : BINS - 1]++;
}

static double quantile(const struct seen *s, double q)
{
	uint64_t n = 0, want = (uint64_t)(q * s->received);
	unsigned int us = 0;

	for (; us < BINS - 1; us++) {
		n += s->bin[us];
		if (n > want)
			break;
	}
	return us + 1;
}

static void print_seen(const char *name, const struct seen *s)
{
	uint64_t octave[OCTAVES] = { 0 };

	for (unsigned int us = 0, o = 0; us < BINS; us++) {
		for (; o < OCTAVES - 1 && us >= 1u << o; o++)
			;
		octave[o] += s->bin[us];
	}
	printf("\"%s\":{\"p50_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f,\"max_us\":%.1f,\"max_at_s\":%.3f,\"late\":%lu,\"missing\":%lu,\"octaves\":[", name,
	       quantile(s, 0.5), quantile(s, 0.99), quantile(s, 0.999), s->max_ns / 1e3, s->max_at_ns / 1e9, s->late, s->missing);
	for (unsigned int o = 0; o < OCTAVES; o++)
		printf("%s%lu", o ? "," : "", octave[o]);
	printf("]}");
}

/* ---- frames ---- */

static void take(void *arg, const uint8_t *buf, uint32_t bytes)
{
	struct pace *p = arg;
	struct frame f;
	uint64_t least;

	memcpy(&f, buf + HDR_BYTES, sizeof(f));
	if (bytes != HDR_BYTES + p->size || f.magic != MAGIC) {
		p->delay.bad += p->counts;
		return;
	}
	least = p->before_ns > f.sent_ns ? p->before_ns - f.sent_ns : 0;
	if (p->counts)
		see(&p->delay, p->now_ns - f.sent_ns, least, p->now_ns - p->begin_ns);
}

static void look(struct pace *p)
{
	p->before_ns = p->now_ns;
	p->now_ns = now_ns();
	vuf_rx_reap(&p->f[1].vq[VUF_RX(0)], take, p);
}

static uint64_t outstanding(const struct pace *p)
{
	return p->sent - p->delay.received;
}

/* Send n frames, as far as half the ring goes: so there is a buffer for each at the receiver. */
static void send_frames(struct pace *p, uint64_t n)
{
	struct vuf_vring *tx = &p->f[0].vq[VUF_TX(0)];
	struct frame *f = (struct frame *)p->frame;
	unsigned int used;

	vuf_tx_reap(tx);
	used = tx->size - tx->n_free;
	if (used + n > tx->size / 2) {
		uint64_t fits = used < tx->size / 2 ? tx->size / 2 - used : 0;

		p->held += n - fits;
		n = fits;
	}
	f->sent_ns = now_ns();
	for (uint64_t i = 0; i < n; i++) {
		f->number = p->number++;
		if (vuf_tx_post(tx, NULL, HDR_BYTES, p->frame, p->size))
			die("sending", -ENOBUFS);
	}
	p->sent += n;
	vuf_publish(tx);
}

static void run(struct pace *p, const struct options *o, double seconds)
{
	const uint64_t tick = o->tick_us * 1000ull, begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9);
	uint64_t next = begin + tick, due_until = begin;
	double due = 0;

	p->counts = true;
	p->now_ns = p->begin_ns = begin;
	while (next < end) {
		uint64_t limit;

		sleep_until(next);
		look(p);
		see(&p->tick, p->now_ns - next, 0, p->now_ns - begin);
		due += o->rate * (p->now_ns - due_until) / 1e9;
		due_until = p->now_ns;
		send_frames(p, (uint64_t)due);
		due -= (uint64_t)due;
		limit = p->now_ns + tick * 2 / 5;
		while (outstanding(p) && now_ns() < limit)
			look(p);
		for (next += tick; next <= p->now_ns; next += tick)
			;
	}
}

static void drain(struct pace *p)
{
	uint64_t last = now_ns(), received = p->delay.received;

	while (outstanding(p) && now_ns() - last < DRAIN_NS) {
		look(p);
		if (p->delay.received != received)
			last = p->now_ns;
		received = p->delay.received;
		sleep_until(p->now_ns + 20000);
	}
}

/* ---- from begin to end ---- */

/* A broadcast of each teaches the switch where it is; what it floods meanwhile comes too. */
static void greet(struct pace *p)
{
	struct frame f = { .type = { ETHERTYPE >> 8, ETHERTYPE & 0xff } };
	uint8_t hello[60] = { 0 };
	uint64_t end = now_ns() + GREET_NS;
	uint16_t got[2] = { p->f[0].vq[VUF_RX(0)].last_used, p->f[1].vq[VUF_RX(0)].last_used };

	memset(f.dst, 0xff, sizeof(f.dst));
	do {
		for (unsigned int i = 0; i < 2; i++) {
			memcpy(f.src, mac[i], sizeof(f.src));
			memcpy(hello, &f, sizeof(f));
			vuf_tx_reap(&p->f[i].vq[VUF_TX(0)]);
			vuf_tx_post(&p->f[i].vq[VUF_TX(0)], NULL, HDR_BYTES, hello, sizeof(hello));
			vuf_publish(&p->f[i].vq[VUF_TX(0)]);
		}
		sleep_until(now_ns() + 50000000);
		for (unsigned int i = 0; i < 2; i++)
			vuf_rx_reap(&p->f[i].vq[VUF_RX(0)], take, p);
		if (now_ns() > end)
			die("no broadcast came through the switch", -ETIMEDOUT);
	} while (p->f[0].vq[VUF_RX(0)].last_used == got[0] || p->f[1].vq[VUF_RX(0)].last_used == got[1]);
}

static void start(struct pace *p, const struct options *o)
{
	const struct vuf_options vo = { .wanted = VUF_NET_FEATURES, .ring_size = o->ring,
					.mem_bytes = 2 * (size_t)o->ring * BUF_BYTES + o->ring * 64ul + (1 << 20), .timeout_ms = 30000 };

	for (unsigned int i = 0; i < 2; i++) {
		struct vuf *f = &p->f[i];
		int err = vuf_init(f, &vo);

		if (!err)
			err = vuf_make_buffers(f, &f->vq[VUF_RX(0)], BUF_BYTES);
		if (!err)
			err = vuf_make_buffers(f, &f->vq[VUF_TX(0)], BUF_BYTES);
		if (err)
			die("memory", err);
		vuf_rx_fill(&f->vq[VUF_RX(0)]);
		f->vq[VUF_RX(0)].avail->flags = f->vq[VUF_TX(0)].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
		err = vuf_connect(f, o->path[i]);
		if (!err)
			err = vuf_start(f);
		if (err)
			die(o->path[i], err);
	}
}

static void prepare(struct pace *p, const struct options *o)
{
	struct frame *f = (struct frame *)p->frame;

	p->size = o->size;
	memcpy(f->dst, mac[1], 6);
	memcpy(f->src, mac[0], 6);
	f->type[0] = ETHERTYPE >> 8;
	f->type[1] = ETHERTYPE & 0xff;
	f->magic = MAGIC;
}

static int usage(void)
{
	fputs("usage: vupace --a SOCK --b SOCK [--rate PPS] [--size BYTES] [--tick-us US] [--seconds S] [--warmup S] [--ring N]\n"
	      "              [--cpu N] [--fifo]\n"
	      "Frames from a to b at a steady rate, and how late they were. One JSON object.\n", stderr);
	return 2;
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "a", 1, NULL, 'a' }, { "b", 1, NULL, 'b' }, { "size", 1, NULL, 's' }, { "seconds", 1, NULL, 't' },
		{ "warmup", 1, NULL, 'w' }, { "cpu", 1, NULL, 'c' }, { "ring", 1, NULL, 'r' }, { "rate", 1, NULL, 'R' },
		{ "tick-us", 1, NULL, 'u' }, { "fifo", 0, NULL, 'f' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'a': o->path[0] = optarg; break;
		case 'b': o->path[1] = optarg; break;
		case 's': o->size = strtoul(optarg, NULL, 10); break;
		case 't': o->seconds = strtod(optarg, NULL); break;
		case 'w': o->warmup = strtod(optarg, NULL); break;
		case 'c': o->cpu = strtol(optarg, NULL, 10); break;
		case 'r': o->ring = strtoul(optarg, NULL, 10); break;
		case 'R': o->rate = strtod(optarg, NULL); break;
		case 'u': o->tick_us = strtoul(optarg, NULL, 10); break;
		case 'f': o->fifo = true; break;
		default: return false;
		}
	}
	return optind == argc && o->path[0] && o->path[1] && o->size >= 60 && o->size <= BUF_BYTES - HDR_BYTES && o->ring >= 8 &&
	       o->ring <= 32768 && !(o->ring & (o->ring - 1)) && o->tick_us && o->seconds > 0 && o->warmup >= 0 && o->rate > 0;
}

static void take_processor(const struct options *o)
{
	const struct sched_param first = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	if (o->cpu >= 0) {
		CPU_SET(o->cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			die("--cpu", -errno);
	}
	if (o->fifo && sched_setscheduler(0, SCHED_FIFO, &first))
		die("--fifo", -errno);
}

int main(int argc, char **argv)
{
	struct options o = { .size = 128, .ring = 1024, .tick_us = 50, .rate = 100000, .seconds = 2, .warmup = 0.3, .cpu = -1 };
	static struct pace p;

	if (!parse(argc, argv, &o))
		return usage();
	prepare(&p, &o);
	start(&p, &o);
	greet(&p);
	take_processor(&o);
	run(&p, &o, o.warmup);
	drain(&p);
	p.sent = p.held = 0;
	memset(&p.delay, 0, sizeof(p.delay));
	memset(&p.tick, 0, sizeof(p.tick));
	run(&p, &o, o.seconds);
	drain(&p);
	printf("{\"size\":%u,\"seconds\":%.3f,\"offered\":%.0f,\"sent\":%lu,\"received\":%lu,\"lost\":%ld,\"held\":%lu,\"bad\":%lu,", o.size,
	       o.seconds, o.rate * o.seconds, p.sent, p.delay.received, (long)(p.sent - p.delay.received), p.held, p.delay.bad);
	print_seen("delay", &p.delay);
	printf(",");
	print_seen("tick", &p.tick);
	printf("}\n");
	for (unsigned int i = 0; i < 2; i++) {
		vuf_stop(&p.f[i]);
		vuf_fini(&p.f[i]);
	}
	return 0;
}
