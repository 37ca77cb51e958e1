/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user device behind a KVM port: the settings of its peer (features, memory, queues), and the rings that run
 * with them.
 *
 * Why not librte_vhost, which serves all guests with one thread and maps their memory itself:
 *
 *	1. It reads used->idx in a mapping whose address only it knows. If the file is truncated meanwhile, no
 *	   handler can tell the SIGBUS from a fault of our own.
 *	2. It allocates by the peer's numbers from one heap.
 *	3. Unmapping a large guest blocks that one thread, and with it every other guest.
 *
 * A relay that checks messages before the library sees them solves none of the three. Here a gate checks the messages
 * in a process of its own (gate.c), and each port has a thread that carries them out (peer.c). The SIGBUS handler
 * knows each mapping before its first use.
 *
 * Locking: the port's thread and control change the device under its lock. The lock is held over grace periods. It is
 * never held over an operation whose time the peer controls: closing a descriptor that the peer sent (a socket may have
 * others in its queue), mapping or unmapping memory. The exceptions: starting a queue reads its used ring, and the look for
 * the first receive buffer its avail ring; they wait if the guest punches a hole there. So control waits for the lock only to
 * detach the port. Workers do not take the lock; they find rings by RCU.
 */
#ifndef NFVD_VHOST_DEV_H
#define NFVD_VHOST_DEV_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <nfv/params.h>
#include "port/port.h"
#include "vhost/msg.h"
#include "vhost/sock.h"
#include "vring/vring_split.h"

#define NFVD_VHOST_QUEUES_MAX	(2 * NFV_PAIRS_MAX)

struct nfvd_vq {
	_Atomic(struct nfvd_vring *) ring;	/* RCU; NULL: stopped */
	/* Set by the peer: */
	uint32_t num;				/* entries; 0: not set yet */
	uint16_t base;				/* where to go on, or where it stopped */
	bool has_addr, kicked, enabled;
	struct vhost_vring_addr addr;
	int kickfd, call;			/* ours to close; -1 and NFVD_CALL_NONE: the peer polls */
	/* What became of it: */
	bool refused;				/* not started: told once */
	bool fault_seen;
	enum nfvd_drop reason;			/* of the last fence or refusal; NFVD_PASS */
};

/* How far a Tx queue was taken (vring_setup.h). Of one worker each, in a cache line of its own. */
struct nfvd_vhost_mark {
	_Atomic(uint32_t) taken;
} __attribute__((aligned(64)));

/* What the descriptor store has of a port (keep.h); -1: nothing. */
struct nfvd_kept {
	bool counted;				/* of those that nfvd_keep_wait() waits for */
	int conn, state, request, mem[VU_REGIONS_MAX], kick[NFVD_VHOST_QUEUES_MAX], call[NFVD_VHOST_QUEUES_MAX];
	char why[80];				/* room for nfvd_keep_replay()'s words */
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
	struct nfvd_call_pace pace;		/* stays when the peer goes: another eventfd makes it no faster */
	int request_fd;				/* the channel for requests of ours; we make none */
	struct nfvd_vq vq[NFVD_VHOST_QUEUES_MAX];	/* even: the guest's Rx, odd: its Tx */
	_Atomic(struct nfvd_vhost_mark *) marks;	/* by pair, in what is stored (keep.h); NULL: nothing is */

	struct nfvd_vhost *next_left;		/* keep.c: detached, and the thread has not ended */

	/* The port's thread: descriptors to close when the lock is not held. */
	unsigned int n_closing;
	int closing[2 * NFVD_VHOST_QUEUES_MAX + 2];
};

/*
 * Return ring i, or NULL if it is stopped.
 * Context: any thread. For a worker the ring is valid until its next quiescent state.
 */
static inline struct nfvd_vring *nfvd_vhost_ring(struct nfvd_vhost *v, unsigned int i)
{
	return atomic_load_explicit(&v->vq[i].ring, memory_order_acquire);
}

/* Return the feature bits to offer to a guest with this many queue pairs. */
uint64_t nfvd_vhost_features(unsigned int pairs);

/* Begin with a peer that has connected; end with a peer that is gone or is to go. Context: the port's thread. */
void nfvd_vhost_connected(struct nfvd_vhost *v);
void nfvd_vhost_disconnected(struct nfvd_vhost *v);

/*
 * Carry out msg, for which nfvd_vu_check() returned why. Return why it was refused, or NFVD_PASS; count a refusal. If
 * *responds is true afterwards, msg has become the response that the peer waits for. The caller closes the descriptors
 * that are left in msg->fds.
 * Context: the port's thread.
 */
enum nfvd_drop nfvd_vhost_message(struct nfvd_vhost *v, struct nfvd_vu_msg *msg, enum nfvd_drop why, bool *responds);

/*
 * Return whether the receive ring runs, and no buffer was ever seen in it. Look whether there is one now: that reads guest
 * memory, which may take as long as the guest likes.
 * Context: the port's thread, lock not held.
 */
bool nfvd_vhost_rx_unseen(struct nfvd_vhost *v);
void nfvd_vhost_look(struct nfvd_vhost *v);

/* Count what at the port, and write an event if text is not NULL. Context: the port's thread, lock not held. */
void nfvd_vhost_note(struct nfvd_vhost *v, enum nfvd_drop what, const char *text);

#endif
