/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Check the source addresses of a port (Ethernet, ARP, IP, neighbour discovery), and that it is no DHCP server or
 * IPv6 router if it may not be one. The check reads the private header. For neighbour discovery it also reads the
 * options behind the private header, because a router advertisement is often longer than that.
 *
 * If a policy lists IP addresses, all IP packets (of both versions) from other addresses are dropped. Some packets
 * pass in addition: those that a port needs to get an address (DHCP from 0.0.0.0; duplicate address detection, router
 * solicitation and multicast reports from ::), and those from the IPv6 link-local address made from the MAC address.
 * These are the semantics of port security in OVN (ovn-nb(5), Logical_Switch_Port).
 *
 * A frame is dropped if a field that has to be checked lies behind the private header, as behind a long chain of IPv6
 * extension headers. RFC 7113 has the same rule for router advertisements.
 */
#ifndef NFVD_ADDRESS_H
#define NFVD_ADDRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "frame/drop.h"
#include "frame/frame.h"
#include "policy/policy.h"

#define NFVD_PINNED	(1ull << 63)
/* The result depends on bytes that the sender can still change. */
#define NFVD_ADDRESS_BEHIND ((enum nfvd_drop)(NFVD_N_REASONS + 2))

/* The pinned address of a port, and its last violation. */
struct nfvd_address_state {
	_Atomic(uint64_t) *pinned;	/* where it is kept (pins.h); NULL: in own. Set before a policy pins */
	_Atomic(uint64_t) own;		/* NFVD_PINNED and the address that the policy pinned; 0: none yet */
	atomic_bool goes_on;		/* the endpoint comes from the nfvd before, with its address, and is not up yet */
	_Atomic(uint64_t) spoofed;	/* a foreign address for control to report, in the same form; 0: none */
};

static inline _Atomic(uint64_t) *nfvd_pinned(struct nfvd_address_state *state)
{
	return state->pinned ? state->pinned : &state->own;
}

/*
 * Check f by policy p of the port that sends it; state is that port's. Return NFVD_PASS, or the reason to drop f.
 * NFVD_ADDRESS_BEHIND: call again once all of f is private, and f->origin_copies says so. Context: worker, before
 * learning.
 */
enum nfvd_drop nfvd_address_check(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f);
/* Do the same for a frame whose Ethernet source address has passed already. */
enum nfvd_drop nfvd_address_check_rest(struct nfvd_address_state *state, const struct nfvd_policy *p, const struct nfvd_frame *f);

/* Is this no address of one station? */
static inline bool nfvd_bad_source(const uint8_t *mac)
{
	static const uint8_t zero[6];

	return mac[0] & 1 || !memcmp(mac, zero, sizeof(zero));
}

#endif
