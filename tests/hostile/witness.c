/* SPDX-License-Identifier: BSD-3-Clause */
#include "witness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "vufront.h"
#include "witness-waits.h"

#define WINDOW		512		/* frames on their way in one direction */
#define RING		1024
#define HDR		12
#define BURST_MAX	128		/* frames that one side sends in a millisecond */
#define TRIAL_NS	200000000ll	/* time to measure the maximum rate */
#define PATIENCE_NS	20000000000ll
#define MAGIC		0x77697473u
#define ETHERTYPE	0x88b5		/* for local experiments, IEEE 802 */
#define LONG_NS		5000000ll	/* from this length of a silence on, note what nfvd's threads do */
#define HELLO		(~0ull)		/* number of a frame that only lets the switch learn its sender */

enum { RX, TX };

struct message {
	uint8_t dst[6], src[6];
	uint16_t type, pad;
	uint32_t magic;
	uint64_t seq;
	int64_t sent_ns;
	uint8_t rest[28];
} __attribute__((packed));

struct side {
	struct vuf f;
	uint8_t mac[6];
	uint64_t sent, next;	/* next: number expected from the other side */
	struct pair *pair;
	bool met;
};

/* The figures of one case. */
struct tally {
	uint64_t frames, lost;
	int64_t latency, silence, waited;	/* ns; waited: part of a silent time, not counted in silence */
	char asleep[40];			/* where a worker slept then; empty: nowhere, or a short silence */
};

struct pair {
	struct side side[2];
	struct waits waits;
	int64_t last, waited;		/* time of the last frame, and how long workers had waited by then */
	struct tally tally;
};

static struct pair pairs[2];		/* harmed, control */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* pairs, burst */
static pthread_t thread;
static unsigned int burst;
static atomic_bool stop, paused;
static _Atomic(uint64_t) received;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void nap(long ns)
{
	struct timespec t = { 0, ns };

	nanosleep(&t, NULL);
}

/* ---- frames; under the lock ---- */

static void take(void *arg, const uint8_t *buf, uint32_t bytes)
{
	struct side *s = arg;
	struct tally *t = &s->pair->tally;
	struct message m;
	int64_t took;

	if (bytes != HDR + sizeof(m))
		return;
	memcpy(&m, buf + HDR, sizeof(m));
	if (m.magic != MAGIC)
		return;
	if (m.seq == HELLO) {
		s->met = true;
		return;
	}
	if (memcmp(m.dst, s->mac, 6))
		return;
	if (m.seq != s->next)
		t->lost += m.seq > s->next ? m.seq - s->next : 1;
	s->next = m.seq + 1;
	t->frames++;
	if (s->pair == &pairs[0])
		atomic_fetch_add(&received, 1);
	took = now() - m.sent_ns;
	if (took > t->latency)
		t->latency = took;
}

static bool send_one(struct side *s, const uint8_t *dst, uint64_t seq)
{
	struct message m = { .type = htons(ETHERTYPE), .magic = MAGIC, .seq = seq, .sent_ns = now() };

	memcpy(m.dst, dst, 6);
	memcpy(m.src, s->mac, 6);
	vuf_tx_reap(&s->f.vq[TX]);
	return !vuf_tx_post(&s->f.vq[TX], NULL, HDR, &m, sizeof(m));
}

static uint64_t under_way(const struct pair *p)
{
	return p->side[0].sent - p->side[1].next + p->side[1].sent - p->side[0].next;
}

static void exchange(struct pair *p, unsigned int n)
{
	for (unsigned int d = 0; d < 2; d++) {
		struct side *s = &p->side[d], *other = &p->side[!d];

		for (unsigned int i = 0; i < n && s->sent - other->next < WINDOW; i++)
			s->sent += send_one(s, other->mac, s->sent);
		vuf_publish(&s->f.vq[TX]);
		vuf_rx_reap(&s->f.vq[RX], take, s);
	}
}

/* Note the silence from the last frame up to t. */
static void note_silence(struct pair *p, int64_t t, int64_t by_now)
{
	bool is_long = p->waits.is_long;
	int64_t excused = by_now - p->waited + (is_long ? waits_end_silence(&p->waits) : 0), silence = t - p->last;

	if (excused > silence)
		excused = silence;
	if (silence - excused > p->tally.silence) {
		p->tally.silence = silence - excused;
		p->tally.waited = excused;
		snprintf(p->tally.asleep, sizeof(p->tally.asleep), "%s", is_long && strcmp(p->waits.asleep, "0") ? p->waits.asleep : "");
	}
}

static void start_anew(struct pair *p)
{
	if (p->waits.is_long)
		waits_end_silence(&p->waits);
	p->last = now();
	p->waited = waits_so_far(&p->waits);
}

static void turn(struct pair *p)
{
	uint64_t before = p->tally.frames;
	int64_t w;

	exchange(p, atomic_load(&paused) ? 0 : burst);
	w = waits_so_far(&p->waits);
	if (p->tally.frames != before || (atomic_load(&paused) && !under_way(p))) {
		if (p->tally.frames != before)
			note_silence(p, now(), w);
		p->last = now();
		p->waited = w;
	} else if (now() - p->last > LONG_NS) {
		waits_long_silence(&p->waits);
	}
}

static void *run(void *arg)
{
	waits_begin();
	witness_begin();
	while (!atomic_load(&stop)) {
		pthread_mutex_lock(&lock);
		for (unsigned int i = 0; i < 2; i++)
			turn(&pairs[i]);
		pthread_mutex_unlock(&lock);
		nap(1000000);
	}
	return NULL;
}

/* ---- setting up ---- */

static int make_side(struct pair *p, unsigned int i, const char *state_dir)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .ring_size = RING };
	struct side *s = &p->side[i];
	char path[108];
	int err;

	s->pair = p;
	snprintf(path, sizeof(path), "%s/w%u.sock", state_dir, i);
	memcpy(s->mac, "\2\0\0\0\0", 5);
	s->mac[5] = 0xa0 + i;
	err = vuf_init(&s->f, &o);
	if (!err)
		err = vuf_make_buffers(&s->f, &s->f.vq[RX], 2048);
	if (!err)
		err = vuf_make_buffers(&s->f, &s->f.vq[TX], 256);
	if (!err)
		err = vuf_connect(&s->f, path);
	if (!err) {
		vuf_rx_fill(&s->f.vq[RX]);
		err = vuf_start(&s->f);
	}
	return err;
}

/* Let the switch learn both addresses. */
static int meet(struct pair *p)
{
	for (int64_t end = now() + PATIENCE_NS; !p->side[0].met || !p->side[1].met; nap(5000000)) {
		if (now() > end)
			return -ETIMEDOUT;
		for (unsigned int i = 0; i < 2; i++) {
			send_one(&p->side[i], (const uint8_t *)"\xff\xff\xff\xff\xff\xff", HELLO);
			vuf_publish(&p->side[i].f.vq[TX]);
			vuf_rx_reap(&p->side[i].f.vq[RX], take, &p->side[i]);
		}
	}
	return 0;
}

/* Return half the number of frames that a side can send in a millisecond while both pairs send. */
static unsigned int half_load(void)
{
	int64_t end = now() + TRIAL_NS;
	uint64_t frames = 0, half;

	while (now() < end)
		for (unsigned int i = 0; i < 2; i++)
			exchange(&pairs[i], WINDOW);
	for (unsigned int i = 0; i < 2; i++)
		frames += pairs[i].tally.frames;
	half = frames * 1000000 / TRIAL_NS / 4 / 2;
	return half < 1 ? 1 : half > BURST_MAX ? BURST_MAX : half;
}

int witness_start(const struct witness_nfvd *harmed, const struct witness_nfvd *control, const char **what)
{
	const struct witness_nfvd *of[2] = { harmed, control };
	int err;

	for (unsigned int i = 0; i < 2; i++) {
		*what = "finding the worker";
		err = waits_of(&pairs[i].waits, of[i]->pid);
		*what = "making a guest";
		for (unsigned int k = 0; k < 2 && !err; k++)
			err = make_side(&pairs[i], k, of[i]->state_dir);
		if (err)
			return err;
		*what = "exchanging frames";
		err = meet(&pairs[i]);
		if (err)
			return err;
	}
	burst = half_load();
	printf("witness: half load is %u frames each way in a millisecond\n", burst);
	*what = "making a thread";
	atomic_store(&received, 0);
	err = pthread_create(&thread, NULL, run, NULL);
	if (err)
		return -err;
	/* Wait until the thread runs. */
	while (!witness_count())
		nap(100000);
	return 0;
}

void witness_stop(void)
{
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int k = 0; k < 2; k++)
			vuf_fini(&pairs[i].side[k].f);
		waits_close(&pairs[i].waits);
	}
	waits_end();
}

/* ---- cases ---- */

uint64_t witness_count(void)
{
	return atomic_load(&received);
}

static bool quiet(void)
{
	bool q;

	pthread_mutex_lock(&lock);
	q = !under_way(&pairs[0]) && !under_way(&pairs[1]);
	pthread_mutex_unlock(&lock);
	return q;
}

bool witness_pause(bool on)
{
	int64_t end = now() + PATIENCE_NS;

	atomic_store(&paused, on);
	while (on && !quiet()) {
		if (now() > end)
			return false;
		nap(100000);
	}
	return true;
}

void witness_begin(void)
{
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < 2; i++) {
		pairs[i].tally = (struct tally){ 0 };
		start_anew(&pairs[i]);
	}
	pthread_mutex_unlock(&lock);
}

static double ms(int64_t ns)
{
	return ns / 1e6;
}

static const char *judge(const struct tally *harmed, const struct tally *control)
{
	static char text[200];

	if (harmed->lost)
		snprintf(text, sizeof(text), "the witness has lost %llu frames", (unsigned long long)harmed->lost);
	else if (harmed->silence > control->silence + WITNESS_SILENCE_MS * 1000000ll)
		snprintf(text, sizeof(text), "the witness was silent for %.1f ms, the control for %.1f%s%s", ms(harmed->silence),
			 ms(control->silence), harmed->asleep[0] ? "; a worker slept in " : "", harmed->asleep);
	else
		return NULL;
	return text;
}

const char *witness_end(const char *name)
{
	struct tally t[2];

	witness_pause(true);
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < 2; i++) {
		/* Frames still on their way are lost; this counts as a silence, too. */
		if (under_way(&pairs[i]))
			note_silence(&pairs[i], now(), waits_so_far(&pairs[i].waits));
		pairs[i].tally.lost += under_way(&pairs[i]);
		for (unsigned int k = 0; k < 2; k++)
			pairs[i].side[k].next = pairs[i].side[!k].sent;
		t[i] = pairs[i].tally;
	}
	pthread_mutex_unlock(&lock);
	witness_begin();
	atomic_store(&paused, false);
	printf("witness %s: %llu frames, %llu lost, latency at most %.1f ms, silence %.1f ms (and %.1f for a processor), control %llu lost, %.1f ms (%.1f)\n",
	       name, (unsigned long long)t[0].frames, (unsigned long long)t[0].lost, ms(t[0].latency), ms(t[0].silence), ms(t[0].waited),
	       (unsigned long long)t[1].lost, ms(t[1].silence), ms(t[1].waited));
	fflush(stdout);
	return judge(&t[0], &t[1]);
}
