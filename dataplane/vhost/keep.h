/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of guests that outlive nfvd. The descriptor store (fdstore.h) has the descriptors of a connection, and a
 * memfd with the settings of its peer. The next nfvd checks them as it checks a peer's messages, and goes on. The peer
 * does not notice.
 *
 *	NAME/conn	the connection
 *	NAME/state	struct nfvd_keep_state
 *	NAME/memN	guest memory: one for each file, whatever regions are in it
 *	NAME/kickN, NAME/callN, NAME/request
 *
 * The position in a ring is the guest's own used->idx, because a ring is processed strictly in order. What a killed nfvd
 * had taken behind it is delivered again, and counted: the state says how far that was.
 *
 * Changes are stored once the peer was quiet for NFVD_KEEP_MS, so that a peer with many messages cannot keep PID 1 busy.
 * Until then, and while something is being changed, the state is marked as not complete. If nfvd dies just then the
 * peer has to connect again.
 */
#ifndef NFVD_VHOST_KEEP_H
#define NFVD_VHOST_KEEP_H

#include <stdatomic.h>
#include "vhost/dev.h"

#define NFVD_KEEP_MS	10

struct nfvd_keep_vq {
	uint32_t num;
	uint8_t has_addr, kicked, enabled, has_kickfd, has_call, zero[3];
	struct vhost_vring_addr addr;
};

/* In the memfd: of one size in one version. */
struct nfvd_keep_state {
	char magic[8];
	uint32_t version, bytes;
	_Atomic uint32_t complete;
	uint32_t queues;			/* pairs */
	uint64_t offered, features, protocol;
	uint32_t has_request, n_regions;
	struct nfvd_vu_region region[VU_REGIONS_MAX];
	uint32_t mem[VU_REGIONS_MAX];		/* region i is in NAME/mem(mem[i]) */
	struct nfvd_keep_vq vq[NFVD_VHOST_QUEUES_MAX];
	struct nfvd_vhost_mark mark[NFV_PAIRS_MAX];	/* workers' */
};

/* Data of the port's thread: which parts of its connection are stored. */
struct nfvd_keep {
	char name[NFV_NAME_MAX + 1];
	int conn;
	bool stored;				/* the connection, and these: */
	uint32_t mems, kicks, calls;		/* bits: by number */
	struct nfvd_keep_state *state;		/* mapped, once it is stored */
	bool whole;				/* the state is complete, but for a message that is being carried out: */
	bool busy;
	bool pending;				/* something changed */
	bool new_mem, new_request;		/* ... of these */
	uint32_t new_kicks, new_calls;
	uint32_t n_regions;
	struct nfvd_vu_region region[VU_REGIONS_MAX];
	int mem_fds[VU_REGIONS_MAX];		/* until they are stored; -1 */
};

/* Take what is stored of port name; kept->conn is -1 without a connection. Context: control. */
void nfvd_kept_take(struct nfvd_kept *kept, const char *name);
/* Wait, for a limited time, until all ports with a stored connection go on with it. Context: control. */
void nfvd_keep_wait(void);
/* Close what is left of it. nfvd_keep_wait() does not wait for this port any more. */
void nfvd_kept_close(struct nfvd_kept *kept);

/*
 * Begin with a connection. stored: it comes from the store, and is removed from there at its end.
 * Context: the port's thread.
 */
void nfvd_keep_begin(struct nfvd_keep *k, const char *name, int conn, bool stored);

/*
 * Replay the messages of the peer to the device from *kept, and take it into *k. Return NULL, or why it is impossible.
 * Descriptors that the device did not take stay in *kept.
 * Context: the port's thread.
 */
const char *nfvd_keep_replay(struct nfvd_keep *k, struct nfvd_vhost *v, struct nfvd_kept *kept);

/*
 * Mark the state as not complete while a message is received, carried out and replied to. If nfvd dies just then the peer
 * has to connect again: it would wait for its reply for ever.
 * Context: the port's thread.
 */
void nfvd_keep_busy(struct nfvd_keep *k);
void nfvd_keep_idle(struct nfvd_keep *k);

/* Record that msg was carried out, and take its descriptors of guest memory. Context: the port's thread. */
void nfvd_keep_note(struct nfvd_keep *k, struct nfvd_vu_msg *msg);

/* Store what has changed. Context: the port's thread. */
void nfvd_keep_flush(struct nfvd_keep *k, struct nfvd_vhost *v);

/*
 * The port is detached: until its thread has ended, and removed what is stored, a port of the same name stores nothing.
 * Context: control; the port's thread.
 */
void nfvd_keep_leave(struct nfvd_vhost *v);
void nfvd_keep_left(const struct nfvd_vhost *v);

/* End the connection. Remove it from the store, unless the next nfvd is to have it. Context: the port's thread. */
void nfvd_keep_end(struct nfvd_keep *k);

#endif
