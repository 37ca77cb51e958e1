// SPDX-License-Identifier: GPL-2.0
/* Allocate a frame, and set the fields by which the kernel knows its protocol and offloads. */
#include <linux/if_vlan.h>
#include <linux/virtio_net.h>
#include "nfvk.h"

#define LINEAR_MAX	2048	/* bytes; a longer frame has its payload in pages */
#define HEADROOM	(NET_SKB_PAD + VLAN_HLEN)

struct sk_buff *nfvk_alloc_frame(u32 len, gfp_t gfp)
{
	u32 linear = len <= LINEAR_MAX ? len : NFV_HDR_MAX;
	struct sk_buff *skb;
	int err;

	skb = alloc_skb_with_frags(linear + HEADROOM, len - linear, PAGE_ALLOC_COSTLY_ORDER, &err, gfp);
	if (!skb)
		return NULL;
	skb_reserve(skb, HEADROOM);
	skb_put(skb, linear);
	skb->data_len = len - linear;
	skb->len += len - linear;
	return skb;
}

int nfvk_set_offloads(struct sk_buff *skb, const struct nfv_vnet_hdr *vnet)
{
	__be16 proto = eth_hdr(skb)->h_proto;
	int depth = ETH_HLEN;

	skb->protocol = eth_proto_is_802_3(proto) ? proto : htons(ETH_P_802_2);
	if (eth_type_vlan(proto) && !__vlan_get_protocol(skb, proto, &depth))
		return -EINVAL;
	skb_set_network_header(skb, depth);
	/* Checks the request against the headers, and marks a super-frame SKB_GSO_DODGY. */
	return virtio_net_hdr_to_skb(skb, (const struct virtio_net_hdr *)vnet, true);
}
