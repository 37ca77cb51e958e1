/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures: each belongs to the connection that started it, and ends with it.
 *
 * Context: control.
 */
#ifndef NFVD_CAPTURE_H
#define NFVD_CAPTURE_H

#include "control/role.h"

/*
 * Return the descriptor to send to *who with the response to its last request, or -1. It is returned once only. It
 * remains nfvd's to close.
 */
int nfvd_capture_descriptor(const struct nfvd_caller *who);
/* End the capture of *who, if there is one: its connection is closed. */
void nfvd_capture_end(const struct nfvd_caller *who);

#endif
