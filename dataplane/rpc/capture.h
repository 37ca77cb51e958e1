/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures: each belongs to the connection that started it, and ends with it.
 *
 * Context: control.
 */
#ifndef NFVD_CAPTURE_H
#define NFVD_CAPTURE_H

#include "control/role.h"

/* Return the descriptor that goes to *who with the response to what it just asked for, once; -1: none. It stays ours. */
int nfvd_capture_descriptor(const struct nfvd_caller *who);
/* End the capture of *who, if there is one: its connection is closed. */
void nfvd_capture_end(const struct nfvd_caller *who);

#endif
