/* SPDX-License-Identifier: BSD-3-Clause */
/* Parameters that several methods have. Context: control. */
#ifndef NFVD_RPC_PARAMS_H
#define NFVD_RPC_PARAMS_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "err.h"

struct nfvd_port;

/* Set *port to the port that member key names, or to NULL without such a member. Return 0, or -1 with *err. */
int nfvd_rpc_port(json_t *params, const char *key, struct nfvd_port **port, struct nfvd_err *err);

/*
 * Set *from to where this part of a list begins: member "from", or 0. A list that may be longer than a response is sent in
 * parts. Return 0, or -1 with *err.
 */
int nfvd_rpc_from(json_t *params, uint64_t *from, struct nfvd_err *err);

/* Return {name: list} and, if more, "more": from, where the next part begins. Takes the reference to list. */
json_t *nfvd_rpc_part(const char *name, json_t *list, bool more, uint64_t from);

#endif
