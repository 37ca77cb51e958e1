/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: what the switch and control know of an endpoint, and what a port type provides.
 *
 * A port lives from nfvd_port_attach() to nfvd_port_detach(), both on the control
 * thread. Workers find it in the RCU table nfvd_ports[]; control unpublishes it,
 * waits for all workers, then calls ops->detach.
 */
#ifndef NFVD_PORT_H
#define NFVD_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <nfv/rpc.h>
#include "err.h"
#include "frame/drop.h"
#include "frame/frame.h"
#include "frame/ledger.h"
#include "frame/offload.h"
#include "policy/address.h"
#include "policy/policy.h"
#include "port/share.h"

#define NFVD_PORTS_MAX	4096
#define NFVD_RXQS_MAX	8	/* receive queues of one port */
#define NFVD_WORKERS_MAX	16

struct nfvd_port;
struct nfvd_worker;

enum nfvd_state {
#define X(e, name, help) NFVD_STATE_##e,
	NFV_STATES(X)
#undef X
};

/* A frame that had reached only some of its receivers when the turn ended. Its queue goes on with it. */
struct nfvd_flooded {
	uint16_t next;		/* id of the port to go on with; 0: no such frame */
	uint32_t len, segs;
	uint8_t macs[12];
};

/* One receive queue (the endpoint's Tx), polled by exactly one worker. */
struct nfvd_rxq {
	struct nfvd_port *port;
	unsigned int index;
	struct nfvd_worker *worker;	/* set by nfvd_worker_add() */
	bool hot;			/* W: polled in every round; else when its fd says so */
	bool woken;			/* W: its fd woke the worker, which has found no frame yet */
	uint32_t busy_ms;		/* W: when it last had a frame */
	int fd;				/* readable when there may be frames; set before nfvd_worker_add() */
	int node;			/* NUMA node of the endpoint's memory; -1: no matter */
	struct nfvd_flooded flooded;	/* W */
	struct nfvd_share share;	/* W */
	uint64_t paused_ns;		/* W: since when the limit of its port has stopped it; 0: it is not stopped */
	void *priv;			/* the port type's */
};

/*
 * A port type: one file that ends in one of these. Contexts: C control thread,
 * W the worker that polls the queue, T any worker (several at once).
 */
struct nfvd_port_ops {
	const char *type;
	/* Of several ways to serve a type, 'mode' at attach picks one; else the first that is available. */
	const char *mode;		/* NULL: there is one way only, and 'mode' is the type's own */
	bool (*available)(void);	/* C. NULL: always */
	/*
	 * C. Read params, which agree with <nfv/params.h>, set up the port, and set port->nr_rxq and rxq[]. On
	 * failure leave nothing behind. May record steps with nfvd_attach_step(). Return 0, or -1 with *err filled
	 * in.
	 */
	int (*attach)(struct nfvd_port *port, json_t *params, struct nfvd_err *err);
	/*
	 * C. The port is being detached: other threads of it begin nothing any more at its queues. May be NULL, if it has
	 * none.
	 */
	void (*leave)(struct nfvd_port *port);
	/* C. Free port->priv. No worker uses the port any more. */
	void (*detach)(struct nfvd_port *port);
	/*
	 * W. Take up to max frames and fill frames[]. Stop once NFVD_BURST_BYTES are taken. iov comes from the worker's
	 * pool or the port's own memory, and is valid until rx_done. Malformed frames before the first sound one are
	 * counted with nfvd_rx_drop() and not returned. A malformed frame behind it ends the burst.
	 */
	unsigned int (*rx)(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int max);
	/*
	 * W. Give the buffers of the first n frames of the last rx, and of malformed ones, back to the endpoint. The next
	 * rx returns the frames behind them again.
	 */
	void (*rx_done)(struct nfvd_worker *w, struct nfvd_rxq *q, unsigned int n);
	/*
	 * T. Deliver n frames of one source. Count delivered frames in *l (frames, bytes, copies, copied_bytes, syscalls)
	 * and the others with nfvd_tx_drop(): exactly n in all.
	 */
	void (*tx)(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames,
		   unsigned int n, struct nfvd_ledger *l);
	/*
	 * W. sleep true: ask for wake-ups on q->fd, and return true if frames are waiting already. sleep false: stop
	 * asking. May be NULL.
	 */
	bool (*arm)(struct nfvd_rxq *q, bool sleep);
	/* T. Interrupt the endpoint where that was put off, nfvd_note_late(). Return whether some is put off still. */
	bool (*call_late)(struct nfvd_port *port);
	/* C. Add type-specific members to the port's JSON. */
	void (*show)(struct nfvd_port *port, json_t *obj);
	/* C. Append what doctor reports of the port to list. May be NULL. */
	void (*findings)(const struct nfvd_port *port, json_t *list);
	/* C. Called every 100 ms. May be NULL. */
	void (*tick)(struct nfvd_port *port);
	bool storms;			/* may flood as fast as it likes, unless its policy says otherwise: an uplink */
	bool pausable;			/* frames that are not taken yet wait at the endpoint, and are not lost */
	uint32_t tx_work;		/* work of delivering a frame besides its bytes, as bytes copied meanwhile */
};

struct nfvd_port {
	unsigned int id;			/* index into nfvd_ports[], reused after detach */
	uint64_t serial;			/* no other port ever had it */
	char name[NFV_NAME_MAX + 1];
	const struct nfvd_port_ops *ops;
	_Atomic(enum nfvd_state) state;		/* set with nfvd_port_set_state() */
	_Atomic(uint32_t) accepts;		/* NFVD_ACCEPT_* */
	_Atomic(uint32_t) mtu;			/* bytes behind Ethernet header and VLAN tags; 0: any length */
	uint32_t macs_max;
	bool macs_drop;				/* frames from further addresses are dropped, not only not learnt */
	_Atomic(uint32_t) macs;			/* addresses learnt at this port */
	_Atomic(uint64_t) learnt;		/* nfvd_fdb_key() of the last one; 0: none. It may have gone since */
	atomic_bool macs_full;			/* a worker could not learn one more; control clears it */
	bool macs_full_told;			/* C */
	_Atomic(uint32_t) captured;		/* captures that want all its frames: none may skip nfvd */
	atomic_bool held;			/* watch.c: fenced because it held a worker; not polled, not delivered to */
	_Atomic(uint32_t) held_times;
	_Atomic(uint64_t) held_us;		/* when it did last */
	_Atomic(uint64_t) storm[NFVD_STORMS];	/* storm.h */
	struct nfvd_policy *policy;		/* RCU; NULL: plain */
	_Atomic(uint32_t) epoch;		/* changes once no turn uses an old policy or old rings */
	_Atomic(uint8_t) mirror_from, mirror_to;	/* mirrors of what it sends; receives: mirror.h */
	_Atomic(uint32_t) quarantine_probe;	/* id + 1 of the port that gets what its quarantine drops; 0: none */
	struct nfvd_meter from, to;		/* of the policy's limits */
	struct nfvd_address_state address;
	json_t *words;				/* C: the policy as it was asked for */
	unsigned int nr_rxq;
	struct nfvd_rxq rxq[NFVD_RXQS_MAX];
	struct nfvd_busy busy[NFVD_WORKERS_MAX];	/* W: one element for each worker */
	uint64_t attach_us;
	json_t *attach_steps;			/* {step: microseconds} */
	_Atomic(uint64_t) faults[NFVD_N_REASONS];	/* counted outside workers: nfvd_fault() */
	_Atomic(uint64_t) replayed;		/* frames: nfvd_port_replays() */
	void *priv;				/* the port type's */
};

extern struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];	/* RCU; published by control */
extern _Atomic(unsigned int) nfvd_ports_end;	/* all ids are below; set by control before it publishes a port */

const char *nfvd_state_name(enum nfvd_state state);
bool nfvd_name_ok(const char *name);
/* Add to obj why the port is not up, and the command that helps (NULL: none is known). For ops->show. */
void nfvd_show_why(json_t *obj, const char *why, const char *hint, ...) __attribute__((format(printf, 3, 4)));
/* Return the port of this name, or NULL. Context: control. */
struct nfvd_port *nfvd_port_find(const char *name);

/*
 * Unfence a port that held a worker, because its endpoint has begun anew, unless it held one NFVD_HELD_MAX times: see
 * nfvd_watch_release(). Context: any thread.
 */
#define NFVD_HELD_MAX	3
static inline void nfvd_port_unfence(struct nfvd_port *port)
{
	if (atomic_load(&port->held_times) < NFVD_HELD_MAX)
		atomic_store(&port->held, false);
}

/* Return whether each frame from and to the port has to pass through nfvd. Context: control. */
static inline bool nfvd_port_inspects(const struct nfvd_port *port)
{
	return nfvd_policy_inspects(port->policy) || port->macs_drop || atomic_load(&port->mirror_from) || atomic_load(&port->mirror_to);
}

/* ---- for port types ---- */
void nfvd_attach_step(struct nfvd_port *port, const char *step, uint64_t us);
/* Detach the port soon, from the event loop. Set by control. Context: control. */
extern void (*nfvd_port_detach_later)(struct nfvd_port *port);
/* Count n events that are no frames. Context: any thread. */
void nfvd_fault(struct nfvd_port *port, enum nfvd_drop what, unsigned int n);
/*
 * Count n frames that are taken again, because an nfvd that was killed had taken them before. Write an event.
 * Context: any thread.
 */
void nfvd_port_replays(struct nfvd_port *port, unsigned int n);

#endif
