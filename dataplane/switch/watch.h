/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The heartbeat: a thread that sees when a worker stands still, and whose port holds it.
 *
 * No worker should ever wait for a peer; this finds what was forgotten. A worker counts
 * its turns and says which port it serves and delivers to: a store or two a turn. Looked at
 * is time of its own, blocked or computing, in which the count did not move. A wait for
 * a processor, a stopped process and a suspended machine are nobody's fault.
 *
 *	0.1 s blocked, or 0.25 s of processor	the port is fenced, with an event; a signal
 *						ends a wait that signals can end
 *	2 s more				the process ends, NFVD_EXIT_HELD, for its
 *						supervisor to start it again: that also ends
 *						the wait of control for a grace period
 *
 * While all workers sleep, so does this thread.
 */
#ifndef NFVD_WATCH_H
#define NFVD_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NFVD_EXIT_HELD	71
#define NFVD_NOWHERE	0xffffu

/* Of one worker, written by itself; thread and tid before it is watched. */
struct nfvd_watched {
	_Atomic(uint32_t) beat;
	_Atomic(uint32_t) at;		/* id of the port served, and of the port delivered to << 16; NFVD_NOWHERE: none */
	_Atomic(bool) asleep;		/* waits for an endpoint, as it should */
	pthread_t thread;
	pid_t tid;
};

/* Worker: a turn of port src begins. */
static inline void nfvd_watch_turn(struct nfvd_watched *w, unsigned int src)
{
	atomic_store_explicit(&w->beat, atomic_load_explicit(&w->beat, memory_order_relaxed) + 1, memory_order_relaxed);
	atomic_store_explicit(&w->at, src | NFVD_NOWHERE << 16, memory_order_relaxed);
}

/* Worker: of that turn, what goes to port dst. */
static inline void nfvd_watch_delivery(struct nfvd_watched *w, unsigned int src, unsigned int dst)
{
	atomic_store_explicit(&w->at, src | dst << 16, memory_order_relaxed);
}

/* Worker: before and after it sleeps. */
void nfvd_watch_sleep(struct nfvd_watched *w, bool asleep);

/* Control, when the workers run: start watching them. 0 or -errno. */
int nfvd_watch_start(void);
void nfvd_watch_stop(void);	/* before the workers end */

#endif
