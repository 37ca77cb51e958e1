/* SPDX-License-Identifier: BSD-3-Clause */
/* What nfvd captures, record by record, through a filter. */
#ifndef CAPTURE_SOURCE_H
#define CAPTURE_SOURCE_H

#include <nfv/capture.h>
#include <pcap/pcap.h>
#include "ctl.h"

#define SOURCE_WORKERS	16

struct source {
	json_t *reasons, *names;	/* names: of ports, by serial */
	struct bpf_program filter;
	bool filters;
	unsigned int workers, at;	/* at: whose turn it is */
	uint32_t slots;
	uint64_t next[SOURCE_WORKERS];	/* record of each worker's ring */
	uint64_t last[SOURCE_WORKERS];	/* after a signal: where each ring ends */
	bool ends;
	uint64_t missed;		/* overwritten before they were read */
	void *map;
	size_t size;
};

/*
 * Begin: params as for capture.start, which it takes; filter as for tcpdump, NULL: none. Return an exit code. source_close()
 * follows in any case.
 */
int source_open(struct source *s, json_t *params, const char *filter, struct ctl_err *err);
void source_close(struct source *s);

/* Take the next record that the filter lets pass. Return false if there is none now, or none from before a signal. */
bool source_next(struct source *s, struct nfv_capture_record *r);

/* Return the name of a port by its serial; "?" if it has gone. Of the same port it is always the same string. */
const char *source_port(struct source *s, uint64_t serial);
const char *source_reason(const struct source *s, const struct nfv_capture_record *r);

/* Wait a moment for more. Return false when it is to end: by a signal, or because nfvd has ended (*gone). */
bool source_wait(bool *gone);

/* Parse what tcpdump takes, to find a mistake in it. Return an exit code. */
int source_check(const char *filter, struct ctl_err *err);

#endif
