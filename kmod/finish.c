// SPDX-License-Identifier: GPL-2.0
/* Segment super-frames and complete checksums for receivers that cannot do so. */
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include "compat.h"
#include "nfvk.h"

/* Kinds of super-frames that virtio_net_hdr can express. In a tunnel's, another bit is set beside one of these. */
#define PLAIN_GSO	(SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_UDP_L4)
#define NO_KIND_GSO	(SKB_GSO_DODGY | SKB_GSO_TCP_ECN | SKB_GSO_TCP_FIXEDID)

bool nfvk_gso_plain(const struct sk_buff *skb)
{
	unsigned int type = skb_shinfo(skb)->gso_type;

	return !skb->encapsulation && type & PLAIN_GSO && !(type & ~(PLAIN_GSO | NO_KIND_GSO));
}

bool nfvk_csum_plain(struct sk_buff *skb, unsigned int within)
{
	return skb->ip_summed != CHECKSUM_PARTIAL ||
	       (!skb_csum_is_sctp(skb) &&
		skb_checksum_start_offset(skb) + skb->csum_offset + sizeof(__sum16) <= within);
}

static struct sk_buff *cut(struct sk_buff *skb, netdev_features_t features)
{
	struct sk_buff *segs = skb_gso_segment(skb, features);

	if (IS_ERR_OR_NULL(segs)) {
		kfree_skb(skb);
		return NULL;
	}
	consume_skb(skb);
	return segs;
}

struct sk_buff *nfvk_finish(struct sk_buff *skb, bool gso, unsigned int within, unsigned int *lost)
{
	struct sk_buff *next, *done = NULL, **end = &done;

	*lost = 0;
	if (gso && skb_is_gso(skb))
		skb = cut(skb, NETIF_F_SG | (within ? NETIF_F_HW_CSUM : 0));
	*lost += !skb;
	for (; skb; skb = next) {
		next = skb->next;
		skb_mark_not_on_list(skb);
		if (!nfvk_csum_plain(skb, within) && skb_csum_hwoffload_help(skb, 0)) {
			kfree_skb(skb);
			++*lost;
			continue;
		}
		*end = skb;
		end = &skb->next;
	}
	return done;
}
