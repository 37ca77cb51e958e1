/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vuidle - silent guests: each connects to a vhost-user socket, starts its rings, and sends nothing.
 *
 *	vuidle [--teach N] SOCKET...	print "ready" when all are connected; end at the end of the input
 *
 * --teach N: each sends N frames, from as many addresses, to one of them: the switch learns them, and floods nothing.
 */
#include "vufront.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define HDR	12	/* virtio_net_hdr_mrg_rxbuf */
#define FRAME	60

/* Send from n addresses of guest number me. Return 0, or -ENOMEM. */
static int teach(struct vuf *f, unsigned int me, unsigned long n)
{
	struct vuf_vring *tx = &f->vq[VUF_TX(0)];
	uint8_t *buf = vuf_alloc(f, (size_t)tx->size * (HDR + FRAME), 64);
	uint32_t id, len, free = tx->size;

	if (!buf)
		return -ENOMEM;
	for (unsigned int i = 0; i < tx->size; i++)
		vuf_set_desc(f, tx, i, buf + i * (HDR + FRAME), HDR + FRAME, 0);
	for (unsigned long i = 0; i < n;) {
		for (; free && i < n; free--, i++) {
			uint8_t *eth = buf + (tx->avail_idx & tx->mask) * (HDR + FRAME) + HDR;
			const uint8_t macs[14] = { 2, 1, me >> 8, me, 0, 0, 2, 1, me >> 8, me, i >> 8, i, 0x88, 0xb5 };

			memcpy(eth, macs, sizeof(macs));
			vuf_post(tx, tx->avail_idx & tx->mask);
		}
		vuf_publish(tx);
		while (vuf_used(tx, &id, &len))
			free++;
	}
	while (free < tx->size)
		free += vuf_used(tx, &id, &len);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long addresses = 0;
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .mem_bytes = 1 << 20, .timeout_ms = 30000 };
	struct vuf *guests;
	struct rlimit files;
	char byte;

	if (argc > 2 && !strcmp(argv[1], "--teach")) {
		addresses = strtoul(argv[2], NULL, 10);
		argv += 2;
		argc -= 2;
	}
	if (argc < 2) {
		fprintf(stderr, "usage: vuidle [--teach N] SOCKET...\n");
		return 2;
	}
	guests = calloc(argc, sizeof(*guests));
	if (!guests)
		return 1;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 1; i < argc; i++) {
		int err = vuf_init(&guests[i - 1], &o);

		if (!err)
			err = vuf_connect(&guests[i - 1], argv[i]);
		if (!err)
			err = vuf_start(&guests[i - 1]);
		if (!err && addresses)
			err = teach(&guests[i - 1], i, addresses);
		if (err) {
			fprintf(stderr, "vuidle: %s: %s\n", argv[i], strerror(-err));
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
