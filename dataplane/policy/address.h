/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which addresses a port may use, and what it may be: the addresses of Ethernet, ARP, IP and neighbour discovery, DHCP
 * servers, IPv6 routers. The private header is read, and of neighbour discovery the options behind it: a router's
 * advertisement is often longer.
 *
 * With addresses of IP, all IP that is not from them is dropped, of both versions: what is not listed is not the
 * port's. Let pass in addition: what is needed to get an address (DHCP from 0.0.0.0; duplicate address detection,
 * router solicitation and multicast reports from ::), and IPv6's link-local address made from the MAC address.
 * These are the semantics of port security in OVN (ovn-nb(5), Logical_Switch_Port).
 *
 * What should be looked at and lies behind the private header, as behind a long chain of IPv6 extension headers, is
 * dropped, as RFC 7113 has it for router advertisements.
 */
#ifndef NFVD_ADDRESS_H
#define NFVD_ADDRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "frame/drop.h"
#include "frame/frame.h"
#include "policy/policy.h"

#define NFVD_PINNED	(1ull << 63)
#define NFVD_ADDRESS_BEHIND ((enum nfvd_drop)(NFVD_N_REASONS + 2))	/* it depends on bytes that the sender can still change */

/* What a port's addresses have come to. */
struct nfvd_address_state {
	_Atomic(uint64_t) *pinned;	/* where it is kept, pins.h; NULL: below. Set before a policy pins */
	_Atomic(uint64_t) own;		/* NFVD_PINNED and the address that the policy pinned; 0: none yet */
	atomic_bool goes_on;		/* the endpoint comes from the nfvd before, with its address, and is not up yet */
	_Atomic(uint64_t) spoofed;	/* so the last foreign address, for control to tell; 0: none */
};

static inline _Atomic(uint64_t) *nfvd_pinned(struct nfvd_address_state *state)
{
	return state->pinned ? state->pinned : &state->own;
}

/*
 * Judge f by policy p of the port that sends it, whose state it is. Return NFVD_PASS, or why f is dropped;
 * NFVD_ADDRESS_BEHIND: to be asked again once all of f is private, and f->origin_copies says so. Context: worker, before learning.
 */
enum nfvd_drop nfvd_address_check(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f);
/* The same for a frame whose source of Ethernet passed before. */
enum nfvd_drop nfvd_address_check_rest(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f);

#endif
