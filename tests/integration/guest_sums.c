/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_sums SOCKET SECONDS - a guest that negotiated no offload, and looks at what it is sent: one line for each
 * packet of IPv4 with SCTP or TCP, its length, and whether it is finished and its checksum right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "vufront.h"

#define VNET	12	/* bytes before each frame */
#define IP_AT	14
#define L4_AT	34

static uint32_t crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static uint32_t sum(const uint8_t *p, size_t n, uint32_t from)
{
	for (size_t i = 0; i < n; i++)
		from += i & 1 ? p[i] : p[i] << 8;
	return from;
}

static bool right_sum(uint8_t *p, uint32_t n)
{
	uint32_t l4 = n - L4_AT, tcp = sum(p + L4_AT, l4, sum(p + IP_AT + 12, 8, 6 + l4)), was;

	if (p[IP_AT + 9] == 6) {
		while (tcp >> 16)
			tcp = (tcp & 0xffff) + (tcp >> 16);
		return tcp == 0xffff;
	}
	memcpy(&was, p + L4_AT + 8, sizeof(was));
	memset(p + L4_AT + 8, 0, sizeof(was));
	return crc32c(p + L4_AT, l4) == was;
}

static void look(void *arg, const uint8_t *buf, uint32_t n)
{
	static uint8_t p[4096];

	n -= VNET;
	if (n < L4_AT + 20 || n > sizeof(p) || buf[VNET + 12] != 8 || buf[VNET + 13])
		return;
	memcpy(p, buf + VNET, n);
	if (p[IP_AT + 9] == 6 || p[IP_AT + 9] == 132)
		printf("%s %u %s %s\n", p[IP_AT + 9] == 6 ? "tcp" : "sctp", n, buf[0] | buf[1] ? "unfinished" : "finished",
		       right_sum(p, n) ? "right" : "wrong");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct vuf_options options = { .wanted = VUF_NET_FEATURES };
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct vuf f;

	if (argc != 3 || vuf_init(&f, &options) || vuf_connect(&f, argv[1]) || vuf_make_buffers(&f, &f.vq[VUF_RX(0)], 2048))
		return 2;
	vuf_rx_fill(&f.vq[VUF_RX(0)]);
	if (vuf_start(&f))
		return 2;
	puts("ready");
	fflush(stdout);
	for (int ms = atoi(argv[2]) * 1000; ms > 0; ms--) {
		vuf_rx_reap(&f.vq[VUF_RX(0)], look, NULL);
		nanosleep(&pause, NULL);
	}
	vuf_fini(&f);
	return 0;
}
