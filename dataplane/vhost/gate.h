/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate: a process for each connected vhost-user peer. It receives the peer's messages, checks them, and passes
 * sound ones on to nfvd.
 *
 *	peer ──► gate (a process a peer) ──► the port's thread in nfvd
 *	  ▲          descriptors that are            │
 *	  └───────── wrong end here ─── replies ─────┘
 *
 * Why a process: a received descriptor must be closed, and closing a FUSE file waits for its server. Until the server
 * responds not even SIGKILL ends the waiting process. All its descriptors would stay open, with the lock of the state
 * directory and the sockets of other guests. So nfvd never has a descriptor of an unknown kind. A gate that hangs
 * holds only its one connection, which nfvd shuts down. There are few of them for each port: peer.c.
 *
 * A message stays in the socket until nfvd knows that it comes and has marked the kept state of the peer as
 * incomplete. If nfvd were killed between receiving a message and replying, no later nfvd could reply.
 *
 * nfvd starts a spawner (nfvd_gate_start), which has no threads and forks the gates.
 */
#ifndef NFVD_VHOST_GATE_H
#define NFVD_VHOST_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include "vhost/msg.h"

#define NFVD_GATE_NAME	"nfvd-gate"	/* argv[0] of the spawner: main() calls nfvd_gate_main() */

/* One record from a gate. */
struct nfvd_gate_record {
	uint32_t coming;		/* a message comes, once nfvd_gate_go() lets it; there is nothing else in this record */
	int32_t err;			/* of nfvd_sock_recv(): the last record; 0: msg is there */
	enum nfvd_drop why;		/* NFVD_PASS: msg is sound, and has its descriptors; else it has none */
	struct nfvd_vu_msg msg;
};

/* Start the spawner. Return 0 or -errno. Context: control, before other threads exist. */
int nfvd_gate_start(void);
void nfvd_gate_stop(void);

/*
 * Have a gate read the socket peer, whose port has n_vrings queues and offers these features. Return a socket of
 * records, or -errno.
 * Context: the port's thread.
 */
int nfvd_gate_open(int peer, uint32_t n_vrings, uint64_t offered);

/*
 * Receive one record, without waiting. Return 0 or -errno; -ECONNRESET if the gate, and so the peer, is gone. The
 * caller owns the descriptors in record->msg.
 * Context: the port's thread.
 */
int nfvd_gate_recv(int gate, struct nfvd_gate_record *record);

/* Let the gate receive the message that its record has announced. Return 0 or -errno. Context: the port's thread. */
int nfvd_gate_go(int gate);

/*
 * Have the gate end, and wait so many ms for it. Return false if it has not ended, because it hangs in a file of its
 * peer's; gate stays open then, for another call to see whether it has ended.
 * Context: the port's thread.
 */
bool nfvd_gate_leave(int gate, int ms);

/* Run the spawner; main() calls it. */
int nfvd_gate_main(void);

#endif
