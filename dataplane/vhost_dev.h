/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user device behind a KVM port: its connection, guest memory and
 * rings, as librte_vhost's callbacks make and unmake them.
 *
 * Rings start and stop with the library's idea of them (vring_state_changed),
 * and stop before each message that moves what they stand on. Stopping waits
 * for all workers, so nothing is used after the library unmaps it: late copy
 * leaves nothing in flight between two iterations.
 *
 * Locking: callbacks come on the library's threads, one at a time each; control
 * attaches, detaches, shows. All take nfvd_vhost_lock; workers never do, and find
 * rings by RCU. It is not held across library calls that wait for callbacks
 * (start, unregister).
 */
#ifndef NFVD_VHOST_DEV_H
#define NFVD_VHOST_DEV_H

#include <pthread.h>
#include <rte_vhost.h>
#include <sys/un.h>
#include "port.h"
#include "vring_split.h"

#define NFVD_VHOST_PAIRS_MAX	8	/* queue pairs */

struct nfvd_vq {
	_Atomic(struct nfvd_vring *) ring;	/* RCU; NULL: stopped */
	bool ready;				/* the library says it may run */
	bool fault_seen;
	enum nfvd_drop reason;			/* of the last fence */
};

struct nfvd_vhost {
	struct nfvd_port *port;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool client;
	unsigned int queues;		/* pairs */
	uint64_t offered;

	int vid, sock;			/* of the connection, or -1; sock is a duplicate */
	uint64_t connected_us, started_us, features;
	bool spoke;
	bool mem_unshared;
	struct nfvd_gmem *mem;
	struct nfvd_vq vq[2 * NFVD_VHOST_PAIRS_MAX];	/* even: the guest's Rx, odd: its Tx */
};

extern pthread_mutex_t nfvd_vhost_lock;
extern struct nfvd_vhost *nfvd_vhosts[NFVD_PORTS_MAX];	/* by port id; under the lock */
extern const struct rte_vhost_device_ops nfvd_vhost_ops;

/* Any thread; for a worker valid until its next quiescent state. NULL: stopped. */
static inline struct nfvd_vring *nfvd_vhost_ring(struct nfvd_vhost *v, unsigned int i)
{
	return atomic_load_explicit(&v->vq[i].ring, memory_order_acquire);
}

/* Under the lock: set the port's state from that of connection and rings. */
void nfvd_vhost_update_state(struct nfvd_vhost *v, const char *why);

/* Under the lock: workers fence ring i by themselves; give it its name, its count and its line. r may be NULL. */
void nfvd_vhost_note_fence(struct nfvd_vhost *v, unsigned int i, struct nfvd_vring *r);

/* Under the lock: the peer is gone, or we are done with it. Waits for all workers. */
void nfvd_vhost_drop_connection(struct nfvd_vhost *v);

/* Control or under the lock: whose socket is this? */
struct nfvd_vhost *nfvd_vhost_find(const char *path);

#endif
