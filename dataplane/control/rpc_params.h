/* SPDX-License-Identifier: BSD-3-Clause */
/* Parameters that several methods have. All functions: control thread. */
#ifndef NFVD_RPC_PARAMS_H
#define NFVD_RPC_PARAMS_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "err.h"

struct nfvd_port;

/* The port that the member key names; NULL where there is no such member. 0 or -1 with *err. */
int nfvd_rpc_port(json_t *params, const char *key, struct nfvd_port **port, struct nfvd_err *err);

/*
 * A list that may be longer than a reply is told in parts. *from: where this part begins, 0 without the member
 * "from". 0 or -1 with *err.
 */
int nfvd_rpc_from(json_t *params, uint64_t *from, struct nfvd_err *err);

/* {name: list}, and "more": from, where the next part begins, if there is one. Takes list. */
json_t *nfvd_rpc_part(const char *name, json_t *list, bool more, uint64_t from);

#endif
