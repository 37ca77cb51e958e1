/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers: threads that poll receive queues, switch, and sleep when idle.
 *
 * A queue that had no frames for a while is cold: the worker does not poll it, but asks its endpoint for a wake-up,
 * and checks for wake-ups now and then. So idle ports cost nothing, however many there are.
 *
 * Each worker is a QSBR reader. What it finds in nfvd_ports[], the FDB and a port's guest memory stays valid until
 * the end of the loop iteration, where the worker reports a quiescent state. A sleeping worker is offline and holds
 * no reference.
 */
#ifndef NFVD_WORKER_H
#define NFVD_WORKER_H

#include "switch/context.h"

/* Start n workers. cpus has n entries, -1 for not pinned. spin_us: how long to poll in vain before sleeping; 0: not at all. */
int nfvd_workers_start(unsigned int n, const int *cpus, unsigned int spin_us);
/* Let the workers switch, from now on. Context: control, once. */
void nfvd_workers_go(void);
void nfvd_workers_stop(void);

/*
 * Add a queue to a worker, or remove it. nfvd_worker_add() returns 0 or -errno; after ENOMEM and ENOSPC the queue cannot
 * wake a worker and is not polled. nfvd_worker_del() waits until no worker uses the queue, which need not have been added.
 *
 * Context: control, or the vhost thread of the port.
 */
int nfvd_worker_add(struct nfvd_rxq *q);
void nfvd_worker_del(struct nfvd_rxq *q);
/* Wait until every worker has passed a quiescent state. Context: any thread but a worker. */
void nfvd_quiesce(void);

#endif
