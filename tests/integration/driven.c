/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driven SOCKET - a guest whose driver does what each line of its input says, and prints a line when it has. It ends at
 * the end of the input. Until the first "post" it is as if its interface were not up yet.
 *
 *	post N			have posted N receive buffers in total		posted N
 *	got			-						got N, as many frames in total
 *	send N BYTES DST SRC	send frames					sent N, once nfvd has taken them
 *	gone N BYTES DST SRC	the same, but the page that holds what follows	sent N
 *				their first 200 bytes is not in memory any more
 *	chain N DESCS DST SRC	the same of 60 bytes, in so many descriptors,	sent N
 *				of which all but the first are empty
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vufront.h"

#define BYTES_MAX	2048u	/* of a buffer */
#define HELD_BYTES	200u	/* more than nfvd copies to decide */
#define VNET		12u
#define GONE_BYTES	4096u

static struct vuf f;
static struct vuf_vring *rx = &f.vq[VUF_RX(0)], *tx = &f.vq[VUF_TX(0)];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void post(unsigned int n)
{
	static unsigned int posted;

	/* More than the ring holds: as if as many had been used, and were posted again. */
	for (; posted < n; posted++)
		vuf_post(rx, posted % rx->size);
	vuf_publish(rx);
	printf("posted %u\n", posted);
}

/* Send a frame: its first bytes in descriptor 0, the others in the next ones, which are in the last page of memory. */
static void send_one(const uint8_t *frame, unsigned int first, unsigned int others, unsigned int descs)
{
	uint8_t *buf = vuf_buf(tx, 0), *last = f.mem + f.mem_bytes - GONE_BYTES;
	uint32_t id, len;

	memset(buf, 0, VNET);
	memcpy(buf + VNET, frame, first);
	for (unsigned int i = 0; i < descs; i++) {
		vuf_set_desc(&f, tx, i, i ? last : buf, i ? others : VNET + first, i + 1 < descs ? VRING_DESC_F_NEXT : 0);
		tx->desc[i].next = i + 1;
	}
	vuf_post(tx, 0);
	vuf_publish(tx);
	while (!vuf_used(tx, &id, &len))
		usleep(100);
}

static void send_frames(const char *how, unsigned int n, unsigned int arg, const char *dst, const char *src)
{
	uint8_t frame[BYTES_MAX - VNET] = { 0 }, *p = frame;
	bool gone = !strcmp(how, "gone"), chain = !strcmp(how, "chain");

	if (chain ? arg > tx->size : arg > sizeof(frame) || (gone && arg <= HELD_BYTES))
		die("number");
	for (const char *mac = dst; mac; mac = mac == dst ? src : NULL, p += 6)
		if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", p, p + 1, p + 2, p + 3, p + 4, p + 5) != 6)
			die(mac);
	memcpy(p, "\x88\xb5", 2);
	if (gone && ftruncate(f.memfd, (off_t)(f.mem_bytes - GONE_BYTES)))
		die("ftruncate");
	for (unsigned int i = 0; i < n; i++)
		send_one(frame, chain ? 60u : gone ? HELD_BYTES : arg, gone ? arg - HELD_BYTES : 0, chain ? arg : gone ? 2 : 1);
	printf("sent %u\n", n);
}

int main(int argc, char **argv)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .ring_size = 1024 };
	char line[200], how[8], dst[32], src[32];
	unsigned int n, arg;

	if (argc != 2 || vuf_init(&f, &o) || vuf_make_buffers(&f, rx, BYTES_MAX) || vuf_make_buffers(&f, tx, BYTES_MAX) ||
	    vuf_connect(&f, argv[1]) || vuf_start(&f))
		die("driven");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "post %u", &n) == 1)
			post(n);
		else if (!strcmp(line, "got\n"))
			printf("got %u\n", vuf_used_ready(rx));
		else if (sscanf(line, "%7s %u %u %31s %31s", how, &n, &arg, dst, src) == 5)
			send_frames(how, n, arg, dst, src);
		else
			die(line);
		fflush(stdout);
	}
	vuf_fini(&f);
	return 0;
}
