/* SPDX-License-Identifier: BSD-3-Clause */
/* Port type kvm: a guest, by vhost-user. */
#ifndef NFVD_PORT_VHOST_H
#define NFVD_PORT_VHOST_H

#include "port/port.h"

extern const struct nfvd_port_ops nfvd_port_vhost;

#endif
