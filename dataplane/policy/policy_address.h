/* SPDX-License-Identifier: BSD-3-Clause */
/* The addresses of a policy, from text. */
#ifndef NFVD_POLICY_ADDRESS_H
#define NFVD_POLICY_ADDRESS_H

#include "err.h"
#include "policy/policy.h"

/*
 * Add an address to p. text is an address of Ethernet, IPv4 or IPv6, or an IP network such as 10.0.0.0/24. Return 0,
 * or -1 with *err if text is no address, is one that no port can have, is a network with bits set outside its mask,
 * overlaps another address of p, or if p is full.
 */
int nfvd_policy_address_add(struct nfvd_policy *p, const char *text, struct nfvd_err *err);

#endif
