/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Storm control: how fast one port may have frames flooded to several others.
 *
 * Each such frame takes a buffer at every receiver, so a flood from one guest fills all rings. Frames are counted
 * as they would be on a wire: a super-frame counts as its segments. A frame that can go to one other port only is not
 * limited. A policy may have other rates, with bursts in proportion, but not below the default ones.
 *
 * A bucket is a virtual clock (GCRA): the time at which everything that has passed is paid for. It may run ahead of
 * the true time by the burst. All bursts together fit into a ring of 1024 and leave room for other traffic.
 * (rte_meter counts bytes, and its buckets belong to one thread.)
 */
#ifndef NFVD_STORM_H
#define NFVD_STORM_H

#include <stdatomic.h>
#include "policy/policy.h"

#define NFVD_STORM_RATE		10000	/* broadcast, and as many of unknown unicast: segments per second and port */
#define NFVD_STORM_BURST	128	/* segments */
#define NFVD_STORM_MC_RATE	50000	/* multicast */
#define NFVD_STORM_MC_BURST	256

/*
 * Return whether the port of these buckets (NFVD_STORMS) and of policy p may have a frame of segs segments flooded at
 * now (us), and charge it if so. uplink: without a limit unless p has one.
 * Context: worker; several at once.
 */
static inline bool nfvd_storm_pass(_Atomic(uint64_t) *buckets, const struct nfvd_policy *p, bool uplink, enum nfvd_storm kind,
				   unsigned int segs, uint64_t now)
{
	_Atomic(uint64_t) *bucket = &buckets[kind];
	uint64_t rate = p && p->storm[kind] ? p->storm[kind] : uplink ? NFVD_STORM_NONE :
			kind == NFVD_STORM_MULTICAST ? NFVD_STORM_MC_RATE : NFVD_STORM_RATE;
	uint64_t each = 1000000000 / rate;
	uint64_t ahead = each * (kind == NFVD_STORM_MULTICAST ? NFVD_STORM_MC_BURST : NFVD_STORM_BURST);
	uint64_t old = atomic_load_explicit(bucket, memory_order_relaxed), from;

	if (rate == NFVD_STORM_NONE)
		return true;
	now *= 1000;
	do {
		/* Also behind a counter that has begun anew, as after a suspend. */
		from = old > now && old - now <= ahead ? old : now;
		if (from + each * segs > now + ahead)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &old, from + each * segs, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

#endif
