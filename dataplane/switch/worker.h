/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers: threads that poll receive queues, switch, and sleep when idle.
 *
 * Each worker is a QSBR reader: it may use what it found in nfvd_ports[], the
 * FDB and a port's guest memory until the end of one loop iteration, where it
 * reports a quiescent state. Asleep, it is offline and holds nothing.
 */
#ifndef NFVD_WORKER_H
#define NFVD_WORKER_H

#include "switch/context.h"

/* cpus: n entries, -1 for not pinned. spin_us: how long to poll in vain before sleeping. */
int nfvd_workers_start(unsigned int n, const int *cpus, unsigned int spin_us);
/* Control, once: they switch from now on. */
void nfvd_workers_go(void);
void nfvd_workers_stop(void);

/*
 * C or the vhost thread: (un)register a queue with its worker. add: 0 or -errno (ENOMEM, ENOSPC: the queue
 * cannot wake its worker, and is not polled). del waits until no worker uses it; also what was never added.
 */
int nfvd_worker_add(struct nfvd_rxq *q);
void nfvd_worker_del(struct nfvd_rxq *q);
/* Any thread but a worker: wait until every worker has passed a quiescent state. */
void nfvd_quiesce(void);

#endif
