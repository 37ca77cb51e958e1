/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a port; its addresses are forgotten when the state changes. */
#ifndef NFVD_PORT_STATE_H
#define NFVD_PORT_STATE_H

#include "port/port.h"

/*
 * Set the state. If it changes, write one event line. If the port was up or is up, forget its addresses first, here
 * and in the shortcut: another port may have claimed one of them while this port was down.
 *
 * Context: any thread that is registered with RCU and offline; no worker.
 */
void nfvd_port_set_state(struct nfvd_port *port, enum nfvd_state state, const char *why);

/* Forget the addresses that were learnt at port, here and in the shortcut. Context: as above. */
void nfvd_port_forget(struct nfvd_port *port);

/* Forget them in the shortcut, which sets this pointer. */
extern void (*nfvd_port_forget_elsewhere)(const struct nfvd_port *port);

#endif
