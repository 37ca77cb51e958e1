/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vuidle - silent guests: each connects to a vhost-user socket, starts its rings, and sends nothing.
 *
 *	vuidle SOCKET...	print "ready" when all are connected; end at the end of the input
 */
#include "vufront.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .mem_bytes = 1 << 20, .timeout_ms = 30000 };
	struct vuf *guests = calloc(argc, sizeof(*guests));
	struct rlimit files;
	char byte;

	if (argc < 2 || !guests) {
		fprintf(stderr, "usage: vuidle SOCKET...\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 1; i < argc; i++) {
		int err = vuf_init(&guests[i - 1], &o);

		if (!err)
			err = vuf_connect(&guests[i - 1], argv[i]);
		if (!err)
			err = vuf_start(&guests[i - 1]);
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
