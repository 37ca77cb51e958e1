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
 * Values have no blank, quote or equals sign that somebody else chose, so no request looks like another one. The line
 * is bounded. err NULL: it was done. Those that were done have a line each; of those that were not, 10 in a second.
 */
void nfvd_audit(const struct nfvd_caller *who, json_t *params, const struct nfvd_err *err);

#endif
