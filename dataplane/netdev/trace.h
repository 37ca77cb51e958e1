/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What nfvd changed of a device, in a file of the state directory, NAME.device: a device that was set up, features that were
 * switched off (offload.h). Whoever ends without putting that back, because it was killed or because another nfvd goes on
 * with the device, leaves the file. The next one takes it over when it attaches the same device to the port of that name, and
 * puts back what none of its ports has.
 *
 * The same device is one of the same number and address in the same network namespace.
 *
 * Context: control.
 */
#ifndef NFVD_NETDEV_TRACE_H
#define NFVD_NETDEV_TRACE_H

#include <stdbool.h>
#include "netdev/offload.h"
#include "netlink.h"

struct nfvd_trace {
	bool was_up;
	struct nfvd_offloads offloads;
	bool written;			/* it is this nfvd's to undo */
};

/* Add what an earlier nfvd changed of the device behind link, as port name, to *t, and write *t down. */
void nfvd_trace_take(struct nfvd_trace *t, const char *name, const struct nfvd_link *link, const char *netns_path);
/* *t was undone. */
void nfvd_trace_remove(struct nfvd_trace *t, const char *name);
/* Put back what was changed of devices that belong to no port. */
void nfvd_trace_undo_rest(void);

/* Set a device down, with the IPv6 addresses that it was given while it was down. */
void nfvd_trace_put_down(int ifindex);

#endif
