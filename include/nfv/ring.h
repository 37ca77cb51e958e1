/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * The rx ring of <linux/nfv.h>, both sides of it: one producer (nfv.ko, under its
 * queue's lock), one consumer (a worker of nfvd). Indices run freely and wrap at 2^32.
 *
 *	producer					consumer
 *	--------					--------
 *	D  load-acquire cons: what may be overwritten
 *	   write entries
 *	A  store-release prod				B  load-acquire prod
 *							   read entries
 *							C  store-release cons
 *
 *	E  full fence: prod before need_wakeup		F  full fence: need_wakeup before prod
 *	   load need_wakeup; wake				   load prod; sleep only if empty
 *
 *	A pairs with B: entries are complete before they are seen.
 *	C pairs with D: entries are read before they are overwritten.
 *	E pairs with F: of "sleeper is seen" and "frame is seen" at least one is true,
 *	so no wake-up is lost.
 *
 * This is the one file that both planes compile.
 */
#ifndef NFV_RING_H
#define NFV_RING_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <asm/barrier.h>
#define nfv_load(p)		READ_ONCE(*(p))
#define nfv_store(p, v)		WRITE_ONCE(*(p), v)
#define nfv_load_acquire(p)	smp_load_acquire(p)
#define nfv_store_release(p, v)	smp_store_release(p, v)
#define nfv_fence()		smp_mb()
#else
#include <linux/types.h>
#include <stdbool.h>
#define nfv_load(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define nfv_store(p, v)		__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define nfv_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define nfv_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define nfv_fence()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* ---- producer ---- */

/*
 * Read the consumer's index, once, into *cons. Return false if the index is out of range. passed and prod are the
 * producer's own copies; positions below passed were given back before.
 */
static inline bool nfv_ring_passed(const __u32 *shared_cons, __u32 passed, __u32 prod, __u32 *cons)
{
	*cons = nfv_load_acquire(shared_cons);	/* D, pairs with C */
	return *cons - passed <= prod - passed;
}

/* Publish the entries below prod: they are filled. */
static inline void nfv_ring_publish(__u32 *shared_prod, __u32 prod)
{
	nfv_store_release(shared_prod, prod);	/* A, pairs with B */
}

/* Return whether the consumer sleeps. Call it after nfv_ring_publish(). */
static inline bool nfv_ring_sleeper(const __u32 *need_wakeup)
{
	nfv_fence();				/* E, pairs with F */
	return nfv_load(need_wakeup);
}

/* ---- consumer ---- */

/* Return how many entries from cons on are filled. */
static inline __u32 nfv_ring_filled(const __u32 *shared_prod, __u32 cons)
{
	return nfv_load_acquire(shared_prod) - cons;	/* B, pairs with A */
}

/* Give back the entries below cons: the consumer needs them no longer. */
static inline void nfv_ring_pass(__u32 *shared_cons, __u32 cons)
{
	nfv_store_release(shared_cons, cons);	/* C, pairs with D */
}

/* Ask for a wake-up, or stop asking. After asking, call nfv_ring_filled() before going to sleep. */
static inline void nfv_ring_sleep(__u32 *need_wakeup, bool on)
{
	nfv_store(need_wakeup, on);
	if (on)
		nfv_fence();			/* F, pairs with E */
}

#endif
