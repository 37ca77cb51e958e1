/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters of port.attach, checked by the rows of include/nfv/params.h. Context: control. */
#ifndef NFVD_PARAMS_H
#define NFVD_PARAMS_H

#include <jansson.h>
#include <nfv/params.h>
#include "err.h"

/*
 * Check all parameters of port.attach except whether the name is valid, and except the words of the policy. Add the
 * defaults of missing numbers and choices. Return 0, or -1 with *err.
 */
int nfvd_params_check(json_t *params, struct nfvd_err *err);

#endif
