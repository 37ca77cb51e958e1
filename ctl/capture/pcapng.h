/* SPDX-License-Identifier: BSD-3-Clause */
/* A pcapng file (draft-ietf-opsawg-pcapng), one interface for each port. */
#ifndef PCAPNG_H
#define PCAPNG_H

#include <nfv/capture.h>
#include <stdio.h>

#define PCAPNG_PORTS	4096

struct pcapng {
	FILE *f;
	unsigned int n;				/* interfaces */
	const char *port[PCAPNG_PORTS];		/* whose; by address of the string */
};

enum pcapng_direction { PCAPNG_IN = 1, PCAPNG_OUT = 2 };

void pcapng_begin(struct pcapng *p, FILE *f);
/* Write r as seen at port. comment may be empty; missed: how many were not captured before it. */
void pcapng_packet(struct pcapng *p, const char *port, enum pcapng_direction direction, const struct nfv_capture_record *r,
		   const char *comment, uint64_t missed);

#endif
