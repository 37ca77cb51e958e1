/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue's place in a round: turns in which frames are taken, as many as limits and its share (share.h) allow, switched and
 * counted, and the buffers given back.
 */
#ifndef NFVD_TURN_H
#define NFVD_TURN_H

#include "switch/context.h"

/*
 * Give q as many turns as its port has weight, if it owes nothing; else set w->owing. nobody_called: frames that are
 * found now were not announced, which is counted. Return the number of frames that were there.
 * Context: worker.
 */
unsigned int nfvd_turns(struct nfvd_worker *w, struct nfvd_rxq *q, bool nobody_called);

/* Return for how many ms at least nothing may be taken from the port. Context: worker. */
unsigned int nfvd_paused_ms(const struct nfvd_port *port);

#endif
