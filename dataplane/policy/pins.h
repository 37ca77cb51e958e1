/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pinned addresses that outlive nfvd: in a memfd in the descriptor store (fdstore.h), @pins/state, by the names of ports.
 * A worker pins in that memory itself, so that a kill at any time leaves what was pinned.
 *
 * Context: control.
 */
#ifndef NFVD_PINS_H
#define NFVD_PINS_H

#include "policy/address.h"

/* Give the port of this name a place for its pinned address, with what an nfvd before has pinned there. */
void nfvd_pins_use(struct nfvd_address_state *state, const char *name);
/* The port is no more: give its place back, unless the next nfvd is to have it. */
void nfvd_pins_forget(const char *name);
/* Remove the memory from the store, unless the next nfvd is to have it. */
void nfvd_pins_stop(void);

#endif
