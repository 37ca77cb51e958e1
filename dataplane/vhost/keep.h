/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What makes a guest's connection outlive nfvd: its descriptors, and a memfd with what the peer has
 * told, are in the descriptor store (fdstore.h). The next nfvd checks them as it checks a peer's
 * messages, and goes on; the peer does not notice.
 *
 *	NAME/conn	the connection
 *	NAME/state	struct nfvd_keep_state
 *	NAME/memN	guest memory: one for each file, whatever regions are in it
 *	NAME/kickN, NAME/callN, NAME/request
 *
 * Where a ring was is in the guest's own used->idx: it is processed strictly in order.
 *
 * A peer that says much is stored when it has been quiet for NFVD_KEEP_MS: it cannot keep PID 1
 * busy. Until then, and while anything is changed, the state says that it is not complete, and a
 * peer of an nfvd that dies just then has to connect again.
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
};

/* The port's thread's own: what of its connection is stored. */
struct nfvd_keep {
	char name[NFV_NAME_MAX + 1];
	int conn;
	bool stored;				/* the connection, and these: */
	uint32_t mems, kicks, calls;		/* bits: by number */
	struct nfvd_keep_state *state;		/* mapped, once it is stored */
	bool pending;				/* something changed */
	bool new_mem, new_request;		/* ... of these */
	uint32_t new_kicks, new_calls;
	uint32_t n_regions;
	struct nfvd_vu_region region[VU_REGIONS_MAX];
	int mem_fds[VU_REGIONS_MAX];		/* until they are stored; -1 */
};

/* Control: take what is stored of port name; kept->conn is -1 if there is no connection. */
void nfvd_kept_take(struct nfvd_kept *kept, const char *name);
/* Control: wait until all ports that go on with a guest do; not for ever. */
void nfvd_keep_wait(void);
/* Close what is left of it; nobody waits for this port any more. */
void nfvd_kept_close(struct nfvd_kept *kept);

/* The port's thread. A connection begins; stored: it comes from the store, and what is not wanted there any more is removed at its end. */
void nfvd_keep_begin(struct nfvd_keep *k, const char *name, int conn, bool stored);

/*
 * The port's thread: tell the device all that is in *kept, as its peer had, and take it into *k.
 * NULL, or why it cannot be; descriptors that the device has not taken stay in *kept.
 */
const char *nfvd_keep_replay(struct nfvd_keep *k, struct nfvd_vhost *v, struct nfvd_kept *kept);

/* The port's thread: msg was obeyed. Takes the descriptors of guest memory out of it. */
void nfvd_keep_note(struct nfvd_keep *k, struct nfvd_vu_msg *msg);

/* The port's thread: store what has changed. */
void nfvd_keep_flush(struct nfvd_keep *k, struct nfvd_vhost *v);

/* The port's thread: the connection ends. Remove it from the store, unless the next nfvd is to have it. */
void nfvd_keep_end(struct nfvd_keep *k);

#endif
