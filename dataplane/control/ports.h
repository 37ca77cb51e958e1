/* SPDX-License-Identifier: BSD-3-Clause */
/* Attaching and detaching ports. Context: control. */
#ifndef NFVD_PORTS_H
#define NFVD_PORTS_H

#include <jansson.h>
#include "port/port.h"

void nfvd_ports_init(void);
/* Attach a port by the params of port.attach (include/nfv/params.h), which it changes. NULL with *err. */
struct nfvd_port *nfvd_port_attach(json_t *params, struct nfvd_err *err);
/* Detach the port of this name. Return 0, or -1 with *err. */
int nfvd_port_detach(const char *name, struct nfvd_err *err);
void nfvd_port_detach_all(void);
unsigned int nfvd_ports_attached(void);	/* how many there are */

#endif
