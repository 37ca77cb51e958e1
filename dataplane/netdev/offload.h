/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keep a device from leaving work that a packet socket has no words for. A virtio_net_hdr cannot describe some kinds
 * of segmentation that Linux leaves to a device. The kernel then loses the frame, and the receive ring of some
 * kernels (6.12) stops with it. So while a port takes frames by a packet socket:
 *
 *	the sending end (a veth's	cuts SCTP, lists of frames and, on kernels before 6.2, UDP
 *	other end, in the container)	itself; its super-frames are of 64 KiB at most (no BIG TCP)
 *	the device itself		does not merge received frames beyond that size
 *
 * This is Linux's own way for a device that lacks a feature: ethtool -K shows it. Detaching puts
 * back what was changed. What nfvd can finish itself (offload.h) is left as it is.
 *
 * All functions: control thread, unless they say otherwise.
 */
#ifndef NFVD_NETDEV_OFFLOAD_H
#define NFVD_NETDEV_OFFLOAD_H

#include <jansson.h>
#include "netlink.h"
#include "port/port.h"

#define NFVD_OFF_MAX	6	/* features of one device that may be switched off */
#define NFVD_SIZES	4	/* IFLA_GSO_MAX_SIZE and its like */

/* What was changed of one device. */
struct nfvd_restricted {
	const char *off[NFVD_OFF_MAX];	/* names as ethtool -K has them; NULL ends them */
	uint32_t size[NFVD_SIZES];	/* bytes, as they were; 0: not changed */
};

struct nfvd_offloads {
	struct nfvd_restricted own, peer;
	bool open;			/* the sending end could not be reached: see the event */
};

/*
 * Return whether packet sockets of this kernel can express UDP segmentation. Context: any thread. The first call
 * takes some 10 ms.
 */
bool nfvd_packet_knows_uso(void);

/* Restrict the device behind link and, for a veth, its peer, which may be in netns_path's namespace (empty: unknown). */
void nfvd_offloads_restrict(struct nfvd_offloads *o, const struct nfvd_port *port, const struct nfvd_link *link,
			    const char *netns_path);
/* Put back what was changed, as far as the device behind ifindex (0: none) is still there. */
void nfvd_offloads_restore(struct nfvd_offloads *o, int ifindex, const char *netns_path);

/*
 * nfvd_offloads_json() returns a new reference to what was changed, empty if nothing was. nfvd_offloads_add() adds
 * such a record of an earlier nfvd to what has to be put back, and ignores malformed parts of it.
 */
json_t *nfvd_offloads_json(const struct nfvd_offloads *o);
void nfvd_offloads_add(struct nfvd_offloads *o, const json_t *before);

/* Add what is restricted to a port's JSON. */
void nfvd_offloads_show(const struct nfvd_offloads *o, json_t *obj);

#endif
