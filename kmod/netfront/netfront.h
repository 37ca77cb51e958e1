/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nfv-netfront.ko, the guest's side of a vif: the types and functions that its files share.
 *
 *	bus.c	the device: its life on the xenbus
 *	dev.c	the network device: the kernel's calls
 *	queue.c	a queue and its interrupts
 *	grant.c	pages that are granted, for a frame or once
 *	tx.c	frames that are sent
 *	rx.c	frames that are received
 *	ctrl.c	the control ring
 *	event.c	event channels; fencing a backend
 *
 * The life of the device:
 *
 *	backend				frontend (we)
 *	-------				-------------
 *					probe ─► Initialising
 *	InitWait
 *					connect: reads features, makes rings ─► Connected
 *	Connected
 *					start: names pages, carrier on; Rx slots are posted from now on
 *	InitWait, maybe Connected again
 *					another driver took over, rings and grants as they are:
 *					start again, and an event for all that waits
 *	Closing
 *					quiesce: carrier off, no poll and no xmit any more ─► Closed
 *	Closed
 *					release: all grants end. Closed without notice, but online:
 *					─► Initialising, for the next backend
 *	gone, or our module:
 *					remove: quiesce ─► Closing, Closed; release
 *
 * A grant ends when the backend has responded to its slot, or is closed. If the backend still maps the page, Xen's
 * code keeps the page until it is unmapped (gnttab_end_foreign_access()). A frame's own page may belong to a slab and
 * cannot be kept that way; such a frame is never freed.
 *
 * A backend that is not trusted (xenstore's key "trusted", or the parameter) is granted only the rings and zeroed pages
 * made for that. Each frame is copied into or out of them once.
 *
 * Locking:
 *
 *	the xenbus	makes one call at a time: probe, backend_changed, resume, remove. Only these
 *			connect and release
 *	start		the only user of the control ring; it sleeps there, without a lock.
 *			quiesce() ends it
 *	RTNL		connected, going, features; open, stop
 *	Tx queue lock	held by xmit and by the poll: all about the Tx ring
 *	NAPI		all about the Rx ring
 *
 * While `going` is false, NAPI is off and the queues are stopped. The rings then belong to the functions that
 * connect and release.
 */
#ifndef NFVK_NETFRONT_H
#define NFVK_NETFRONT_H

#include <linux/netdevice.h>
#include <linux/u64_stats_sync.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/xenbus.h>
#include <xen/interface/io/netif.h>

#define NETFRONT_RING		256u
#define NETFRONT_QUEUES_MAX	8u
#define NETFRONT_SLOTS_MAX	18u		/* of a frame that is sent, extra info not counted */
#define NETFRONT_FRAME_MAX	65535u		/* bytes: the first slot has them in 16 bits */
/*
 * Persistent pages, which stay granted: one for each Tx id, then blocks of pages that are one page to the stack. The
 * blocks have one page for each Rx slot, and as many again to replace pages that are passed to the stack.
 */
#define NETFRONT_BLOCK_ORDER	3u
#define NETFRONT_BLOCK		(1u << NETFRONT_BLOCK_ORDER)
#define NETFRONT_BLOCKS		(2 * NETFRONT_RING / NETFRONT_BLOCK)
#define NETFRONT_STAGES		(2 * NETFRONT_RING)
#define NETFRONT_STAGES_LENT	(NETFRONT_RING + NETFRONT_BLOCKS * NETFRONT_BLOCK)

/* A page that is granted. */
struct netfront_page {
	struct page *page;
	grant_ref_t ref;
};

struct netfront_tx_slot {
	struct netfront_page own;		/* of a frame that is not staged */
	struct sk_buff *skb;			/* a reference of it; staged: the last slot's, of a large one */
	u16 next_free;
	bool busy;
};

struct netfront_count {
	u64_stats_t packets, bytes, dropped;
	struct u64_stats_sync syncp;
};

struct netfront;

struct netfront_queue {
	struct netfront *nf;
	unsigned int index;
	struct napi_struct napi;
	int tx_irq, rx_irq;			/* the same: a single event channel; 0: none */
	evtchn_port_t tx_port, rx_port;
	atomic_t eoi;				/* NETFRONT_EOI_*: interrupts to be ended */
	grant_ref_t tx_ring_ref, rx_ring_ref;

	struct xen_netif_tx_front_ring tx;
	u32 tx_seen;				/* responses, at the last interrupt */
	u16 tx_free;				/* the first of a list */
	u16 tx_busy;				/* ids; at most the open requests, so a free place has a free id */
	u16 tx_held;				/* ids with an skb */
	grant_ref_t tx_grants;			/* not in use */
	struct netfront_tx_slot tx_slot[NETFRONT_RING];		/* by id */
	struct netfront_count tx_count;

	struct xen_netif_rx_front_ring rx;
	u32 rx_seen;
	grant_ref_t rx_grants;
	struct netfront_page rx_slot[NETFRONT_RING];		/* by place in the ring; no page: staged */
	struct netfront_count rx_count;
	unsigned long rx_lent;			/* frames */
	struct delayed_work refill;		/* armed by a poll that had no memory */

	/*
	 * Persistent pages. They are made for the first backend that would map them, or at once for one that is
	 * not trusted, and stay until release. When staged changes, slots in use stay as they are. When pages of a
	 * frame are passed to the stack, their slots get other pages: those of a block that the stack does not use,
	 * in order, so that the next frame lies in few pieces.
	 */
	struct netfront_page *stage;
	bool staged;				/* always, if the backend is not trusted */
	bool persistent;			/* the backend has their names */
	u16 rx_stage[NETFRONT_RING];		/* by place: which of them */
	u8 posted[NETFRONT_BLOCKS];		/* a bit for each page: it is in rx_stage */
	u8 block;				/* pages are taken from this one */
	u8 undealt;				/* a bit for each page of it that is left */
};

static_assert(NETFRONT_BLOCK == 8);		/* as bits above */

#define NETFRONT_EOI_TX	1
#define NETFRONT_EOI_RX	2

struct netfront_ctrl {
	struct xen_netif_ctrl_front_ring ring;
	grant_ref_t ring_ref;
	evtchn_port_t port;
	int irq;				/* 0: there is none */
	u16 id;					/* of the last request */
	wait_queue_head_t wait;
};

struct netfront {
	struct xenbus_device *xb;
	struct net_device *dev;
	struct work_struct start;
	netdev_features_t offers;		/* features that the backend accepts */
	bool connected;				/* the backend is connected, and start has run */
	bool going;
	bool closing;				/* start is to end */
	unsigned long broken;			/* bit 0: the backend wrote malformed entries */
	bool trusted;				/* this and the next: from connect to release */
	bool lends;				/* Rx pages are passed to the stack uncopied; only with trusted */
	struct netfront_ctrl ctrl;
	unsigned int nr_queues;			/* that have rings */
	unsigned int max_queues;
	struct netfront_queue queue[];
};

/* dev.c: set up the device, without carrier and with its Tx queues stopped. */
void netfront_dev_setup(struct net_device *dev);
/* Start, or stop, NAPI and the Tx queues of a connected device. Context: RTNL held. */
void netfront_up(struct netfront *nf);
void netfront_down(struct netfront *nf);

/* queue.c */
int netfront_queue_init(struct netfront_queue *q);		/* after its rings are made */
void netfront_queue_free(struct netfront_queue *q);		/* ends its grants */
int netfront_poll(struct napi_struct *napi, int budget);
void netfront_refill(struct work_struct *refill);		/* poll again: there may be memory now */
void netfront_kick(struct netfront_queue *q);			/* poll, without an interrupt */
irqreturn_t netfront_tx_interrupt(int irq, void *q);
irqreturn_t netfront_rx_interrupt(int irq, void *q);
irqreturn_t netfront_interrupt(int irq, void *q);
/* event.c */
/* Bind handler to a new event channel, which unbind_from_irqhandler() closes. Return 0 or -errno. Context: process. */
int netfront_bind(struct netfront *nf, irq_handler_t handler, const char *name, void *arg, evtchn_port_t *port, int *irq);
/* Fence the device, whose backend wrote malformed entries (how), until it reconnects. Context: any. */
void netfront_broke(struct netfront_queue *q, const char *how);

static inline bool netfront_is_broken(const struct netfront_queue *q)
{
	return test_bit(0, &q->nf->broken);
}

static inline void netfront_count(struct netfront_count *c, unsigned int bytes)
{
	u64_stats_update_begin(&c->syncp);
	u64_stats_inc(&c->packets);
	u64_stats_add(&c->bytes, bytes);
	u64_stats_update_end(&c->syncp);
}

static inline void netfront_count_dropped(struct netfront_count *c)
{
	u64_stats_update_begin(&c->syncp);
	u64_stats_inc(&c->dropped);
	u64_stats_update_end(&c->syncp);
}

static inline unsigned int netfront_stages(const struct netfront *nf)
{
	return nf->lends ? NETFRONT_STAGES_LENT : NETFRONT_STAGES;
}

/* tx.c */
netdev_tx_t netfront_xmit(struct sk_buff *skb, struct net_device *dev);
void netfront_clean_tx(struct netfront_queue *q);		/* free what has been sent */
void netfront_tx_free(struct netfront_queue *q);		/* free what has not been sent, too */

/* rx.c. Context: the poll. */
int netfront_take_frames(struct netfront_queue *q, int budget);	/* returns how many */
/* Post Rx slots. Return false if memory is short, and so few are posted that no interrupt may come. */
bool netfront_fill(struct netfront_queue *q);

/* ctrl.c. Context: process. */
int netfront_ctrl_make(struct netfront *nf);
void netfront_ctrl_free(struct netfront *nf);
/* Send a request, wait for its response, set *data_out to its data. Return XEN_NETIF_CTRL_STATUS_* or -errno. */
int netfront_ask(struct netfront *nf, u16 type, const u32 data[3], u32 *data_out);

/* grant.c */
/* Take a reference from *grants (one per slot) and grant the page with it. */
void netfront_grant(struct netfront_queue *q, struct netfront_page *p, struct page *page, grant_ref_t *grants, bool readonly);
/* Revoke the grant. Return false, and keep the grant, while the backend still has the page mapped. */
bool netfront_end_grant(struct netfront_page *p, grant_ref_t *grants);
/* Ask whether the backend will map pages of each queue, name them, set q->staged. Context: process. */
void netfront_name_pages(struct netfront *nf);
int netfront_stage_make(struct netfront_queue *q);		/* does nothing if the pages exist */
void netfront_stage_free(struct netfront_queue *q);

#endif
