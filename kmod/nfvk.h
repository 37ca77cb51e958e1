/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of nfv.ko share.
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
 *	finish.c	segments and checksums that a receiver does not take upon itself
 *	check.h		what a caller's bytes are checked for; compiled in user space too
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
 * Readers of session->ports[] and port->dev, in batches and in softirq, use RCU. Nothing
 * sleeps for user space under RTNL or a spinlock: memory of the daemon is only touched
 * with none of them held. A port is freed after a grace period once it is unpublished.
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
 * Memory of frames that are held somewhere, overhead included, out of what the session may hold: held_mib,
 * of all its ports. It is taken in pieces, so that queues seldom meet at the counter. What frames
 * are made of was charged to whoever sent them, if to anybody, and no call that a module has
 * charges it to the daemon's cgroup (mem_cgroup_charge_skmem() is not exported): this bounds it, and the
 * headers of Xen guests' frames, which softirq allocates. What a call of the daemon allocates is charged.
 */
struct nfvk_account {			/* under the lock of whose it is */
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
	void (*detach)(struct nfvk_port *port);	/* when it returns, no softirq uses the port */
	/*
	 * Only through nfvk_port_xmit(). BH disabled, under RCU. Consumes skb: data at the Ethernet
	 * header, dev is port's. Bytes sent or -errno.
	 */
	int (*xmit)(struct nfvk_port *port, struct sk_buff *skb);
	int (*xmit_in_guest)(struct nfvk_port *port, struct sk_buff *skb);	/* of one that is nfvk_in_guest(). NULL: it cannot */
	void (*flush)(struct nfvk_port *port);	/* after some xmit, in the same section. May be NULL */
	void (*kick)(struct nfvk_port *port);	/* or: flush soon, in a softirq of its own. May be NULL */
	/* Does xmit take the frame, or has somebody to bring it here first, and to finish it? NULL: it does. */
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
	struct nfvk_pair __percpu *to[NFV_PORTS_MAX];	/* of forward.c, as the next; NULL: no frame yet. Freed a grace period after the other port has left */
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

/* Is this a held frame whose payload is still in its guest's memory? */
static inline bool nfvk_in_guest(const struct sk_buff *skb)
{
	return skb->destructor == nfvk_xen_release;
}

/*
 * Replace such a frame by one that has its payload, and tell its offloads. May sleep.
 * The caller's reference is consumed, but for an error: 0, -ENOMEM, -EINVAL, -EIO.
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
void nfvk_params_init(void);		/* those that depend on the machine */

/* session.c */
extern const struct file_operations nfvk_fops;

/* batch.c: process context, no lock held. */
int nfvk_batch(struct nfvk_session *s, const struct nfv_batch *batch);

/* frame.c: any context. */
/* Allocate an skb of len bytes with room for headers before them; its first NFV_HDR_MAX bytes are linear. NULL: no memory. */
struct sk_buff *nfvk_alloc_frame(u32 len, gfp_t gfp);
/* Set protocol, network header and offloads as vnet says. skb->dev is set; the first NFV_HDR_MAX bytes are linear. 0 or -EINVAL. */
int nfvk_set_offloads(struct sk_buff *skb, const struct nfv_vnet_hdr *vnet);

/* finish.c: any context. */
/* Is this super-frame, if it is one, of a kind that virtio_net_hdr has a word for? */
bool nfvk_gso_plain(const struct sk_buff *skb);
/* Is an open checksum the Internet's, and its field within so many first bytes? True if none is open. */
bool nfvk_csum_plain(struct sk_buff *skb, unsigned int within);
/*
 * Cut skb (gso), and sum what is not nfvk_csum_plain(). Consumes skb: data at the Ethernet header. Returns what came
 * of it, linked by ->next; NULL: nothing. *lost: how many frames could not be finished; the caller counts them.
 */
struct sk_buff *nfvk_finish(struct sk_buff *skb, bool gso, unsigned int within, unsigned int *lost);

/* port.c: no lock held. */
int nfvk_port_attach(struct nfvk_session *s, struct nfv_attach *args);
int nfvk_port_detach(struct nfvk_session *s, u32 id);
void nfvk_port_detach_all(struct nfvk_session *s);
int nfvk_port_stats(struct nfvk_session *s, struct nfv_stats *stats);

/* counters.c: any context. */
void nfvk_count_rx(struct nfvk_port *port, u32 bytes);			/* a frame from it, to the daemon */
void nfvk_count_tx(struct nfvk_port *port, u32 frames, u32 bytes);	/* to it */
void nfvk_count_copy(struct nfvk_port *port, u32 bytes);		/* of a frame of its */
void nfvk_miss(struct nfvk_port *port, enum nfv_miss why);		/* a frame that was dropped */
void nfvk_counters_sum(const struct nfvk_port *port, struct nfv_stats *stats);	/* of all processors, added to stats */

/*
 * As xmit, of any skb, to any port: the one place where a frame meets a port type. A port may have become another
 * one since the frame was made ready for it; what has no payload here never gets to who would look for it.
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

/* Under RCU, or one of the session's locks. NULL: there is none. */
static inline struct nfvk_port *nfvk_port_get(struct nfvk_session *s, u32 id)
{
	if (id >= NFV_PORTS_MAX)
		return NULL;
	return rcu_dereference_check(s->ports[id], lockdep_is_held(&s->lock) || lockdep_is_held(&s->map_lock));
}

/* forward.c. In softirq, under RCU, data at the Ethernet header: where the frame goes without the daemon; NULL: to it. */
struct nfvk_port *nfvk_route(struct nfvk_port *src, const struct sk_buff *skb);
void nfvk_forward(struct nfvk_port *src, struct nfvk_port *dst, struct sk_buff *skb);	/* there. Consumes skb */
void nfvk_forwarded(struct nfvk_port *src, struct nfvk_port *dst, int result);	/* count only: bytes, or -errno */
/* No lock held. Sets idle_ms of entries. 0, -EINVAL, -ENOMEM. */
int nfvk_table_set(struct nfvk_session *s, struct nfv_fdb_entry *entries, u32 n);
void nfvk_table_free(struct nfvk_session *s);
/* Under session->lock, when the port is not found any more: no frame goes there from a grace period on; then retire. */
void nfvk_table_leave(struct nfvk_session *s, u32 id);
void nfvk_pairs_retire(struct nfvk_session *s, u32 id);
void nfvk_pairs_free(struct nfvk_port *port);
int nfvk_pairs_read(struct nfvk_session *s, u32 id, struct nfv_pair *to);	/* NFV_PORTS_MAX + 1, zero before. 0 or -ENOENT */

/* port_netdev.c */
extern const struct nfvk_port_ops nfvk_port_netdev;
int nfvk_netdev_init(void);
void nfvk_netdev_fini(void);

/* queue.c */
int nfvk_queue_init(struct nfvk_queue *q, struct nfvk_port *port, unsigned int index, u32 entries);
void nfvk_queue_free(struct nfvk_queue *q);	/* also one that init did not finish, or never saw */
size_t nfvk_queue_map_bytes(u32 entries);	/* of NFV_MMAP_ENTRIES, whole pages */
/* Softirq. Hold skb (data at the Ethernet header, owned by nobody else) and tell the daemon. Consumes it. */
void nfvk_queue_put(struct nfvk_queue *q, struct sk_buff *skb);
void nfvk_queue_expire(struct nfvk_queue *q);
void nfvk_queue_flush(struct nfvk_queue *q);	/* let go of all that is held */

/* account.c; under the account's lock */
#define NFVK_ACCOUNT_PIECE	(64u << 10)

bool nfvk_account_take(struct nfvk_account *a, u32 bytes);	/* false: the session holds enough */
void nfvk_account_give(struct nfvk_account *a);			/* all but a piece */
void nfvk_account_clear(struct nfvk_account *a);		/* nothing is held by it any more */

/* False: no more may be held. */
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

/* Under RCU. last: take it out of the ring. 0 or -ESTALE. */
int nfvk_queue_get(struct nfvk_queue *q, u32 pos, bool last, struct nfvk_held *held);

#endif
