/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Port type xen: the types and functions that its files share.
 *
 *	bus.c		the backend driver: a vif's life on the xenbus, from probe to remove
 *	connect.c	its rings, event channels and queues, from the frontend's keys; and their end
 *	vif.c		the list of vifs; counting misses, fencing
 *	queue.c		a queue: its interrupts, its poll, its life
 *	port.c		the port: the session's calls
 *	tx.c		from the guest's Tx ring to held frames
 *	rx.c		from waiting frames to the guest's Rx ring
 *	mcast.c		multicast control
 *	copy.c		carrying out collected grant copies
 *	copy.h		a frame, slot by slot, to where it is copied
 *	maps.c		grants that stay mapped, for a frontend that names them (xen_gref.h)
 *	ctrl.c		the control ring, over which it names them
 *	slots.h		the Tx ring, parsed; compiled in user space, too
 *
 * A vif has rings while it is connected. Without a port its frames are dropped: the guest sees a network on which
 * nobody responds.
 *
 * A held frame of a guest is an skb with nothing but its header. Its slots get their responses when the skb is freed, and
 * nobody waits for that. When the rings go, all slots of held frames get responses, and the skbs become empty shells:
 *
 *	source->gone		nobody begins to copy from its slots
 *	  a grace period	nobody copies from them, so their grants may end
 *	source->queue = NULL	every slot has its response; freeing a frame sends none
 *	  rings are unmapped, the queue is freed; the last frame frees the source
 *
 * Locking, with what nfvk.h says:
 *
 *	vif->lock (mutex)	inside session->lock: connecting, vif->port, port->dev. One for each vif. May be
 *				held over a grace period, but not while waiting for a guest, the daemon or another vif
 *	vifs_lock (mutex)	inside that: the list of vifs, and nothing that waits
 *	vif->ctrl_lock (mutex)	inside vif->lock: control ring, tables of mapped grants
 *	queue->rx_lock		bottom halves off: all about the guest's Rx ring, and frames that wait for it
 *	source->lock		bottom halves off, inside any other: responses in the guest's Tx ring
 *
 * The guest's Tx requests are read by the queue's NAPI poll alone. A vif is freed by its last
 * reference: the list's, and its port's.
 */
#ifndef NFVK_XEN_H
#define NFVK_XEN_H

#include <linux/kref.h>
#include <linux/netdevice.h>
#include <xen/page.h>
#include <xen/xenbus.h>
#include <xen/interface/io/netif.h>
#include <xen/interface/grant_table.h>
#include "nfvk.h"
#include "maps.h"
#include "slots.h"

#define NFVK_XEN_COPIES		128	/* grant copies in one hypercall */
#define NFVK_XEN_BURST		64	/* frames that one poll takes, or one delivery collects */

/* ---- copy.c ---- */

/* Copies of several frames; owner[i] is the frame that op[i] belongs to. */
struct nfvk_xen_copies {
	atomic64_t *ops;			/* counts them */
	unsigned int n;
	unsigned long failed[BITS_TO_LONGS(NFVK_XEN_BURST)];	/* owners */
	u8 owner[NFVK_XEN_COPIES];
	struct gnttab_copy op[NFVK_XEN_COPIES];
};

/* Carry out the copies, and mark owners of copies that fail. Never sleep. Context: any. */
void nfvk_xen_copies_run(struct nfvk_xen_copies *c);

struct nfvk_vif;

/* ---- ctrl.c; process context ---- */

void nfvk_xen_ctrl_init(struct nfvk_vif *vif);
int nfvk_xen_ctrl_connect(struct nfvk_vif *vif, grant_ref_t ref, evtchn_port_t channel);	/* under vif->lock */
void nfvk_xen_ctrl_disconnect(struct nfvk_vif *vif);	/* once no frame moves; does nothing if not connected */

/* ---- a vif ---- */

struct nfvk_xen_answer {		/* to an Rx request */
	union {
		struct xen_netif_rx_response r;
		struct xen_netif_extra_info extra;
	};
	u8 frame;
	bool is_extra;
};

/* The queue that held frames came from, as they see it. It lives as long as the last of them. */
struct nfvk_xen_source {
	spinlock_t lock;
	bool gone;
	struct nfvk_xen_queue *queue;		/* NULL: its rings are gone. Changed under lock, a grace period after gone */
	struct list_head held;			/* frames; under lock */
	struct rcu_head rcu;
};

/* The rate at which the toolstack lets a guest send: bytes per usec microseconds, all queues together. */
struct nfvk_xen_rate {
	u32 bytes, usec;			/* usec 0: no limit */
	atomic64_t paid;			/* ns: the time at which all that was sent is paid for */
};

/* Return whether the guest may send at time now. The frame that exceeds the limit still passes. */
static inline bool nfvk_xen_may_send(const struct nfvk_xen_rate *r, u64 now)
{
	return !r->usec || atomic64_read(&r->paid) <= (s64)now;
}

static inline void nfvk_xen_pay(struct nfvk_xen_rate *r, u32 bytes, u64 now)
{
	s64 ns = r->usec ? div_u64((u64)bytes * r->usec * NSEC_PER_USEC, r->bytes) : 0, was, from;

	if (!ns)
		return;
	was = atomic64_read(&r->paid);
	do {
		/* What it did not send is kept for one period. */
		from = max_t(s64, was, now - (u64)r->usec * NSEC_PER_USEC);
	} while (!atomic64_try_cmpxchg(&r->paid, &was, from + ns));
}

struct nfvk_xen_queue {
	struct nfvk_vif *vif;
	unsigned int index;
	struct napi_struct napi;
	int tx_irq, rx_irq;			/* the same: a single event channel; 0: none */
	atomic_t eoi;				/* NFVK_EOI_*: interrupts to be ended */
	struct nfvk_xen_maps *maps;		/* NULL: the guest named none; changed under ctrl_lock */
	bool broken;				/* its frontend wrote malformed entries: fenced until it reconnects */
	struct hrtimer resume;			/* polls when the vif's rate allows */

	/* The guest's Tx. */
	struct xen_netif_tx_back_ring tx;	/* req_cons: the poll's; the rest under source->lock */
	u32 tx_seen;				/* its producer index at the last interrupt */
	struct nfvk_xen_source *source;
	bool taking;				/* a poll takes frames, and pushes responses at its end; under source->lock */
	struct nfvk_xen_frame frame[NFVK_XEN_BURST];	/* of one poll */
	struct nfvk_xen_copies fetch;
	struct sk_buff *fetched[NFVK_XEN_BURST];	/* of one poll, by frame: copies for ports of another type */
	struct nfvk_port *fetched_for[NFVK_XEN_BURST];
	DECLARE_BITMAP(touched, NFV_PORTS_MAX);	/* ports that this poll has sent to */
	u8 *header;				/* NFVK_XEN_BURST times NFV_HDR_MAX bytes, whole pages */

	/* The guest's Rx. */
	spinlock_t rx_lock;
	struct xen_netif_rx_back_ring rx;
	u32 rx_seen;				/* its producer index at the last interrupt */
	struct sk_buff_head waiting;		/* for slots */
	u32 waiting_bytes;			/* of frames */
	struct nfvk_account memory;		/* taken by the waiting frames */
	bool stalled;				/* frames waited for too long: none is queued until slots come */
	struct sk_buff_head copying;
	unsigned int n_responses;
	struct nfvk_xen_answer response[NFVK_XEN_RING];
	struct nfvk_xen_copies deliver;
};

#define NFVK_XEN_MCASTS	64	/* addresses that a frontend may ask for */

#define NFVK_EOI_TX	1
#define NFVK_EOI_RX	2

struct nfvk_vif {
	struct kref ref;
	struct mutex lock;			/* see above */
	struct xenbus_device *xb;		/* until it is removed */
	bool removed;
	struct list_head all;
	u32 domid, devid;
	struct nfvk_port __rcu *port;
	struct net_device *dev;			/* carries the NAPI contexts; never registered */
	struct xenbus_watch hotplug;
	bool watching, connected, sg;
	u32 accepts;				/* NFV_ACCEPT_* */
	unsigned int nr_queues;
	struct nfvk_xen_queue **queue;		/* while connected */
	struct nfvk_xen_grants grants;
	struct nfvk_xen_rate rate;

	/* Multicast control: deliver only what the guest asked for. */
	bool mcast_control;
	spinlock_t mcast_lock;			/* bottom halves off, inside any other */
	unsigned int n_mcast;
	u64 mcast[NFVK_XEN_MCASTS];

	/* The control ring; ctrl_irq 0: there is none. */
	struct mutex ctrl_lock;
	struct xen_netif_ctrl_back_ring ctrl;
	struct delayed_work ctrl_work;
	struct nfvk_xen_gref *ctrl_list;	/* a page */
	atomic_t ctrl_eoi;
	int ctrl_irq;
	bool ctrl_broken;
};

/* vif.c; process context */
int nfvk_vif_make(struct xenbus_device *xb);		/* set the device's driver data, with one reference. 0 or -errno */
void nfvk_vif_list(struct nfvk_vif *vif);		/* nfvk_vif_get() finds it from now on */
void nfvk_vif_unlist(struct nfvk_vif *vif);
struct nfvk_vif *nfvk_vif_get(u32 domid, u32 devid);	/* with a reference; NULL: there is none */
void nfvk_vif_put(struct nfvk_vif *vif);
/* vif.c; any context */
/* Count n lost frames at the vif's port, if it has one. */
void nfvk_xen_miss(struct nfvk_xen_queue *q, enum nfv_miss why, unsigned int n);
/* Fence the queue: its frontend wrote malformed entries, and it is not read again. */
void nfvk_xen_fence(struct nfvk_xen_queue *q, enum nfv_miss why);

/* ---- connect.c; under vif->lock, but for the first ---- */

int nfvk_xen_connect(struct nfvk_vif *vif);		/* 0, or -errno, which the xenstore has too. Does nothing if connected */
/*
 * Stop the vif's frames. When it returns, no grant of the guest's is in use. It waits for two grace periods, and for
 * what runs in softirq and in the control ring's work: for nobody else.
 */
void nfvk_xen_disconnect(struct nfvk_vif *vif);

/* queue.c. Order: init, bind events, start. q->tx and q->rx are attached to mapped rings. Context: process. */
int nfvk_xen_queue_init(struct nfvk_xen_queue *q);
void nfvk_xen_queue_start(struct nfvk_xen_queue *q);
/*
 * Stop a started queue. Call it a grace period after vif->connected became false and source->gone true. It waits for a
 * running poll. Afterwards nothing refers to the rings any more.
 */
void nfvk_xen_queue_stop(struct nfvk_xen_queue *q);
/* End a queue that is stopped or was never started. After one more grace period it may be freed. */
void nfvk_xen_queue_end(struct nfvk_xen_queue *q);
void nfvk_xen_queue_free(struct nfvk_xen_queue *q);
irqreturn_t nfvk_xen_tx_interrupt(int irq, void *q);
irqreturn_t nfvk_xen_rx_interrupt(int irq, void *q);
irqreturn_t nfvk_xen_interrupt(int irq, void *q);

/* port.c; process context */
void nfvk_xen_port_flush(struct nfvk_vif *vif);		/* under vif->lock: free all that is held for the daemon */
void nfvk_xen_port_gone(struct nfvk_vif *vif);		/* under vif->lock: take the vif from its port */

/* ---- tx.c; bottom halves off ---- */

/* Take up to max frames from the guest's Tx ring and send them on their way. Return how many, also malformed ones. */
unsigned int nfvk_xen_take(struct nfvk_xen_queue *q, unsigned int max);
/* Send the responses of all held frames, and set q->source to NULL. Their holders do not notice. Context: no poll runs. */
void nfvk_xen_leave(struct nfvk_xen_queue *q);

/* ---- rx.c; bottom halves off, unless said otherwise ---- */

/* Queue skb until the guest has slots. s: the port's session. Return 0, or -errno if the caller still owns skb. */
int nfvk_xen_enqueue(struct nfvk_xen_queue *q, struct nfvk_session *s, struct sk_buff *skb);
/* Deliver waiting frames, as far as the guest has slots. */
void nfvk_xen_deliver(struct nfvk_xen_queue *q);
/* Free frames that waited for too long; the queue is then stalled. */
void nfvk_xen_expire(struct nfvk_xen_queue *q);
void nfvk_xen_purge(struct nfvk_xen_queue *q);		/* free all waiting frames. Any context */

/* ---- mcast.c; bottom halves off ---- */

/* Carry out a frontend's request and return its status; return whether the guest did not ask for this frame. */
s16 nfvk_xen_change_mcast(struct nfvk_vif *vif, const struct nfvk_xen_frame *f);
bool nfvk_xen_filtered(struct nfvk_vif *vif, const struct sk_buff *skb);

/* ---- held frames ---- */

struct nfvk_xen_held {
	struct nfvk_xen_source *source;
	struct list_head all;			/* of source->held */
	u16 n, extras;
	struct nfvk_xen_tx slot[NFVK_XEN_SLOTS_MAX];
};

/* Return the data of a held frame, which lies behind its header in the same allocation. */
static inline struct nfvk_xen_held *nfvk_xen_held(const struct sk_buff *skb)
{
	return (struct nfvk_xen_held *)(skb->head + NFV_HDR_MAX);
}

/* Return whether a held frame may be copied from until the RCU section ends. Context: under RCU. */
static inline bool nfvk_xen_there(const struct sk_buff *skb)
{
	return !READ_ONCE(nfvk_xen_held(skb)->source->gone);
}

/* Return the queue of a frame for which nfvk_xen_there() is true. Context: under RCU. */
static inline struct nfvk_xen_queue *nfvk_xen_queue_of(const struct sk_buff *skb)
{
	return READ_ONCE(nfvk_xen_held(skb)->source->queue);
}

#endif
