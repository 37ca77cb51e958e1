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
#include "switch/drop.h"
#include "switch/frame.h"
#include "switch/ledger.h"

#define NFVD_PORTS_MAX	256
#define NFVD_RXQS_MAX	8	/* receive queues of one port */

struct nfvd_port;
struct nfvd_worker;

enum nfvd_state {
#define X(e, name, help) NFVD_STATE_##e,
	NFV_STATES(X)
#undef X
};

/* What a receiver takes unfinished; the rest nfvd computes or segments. */
#define NFVD_ACCEPT_CSUM	(1u << 0)	/* partial checksums */
#define NFVD_ACCEPT_TSO4	(1u << 1)
#define NFVD_ACCEPT_TSO6	(1u << 2)
#define NFVD_ACCEPT_ECN		(1u << 3)	/* TSO with ECN */
#define NFVD_ACCEPT_USO		(1u << 4)	/* UDP segmentation: kernel devices only */
#define NFVD_ACCEPT_KERNEL	(1u << 5)	/* frames whose payload the kernel module holds */
#define NFVD_ACCEPT_SKB		(1u << 6)	/* those that the module hands on as they are, with all that an skb can say */
#define NFVD_ACCEPT_ALL		0x7fu
#define NFVD_ACCEPT_NEVER	(1u << 7)	/* what no virtio_net_hdr says: nobody takes it */

/* A frame that was flooded to some of its receivers when the turn was over; it is its queue's next. */
struct nfvd_flooded {
	uint16_t next;		/* id of the port to go on with; 0: there is no such frame */
	uint32_t len, segs;
	uint8_t macs[12];
};

/* One receive queue (the endpoint's Tx), polled by exactly one worker. */
struct nfvd_rxq {
	struct nfvd_port *port;
	unsigned int index;
	struct nfvd_worker *worker;	/* set by nfvd_worker_add() */
	bool woken;			/* W: its fd woke the worker, and no frame was found yet */
	int fd;				/* readable when there may be frames; set before nfvd_worker_add() */
	int node;			/* NUMA node of the endpoint's memory; -1: no matter */
	struct nfvd_flooded flooded;	/* W */
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
	 * C. Parse params (unknown keys are an error), set up, set port->nr_rxq and rxq[]. All or nothing.
	 * May record steps with nfvd_attach_step(). Returns 0 or -1 with *err filled in.
	 */
	int (*attach)(struct nfvd_port *port, json_t *params, struct nfvd_err *err);
	/* C. No worker uses the port any more. Frees port->priv. */
	void (*detach)(struct nfvd_port *port);
	/*
	 * W. Take up to max frames, and up to NFVD_BURST_BYTES or one more frame; fill frames[], iov from the
	 * worker's pool or the port's own memory, valid until rx_done. Malformed frames before the first sound
	 * one are counted with nfvd_rx_drop() and not returned; one behind it ends the burst.
	 */
	unsigned int (*rx)(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int max);
	/*
	 * W. Of the last rx the first n frames, and what was malformed, are dealt with: give their buffers back to
	 * the endpoint. Those behind them are as if they had never been taken: the next rx begins with them.
	 */
	void (*rx_done)(struct nfvd_worker *w, struct nfvd_rxq *q, unsigned int n);
	/*
	 * T. Deliver n frames of one source; count into *l what was delivered (frames, bytes,
	 * copies, copied_bytes, syscalls) and with nfvd_tx_drop() what was not: exactly n in all.
	 */
	void (*tx)(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **frames,
		   unsigned int n, struct nfvd_ledger *l);
	/* W. About to sleep (true): ask for wake-ups on q->fd; returns true if frames are waiting already. Awake (false): undo. May be NULL. */
	bool (*arm)(struct nfvd_rxq *q, bool sleep);
	/* C. Add type-specific members to the port's JSON. */
	void (*show)(struct nfvd_port *port, json_t *obj);
	/* C. What doctor should know of the port, appended to list; may be NULL. */
	void (*findings)(const struct nfvd_port *port, json_t *list);
	/* C. Every 100 ms; may be NULL. */
	void (*tick)(struct nfvd_port *port);
	uint32_t tx_work;		/* of delivering one frame besides its bytes: how many bytes are copied meanwhile */
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
	_Atomic(uint32_t) macs;			/* addresses learnt at this port */
	atomic_bool macs_full;			/* a worker found no room for one more; control takes it back */
	bool macs_full_told;			/* C */
	atomic_bool held;			/* watch.c: fenced, for it held a worker; neither polled nor delivered to */
	_Atomic(uint32_t) held_times;
	_Atomic(uint64_t) storm[2];		/* storm.h: broadcast and unknown; multicast */
	unsigned int nr_rxq;
	struct nfvd_rxq rxq[NFVD_RXQS_MAX];
	uint64_t attach_us;
	json_t *attach_steps;			/* {step: microseconds} */
	_Atomic(uint64_t) faults[NFVD_N_REASONS];	/* counted outside workers: nfvd_fault() */
	void *priv;				/* the port type's */
};

extern struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];	/* RCU; published by control */

const char *nfvd_state_name(enum nfvd_state state);
bool nfvd_name_ok(const char *name);
/* For ops->show: why the port is not up, and the command that helps (NULL: none is known), as members of obj. */
void nfvd_show_why(json_t *obj, const char *why, const char *hint, ...) __attribute__((format(printf, 3, 4)));
/* C. NULL: there is none. */
struct nfvd_port *nfvd_port_find(const char *name);

/* Any thread: the endpoint begins anew, so may its port, but not again and again: then it has to be detached. */
#define NFVD_HELD_MAX	3
static inline void nfvd_port_unfence(struct nfvd_port *port)
{
	if (atomic_load(&port->held_times) < NFVD_HELD_MAX)
		atomic_store(&port->held, false);
}

/* ---- for port types ---- */
void nfvd_attach_step(struct nfvd_port *port, const char *step, uint64_t us);
/* C. Set by control: detach soon, from the event loop rather than from under the caller. */
extern void (*nfvd_port_detach_later)(struct nfvd_port *port);
/* Any thread: count an event that is no frame. */
void nfvd_fault(struct nfvd_port *port, enum nfvd_drop what, unsigned int n);

#endif
