/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who else uses a network device: the host itself, devices on top of it, tc programs
 * and queueing disciplines, an XDP program at the other end of a veth, another nfvd.
 * All functions: control thread.
 */
#ifndef NFVD_NETDEV_OTHERS_H
#define NFVD_NETDEV_OTHERS_H

#include "netlink.h"
#include "switch/port.h"

#define NFVD_OTHER_MAX	160	/* bytes of what is said about it */

/*
 * Does the host speak over the devices, or is another device on top of one? Then what says why, else it is empty.
 * However many devices, the kernel is asked once.
 */
struct nfvd_use {
	const struct nfvd_link *link;
	char what[NFVD_OTHER_MAX];
};
void nfvd_netdev_uses(struct nfvd_use *uses, unsigned int n);

/*
 * Is anything on the veth or its peer that a frame which went straight from or to the peer would pass
 * by? Then say in why what. peer is set to what the kernel says of it.
 */
bool nfvd_netdev_not_plain(const struct nfvd_port *port, const struct nfvd_link *link, struct nfvd_link *peer,
			   char why[NFVD_OTHER_MAX]);

/*
 * One nfvd at a time has a device. Returns a descriptor to hold while we do, -EBUSY if another
 * nfvd does, or -errno. The end of a process ends its claim.
 */
int nfvd_netdev_claim(int ifindex);

/* Remove what an nfvd that was killed has left on devices. */
void nfvd_netdev_clean(void);

#endif
