/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hand frames to a port: finish checksums and segments that it does not take as they are, and count for the pair,
 * whose ledger is w->pair.
 *
 * Context: worker.
 */
#ifndef NFVD_HAND_H
#define NFVD_HAND_H

#include "switch/context.h"

/* Fetch the payload of n frames from the kernel. Drop those for which that fails. Return how many are left in f. */
unsigned int nfvd_fetch(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame **f, unsigned int n, struct nfvd_ledger *l);
/* Return whether dst can be sent something now; else all of out is dropped. */
bool nfvd_hand_ready(struct nfvd_worker *w, struct nfvd_port *dst, const struct nfvd_out *out);
/* Deliver n frames that dst takes as they are. */
void nfvd_give(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_frame **frames, unsigned int n, struct nfvd_ledger *l);
/* Hand what is in out to dst, as dst takes it. */
void nfvd_hand_over(struct nfvd_worker *w, struct nfvd_port *dst, struct nfvd_out *out, struct nfvd_ledger *l);
/* Count for this turn the difference of the ledgers l and before. */
void nfvd_hand_count(struct nfvd_worker *w, const struct nfvd_port *dst, const struct nfvd_ledger *l, const struct nfvd_ledger *before);

#endif
