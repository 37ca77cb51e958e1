/* SPDX-License-Identifier: BSD-3-Clause */
/* A port comes and goes, and its addresses with it. */
#ifndef NFVD_PORT_STATE_H
#define NFVD_PORT_STATE_H

#include "switch/port.h"

/*
 * Any thread that is registered with RCU and offline, no worker. When the state changes, writes one event line;
 * addresses are forgotten, here and in what forwards without nfvd, before it returns, if it was or is up: what
 * was learnt of a port that was down may be older than what others said since.
 */
void nfvd_port_set_state(struct nfvd_port *port, enum nfvd_state state, const char *why);

/* Any thread as above: forget the addresses that were learnt at port, here and in what forwards without nfvd. */
void nfvd_port_forget(struct nfvd_port *port);

/* Set by what forwards without nfvd, for the same. */
extern void (*nfvd_port_forget_elsewhere)(const struct nfvd_port *port);

#endif
