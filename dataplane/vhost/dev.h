/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user device behind a KVM port: what its peer has told (features, memory,
 * queues), and the rings that run by it.
 *
 * Why not librte_vhost, which serves all guests with one thread and maps their memory
 * itself: (1) it reads used->idx in a mapping whose address nobody else knows yet, so a
 * file truncated meanwhile is a SIGBUS that no handler can tell from a fault of our own;
 * (2) it allocates by the peer's numbers from one heap; (3) unmapping a large guest holds
 * that one thread, and with it every other guest. A relay that checks messages before the
 * library sees them ends none of the three. Here a gate checks them in a process of its own
 * (gate.c), each port has a thread that obeys (peer.c), and each mapping is
 * known to the handler before its first use.
 *
 * A ring runs when it has a size, addresses, a kick message, memory, and is enabled. It
 * stops before each message that moves what it stands on, and stopping waits for all
 * workers: late copy leaves nothing in flight between two iterations.
 *
 * Locking: the port's thread and control change the device under its lock. It is held
 * over grace periods, never over what a peer can make long: closing what it sent (a socket
 * that has others in its queue), mapping and unmapping memory. Workers do not take it; they find rings by RCU.
 */
#ifndef NFVD_VHOST_DEV_H
#define NFVD_VHOST_DEV_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "switch/port.h"
#include "vhost/msg.h"
#include "vhost/sock.h"
#include "vhost/vring_split.h"

#define NFVD_VHOST_PAIRS_MAX	8	/* queue pairs */
#define NFVD_VHOST_QUEUES_MAX	(2 * NFVD_VHOST_PAIRS_MAX)

struct nfvd_vq {
	_Atomic(struct nfvd_vring *) ring;	/* RCU; NULL: stopped */
	/* As the peer has told: */
	uint32_t num;				/* entries; 0: not told yet */
	uint16_t base;				/* where to go on, or where it stopped */
	bool has_addr, kicked, enabled;
	struct vhost_vring_addr addr;
	int kickfd, call;			/* ours to close; -1 and NFVD_CALL_NONE: the peer polls */
	/* What became of it: */
	bool refused;				/* not started: told once */
	bool fault_seen;
	enum nfvd_drop reason;			/* of the last fence or refusal; NFVD_PASS */
};

/* What the descriptor store has of a port (keep.h); -1: nothing. */
struct nfvd_kept {
	bool counted;				/* of those that nfvd_keep_wait() waits for */
	int conn, state, request, mem[VU_REGIONS_MAX], kick[NFVD_VHOST_QUEUES_MAX], call[NFVD_VHOST_QUEUES_MAX];
};

struct nfvd_vhost {
	/* Set at attach. */
	char name[NFV_NAME_MAX + 1];		/* the port's, which the thread outlives */
	struct nfvd_kept kept;			/* the thread's, from its start */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool client;
	unsigned int queues;			/* pairs */
	struct nfvd_sock_access access;
	uint64_t offered;			/* feature bits */
	int listener, stop;			/* socket or -1 (client); eventfd: the thread is to end */
	struct stat listener_id;

	pthread_mutex_t lock;
	bool leaving;				/* detached: port is not to be touched any more */
	struct nfvd_port *port;
	bool connected, asked_queues;
	bool wants_queues;			/* the last peer left when it heard how many there are */
	bool mem_unshared;
	bool rx_seen, rx_silent;		/* the driver has posted a receive buffer; it did not, for long */
	uint64_t spurious;			/* kicks for nothing when it started */
	uint64_t started_us, features, protocol;
	struct nfvd_gmem *mem;
	int request_fd;				/* the channel for requests of ours; we make none */
	struct nfvd_vq vq[NFVD_VHOST_QUEUES_MAX];	/* even: the guest's Rx, odd: its Tx */

	/* The port's thread: descriptors to close when the lock is not held. */
	unsigned int n_closing;
	int closing[2 * NFVD_VHOST_QUEUES_MAX + 2];
};

/* Any thread; for a worker valid until its next quiescent state. NULL: stopped. */
static inline struct nfvd_vring *nfvd_vhost_ring(struct nfvd_vhost *v, unsigned int i)
{
	return atomic_load_explicit(&v->vq[i].ring, memory_order_acquire);
}

/* Feature bits to offer to a guest with this many queue pairs. */
uint64_t nfvd_vhost_features(unsigned int pairs);

/* The port's thread: a peer is there; it is gone, or we are done with it. */
void nfvd_vhost_connected(struct nfvd_vhost *v);
void nfvd_vhost_disconnected(struct nfvd_vhost *v);

/*
 * The port's thread: obey msg. why: NFVD_PASS, or what nfvd_vu_check() has against it.
 * Returns that, or why it could not be obeyed; a refusal is counted. *answers: msg is now
 * the reply that its sender waits for. What is left in msg->fds is the caller's to close.
 */
enum nfvd_drop nfvd_vhost_message(struct nfvd_vhost *v, struct nfvd_vu_msg *msg, enum nfvd_drop why, bool *answers);

/* The port's thread, not under the lock: count what at the port, with an event if text is not NULL. */
void nfvd_vhost_note(struct nfvd_vhost *v, enum nfvd_drop what, const char *text);

/* Under the lock: stop all rings. Waits for all workers. */
void nfvd_vhost_stop_all(struct nfvd_vhost *v);

/* Under the lock: set the port's state from that of connection and rings. */
void nfvd_vhost_update_state(struct nfvd_vhost *v, const char *why);

/* Under the lock: report that a worker has fenced ring i, once per fence: count, event, state. r may be NULL. */
void nfvd_vhost_note_fence(struct nfvd_vhost *v, unsigned int i, struct nfvd_vring *r);

/* peer.c. Control: start the port's thread, 0 or -errno; tell it to end, and to free v. */
int nfvd_vhost_thread_start(struct nfvd_vhost *v);
void nfvd_vhost_thread_end(struct nfvd_vhost *v);

#endif
