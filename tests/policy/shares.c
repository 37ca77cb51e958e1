/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_shares SENDER SENDER... RECEIVER	sockets of kvm ports, all of one worker
 *
 * Measure each sender's share of its worker, and of a receiver that is slower than all of them. Prints
 *
 *	{"queued": [N, N...], "slow": [N, N...]}	frames that came from each sender
 *
 * queued: all senders have a full ring before nfvd sees the first frame. Frames are counted in the order of arrival,
 * from when each sender had its first one until one sender has no more. So the machine's load does not change the
 * result.
 * slow: the senders' rings are always full, and the receiver takes few frames at a time.
 */
#include <linux/if_ether.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "vufront.h"

#define RING		32768u
#define BUF_BYTES	128
#define HDR_BYTES	12u
#define FRAME_BYTES	60u
#define SENDERS_MAX	8
#define TRIES		20
#define ENOUGH		16384u	/* frames while all had some */
#define SLOW_FRAMES	400000u
#define SLOW_TAKES	16u	/* frames at a time */
#define LIMIT_S		10

static struct vuf ends[SENDERS_MAX + 1];
static unsigned int senders;
#define RECEIVER (&ends[senders])

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "policy_shares: %s\n", what);
	exit(2);
}

static void open_end(unsigned int i, const char *path)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .ring_size = RING, .mem_bytes = 32 << 20 };
	struct vuf *f = &ends[i];

	if (vuf_init(f, &o) || vuf_make_buffers(f, &f->vq[VUF_RX(0)], BUF_BYTES) || vuf_make_buffers(f, &f->vq[VUF_TX(0)], BUF_BYTES) ||
	    vuf_connect(f, path) || vuf_start(f))
		die(path);
	vuf_rx_fill(&f->vq[VUF_RX(0)]);
}

/* Post n frames at sender i, to the receiver or to all, without showing them to nfvd yet. */
static void post(unsigned int i, unsigned int n, bool to_all)
{
	uint8_t frame[FRAME_BYTES] = { 2, 0, 0, 0, 0, (uint8_t)senders, 2, 0, 0, 0, 0, (uint8_t)i, 0x88, 0xb5 };

	if (to_all)
		memset(frame, 0xff, ETH_ALEN);
	while (n--)
		if (vuf_tx_post(&ends[i].vq[VUF_TX(0)], NULL, HDR_BYTES, frame, sizeof(frame)))
			die("a Tx ring is full");
}

/* Return the sender of the next received frame, or -1. Post its buffer again. */
static int take(void)
{
	struct vuf_vring *rx = &RECEIVER->vq[VUF_RX(0)];
	uint32_t id, bytes;

	if (!vuf_used(rx, &id, &bytes))
		return -1;
	vuf_post(rx, (uint16_t)id);
	return vuf_buf(rx, (uint16_t)id)[HDR_BYTES + 11];
}

/* Let nfvd learn the receiver's address. */
static void teach(void)
{
	time_t end = time(NULL) + LIMIT_S;

	post(senders, 1, true);
	vuf_publish(&RECEIVER->vq[VUF_TX(0)]);
	while (!vuf_used_ready(&ends[0].vq[VUF_RX(0)]))
		if (time(NULL) > end)
			die("nothing comes from the receiver");
}

/* ---- queued ---- */

static void wait_until_taken(void)
{
	time_t end = time(NULL) + LIMIT_S;

	for (unsigned int i = 0; i < senders; i++)
		while (vuf_used_ready(&ends[i].vq[VUF_TX(0)]) < RING)
			if (time(NULL) > end)
				die("not all frames are taken");
}

/* Count the frames of each sender while all had some. Return their sum. */
static unsigned int queued(unsigned int *count)
{
	static uint8_t from[RING];
	unsigned int n, first = 0, last = RING, seen[SENDERS_MAX][2];
	int sender;

	for (unsigned int i = 0; i < senders; i++)
		post(i, RING, false);
	for (unsigned int i = 0; i < senders; i++)
		vuf_publish(&ends[i].vq[VUF_TX(0)]);
	wait_until_taken();
	memset(seen, 0xff, sizeof(seen));
	for (n = 0; n < RING && (sender = take()) >= 0; n++) {
		from[n] = (uint8_t)sender;
		seen[sender][1] = n;
		if (seen[sender][0] == ~0u)
			seen[sender][0] = n;
	}
	vuf_publish(&RECEIVER->vq[VUF_RX(0)]);
	memset(count, 0, SENDERS_MAX * sizeof(*count));
	for (unsigned int i = 0; i < senders; i++) {
		if (seen[i][0] == ~0u)
			return 0;
		first = seen[i][0] > first ? seen[i][0] : first;
		last = seen[i][1] < last ? seen[i][1] : last;
		vuf_tx_reap(&ends[i].vq[VUF_TX(0)]);
	}
	for (n = first; n <= last && n < RING; n++)
		count[from[n]]++;
	return last > first ? last - first : 0;
}

/* ---- slow ---- */

static void refill(struct vuf_vring *tx)
{
	uint32_t id, bytes;

	while (vuf_used(tx, &id, &bytes))
		vuf_post(tx, (uint16_t)id);
	vuf_publish(tx);
}

static void slow(unsigned int *count)
{
	time_t end = time(NULL) + LIMIT_S;
	int sender;

	memset(count, 0, SENDERS_MAX * sizeof(*count));
	for (unsigned int i = 0; i < senders; i++)
		post(i, RING, false);
	/* Frames before the receiver's ring is full do not count. */
	for (unsigned int n = 0; n < RING + SLOW_FRAMES;) {
		for (unsigned int i = 0; i < senders; i++)
			refill(&ends[i].vq[VUF_TX(0)]);
		for (unsigned int k = 0; k < SLOW_TAKES && (sender = take()) >= 0; k++)
			count[sender] += n++ >= RING;
		vuf_publish(&RECEIVER->vq[VUF_RX(0)]);
		if (time(NULL) > end)
			die("too few frames come");
	}
}

static void print(const char *name, const unsigned int *count)
{
	printf("\"%s\": [", name);
	for (unsigned int i = 0; i < senders; i++)
		printf("%s%u", i ? ", " : "", count[i]);
	putchar(']');
}

int main(int argc, char **argv)
{
	unsigned int count[SENDERS_MAX], tries = 0;

	if (argc < 4 || argc - 2 > SENDERS_MAX) {
		fputs("usage: policy_shares SENDER SENDER... RECEIVER\n", stderr);
		return 2;
	}
	senders = (unsigned int)argc - 2;
	for (unsigned int i = 0; i <= senders; i++)
		open_end(i, argv[1 + i]);
	teach();
	while (queued(count) < ENOUGH)
		if (++tries == TRIES)
			die("never had all of them frames for long enough");
	putchar('{');
	print("queued", count);
	slow(count);
	fputs(", ", stdout);
	print("slow", count);
	puts("}");
	return 0;
}
