/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control server: transport, limits and permissions of include/nfv/rpc.h.
 * The methods are in the other files of rpc/.
 */
#ifndef NFVD_RPC_SERVER_H
#define NFVD_RPC_SERVER_H

#include <systemd/sd-event.h>

/* Listen on path (mode 0660, and open to the groups of role.h). Return 0 or -errno. The caller has removed a stale socket. */
int nfvd_rpc_start(sd_event *event, const char *path);
void nfvd_rpc_stop(void);

#endif
