/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_sums SOCKET SECONDS - a guest without offloads that checks received packets. It prints one line for each packet
 * of IPv4 with SCTP or TCP, of IPv4 with TCP behind an MPLS label or in VXLAN over IPv6, or of IPv6 with TCP in SRv6: its kind,
 * its length, whether it is finished, and whether its checksums are correct.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "vufront.h"

#define VNET	12	/* bytes before each frame */
#define TCP	6
#define UDP	17
#define SCTP	132

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

/* Where the innermost headers of a packet lie. */
struct packet {
	const char *kind;
	bool v6;
	uint8_t protocol;
	uint32_t ip, l4;
	uint32_t udp;		/* of a tunnel by IPv6; 0: none */
};

static bool find(const uint8_t *p, uint32_t n, struct packet *at)
{
	uint32_t inner = 54 + 8 * (p[55] + 1u);

	*at = (struct packet){ .kind = "mpls", .ip = 18 };
	if (p[12] == 0x86 && p[13] == 0xdd && p[20] == 43 && p[54] == 41) {
		*at = (struct packet){ .kind = "srv6", .v6 = true, .ip = inner };
	} else if (p[12] == 0x86 && p[13] == 0xdd && p[20] == UDP && p[57] == (4790 & 0xff)) {
		*at = (struct packet){ .kind = "vxlan6", .ip = 54 + 8 + 8 + 14, .udp = 54 };
	} else if (p[12] == 8 && !p[13]) {
		*at = (struct packet){ .kind = p[23] == SCTP ? "sctp" : "tcp", .ip = 14 };
	} else if (p[12] != 0x88 || p[13] != 0x47) {
		return false;
	}
	at->l4 = at->ip + (at->v6 ? 40 : 20);
	if (n < at->l4 + 20)
		return false;
	at->protocol = p[at->ip + (at->v6 ? 6 : 9)];
	return at->protocol == TCP || at->protocol == SCTP;
}

/* Of what begins at l4, behind its addresses. */
static bool right_internet_sum(const uint8_t *p, uint32_t n, uint32_t l4, bool v6, uint8_t protocol)
{
	uint32_t addresses = v6 ? 32 : 8, all = sum(p + l4, n - l4, sum(p + l4 - addresses, addresses, protocol + n - l4));

	while (all >> 16)
		all = (all & 0xffff) + (all >> 16);
	return all == 0xffff;
}

static bool right_sum(uint8_t *p, uint32_t n, const struct packet *at)
{
	uint32_t l4 = n - at->l4, was;

	if (at->udp && ((uint32_t)(p[at->udp + 4] << 8 | p[at->udp + 5]) != n - at->udp || !right_internet_sum(p, n, at->udp, true, UDP)))
		return false;
	if (at->protocol == TCP)
		return right_internet_sum(p, n, at->l4, at->v6, TCP);
	memcpy(&was, p + at->l4 + 8, sizeof(was));
	memset(p + at->l4 + 8, 0, sizeof(was));
	return crc32c(p + at->l4, l4) == was;
}

static void look(void *arg, const uint8_t *buf, uint32_t n)
{
	static uint8_t p[4096];
	struct packet at;

	n -= VNET;
	if (n < 60 || n > sizeof(p))
		return;
	memcpy(p, buf + VNET, n);
	if (!find(p, n, &at))
		return;
	printf("%s %u %s %s\n", at.kind, n, buf[0] | buf[1] ? "unfinished" : "finished", right_sum(p, n, &at) ? "right" : "wrong");
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
