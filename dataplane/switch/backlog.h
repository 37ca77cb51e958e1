/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The backlog: frames that wait for a receiver with few buffers, such as a boot firmware, which posts 8 of them and
 * posts them again when it polls. A burst of TCP does not fit into these. The rest is copied here and delivered as
 * buffers come.
 *
 * A frame waits at the worker that switched it, behind all other frames of that worker for the same port, so that
 * frames of one queue stay in order. A port may have at most as many slots as are free: one port gets half of them,
 * two a third each. A frame is dropped as DST_QUEUE if no slot is left for it, if it has waited for AGE_MS, if a
 * policy that judged it has changed since, or if the driver that it was for is gone. A frame that waits counts as in
 * flight until it is delivered or dropped.
 *
 * No event tells nfvd that a guest has posted buffers, so the worker tries again: first at once, then each time after
 * a quarter of the time for which the port has taken nothing. The worker sleeps no longer than until the next try.
 *
 * Context of all functions here: worker.
 */
#ifndef NFVD_BACKLOG_H
#define NFVD_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>
#include "port/port.h"

#define NFVD_BACKLOG_SLOTS	2048
#define NFVD_BACKLOG_BYTES	1536	/* the longest frame that can wait */

struct nfvd_backlog_slot {
	uint16_t next;			/* slots are named from 1 on; 0: none */
	uint16_t src, len, hdr_len;
	uint16_t spread;
	uint8_t origin_copies;
	uint32_t since_ms;
	uint32_t epochs;		/* the sum of both ports', when it was judged */
	const struct nfvd_policy *from, *to;	/* the policies that judged it; never dereferenced */
	uint64_t serial;		/* src's */
	uint8_t bytes[sizeof(struct virtio_net_hdr_mrg_rxbuf) + NFVD_BACKLOG_BYTES];
};

/* What waits for one port. */
struct nfvd_backlog_queue {
	uint16_t first, last;
	uint32_t n;
	uint64_t serial;		/* the port's */
	uint64_t stuck_ns, retry_ns;	/* since when it takes nothing; when to try again; 0: not tried yet */
};

/* The backlog of a worker. All zeros is an empty one; slots that were never used take no memory. */
struct nfvd_backlog {
	unsigned int n_active;		/* ports for which frames wait */
	unsigned int used, fresh;	/* number of slots that hold a frame; that ever held one */
	unsigned int kept;		/* of the frames that are being tried */
	bool trying;
	uint16_t free;
	uint64_t next_ns;		/* when the first of the ports is to be tried again */
	uint64_t put;			/* frames that ever waited */
	uint16_t active[NFVD_PORTS_MAX];
	struct nfvd_backlog_queue to[NFVD_PORTS_MAX];
	struct nfvd_backlog_slot slot[NFVD_BACKLOG_SLOTS];
};

/* Return whether frames wait for port: those that come now have to wait behind them. */
static inline bool nfvd_backlog_has(const struct nfvd_backlog *b, unsigned int port)
{
	return __builtin_expect(b->n_active != 0, 0) && !b->trying && b->to[port].n;
}

/* For ops->tx: port has no buffers for these n frames yet. They wait, or are counted as lost. */
void nfvd_backlog_put(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames, unsigned int n);
/* Deliver the frames that ports take now, and drop those that have waited too long. Return the number of both. */
unsigned int nfvd_backlog_try(struct nfvd_worker *w, uint64_t now_ns);

#endif
