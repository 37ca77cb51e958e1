/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shortcut's programs and maps (bpf/shortcut.h), and all that they and nfvd exchange, except the addresses
 * (addresses.h).
 *
 * Context: control, if nothing else is said. W: a worker, too.
 */
#ifndef NFVD_SHORTCUT_PROGRAMS_H
#define NFVD_SHORTCUT_PROGRAMS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include "shortcut/bpf/shortcut.h" /* for the next */
#include <shortcut.skel.h>

/* NULL: they could not be loaded. Also read by workers, which start after nfvd_programs_load() and end before nfvd_programs_free(). */
extern struct shortcut_bpf *nfvd_programs;

/* Load the programs. If an earlier nfvd has stored maps that fit, use them and set *adopted. Return 0 or -errno. */
int nfvd_programs_load(bool *adopted);
void nfvd_programs_free(void);

/* Return the time on the programs' clock. */
uint64_t nfvd_programs_now_ns(void);
/* Let the programs work for 2 s more, because nfvd lives. */
void nfvd_programs_alive(void);

/*
 * Follow the frames in a packet socket's ring, so that none is overtaken by a frame on the shortcut.
 * nfvd_order_queued() returns how many frames the socket took. nfvd_order_starts() is called before a
 * worker begins with the ring: so many of them were delivered or lost. W: nfvd_order_done() records that n more
 * were. nfvd_order_position() returns where the ring's position is kept for the next nfvd; NULL: nowhere.
 */
uint64_t nfvd_order_queued(unsigned int id);
void nfvd_order_starts(unsigned int id, uint64_t done);
uint32_t *nfvd_order_position(unsigned int id);
void nfvd_order_done(unsigned int id, uint64_t n);
/* Return how many frames the program at egress could not complete (complete.h): they were lost after nfvd had sent them. */
uint64_t nfvd_order_lost(unsigned int id);

/* Cumulative. stolen: frames that another tc program took before ours could pass them on. */
struct nfvd_programs_count {
	uint64_t frames, bytes, stolen;
};

/* Forget the counters of port id, which are those of an earlier port with that id. */
void nfvd_programs_forget(unsigned int id);
/* Call cb for each pair of source and destination port. */
void nfvd_programs_counters(void (*cb)(unsigned int src, unsigned int dst, const struct nfvd_programs_count *n, void *),
			    void *arg);

#endif
