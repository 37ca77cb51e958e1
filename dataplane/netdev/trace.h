/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state directory has a file NAME.device for what nfvd changed of a device: whether it was set up, and which
 * features were switched off (offload.h). An nfvd that ends without undoing this leaves the file: it was killed, or
 * another nfvd goes on with the device. The next nfvd takes the file over when it attaches the same device to the
 * port of that name. It undoes the changes of devices that belong to none of its ports.
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
/* Remove the file, because *t was undone. */
void nfvd_trace_remove(struct nfvd_trace *t, const char *name);
/* Put back what was changed of devices that belong to no port. */
void nfvd_trace_undo_rest(void);

/* Set a device down, with the IPv6 addresses that it was given while it was down. */
void nfvd_trace_put_down(int ifindex);

#endif
