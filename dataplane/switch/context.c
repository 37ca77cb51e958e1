/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/context.h"

#include <errno.h>
#include <rte_pause.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <urcu-qsbr.h>

struct nfvd_worker *nfvd_workers[NFVD_WORKERS_MAX];
unsigned int nfvd_n_workers;

unsigned int nfvd_row_next(const struct nfvd_row *row, unsigned int dst)
{
	for (; dst < NFVD_PORTS_MAX; dst = (dst | 63) + 1) {
		uint64_t left = __atomic_load_n(&row->used[dst / 64], __ATOMIC_RELAXED) >> dst % 64;

		if (left)
			return dst + __builtin_ctzll(left);
	}
	return NFVD_PORTS_MAX;
}

/* Clear only what was ever written, so that the rest of a row takes no memory. */
static void forget(struct nfvd_worker *w, unsigned int id)
{
	struct nfvd_row *own = w->row[id];

	for (unsigned int src = 0; src < atomic_load(&nfvd_ports_end); src++)
		if (w->row[src] && nfvd_row_next(w->row[src], id) == id)
			memset(&w->row[src]->to[id], 0, sizeof(w->row[src]->to[id]));
	for (unsigned int dst = 0; (dst = nfvd_row_next(own, dst)) < NFVD_PORTS_MAX; dst++)
		memset(&own->to[dst], 0, sizeof(own->to[dst]));
	memset(own->used, 0, sizeof(own->used));
	memset(&w->port[id], 0, sizeof(w->port[id]));
}

int nfvd_counters_reset(unsigned int id)
{
	for (unsigned int i = 0; i < nfvd_n_workers; i++)
		if (!nfvd_workers[i]->row[id]) {
			/* All zeros; only the parts in use take memory. */
			struct nfvd_row *row = mmap(NULL, sizeof(*row), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (row == MAP_FAILED)
				return -ENOMEM;
			rcu_assign_pointer(nfvd_workers[i]->row[id], row);
		}
	for (unsigned int i = 0; i < nfvd_n_workers; i++)
		forget(nfvd_workers[i], id);
	return 0;
}

#define READ_TRIES 1000	/* some 50 us; the balance changes within 10 ns */

bool nfvd_counters_read(const struct nfvd_worker *w, unsigned int id, struct nfvd_counters *to)
{
	const struct nfvd_counters *c = &w->port[id];

	for (unsigned int i = 0; i < READ_TRIES; i++) {
		uint64_t seq = atomic_load_explicit(&c->seq, memory_order_acquire);

		memcpy(to, c, sizeof(*to));
		/* Pairs with the release fence of the writer. */
		atomic_thread_fence(memory_order_acquire);
		if (!(seq & 1) && atomic_load_explicit(&c->seq, memory_order_relaxed) == seq)
			return true;
		rte_pause();
	}
	return false;
}

void nfvd_pressure_add(struct nfvd_pressure *to, const struct nfvd_pressure *from)
{
	to->taken += from->taken;
	to->taken_full += from->taken_full;
	to->sent += from->sent;
	to->sent_full += from->sent_full;
	to->given += from->given;
	to->given_full += from->given_full;
	to->paused_ns += from->paused_ns;
}

void nfvd_rx_drop(struct nfvd_worker *w, struct nfvd_port *port, enum nfvd_drop why, unsigned int n)
{
	w->turn.rx_frames += n;
	w->turn.rx_dropped += n;
	w->port[port->id].drops[why] += n;
	if (w->tap.set)
		nfvd_tap_dropped(&w->tap, port, NULL, why, NULL, n);
}

void nfvd_src_drop(struct nfvd_worker *w, struct nfvd_port *port, enum nfvd_drop why, struct nfvd_frame *const *frames, unsigned int n)
{
	w->turn.rx_dropped += n;
	w->port[port->id].drops[why] += n;
	if (w->tap.set)
		nfvd_tap_dropped(&w->tap, port, NULL, why, frames, n);
}

void nfvd_tx_drop(struct nfvd_worker *w, struct nfvd_port *port, enum nfvd_drop why, struct nfvd_frame *const *frames, unsigned int n)
{
	bool at_source = why == NFVD_DROP_MEM_FAULT;

	if (w->copying && !at_source)
		why = NFVD_DROP_MIRROR;
	w->port[at_source ? w->src : port->id].drops[why] += n;
	w->pair->dropped += n;
	if (w->tap.set)
		nfvd_tap_dropped(&w->tap, at_source ? w->tap.src : port, port, why, frames, n);
}

void nfvd_rx_syscalls(struct nfvd_worker *w, struct nfvd_port *port, unsigned int n)
{
	w->port[port->id].rx_syscalls += n;
}
