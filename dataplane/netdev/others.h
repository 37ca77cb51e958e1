/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other users of a network device: the host itself, devices on top of it, tc programs and queueing disciplines, an XDP
 * program at the other end of a veth, another nfvd.
 *
 * Context: all functions are for the control thread.
 */
#ifndef NFVD_NETDEV_OTHERS_H
#define NFVD_NETDEV_OTHERS_H

#include "netlink.h"
#include "port/port.h"

#define NFVD_OTHER_MAX	160	/* bytes of the description of a user */

/*
 * Set what of each element to how the host uses the device, or to the device on top of it; empty if unused. The kernel
 * is queried once for all devices.
 */
struct nfvd_use {
	const struct nfvd_link *link;
	char what[NFVD_OTHER_MAX];
};
void nfvd_netdev_uses(struct nfvd_use *uses, unsigned int n);

/*
 * Return whether the veth or its peer has something that a frame on the shortcut would skip, and describe it in why.
 * Set *peer to the peer's state.
 */
bool nfvd_netdev_not_plain(const struct nfvd_port *port, const struct nfvd_link *link, struct nfvd_link *peer,
			   char why[NFVD_OTHER_MAX]);

/*
 * Claim a device: one nfvd at a time may have it. Return a descriptor to hold as long as the claim, -EBUSY if another nfvd
 * has it, or -errno. The end of the process ends its claim.
 */
int nfvd_netdev_claim(int ifindex);

/* Remove what a killed nfvd has left on devices. */
void nfvd_netdev_clean(void);

#endif
