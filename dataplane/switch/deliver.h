/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deliver frames whose destination is decided: apply the destination's policy, change tags, make copies for mirrors.
 */
#ifndef NFVD_DELIVER_H
#define NFVD_DELIVER_H

#include "switch/context.h"

/* Deliver the frames in out, of src with this policy, to dst, or drop them. Context: worker. */
void nfvd_deliver(struct nfvd_worker *w, struct nfvd_port *src, const struct nfvd_policy *policy, struct nfvd_port *dst,
		  struct nfvd_out *out);

#endif
