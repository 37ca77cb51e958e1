/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev/packet_message.h"

#include <linux/if_ether.h>
#include <rte_branch_prediction.h>
#include <string.h>
#include "frame/offload.h"
#include "shortcut/complete.h"
#include "switch/move.h"

/*
 * Beyond the MTU, a packet socket accepts one 802.1Q tag, and does not check super-frames. A veth accepts any one tag
 * in the frame and another one beside it, and drops longer frames.
 */
static bool too_many_tags(const struct nfvd_frame *f, uint32_t mtu)
{
	return f->len > mtu + ETH_HLEN && f->hdr_len > 2 * ETH_ALEN + 2 * NFVD_TAG_LEN && nfvd_is_tag(f->hdr + 2 * ETH_ALEN) &&
	       (f->hdr[2 * ETH_ALEN] == ETH_P_8021AD >> 8 || nfvd_is_tag(f->hdr + 2 * ETH_ALEN + NFVD_TAG_LEN));
}

/* As nfvd_move_to_msg(), but for n bytes that follow the Ethernet header. c->head is filled. */
static void send_without(struct nfvd_frame *f, unsigned int n, uint32_t mark, struct nfvd_completion *c, struct msghdr *msg)
{
	struct iovec *iov = msg->msg_iov;
	struct cmsghdr *control;

	c->vnet = f->vnet.hdr;
	if (c->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		c->vnet.csum_start -= n;
	if (c->vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		c->vnet.hdr_len -= n;
	nfvd_move_to_msg(f, iov + 1);
	iov[0] = (struct iovec){ &c->vnet, sizeof(c->vnet) };
	iov[1] = (struct iovec){ c->head, sizeof(c->head) };
	iov[2] = (struct iovec){ f->hdr + sizeof(c->head) + n, f->hdr_len - sizeof(c->head) - n };
	msg->msg_iovlen = NFVD_MESSAGE_IOVS(f->iov_n);
	msg->msg_control = &c->mark;
	msg->msg_controllen = sizeof(c->mark);
	control = CMSG_FIRSTHDR(msg);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SO_MARK;
	control->cmsg_len = CMSG_LEN(sizeof(mark));
	memcpy(CMSG_DATA(control), &mark, sizeof(mark));
}

static enum nfvd_drop tagged(struct nfvd_port *port, struct nfvd_frame *f, uint32_t mtu, struct nfvd_completion *c,
			     struct msghdr *msg)
{
	/* A checksum that would begin among the addresses is not to be made. */
	bool bad = f->vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && f->vnet.hdr.csum_start < ETH_HLEN + NFVD_TAG_LEN;
	uint32_t mark = bad ? 0 : nfvd_complete_untag(port->id, f->hdr, c->head);

	if (mark)
		send_without(f, NFVD_TAG_LEN, mark, c, msg);
	else if (nfvd_is_tag(f->hdr + 2 * ETH_ALEN + NFVD_TAG_LEN) && nfvd_offload_too_long(f, mtu - NFVD_TAG_LEN))
		return NFVD_DROP_MTU;
	else
		msg->msg_iovlen = nfvd_move_to_msg(f, msg->msg_iov);
	return NFVD_PASS;
}

static enum nfvd_drop tunnelled(struct nfvd_port *port, struct nfvd_frame *f, struct nfvd_completion *c, struct msghdr *msg)
{
	uint32_t mark = nfvd_complete_tunnel(port->id, f, c->head);

	if (!mark)
		return NFVD_DROP_GSO_UNSUP;
	send_without(f, 0, mark, c, msg);
	return NFVD_PASS;
}

enum nfvd_drop nfvd_packet_message(struct nfvd_port *port, struct nfvd_frame *f, struct nfvd_completion *c, struct msghdr *msg)
{
	uint32_t mtu = atomic_load_explicit(&port->mtu, memory_order_relaxed);

	if (unlikely(f->needs & NFVD_ACCEPT_TUNNEL))
		return tunnelled(port, f, c, msg);
	if (unlikely(too_many_tags(f, mtu)))
		return tagged(port, f, mtu, c, msg);
	msg->msg_iovlen = nfvd_move_to_msg(f, msg->msg_iov);
	return NFVD_PASS;
}
