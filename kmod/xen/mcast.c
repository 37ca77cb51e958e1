// SPDX-License-Identifier: GPL-2.0
/* Port type xen: multicast control, the list of addresses that a frontend wants to receive. See vif.h. */
#include <linux/etherdevice.h>
#include "backend.h"

static int find_mcast(const struct nfvk_vif *vif, u64 addr)
{
	for (unsigned int i = 0; i < vif->n_mcast; i++)
		if (vif->mcast[i] == addr)
			return i;
	return -1;
}

s16 nfvk_xen_change_mcast(struct nfvk_vif *vif, const struct nfvk_xen_frame *f)
{
	u64 addr = ether_addr_to_u64(f->mcast_addr);
	s16 status = XEN_NETIF_RSP_OKAY;
	int i;

	if (!vif->mcast_control)
		return XEN_NETIF_RSP_ERROR;
	spin_lock_bh(&vif->mcast_lock);
	i = find_mcast(vif, addr);
	if (f->mcast == NFVK_XEN_EXTRA_MCAST_DEL) {
		if (i >= 0)
			vif->mcast[i] = vif->mcast[--vif->n_mcast];
	} else if (i < 0) {
		if (is_multicast_ether_addr(f->mcast_addr) && vif->n_mcast < NFVK_XEN_MCASTS)
			vif->mcast[vif->n_mcast++] = addr;
		else
			status = XEN_NETIF_RSP_ERROR;
	}
	spin_unlock_bh(&vif->mcast_lock);
	return status;
}

bool nfvk_xen_filtered(struct nfvk_vif *vif, const struct sk_buff *skb)
{
	const u8 *to = skb->data;
	bool known;

	if (!vif->mcast_control || !is_multicast_ether_addr(to) || is_broadcast_ether_addr(to))
		return false;
	spin_lock_bh(&vif->mcast_lock);
	known = find_mcast(vif, ether_addr_to_u64(to)) >= 0;
	spin_unlock_bh(&vif->mcast_lock);
	return !known;
}
