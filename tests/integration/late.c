/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * late SOCKET - a guest whose driver runs from the start, but whose interface comes up later. Each line of the input is
 * the number of receive buffers that the guest is to have posted in total. It ends at the end of the input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "vufront.h"

int main(int argc, char **argv)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES };
	unsigned int n, posted = 0;
	struct vuf_vring *rx;
	struct vuf f;

	if (argc != 2 || vuf_init(&f, &o) || vuf_make_buffers(&f, &f.vq[0], 2048) || vuf_make_buffers(&f, &f.vq[1], 2048) ||
	    vuf_connect(&f, argv[1]) || vuf_start(&f)) {
		perror("late");
		return 1;
	}
	rx = &f.vq[0];
	while (scanf("%u", &n) == 1) {
		/* More than the ring holds: as if as many had been used, and were posted again. */
		for (; posted < n; posted++)
			vuf_post(rx, posted % rx->size);
		vuf_publish(rx);
		printf("posted %u\n", posted);
		fflush(stdout);
	}
	vuf_fini(&f);
	return 0;
}
