/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet sockets with their receive rings, bound to no device yet. The next one is made ahead. */
#ifndef NFVD_PACKET_SOCKET_H
#define NFVD_PACKET_SOCKET_H

#include "err.h"
#include "netdev/packet_ring.h"

/* C. Return the socket that was made ahead, or a new one, and its ring. Return -1 with *err if there is none. */
int nfvd_packet_socket_take(struct nfvd_packet_ring *ring, struct nfvd_err *err);

/*
 * C. Prepare, in a thread of its own, the ring of the next such port: it takes longest. An attach does so a moment
 * later: to clear a ring's memory is milliseconds of work, for which its answer would wait where processors are few.
 */
void nfvd_packet_ahead(void);
void nfvd_packet_ahead_later(void);
/* C. Close, in a thread of its own, what the nfvd before had prepared. */
void nfvd_packet_end_before(void);

#endif
