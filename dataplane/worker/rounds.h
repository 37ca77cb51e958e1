/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's rounds: which of its queues it polls, which it asks for a wake-up, and when it sleeps (worker.h).
 */
#ifndef NFVD_ROUNDS_H
#define NFVD_ROUNDS_H

#include <pthread.h>
#include <semaphore.h>
#include "switch/context.h"

#define NFVD_QUEUES_MAX (NFVD_PORTS_MAX * NFVD_RXQS_MAX)

/*
 * A worker's queues, replaced as a whole. There is room for the most queues there can be, so adding one needs no
 * memory.
 */
struct nfvd_queues {
	uint64_t generation;
	unsigned int n;
	struct nfvd_rxq *q[NFVD_QUEUES_MAX];
};

/* A worker, with what only this room needs of it. */
struct nfvd_thread {
	struct nfvd_worker w;
	struct nfvd_queues *queues;	/* RCU: one of both[]; the other is changed, then they swap */
	struct nfvd_queues both[2];
	uint64_t generation;		/* that hot is of */
	unsigned int n_hot;
	struct nfvd_rxq *hot[NFVD_QUEUES_MAX];
	unsigned int rechecked;		/* counts up: the next queue to recheck, modulo their number */
	uint32_t tick_ms;
	uint64_t last_ns, look_ns;	/* when the last round ended; when the worker last looked who called */
	pthread_t tid;
	int epoll, wake;
	bool nobody_called;		/* it polls by itself, after RECHECK_MS without an event */
	atomic_bool stop;
	unsigned int spin_limit_us;	/* how long it polls in vain before it sleeps; 0: not at all */
	sem_t started, go;
};

/* Do rounds until t->stop, after t->go. Context: the worker's thread; arg is its struct nfvd_thread. */
void *nfvd_rounds(void *arg);

#endif
