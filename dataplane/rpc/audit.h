/* SPDX-License-Identifier: BSD-3-Clause */
/* One line in the log for each request that changes something, and for each that was refused one. Context: control. */
#ifndef NFVD_AUDIT_H
#define NFVD_AUDIT_H

#include "control/role.h"

/*
 * Log who asked for what, and what became of it:
 *
 *	audit: uid=1000 pid=4711 comm=nfvctl role=operate method=port.detach name=vm1 result=ok
 *	audit: uid=1000 pid=4712 comm=nfvctl role=read method=port.detach name=vm1 result=-32003 why="permission denied: ..."
 *
 * No value contains a blank, quote or equals sign of the client's, so no request can look like another one. The line
 * is bounded. err NULL: the request was carried out. Each request that was carried out has a line; of those that were
 * refused or failed, at most 10 a second have one.
 */
void nfvd_audit(const struct nfvd_caller *who, json_t *params, const struct nfvd_err *err);

#endif
