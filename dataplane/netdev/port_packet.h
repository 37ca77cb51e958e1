/* SPDX-License-Identifier: BSD-3-Clause */
/* Port types veth and netdev without the module: a packet socket. */
#ifndef NFVD_PORT_PACKET_H
#define NFVD_PORT_PACKET_H

#include "switch/port.h"

extern const struct nfvd_port_ops nfvd_port_veth, nfvd_port_netdev;

/* C. Make ready, in a thread of its own, what the next such port takes longest for. */
void nfvd_packet_ahead(void);

#endif
