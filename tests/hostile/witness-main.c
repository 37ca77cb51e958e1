/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * witness DIR PID CONTROL-DIR CONTROL-PID - the witness, while a script attacks nfvd PID in DIR;
 * both nfvds have ports w0 and w1. Prints "ready". Then for each input line, which names what was
 * done since the last one, it prints its figures and then "fine" or "bad: why".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "witness.h"

int main(int argc, char **argv)
{
	char name[100];
	const char *what;
	int err;

	if (argc != 5) {
		fprintf(stderr, "usage: witness DIR PID CONTROL-DIR CONTROL-PID\n");
		return 2;
	}
	const struct witness_nfvd harmed = { argv[1], atoi(argv[2]) }, control = { argv[3], atoi(argv[4]) };

	setvbuf(stdout, NULL, _IOLBF, 0);
	err = witness_start(&harmed, &control, &what);
	if (err) {
		printf("bad: %s: %s\n", what, strerror(-err));
		return 1;
	}
	printf("ready\n");
	while (fgets(name, sizeof(name), stdin)) {
		const char *wrong;

		name[strcspn(name, "\n")] = 0;
		wrong = witness_end(name);
		printf("%s%s\n", wrong ? "bad: " : "fine", wrong ? wrong : "");
	}
	witness_stop();
	return 0;
}
