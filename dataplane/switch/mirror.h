/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mirrors: frames that a port sends or receives are copied to a probe port.
 *
 * A copy is no frame of the probe's segment: no policy applies to it, nothing is learnt from it, and no mirror copies
 * it again. It counts as replicated. If the probe does not take it, it is dropped for the reason MIRROR, whatever the
 * cause: no sender waits for a probe. A frame between two ports of a mirror is copied once. snap limits a copy to its
 * first bytes.
 */
#ifndef NFVD_MIRROR_H
#define NFVD_MIRROR_H

#include "switch/context.h"

#define NFVD_MIRRORS_MAX	8

/* Of all mirrors; a port has a bit for each of those that it is in. */
struct nfvd_mirrors {
	struct {
		uint16_t probe;		/* id of the port; NFVD_NOWHERE: there is none now */
		uint32_t snap;		/* 0: all of it */
	} m[NFVD_MIRRORS_MAX];
};

extern struct nfvd_mirrors *nfvd_mirrors;	/* RCU; published by control; NULL: there is none */

/* Copy n frames of src to the probes of these mirrors. Context: worker, in a turn of src. */
void nfvd_mirror(struct nfvd_worker *w, struct nfvd_port *src, unsigned int mirrors, struct nfvd_frame **f, unsigned int n);

/*
 * Copy n frames of src to the probe of port at, whose quarantine has dropped them, if it has a probe. Context: as
 * above.
 */
void nfvd_mirror_quarantined(struct nfvd_worker *w, struct nfvd_port *src, const struct nfvd_port *at, struct nfvd_frame **f, unsigned int n);

#endif
