/* SPDX-License-Identifier: BSD-3-Clause */
/* Port types veth and netdev without the module: a packet socket. */
#ifndef NFVD_PORT_PACKET_H
#define NFVD_PORT_PACKET_H

#include "port/port.h"

extern const struct nfvd_port_ops nfvd_port_veth, nfvd_port_netdev;

#endif
