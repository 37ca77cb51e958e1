/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Find the bottleneck: one word for each port says what the turns of its queues have found in the last second.
 *
 *	idle	fewer than 100 frames
 *	guest	the endpoint itself: it could send more, or it takes too slowly what is sent to it
 *	peer	the endpoints that it sends to take its frames too slowly
 *	switch	its frames wait for nfvd: for a worker's time, or because of its limit
 *
 * Only frames that pass through nfvd are counted. Frames on the shortcut do not wait for nfvd.
 *
 * Context: control.
 */
#ifndef NFVD_PRESSURE_H
#define NFVD_PRESSURE_H

#include <jansson.h>
#include "switch/context.h"

#define NFVD_BOUNDS(X)								\
	X(IDLE, "idle", "hardly a frame passes nfvd")				\
	X(GUEST, "guest", "the endpoint: what it sends is taken at once, or it takes too slowly")	\
	X(PEER, "peer", "the receivers of its frames have too few buffers")	\
	X(SWITCH, "switch", "its frames wait for a worker, or for its limit")

enum nfvd_bound {
#define X(e, name, help) NFVD_BOUND_##e,
	NFVD_BOUNDS(X)
#undef X
};

/* How the counters of a port have changed in one second. */
struct nfvd_second {
	struct nfvd_pressure p;
	uint64_t frames;	/* from and to it */
	double busy;		/* share of its busiest worker's time */
};

/* Look at the counters, if a second has passed. */
void nfvd_pressure_tick(void);
/* Return what s means. */
enum nfvd_bound nfvd_pressure_judge(const struct nfvd_second *s);
/* Add bound, bound_why and pressure to the port's statistics. */
void nfvd_pressure_show(const struct nfvd_port *port, json_t *obj);
/* Return a new reference to the list of workers. */
json_t *nfvd_pressure_workers(void);

#endif
