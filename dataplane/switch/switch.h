/* SPDX-License-Identifier: BSD-3-Clause */
/* Deciding where frames go. */
#ifndef NFVD_SWITCH_H
#define NFVD_SWITCH_H

#include "switch/context.h"

/*
 * Worker: forward what was taken from q, as far as one turn's work goes: the first so many of n as
 * are returned. Of the next one it may have delivered a part, which q->flooded remembers.
 */
unsigned int nfvd_switch(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int n);

/* Control: do link-local protocols (STP, LACP, LLDP; not pause frames) pass, as any multicast? */
extern atomic_bool nfvd_link_local_forward;

#endif
