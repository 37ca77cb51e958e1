/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The types and functions that the files of nfv.ko share.
 *
 *	main.c		the device node, loading and unloading
 *	params.c	parameters
 *	session.c	an open /dev/nfv: calls, mappings, poll
 *	batch.c		NFV_IOC_BATCH
 *	port.c		a session's ports: attach, detach, what they are
 *	counters.c	what a port counts
 *	port_netdev.c	port type netdev: rx_handler, transmit, the device's coming and going
 *	xen/		port type xen: see xen/vif.h
 *	forward.c	the forwarding table: frames that the daemon need not see
 *	queue.c		rx ring and held frames
 *	account.c	how much memory of frames a session holds
 *	frame.c		frames that are made here
 *	finish.c	segments and checksums, for receivers that do not accept them unfinished
 *	check.h		checks of what a caller passes; compiled in user space, too
 *	compat.h	differences between kernel versions
 *
 * Locking, outermost first:
 *
 *	session->lock (mutex)	ports[] of the session is changed; its table; port->to[]
 *	RTNL			port->dev is changed; the list of all netdev ports
 *	session->map_lock	ports[] is changed, or looked at by mmap(). A lock of its own, for
 *				mmap() comes with mmap_lock held, which others take under RTNL
 *	queue->lock (spinlock, from softirq too)	ring indices, held frames
 *
 * Readers of session->ports[] and port->dev, in batches and in softirq, use RCU. The memory of the daemon is only
 * touched without RTNL and without a spinlock, so nothing waits for user space under one of them. A port is unpublished
 * first, and freed after a grace period.
 */
#ifndef NFVK_H
#define NFVK_H

#include <linux/eventfd.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/u64_stats_sync.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/nfv.h>

struct nfvk_session {
	struct mutex lock;			/* see above, as the others */
	atomic_long_t held;			/* bytes that its accounts have taken */
	atomic_t pairs;				/* of forward.c */
	struct mutex map_lock;			/* ports[], for mmap() */
	bool greeted;
	struct nfvk_port __rcu *ports[NFV_PORTS_MAX];
	struct nfvk_table __rcu *table;		/* of forward.c */
	wait_queue_head_t wait;			/* poll() */
	struct delayed_work expire;		/* while there are ports */
};

/*
 * The memory of held frames, overhead included. It is taken from the session's held_mib, which all its ports share, in
 * pieces, so that queues seldom meet at the counter.
 *
 * This account is the bound on that memory. Frames were charged to their sender, if at all, and no function that a
 * module may call charges them to the daemon's cgroup (mem_cgroup_charge_skmem() is not exported). The headers of
 * Xen guests' frames are allocated in softirq and not charged either. What a call of the daemon allocates is charged.
 */
struct nfvk_account {			/* under the lock of its owner */
	struct nfvk_session *session;	/* NULL: none since the last clear */
	u64 bytes, taken;		/* in use, at most those taken */
};

struct nfvk_queue {
	struct nfvk_port *port;
	unsigned int index;
	spinlock_t lock;			/* all below but map and user, whose pages do not move */
	u32 entries, mask;
	u32 prod, passed;			/* own copies: positions below are filled, freed */
	struct nfvk_account held;
	bool broken;
	struct sk_buff **skb;			/* by position & mask; NULL: not held */
	unsigned long *since;			/* jiffies */
	void *map;				/* struct nfv_producer and entries */
	struct nfv_consumer *user;
	struct eventfd_ctx *wake;
};

struct nfvk_counters {
	u64_stats_t rx_frames, rx_bytes, tx_frames, tx_bytes, copies, copied_bytes;
	u64_stats_t missed[NFV_N_MISSES];
	struct u64_stats_sync syncp;
};

struct nfvk_port;

/* A port type. */
struct nfvk_port_ops {
	int (*attach)(struct nfvk_port *port, const struct nfv_attach *args);	/* publishes port->dev */
	void (*detach)(struct nfvk_port *port);	/* afterwards no softirq uses the port */
	/*
	 * Send skb, whose data is at the Ethernet header and whose dev is the port's, and consume it. Return bytes
	 * sent or -errno. Call it through nfvk_port_xmit() only.
	 * Context: BH disabled, under RCU.
	 */
	int (*xmit)(struct nfvk_port *port, struct sk_buff *skb);
	/* The same for an skb that is nfvk_in_guest(). NULL: not possible. */
	int (*xmit_in_guest)(struct nfvk_port *port, struct sk_buff *skb);
	void (*flush)(struct nfvk_port *port);	/* after some xmit, in the same section. May be NULL */
	void (*kick)(struct nfvk_port *port);	/* or: flush soon, in a softirq of its own. May be NULL */
	/* Return whether xmit takes the frame as it is. If not, it is fetched and finished first. NULL: always true. */
	bool (*takes)(struct nfvk_port *port, const struct sk_buff *skb);
	void (*expire)(struct nfvk_port *port);	/* every held_ms, under RCU. May be NULL */
	void (*stats)(struct nfvk_port *port, struct nfv_stats *stats);	/* under RCU. May be NULL */
	bool xen;
};

struct nfvk_port {
	struct nfvk_session *session;
	const struct nfvk_port_ops *ops;
	void *priv;				/* the type's */
	u32 id;
	struct net_device __rcu *dev;		/* NULL: gone */
	netdevice_tracker tracker;
	struct list_head all;			/* of port_netdev.c, under RTNL */
	struct nfvk_counters __percpu *counters;
	struct mm_struct *mm;			/* charged for the rings */
	unsigned long locked_pages;
	/* Of forward.c, as the next. NULL: no frame yet. Freed a grace period after the other port has left. */
	struct nfvk_pair __percpu *to[NFV_PORTS_MAX];
	struct nfv_pair to_gone;
	unsigned int nr_queues;
	struct nfvk_queue queue[];
};

/* xen/ */
#if IS_ENABLED(CONFIG_XEN_BACKEND)
extern const struct nfvk_port_ops nfvk_port_xen;
int nfvk_xen_init(void);
void nfvk_xen_fini(void);
void nfvk_xen_release(struct sk_buff *skb);	/* skb->destructor of held frames; no other skb has it */

/* Return whether this is a held frame whose payload is still in its guest's memory. */
static inline bool nfvk_in_guest(const struct sk_buff *skb)
{
	return skb->destructor == nfvk_xen_release;
}

/*
 * Replace such a frame by one that has its payload, and set *vnet to its offloads. Return 0, -ENOMEM, -EINVAL or -EIO.
 * Consume the caller's reference unless it fails. May sleep.
 */
int nfvk_xen_fetch(struct sk_buff **skb, struct nfv_vnet_hdr *vnet);
#else
static inline int nfvk_xen_init(void) { return 0; }
static inline void nfvk_xen_fini(void) { }
static inline bool nfvk_in_guest(const struct sk_buff *skb) { return false; }
static inline int nfvk_xen_fetch(struct sk_buff **skb, struct nfv_vnet_hdr *vnet) { return -EINVAL; }
#endif

/* params.c */
extern unsigned int nfvk_ring_entries, nfvk_held_kib, nfvk_held_mib, nfvk_held_ms, nfvk_xen_maps_max, nfvk_xen_queues;
void nfvk_params_init(void);		/* set parameters that depend on the machine */

/* session.c */
extern const struct file_operations nfvk_fops;

/* batch.c: process context, no lock held. */
int nfvk_batch(struct nfvk_session *s, const struct nfv_batch *batch);

/* frame.c: any context. */
/* Allocate an skb of len bytes, with headroom; its first NFV_HDR_MAX bytes are linear. Return NULL without memory. */
struct sk_buff *nfvk_alloc_frame(u32 len, gfp_t gfp);
/* Set protocol, network header and offloads by vnet. skb->dev is set. Return 0 or -EINVAL. */
int nfvk_set_offloads(struct sk_buff *skb, const struct nfv_vnet_hdr *vnet);

/* finish.c: any context. */
/* Return whether virtio_net_hdr can express this super-frame; true if skb is none. */
bool nfvk_gso_plain(const struct sk_buff *skb);
/* Return whether an open checksum is the Internet's, with its field in the first within bytes; true if none is open. */
bool nfvk_csum_plain(struct sk_buff *skb, unsigned int within);
/*
 * Cut skb if gso, and complete checksums that are not nfvk_csum_plain(). Consume skb, whose data is at the Ethernet
 * header. Return the frames, linked by ->next; NULL if there are none. The caller counts *lost frames that failed.
 */
struct sk_buff *nfvk_finish(struct sk_buff *skb, bool gso, unsigned int within, unsigned int *lost);

/* port.c: no lock held. */
int nfvk_port_attach(struct nfvk_session *s, struct nfv_attach *args);
int nfvk_port_detach(struct nfvk_session *s, u32 id);
void nfvk_port_detach_all(struct nfvk_session *s);
int nfvk_port_stats(struct nfvk_session *s, struct nfv_stats *stats);

/* counters.c: any context. */
void nfvk_count_rx(struct nfvk_port *port, u32 bytes);			/* count a frame from the port to the daemon */
void nfvk_count_tx(struct nfvk_port *port, u32 frames, u32 bytes);	/* count frames to the port */
void nfvk_count_copy(struct nfvk_port *port, u32 bytes);		/* count a copy of a frame of the port */
void nfvk_miss(struct nfvk_port *port, enum nfv_miss why);		/* count a dropped frame */
void nfvk_counters_sum(const struct nfvk_port *port, struct nfv_stats *stats);	/* add all processors' counts to stats */

/*
 * Send any skb to any port: the only caller of xmit. The port may have become another one since the frame was made
 * ready. So a frame without its payload goes only to a port type that can fetch it.
 */
static inline int nfvk_port_xmit(struct nfvk_port *port, struct sk_buff *skb)
{
	if (!nfvk_in_guest(skb))
		return port->ops->xmit(port, skb);
	if (likely(port->ops->xmit_in_guest))
		return port->ops->xmit_in_guest(port, skb);
	kfree_skb(skb);
	return -ENODEV;
}

/* Return port id of the session, or NULL. Context: under RCU, or s->lock or s->map_lock held. */
static inline struct nfvk_port *nfvk_port_get(struct nfvk_session *s, u32 id)
{
	if (id >= NFV_PORTS_MAX)
		return NULL;
	return rcu_dereference_check(s->ports[id], lockdep_is_held(&s->lock) || lockdep_is_held(&s->map_lock));
}

/*
 * forward.c: return the port to which the module forwards skb; NULL if the frame goes to the daemon. skb's data is at
 * the Ethernet header. Context: softirq, under RCU.
 */
struct nfvk_port *nfvk_route(struct nfvk_port *src, const struct sk_buff *skb);
void nfvk_forward(struct nfvk_port *src, struct nfvk_port *dst, struct sk_buff *skb);	/* forward skb, and consume it */
void nfvk_forwarded(struct nfvk_port *src, struct nfvk_port *dst, int result);	/* count a forwarded frame: bytes, or -errno */
/* Replace the table, and set idle_ms of entries. Return 0, -EINVAL or -ENOMEM. Context: no lock held. */
int nfvk_table_set(struct nfvk_session *s, struct nfv_fdb_entry *entries, u32 n);
void nfvk_table_free(struct nfvk_session *s);
/*
 * Remove the entries of an unpublished port. After a grace period no frame goes there: then call nfvk_pairs_retire().
 * Context: session->lock held.
 */
void nfvk_table_leave(struct nfvk_session *s, u32 id);
void nfvk_pairs_retire(struct nfvk_session *s, u32 id);
void nfvk_pairs_free(struct nfvk_port *port);
int nfvk_pairs_read(struct nfvk_session *s, u32 id, struct nfv_pair *to);	/* into zeroed to[NFV_PORTS_MAX + 1]. 0 or -ENOENT */

/* port_netdev.c */
extern const struct nfvk_port_ops nfvk_port_netdev;
int nfvk_netdev_init(void);
void nfvk_netdev_fini(void);

/* queue.c */
int nfvk_queue_init(struct nfvk_queue *q, struct nfvk_port *port, unsigned int index, u32 entries);
void nfvk_queue_free(struct nfvk_queue *q);	/* also after nfvk_queue_init() failed, or was not called */
size_t nfvk_queue_map_bytes(u32 entries);	/* of NFV_MMAP_ENTRIES, whole pages */
/* Hold skb (data at the Ethernet header, one owner) and wake the daemon. Consume skb. Context: softirq. */
void nfvk_queue_put(struct nfvk_queue *q, struct sk_buff *skb);
void nfvk_queue_expire(struct nfvk_queue *q);
void nfvk_queue_flush(struct nfvk_queue *q);	/* free all held frames */

/* account.c. Context: the lock of the account's owner held. */
#define NFVK_ACCOUNT_PIECE	(64u << 10)

bool nfvk_account_take(struct nfvk_account *a, u32 bytes);	/* false: the session may hold no more */
void nfvk_account_give(struct nfvk_account *a);			/* give back all but a piece */
void nfvk_account_clear(struct nfvk_account *a);		/* give back all: nothing is held any more */

/* Charge bytes to the account. Return false if the session may hold no more. */
static inline bool nfvk_charge(struct nfvk_account *a, struct nfvk_session *s, u32 bytes)
{
	a->session = s;
	if (unlikely(a->bytes + bytes > a->taken) && !nfvk_account_take(a, bytes))
		return false;
	a->bytes += bytes;
	return true;
}

static inline void nfvk_uncharge(struct nfvk_account *a, u32 bytes)
{
	a->bytes -= bytes;
	if (unlikely(a->taken - a->bytes > 2 * NFVK_ACCOUNT_PIECE))
		nfvk_account_give(a);
}

/* A held frame, for one operation. */
struct nfvk_held {
	struct sk_buff *skb;		/* a reference of the caller's; exclusive if it was the last */
	u32 len;
	u16 hdr_len;
	u8 hdr[NFV_HDR_MAX];		/* as it was shown to the daemon */
};

/* Get the held frame at pos; last: take it out of the ring. Return 0 or -ESTALE. Context: under RCU. */
int nfvk_queue_get(struct nfvk_queue *q, u32 pos, bool last, struct nfvk_held *held);

#endif
