/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker writes down for the thread that watches it (worker/watch.h): a store or two a turn. Only the worker
 * writes it.
 */
#ifndef NFVD_WATCHED_H
#define NFVD_WATCHED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NFVD_NOWHERE	0xffffu

/* Data of one worker; thread and tid are set before it is watched. */
struct nfvd_watched {
	_Atomic(uint32_t) beat;
	_Atomic(uint32_t) at;		/* id of the port served, and of the port delivered to << 16; NFVD_NOWHERE: none */
	_Atomic(bool) asleep;		/* waits for an endpoint, as it should */
	pthread_t thread;
	pid_t tid;
};

/* Record that a turn of port src begins. Context: worker. */
static inline void nfvd_watch_turn(struct nfvd_watched *w, unsigned int src)
{
	atomic_store_explicit(&w->beat, atomic_load_explicit(&w->beat, memory_order_relaxed) + 1, memory_order_relaxed);
	atomic_store_explicit(&w->at, src | NFVD_NOWHERE << 16, memory_order_relaxed);
}

/* Record that the turn of src delivers to port dst; NFVD_NOWHERE: to none any more. Context: worker. */
static inline void nfvd_watch_delivery(struct nfvd_watched *w, unsigned int src, unsigned int dst)
{
	atomic_store_explicit(&w->at, src | dst << 16, memory_order_relaxed);
}

#endif
