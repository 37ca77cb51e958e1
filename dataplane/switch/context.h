/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data that a worker uses while it switches, and its counters.
 *
 * Only its worker writes a counter; control reads it at any time. The counters of struct nfvd_balance change
 * together, once for each turn of a queue, when none of its frames is in flight but for those of the backlog. A sequence
 * number protects them. So the equation of conservation holds exactly in what control reads, even if the worker is busy or
 * hangs.
 */
#ifndef NFVD_CONTEXT_H
#define NFVD_CONTEXT_H

#include "port/fdb.h"
#include "port/port.h"
#include "switch/backlog.h"
#include "switch/tap.h"
#include "switch/watched.h"

#define NFVD_ROUND_BINS	16	/* up to 16 ms, and longer */
#define NFVD_IOV_POOL		8192	/* vectors for the frames of one burst */

/* The frames of one source. It holds: rx_frames + replicated = delivered + lost + rx_dropped + those in the backlog. */
struct nfvd_balance {
	uint64_t rx_frames, rx_bytes;	/* taken from the endpoint */
	uint64_t rx_dropped;		/* dropped before a destination was chosen */
	uint64_t replicated;		/* flooded to n, or cut into n: n - 1 */
	uint64_t delivered, lost;	/* at the destinations */
};

static inline void nfvd_balance_add(struct nfvd_balance *to, const struct nfvd_balance *from)
{
	to->rx_frames += from->rx_frames;
	to->rx_bytes += from->rx_bytes;
	to->rx_dropped += from->rx_dropped;
	to->replicated += from->replicated;
	to->delivered += from->delivered;
	to->lost += from->lost;
}

/* Who waits for whom: turns, and what they found. */
struct nfvd_pressure {
	uint64_t taken, taken_full;	/* turns that took frames from it; that left more waiting */
	uint64_t sent, sent_full;	/* bursts that it sent to one destination; that found too few buffers there */
	uint64_t given, given_full;	/* the same of bursts that others sent to it */
	uint64_t paused_ns;		/* for how long nothing was taken because of its limit */
};

struct nfvd_counters {
	_Atomic(uint64_t) seq;		/* odd while balance changes */
	struct nfvd_balance balance;
	uint64_t rx_syscalls;
	uint64_t tx_frames, tx_bytes;	/* delivered to it, by all sources there ever were */
	uint64_t drops[NFVD_N_DROPS];	/* by reason, as source or as destination */
	uint64_t learnt[NFVD_N_LEARNT];	/* frames from it, but for NFVD_LEARNT */
	struct nfvd_pressure pressure;
} __attribute__((aligned(64)));

/* What a source sent to each destination. A reader visits only the destinations that the source ever sent to. */
struct nfvd_row {
	uint64_t used[NFVD_PORTS_MAX / 64];	/* bit map, never cleared while its source is there */
	struct nfvd_ledger to[NFVD_PORTS_MAX];
};

static inline struct nfvd_ledger *nfvd_row_to(struct nfvd_row *row, unsigned int dst)
{
	row->used[dst / 64] |= 1ull << dst % 64;
	return &row->to[dst];
}

/* Return the first destination from dst on that the source ever sent to; NFVD_PORTS_MAX: none. */
unsigned int nfvd_row_next(const struct nfvd_row *row, unsigned int dst);

struct nfvd_out {
	unsigned int n;
	struct nfvd_frame *f[NFVD_BURST];
};

struct nfvd_worker {
	unsigned int index;
	int cpu;			/* -1: not pinned */
	struct nfvd_watched watched;
	uint32_t now_ms;		/* as of this iteration */
	uint32_t round;
	bool owing;			/* in this round a queue sits out, see share.h */
	unsigned int src;		/* id of the port whose queue has its turn */
	uint64_t work;			/* of this turn beyond the bytes taken, in bytes copied */
	uint64_t meter_now;		/* as of this iteration, for limits: a burst is much longer */
	uint64_t spent;			/* on what this turn delivered, in bytes copied */
	struct nfvd_balance turn;	/* to be added to src's; zero between turns */
	unsigned int spread;		/* same for all frames of one source queue: picks a receive queue */
	struct nfvd_frame frames[NFVD_BURST] __attribute__((aligned(64)));
	struct iovec pool[NFVD_IOV_POOL];
	uint8_t *bounce;		/* of nfvd_move_to_private(): a burst of the largest frames */

	/* Switching: frames by destination, and which destinations there are. */
	struct nfvd_out out[NFVD_PORTS_MAX];
	unsigned int n_touched;
	uint16_t touched[NFVD_PORTS_MAX];
	struct nfvd_tapped tap;
	struct nfvd_ledger *pair;	/* what nfvd_tx_drop() charges */
	bool copying;			/* the frames being delivered are copies of a mirror, ... */
	struct nfvd_out copies;		/* ... of these */
	struct nfvd_frame retagged[NFVD_BURST];	/* copies with another tag; the watch may look at them at any time */

	/* Frames of this turn of which a mirror gets a copy. */
	unsigned int n_copied;
	struct nfvd_frame *copied[NFVD_BURST];

	struct nfvd_counters port[NFVD_PORTS_MAX];
	struct nfvd_row *row[NFVD_PORTS_MAX];	/* by source; allocated at attach */
	uint64_t sleeps;
	uint64_t rounds[NFVD_ROUND_BINS];	/* that took frames, by how long: bin b less than 2^b µs, the last one any */
	uint64_t busy_ns, asleep_ns;	/* time of rounds that took frames; of sleep. In the rest it polled in vain */
	struct nfvd_backlog backlog;

	/* Ports with an interrupt that was put off. */
	unsigned int n_late;
	uint16_t late[NFVD_PORTS_MAX];
	bool is_late[NFVD_PORTS_MAX];
};

/* Call ops->call_late of this port from now on, until nothing is put off any more. Context: worker. */
static inline void nfvd_note_late(struct nfvd_worker *w, const struct nfvd_port *port)
{
	if (!w->is_late[port->id])
		w->late[w->n_late++] = port->id;
	w->is_late[port->id] = true;
}

/*
 * Add the counts of this turn to w->src's balance. All frames that it took are delivered, dropped, or wait. Context:
 * worker.
 */
static inline void nfvd_settle(struct nfvd_worker *w)
{
	struct nfvd_counters *c = &w->port[w->src];
	uint64_t seq = atomic_load_explicit(&c->seq, memory_order_relaxed);

	if (!(w->turn.rx_frames | w->turn.replicated | w->turn.delivered | w->turn.lost | w->turn.rx_dropped))
		return;
	atomic_store_explicit(&c->seq, seq + 1, memory_order_relaxed);
	/* Pairs with the acquire fence of the reader. */
	atomic_thread_fence(memory_order_release);
	nfvd_balance_add(&c->balance, &w->turn);
	atomic_store_explicit(&c->seq, seq + 2, memory_order_release);
	w->turn = (struct nfvd_balance){ 0 };
}

extern struct nfvd_worker *nfvd_workers[NFVD_WORKERS_MAX];
extern unsigned int nfvd_n_workers;

/*
 * Zero the counters of a port's id in every worker. Return 0 or -ENOMEM. Workers may run: the id was unpublished and a
 * grace period has passed, so no worker counts for it.
 * Context: control, at attach.
 */
int nfvd_counters_reset(unsigned int id);

/*
 * Read w's counters of port id into *c. Return false if they are not exact, because w did not finish changing the
 * balance in the time allowed. That happens only if w was stopped in the middle of the change.
 * Context: control.
 */
bool nfvd_counters_read(const struct nfvd_worker *w, unsigned int id, struct nfvd_counters *c);

void nfvd_pressure_add(struct nfvd_pressure *to, const struct nfvd_pressure *from);

/* Count n frames from port's endpoint that were too malformed to be taken. Context: worker. */
void nfvd_rx_drop(struct nfvd_worker *w, struct nfvd_port *port, enum nfvd_drop why, unsigned int n);
/*
 * nfvd_src_drop() counts n frames that were taken from port's endpoint and dropped before a destination was chosen.
 * nfvd_tx_drop() counts n frames that could not be delivered to port; MEM_FAULT is counted at the source. Context:
 * worker.
 */
void nfvd_src_drop(struct nfvd_worker *w, struct nfvd_port *port, enum nfvd_drop why, struct nfvd_frame *const *frames, unsigned int n);
void nfvd_tx_drop(struct nfvd_worker *w, struct nfvd_port *port, enum nfvd_drop why, struct nfvd_frame *const *frames, unsigned int n);
/* Count n system calls that were made to take frames. Context: worker. */
void nfvd_rx_syscalls(struct nfvd_worker *w, struct nfvd_port *port, unsigned int n);

#endif
