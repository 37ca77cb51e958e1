/* SPDX-License-Identifier: BSD-3-Clause */
/* Port type xen: a Xen guest's vif, by the module. */
#ifndef NFVD_PORT_XEN_H
#define NFVD_PORT_XEN_H

#include "port/port.h"

extern const struct nfvd_port_ops nfvd_port_xen;

#endif
