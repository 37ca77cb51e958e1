/* SPDX-License-Identifier: BSD-3-Clause */
/* The addresses of a policy, from text. */
#ifndef NFVD_POLICY_ADDRESS_H
#define NFVD_POLICY_ADDRESS_H

#include "err.h"
#include "policy/policy.h"

/*
 * Add the address text to p: of Ethernet, IPv4 or IPv6, or a network of these, 10.0.0.0/24. Return 0; or -1 with
 * *err: it is none, one that no port has, a network with bits behind its mask, it overlaps
 * another, or there is no room.
 */
int nfvd_policy_address_add(struct nfvd_policy *p, const char *text, struct nfvd_err *err);

#endif
