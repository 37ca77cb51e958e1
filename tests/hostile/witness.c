/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two well-behaved guests that exchange frames all along: bursts each millisecond,
 * numbered, both ways. They allow for slowness (a machine with two cores and a
 * sanitizer), not for loss.
 */
#include "evil.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BURST		16
#define WINDOW		512		/* frames under way in one direction */
#define W_RING		1024
#define LATE_NS		1000000000ll	/* nfvd has stood still */
#define MAGIC		0x77697473u

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
};

static struct side side[2];
static pthread_t thread;
static atomic_bool stop, paused, quiet;
static _Atomic(uint64_t) lost, received;
static _Atomic(int64_t) latest_ns;

static void take(void *arg, const uint8_t *buf, uint32_t bytes)
{
	struct side *s = arg;
	struct message m;
	int64_t took;

	if (bytes != HDR + sizeof(m))
		return;
	memcpy(&m, buf + HDR, sizeof(m));
	if (m.magic != MAGIC || memcmp(m.dst, s->mac, 6))
		return;
	if (m.seq != s->next)
		atomic_fetch_add(&lost, m.seq > s->next ? m.seq - s->next : 1);
	s->next = m.seq + 1;
	atomic_fetch_add(&received, 1);
	took = now_ns() - m.sent_ns;
	if (took > atomic_load(&latest_ns))
		atomic_store(&latest_ns, took);
}

static void send_one(struct side *s, const uint8_t *dst, bool counted)
{
	struct message m = { .type = htons(ETHERTYPE), .magic = MAGIC, .seq = s->sent, .sent_ns = now_ns() };

	memcpy(m.dst, dst, 6);
	memcpy(m.src, s->mac, 6);
	vuf_tx_reap(&s->f.vq[TX]);
	if (!vuf_tx_post(&s->f.vq[TX], NULL, HDR, &m, sizeof(m)) && counted)
		s->sent++;
}

static uint64_t under_way(void)
{
	return side[0].sent - side[1].next + side[1].sent - side[0].next;
}

static void *run(void *arg)
{
	struct timespec ms = { 0, 1000000 };

	while (!atomic_load(&stop)) {
		for (unsigned int d = 0; d < 2; d++) {
			struct side *s = &side[d], *other = &side[!d];

			for (unsigned int i = 0; i < BURST && !atomic_load(&paused) && s->sent - other->next < WINDOW; i++)
				send_one(s, other->mac, true);
			vuf_publish(&s->f.vq[TX]);
			vuf_rx_reap(&s->f.vq[RX], take, s);
		}
		atomic_store(&quiet, atomic_load(&paused) && !under_way());
		nanosleep(&ms, NULL);
	}
	return NULL;
}

static void make_side(struct side *s, const char *state_dir, const char *name, uint8_t last_byte)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .ring_size = W_RING };
	char path[108];

	snprintf(path, sizeof(path), "%s/%s.sock", state_dir, name);
	s->mac[0] = 2;
	s->mac[5] = last_byte;
	assert_int_equal(vuf_init(&s->f, &o), 0);
	assert_int_equal(vuf_make_buffers(&s->f, &s->f.vq[RX], SMALL), 0);
	assert_int_equal(vuf_make_buffers(&s->f, &s->f.vq[TX], 256), 0);
	assert_int_equal(vuf_connect(&s->f, path), 0);
	vuf_rx_fill(&s->f.vq[RX]);
	assert_int_equal(vuf_start(&s->f), 0);
	assert_true(wait_until(port_is(name, "up"), PATIENCE_MS));
}

void witness_start(const char *state_dir)
{
	make_side(&side[0], state_dir, "w0", 0xa0);
	make_side(&side[1], state_dir, "w1", 0xa1);
	for (unsigned int i = 0; i < 2; i++) {
		/* Teach the switch where we are. */
		send_one(&side[i], (const uint8_t *)"\xff\xff\xff\xff\xff\xff", false);
		vuf_publish(&side[i].f.vq[TX]);
	}
	if (pthread_create(&thread, NULL, run, NULL))
		abort();
	assert_true(wait_until(witness_count() > 0, PATIENCE_MS));
}

void witness_stop(void)
{
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	vuf_fini(&side[0].f);
	vuf_fini(&side[1].f);
}

void witness_pause(bool on)
{
	atomic_store(&quiet, false);
	atomic_store(&paused, on);
	if (on && !wait_until(atomic_load(&quiet), PATIENCE_MS))
		fail_msg("witness: %llu frames do not arrive", (unsigned long long)under_way());
}

uint64_t witness_count(void)
{
	return atomic_load(&received);
}

void witness_check(void)
{
	witness_pause(true);
	witness_pause(false);
	assert_int_equal(atomic_exchange(&lost, 0), 0);
	assert_in_range(atomic_exchange(&latest_ns, 0), 0, LATE_NS);
}
