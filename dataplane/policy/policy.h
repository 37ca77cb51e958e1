/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port may do, and what becomes of a frame for that: the same for every port type.
 *
 *	from the port	quarantined? VLAN by tag or native, may it have it? addresses, guards, limit
 *	to the port	quarantined? a member of zone and VLAN? not isolated from the sender? limit;
 *			then the tag that the port wants: none, or the VLAN's
 *
 * A policy never changes. Control replaces it as a whole and waits for all workers; after that no frame is decided by
 * the old one. A turn of a queue uses one policy of the source from beginning to end. The policy of the destination
 * is read at delivery: it is applied again to a frame that was decided before.
 *
 * The words that make a policy are parsed in control/policy_words.
 */
#ifndef NFVD_POLICY_H
#define NFVD_POLICY_H

#include <rte_branch_prediction.h>
#include <stdbool.h>
#include <stdint.h>
#include "frame/drop.h"
#include "frame/frame.h"
#include "policy/meter.h"

#define NFVD_ZONES_MAX		256
#define NFVD_POLICY_ADDRESSES	32	/* of each kind: MAC, IPv4, IPv6 */

/* What is flooded: limited apart from each other, see storm.h. */
enum nfvd_storm { NFVD_STORM_BROADCAST, NFVD_STORM_UNKNOWN, NFVD_STORM_MULTICAST, NFVD_STORMS };
#define NFVD_STORM_NONE		UINT64_MAX

#define NFVD_GUARD_DHCP		1u	/* not to be a DHCP server */
#define NFVD_GUARD_RA		2u	/* not to be an IPv6 router */

struct nfvd_prefix {
	uint8_t address[16], mask[16];	/* IPv4: the first 4 bytes; in network order */
};

struct nfvd_policy {
	uint16_t zone;			/* 0: the default zone */
	uint16_t native;		/* VLAN of untagged frames; 0: none */
	bool access;			/* no tagged frames, but for VLAN 0 */
	bool native_tagged;		/* frames of the native VLAN go out tagged */
	bool isolated;
	bool quarantined;
	bool pin;			/* the first source address is the only one */
	bool vrrp;			/* and those of virtual routers */
	uint8_t guard;			/* NFVD_GUARD_* */
	uint8_t weight;			/* weight of its share of a worker; 0 means 1 */
	uint8_t n_macs, n_ip4, n_ip6;	/* 0, and no pin: any */
	uint8_t macs[NFVD_POLICY_ADDRESSES][6];
	struct nfvd_prefix ip4[NFVD_POLICY_ADDRESSES], ip6[NFVD_POLICY_ADDRESSES];
	uint64_t vlans[64];		/* bit v: VLAN v may pass; 0: untagged frames without a native VLAN */
	struct nfvd_rate from, to;
	struct nfvd_rate from_dropped;	/* the same as from, for a port whose frames cannot wait */
	uint64_t storm[NFVD_STORMS];	/* frames a second; 0: the default, or NFVD_STORM_NONE */
};

static inline bool nfvd_policy_carries(const struct nfvd_policy *p, uint16_t vlan)
{
	return p->vlans[vlan / 64] >> vlan % 64 & 1;
}

static inline uint16_t nfvd_policy_zone(const struct nfvd_policy *p)
{
	return p ? p->zone : 0;
}

static inline unsigned int nfvd_policy_weight(const struct nfvd_policy *p)
{
	return unlikely(p && p->weight) ? p->weight : 1;
}

static inline bool nfvd_policy_has_addresses(const struct nfvd_policy *p)
{
	return p->pin || p->n_macs || p->n_ip4 || p->n_ip6 || p->guard;
}

/* Return whether the policy checks more than zone and VLAN for each frame. Only nfvd can carry out such a policy. */
bool nfvd_policy_inspects(const struct nfvd_policy *p);
/* Return whether a and b (NULL: plain) put frames into the same zone and VLANs, in the same way. */
bool nfvd_policy_same_segment(const struct nfvd_policy *a, const struct nfvd_policy *b);

/* Return the VLAN of the frame's outer tag; 0 without one. */
static inline uint16_t nfvd_vlan_of(const struct nfvd_frame *f)
{
	if (likely(!nfvd_is_tag(f->hdr + 12)) || f->hdr_len < 18)
		return 0;
	return (f->hdr[14] << 8 | f->hdr[15]) & 0xfff;
}

/* Set *vlan to the VLAN that f, from a port of policy p (NULL: plain), belongs to. Return NFVD_PASS, or why it has none. */
enum nfvd_drop nfvd_policy_classify(const struct nfvd_policy *p, const struct nfvd_frame *f, uint16_t *vlan);

/* May a frame of this VLAN go from a port of policy src to one of dst (NULL: plain)? Return NFVD_PASS or the reason. */
enum nfvd_drop nfvd_policy_between(const struct nfvd_policy *src, const struct nfvd_policy *dst, uint16_t vlan);

enum nfvd_retag { NFVD_RETAG_NOT, NFVD_RETAG_POP, NFVD_RETAG_PUSH, NFVD_RETAG_SET, NFVD_RETAG_DOUBLE };

/*
 * Return how to change the tag of f, which belongs to this VLAN, for a port of policy dst. DOUBLE: a second tag would
 * remain.
 */
enum nfvd_retag nfvd_policy_retag(const struct nfvd_policy *dst, const struct nfvd_frame *f, uint16_t vlan);
/*
 * Make *to a copy of from with its tag changed in this way. All of from's payload is in this process. Return false if
 * that is impossible, because the checksum request points into the tag, or so far that it cannot be moved.
 */
bool nfvd_retag(struct nfvd_frame *to, const struct nfvd_frame *from, enum nfvd_retag how, uint16_t vlan);

#endif
