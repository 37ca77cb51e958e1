/* SPDX-License-Identifier: BSD-3-Clause */
/* The decision where frames go. */
#ifndef NFVD_SWITCH_H
#define NFVD_SWITCH_H

#include "switch/context.h"

/*
 * Forward n frames that were taken from q, until the work of one turn is used up. Return how many were forwarded, in
 * their order. The next frame may have reached some of its receivers already; q->flooded records that.
 * Context: worker.
 */
unsigned int nfvd_switch(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int n);

/* Whether link-local protocols (STP, LACP, LLDP; not pause frames) pass as multicast. Set by control. */
extern atomic_bool nfvd_link_local_forward;

#endif
