/* SPDX-License-Identifier: BSD-3-Clause */
/* Port type veth by the module. */
#ifndef NFVD_PORT_KMOD_H
#define NFVD_PORT_KMOD_H

#include "port/port.h"

extern const struct nfvd_port_ops nfvd_port_veth_module;

#endif
