/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters of port.attach, checked by the rows of include/nfv/params.h. Context: control. */
#ifndef NFVD_PARAMS_H
#define NFVD_PARAMS_H

#include <jansson.h>
#include <nfv/params.h>
#include "err.h"

/*
 * Check what port.attach is asked for: all of it, but whether the name is a good one, and the words of the policy. Add
 * the defaults of numbers and choices that are not there. Return 0, or -1 with *err.
 */
int nfvd_params_check(json_t *params, struct nfvd_err *err);

#endif
