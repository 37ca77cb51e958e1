/* SPDX-License-Identifier: BSD-3-Clause */
/* Port types veth and netdev without the module: a packet socket. */
#ifndef NFVD_PORT_PACKET_H
#define NFVD_PORT_PACKET_H

#include "port/port.h"

extern const struct nfvd_port_ops nfvd_port_veth, nfvd_port_netdev;

/* C. Prepare, in a thread of its own, the ring of the next such port: it takes longest. */
void nfvd_packet_ahead(void);
/* C. Close, in a thread of its own, what the nfvd before had prepared. */
void nfvd_packet_end_before(void);

#endif
