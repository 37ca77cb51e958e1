/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers: threads that poll receive queues, switch, and sleep when idle.
 *
 * Each worker is a QSBR reader: it may use what it found in nfvd_ports[], the
 * FDB and a port's guest memory until the end of one loop iteration, where it
 * reports a quiescent state. Asleep, it is offline and holds nothing.
 *
 * Counters belong to the worker that writes them. It holds its lock (a fair
 * ticket lock, so that a busy worker lets a reader in) for each iteration;
 * whoever holds all locks sees a state in which no frame is in flight and the
 * conservation equation holds exactly.
 */
#ifndef NFVD_WORKER_H
#define NFVD_WORKER_H

#include <rte_ticketlock.h>
#include "clock.h"
#include "port.h"

#define NFVD_WORKERS_MAX	16
#define NFVD_IOV_POOL		8192	/* vectors for the frames of one burst */

struct nfvd_counters {
	uint64_t rx_frames, rx_bytes;	/* taken from the endpoint */
	uint64_t rx_syscalls;
	uint64_t rx_dropped;		/* of those, before a destination was chosen */
	uint64_t replicated;		/* flooded to n, or cut into n: n - 1 */
	uint64_t drops[NFVD_N_DROPS];	/* by reason, as source or as destination */
};

struct nfvd_out {
	unsigned int n;
	struct nfvd_frame *f[NFVD_BURST];
};

struct nfvd_worker {
	unsigned int index;
	int cpu;			/* -1: not pinned */
	rte_ticketlock_t lock;		/* over counters, see above */
	uint32_t now_ms;		/* as of this iteration */
	unsigned int spread;		/* same for all frames of one source queue: picks a receive queue */
	struct nfvd_frame frames[NFVD_BURST] __attribute__((aligned(64)));
	struct iovec pool[NFVD_IOV_POOL];
	uint8_t *bounce;		/* of nfvd_move_to_private(): a burst of the largest frames */

	/* Switching: frames by destination, and which destinations there are. */
	struct nfvd_out out[NFVD_PORTS_MAX];
	unsigned int n_touched;
	uint16_t touched[NFVD_PORTS_MAX];
	struct nfvd_ledger *pair;	/* what nfvd_tx_drop() charges */

	struct nfvd_counters port[NFVD_PORTS_MAX];
	struct nfvd_ledger *row[NFVD_PORTS_MAX];	/* [source][destination]; allocated at attach */
	struct nfvd_ledger retired[NFVD_PORTS_MAX];	/* by source: towards ports that are gone */
	uint64_t sleeps;
};

extern struct nfvd_worker *nfvd_workers[NFVD_WORKERS_MAX];
extern unsigned int nfvd_n_workers;

/* cpus: n entries, -1 for not pinned. spin_us: how long to poll in vain before sleeping. */
int nfvd_workers_start(unsigned int n, const int *cpus, unsigned int spin_us);
void nfvd_workers_stop(void);

/* Control: hold every worker at the end of an iteration. */
void nfvd_workers_lock(void);
void nfvd_workers_unlock(void);

/* Control, at attach: zero the counters of this id in every worker. 0 or -ENOMEM. */
int nfvd_counters_reset(unsigned int id);

/* switch.c. Worker: forward what was taken from q's port. */
void nfvd_switch(struct nfvd_worker *w, struct nfvd_port *src, struct nfvd_frame *frames, unsigned int n);

#endif
