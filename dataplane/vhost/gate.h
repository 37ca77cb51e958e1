/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate: a process for each connected vhost-user peer that receives its messages,
 * checks them, and passes on to nfvd what is sound.
 *
 *	peer ──► gate (a process a peer) ──► the port's thread in nfvd
 *	  ▲          descriptors that are            │
 *	  └───────── wrong end here ─── replies ─────┘
 *
 * Why a process: a descriptor that was received must be closed, and a FUSE file is
 * closed when its server answers. Until then not even SIGKILL ends the process that
 * waits; all its descriptors stay open, the lock of the state directory and other
 * guests' sockets too. So nfvd never has a descriptor of an unknown kind. A gate that
 * hangs has the one connection, which nfvd shuts down, and nothing else.
 *
 * nfvd starts a spawner (nfvd_gate_start), which has no threads and forks the gates.
 */
#ifndef NFVD_VHOST_GATE_H
#define NFVD_VHOST_GATE_H

#include <stdint.h>
#include "vhost/msg.h"

#define NFVD_GATE_NAME	"nfvd-gate"	/* argv[0] of the spawner: main() calls nfvd_gate_main() */

/* One record from a gate. */
struct nfvd_gate_record {
	int32_t err;			/* of nfvd_sock_recv(): the last record; 0: msg is there */
	enum nfvd_drop why;		/* NFVD_PASS: msg is sound, and has its descriptors; else it has none */
	struct nfvd_vu_msg msg;
};

/* Control, before other threads: 0 or -errno. */
int nfvd_gate_start(void);
void nfvd_gate_stop(void);

/* The port's thread: have a gate read peer, whose port has n_vrings queues and offers these features. A socket of records, or -errno. */
int nfvd_gate_open(int peer, uint32_t n_vrings, uint64_t offered);

/*
 * The port's thread: wait for nothing, receive one record. 0; -ECONNRESET: the gate and so
 * the peer are gone. Descriptors in record->msg are the caller's.
 */
int nfvd_gate_recv(int gate, struct nfvd_gate_record *record);

/* The spawner's main(). */
int nfvd_gate_main(void);

#endif
