/* SPDX-License-Identifier: BSD-3-Clause */
/* Declarations for the files of vugen: options, the two sides and their buffers. */
#ifndef VUGEN_H
#define VUGEN_H

#include "vufront.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HDR_BYTES	12u		/* virtio_net_hdr_mrg_rxbuf */
#define STAMP_AT	42u		/* in a frame: behind the headers of Ethernet, IPv4 and UDP, if it has these */
#define MAGIC		0x6e667667u	/* of a measured frame */
#define MAGIC_HELLO	0x6e667668u	/* of a broadcast from which the switch learns an address */
#define LINE		64u		/* bytes of a cache line */
#define NUMBERS		65536u		/* a frame that arrives twice does so within so many frames */

struct stamp {
	uint32_t magic, sequence;
};

struct options {
	const char *path[2];
	const char *ip4;	/* frames are UDP from this address; NULL: of an experimental protocol */
	bool listen, oneway, numbered;
	unsigned int size, ring, rxbuf, cold_mib, macs;
	double seconds, warmup, rate;	/* rate: frames per second and side; 0: as many as the switch takes */
	int cpu;
};

struct counters {
	uint64_t sent, received, bad, twice;
};

/* Buffers. If there are as many as ring entries, buffer i is always at descriptor i. */
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
	uint32_t *seen;		/* numbered: the last received frame of each number modulo NUMBERS; else NULL */
	uint32_t number;	/* of the next frame to be sent, from 1 on */
	uint32_t rx_bytes, frame_bytes, left;	/* left: of the frame being received, header included */
	struct counters c;
	double may_send;	/* frames, by the rate */
	uint32_t hello_id;
	bool greeted, whole;	/* whole: a frame started at the current entry */
};

#define MACS_MAX	16384u		/* addresses of a side: as many as a port may have */

/* Write address i of a side. */
static inline void address(uint8_t *to, unsigned int side, uint32_t i)
{
	const uint8_t mac[6] = { 2, 0, 0, i >> 8, i, 10 + side };

	memcpy(to, mac, sizeof(mac));
}

/* Return whether it is an address of this side. */
static inline bool is_of(const uint8_t *mac, unsigned int side)
{
	return mac[0] == 2 && !mac[1] && !mac[2] && mac[5] == 10 + side;
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline void die(const char *what, int err)
{
	fprintf(stderr, "vugen: %s: %s\n", what, strerror(-err));
	exit(1);
}

static inline uint8_t *pool_buf(const struct pool *p, uint32_t id)
{
	return p->base + (size_t)p->at[id] * p->stride;
}

/* Return whether this is a frame from the other side, with this magic. */
static inline bool check_frame(const struct side *s, uint32_t id, unsigned int me, uint32_t magic)
{
	const uint8_t *eth = pool_buf(&s->rx_pool, id) + HDR_BYTES;
	struct stamp stamp;

	memcpy(&stamp, eth + STAMP_AT, sizeof(stamp));
	return stamp.magic == magic && is_of(eth + 6, !me) && (magic == MAGIC_HELLO || is_of(eth, me));
}

/* guests.c: connect both, with frames written and buffers posted; then wait for the hellos in both directions. */
void connect_sides(struct side *s, const struct options *o);
void greet(struct side *s);

/* traffic.c: send frames, and print the results. */
void measure(struct side *s, const struct options *o);

#endif
