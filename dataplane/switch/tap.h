/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tap: what captures see. Off, it costs a load and a predicted branch in a turn.
 *
 * A capture sees a frame when nfvd takes it from its port, delivers it, or drops it. While a port is captured it does
 * not use the shortcut (port->captured). A capture does not see frames that a device or the module drops by itself;
 * `nfvctl drops` counts them.
 *
 * A worker writes into each capture's ring and waits for nobody: include/nfv/capture.h. Control replaces nfvd_taps as a whole
 * and waits for all workers before it frees what was in it.
 *
 * Context of all functions here: worker.
 */
#ifndef NFVD_TAP_H
#define NFVD_TAP_H

#include <nfv/capture.h>
#include "port/port.h"

#define NFVD_TAPS_MAX		4	/* captures at a time */
#define NFVD_TAP_WORKERS	16

/* One capture. */
struct nfvd_tap {
	bool all;			/* all ports; else those with a serial */
	bool in, out;			/* what is from them, what is to them */
	bool dropped_only;
	bool onward;			/* frames from the ports, seen anywhere; else what is seen at the ports */
	enum nfvd_drop reason;		/* of drops only these; NFVD_PASS: any */
	unsigned int bytes;		/* of each frame */
	uint32_t mask;			/* slots of a ring, less one */
	uint64_t serial[NFVD_PORTS_MAX];	/* of the port with this id, if it is wanted */
	struct nfv_capture_ring *ring[NFVD_TAP_WORKERS];
	uint64_t head[NFVD_TAP_WORKERS][8];	/* [0]; each in a line of its own */
};

struct nfvd_tap_set {
	unsigned int n;
	struct nfvd_tap *tap[NFVD_TAPS_MAX];
};

extern struct nfvd_tap_set *nfvd_taps;			/* RCU; NULL: none */
extern _Atomic(uint32_t) nfvd_tap_generation;		/* of the configuration; set by control */

/* Of a worker, in one turn. */
struct nfvd_tapped {
	struct nfvd_tap_set *set;	/* NULL: nobody looks */
	const struct nfvd_port *src;	/* NULL: gone, while its frames waited */
	unsigned int worker;
	uint64_t id, now_ns;
};

/* nfvd_frame.tap: the number of the frame in this turn. Its segments, and copies with another tag, have it, too. */
#define NFVD_TAP_LOST	0x8000u		/* dropped on its way to the destination at hand */

/* Begin a turn of src; NULL: of frames whose source is gone. */
void nfvd_tap_begin(struct nfvd_tapped *t, const struct nfvd_port *src);
/* Number the n frames that were taken. */
void nfvd_tap_number(struct nfvd_tapped *t, struct nfvd_frame *frames, unsigned int n);
/* Record the n frames that have been decided as taken, except those that were dropped. */
void nfvd_tap_taken(struct nfvd_tapped *t, const struct nfvd_frame *frames, unsigned int n);
/* Mark n frames, which are about to be delivered to one destination, as not dropped. */
void nfvd_tap_offer(struct nfvd_frame *const *frames, unsigned int n);
/* Record n frames, which the port type has processed, as delivered to dst, except those that were dropped. */
void nfvd_tap_given(struct nfvd_tapped *t, const struct nfvd_port *dst, struct nfvd_frame *const *frames, unsigned int n);
/*
 * Record n frames (NULL: too malformed to be taken) as dropped on their way to dst (NULL: no destination was chosen),
 * and counted at port at.
 */
void nfvd_tap_dropped(struct nfvd_tapped *t, const struct nfvd_port *at, const struct nfvd_port *dst, enum nfvd_drop why,
		      struct nfvd_frame *const *frames, unsigned int n);

#endif
