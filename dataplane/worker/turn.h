/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The turns of a queue in a round. A turn takes frames, as many as limits and the queue's share (share.h) allow,
 * switches and counts them, and gives the buffers back.
 */
#ifndef NFVD_TURN_H
#define NFVD_TURN_H

#include "switch/context.h"

/*
 * Give q as many turns as its port has weight. If q is in debt, set w->owing instead. nobody_called: count frames
 * that are found now as not announced. Return the number of frames found. Context: worker.
 */
unsigned int nfvd_turns(struct nfvd_worker *w, struct nfvd_rxq *q, bool nobody_called);

/* Return for how many ms at least nothing may be taken from the port. Context: worker. */
unsigned int nfvd_paused_ms(const struct nfvd_port *port);

#endif
