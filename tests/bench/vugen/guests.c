/* SPDX-License-Identifier: BSD-3-Clause */
/* vugen: setting up two guests: memory, frames, connections, and addresses that the switch has learnt. */
#include "vugen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>

#define ETHERTYPE	0x88b5		/* for local experiments, IEEE 802 */
#define HELLO_TRIES	500
#define HELLO_WAIT_NS	10000000ull
#define QUIET_NS	100000000ull	/* after this long without a frame all hellos have arrived */

/* Write the headers of a UDP packet of so many bytes, from address to 10.255.255.255, port 9 (discard). */
static void write_udp(uint8_t *ip, uint32_t bytes, const char *address)
{
	static const uint8_t headers[28] = { 0x45, [8] = 64, 17, [16] = 10, 255, 255, 255, 0, 9, 0, 9 };

	memcpy(ip, headers, sizeof(headers));
	ip[2] = bytes >> 8;
	ip[3] = bytes & 0xff;
	ip[24] = (bytes - 20) >> 8;
	ip[25] = (bytes - 20) & 0xff;
	if (inet_pton(AF_INET, address, ip + 12) != 1)
		die("--ip4", -EINVAL);
}

/*
 * Write a frame from address i of this side to address i of the other, or to all, with stamps at both ends, so that a
 * missing end is detected.
 */
static void write_frame(uint8_t *buf, const struct options *o, unsigned int me, uint32_t i, uint32_t magic, uint32_t sequence)
{
	const uint32_t size = o->size;
	struct stamp s = { magic, sequence };
	uint8_t *eth = buf + HDR_BYTES;

	memset(buf, 0, HDR_BYTES);
	if (magic == MAGIC_HELLO)
		memset(eth, 0xff, 6);
	else
		address(eth, !me, i);
	address(eth + 6, me, i);
	eth[12] = (o->ip4 ? ETH_P_IP : ETHERTYPE) >> 8;
	eth[13] = (o->ip4 ? ETH_P_IP : ETHERTYPE) & 0xff;
	if (o->ip4)
		write_udp(eth + ETH_HLEN, size - ETH_HLEN, o->ip4);
	memcpy(eth + STAMP_AT, &s, sizeof(s));
	memcpy(eth + size - sizeof(s), &s, sizeof(s));
}

/* Return the number of buffers that make a quarter of the memory to touch, at least the ring's, twice that if cold. */
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
	/* Touch the pages before measuring, as in a guest that has run for a while. */
	for (size_t at = 0; at < (size_t)stride * n; at += 4096)
		p->base[at] = 0;
	p->gpa = vuf_gpa(&s->f, p->base);
	for (unsigned int i = 0; i < s->rx->size; i++)
		p->at[i] = i;
	p->next = n > s->rx->size ? s->rx->size : 0;
}

/* Make buffers, descriptors and frames. The last Tx descriptor is for the hello. */
static void prepare(struct side *s, unsigned int me, const struct options *o)
{
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

		write_frame(p, o, me, hello ? 0 : i % o->macs, hello ? MAGIC_HELLO : MAGIC, i);
		if (i < s->tx->size)
			vuf_set_desc(&s->f, s->tx, i, p, bytes, 0);
	}
	for (unsigned int i = 0; i < s->rx->size; i++) {
		vuf_set_desc(&s->f, s->rx, i, pool_buf(&s->rx_pool, i), s->rx_bytes, VRING_DESC_F_WRITE);
		vuf_post(s->rx, i);
	}
	s->tx->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	/* Numbered: request interrupts, so that a kill may hit the switch between delivery and interrupt. */
	s->rx->avail->flags = o->numbered ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	s->rx->avail->idx = s->rx->published = s->rx->avail_idx;
	s->left = bytes;
	s->whole = true;
	if (o->numbered && !(s->seen = calloc(NUMBERS, sizeof(*s->seen))))
		die("numbers", -ENOMEM);
}

/* Let both listen before waiting for a connection, because the switch connects in any order. */
void connect_sides(struct side *s, const struct options *o)
{
	uint32_t bytes = o->size + HDR_BYTES;
	struct vuf_options vo = {
		.wanted = VUF_NET_FEATURES,
		.ring_size = o->ring,
		.mem_bytes = (size_t)pool_size(o, bytes) * (bytes + LINE) +
			     (size_t)pool_size(o, bytes < o->rxbuf ? bytes : o->rxbuf) * o->rxbuf + o->ring * 64 + (1 << 20),
		/* OVS makes its buffers at the first connection, which takes seconds, many on a busy machine. */
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

/* Take hellos and other initial frames of the switch. Return the number of buffers. */
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

/* Send hellos until both have received one, and no more frames arrive. */
void greet(struct side *s)
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
