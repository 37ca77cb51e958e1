/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame as a message of a packet socket with PACKET_VNET_HDR. The socket refuses some that a device takes, or has no words
 * for them. These are sent incomplete, and the program at the device's egress completes them (shortcut/shortcut.h):
 *
 *	a full MTU behind two VLAN tags, or one of 802.1ad	without the outer tag
 *	a super-frame of TCP in a tunnel			as one outside a tunnel
 */
#ifndef NFVD_PACKET_MESSAGE_H
#define NFVD_PACKET_MESSAGE_H

#include <sys/socket.h>
#include "frame/drop.h"
#include "frame/frame.h"
#include "port/port.h"

/* What such a message has of its own. */
struct nfvd_completion {
	struct virtio_net_hdr vnet;
	uint8_t head[14];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(uint32_t))];
	} mark;
};

#define NFVD_MESSAGE_IOVS(n)	((n) + 3u)	/* vectors that a message of a frame of n may take */

/*
 * W. Make a message of f in *msg. The caller provides the vectors at msg->msg_iov. f and c are in use until the
 * message is sent. Return NFVD_PASS, or the reason to drop f.
 */
enum nfvd_drop nfvd_packet_message(struct nfvd_port *port, struct nfvd_frame *f, struct nfvd_completion *c, struct msghdr *msg);

#endif
