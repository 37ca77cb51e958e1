/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports, attached and detached. All: control. */
#ifndef NFVD_PORTS_H
#define NFVD_PORTS_H

#include <jansson.h>
#include "switch/port.h"

void nfvd_ports_init(void);
/* params: of port.attach, include/nfv/rpc.h; what was understood is taken out of it. NULL with *err. */
struct nfvd_port *nfvd_port_attach(json_t *params, struct nfvd_err *err);
/* 0 or -1 with *err. */
int nfvd_port_detach(const char *name, struct nfvd_err *err);
void nfvd_port_detach_all(void);

#endif
