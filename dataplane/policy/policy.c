/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/policy.h"

#include <string.h>
#include "frame/offload.h"

static bool tagged(const struct nfvd_frame *f)
{
	return nfvd_is_tag(f->hdr + 12);
}

bool nfvd_policy_inspects(const struct nfvd_policy *p)
{
	return p && (p->isolated || p->quarantined || nfvd_policy_has_addresses(p) || nfvd_rate_limits(&p->from) ||
		     nfvd_rate_limits(&p->to));
}

bool nfvd_policy_same_segment(const struct nfvd_policy *a, const struct nfvd_policy *b)
{
	static const struct nfvd_policy plain = { .vlans = { [0 ... 63] = ~0ull } };

	a = a ? a : &plain;
	b = b ? b : &plain;
	return a->zone == b->zone && a->access == b->access && a->native == b->native &&
	       a->native_tagged == b->native_tagged && !memcmp(a->vlans, b->vlans, sizeof(a->vlans));
}

enum nfvd_drop nfvd_policy_classify(const struct nfvd_policy *p, const struct nfvd_frame *f, uint16_t *vlan)
{
	*vlan = nfvd_vlan_of(f);
	/* Padded to the least length on a wire it would have a tag. */
	if (tagged(f) && f->hdr_len < 18)
		return NFVD_DROP_VLAN;
	if (!p)
		return NFVD_PASS;
	if (p->access && tagged(f) && (*vlan || nfvd_is_tag(f->hdr + 16)))
		return NFVD_DROP_VLAN;
	/* A tag of VLAN 0 has a priority only. */
	if (!*vlan)
		*vlan = p->native;
	return nfvd_policy_carries(p, *vlan) ? NFVD_PASS : NFVD_DROP_VLAN;
}

enum nfvd_drop nfvd_policy_between(const struct nfvd_policy *src, const struct nfvd_policy *dst, uint16_t vlan)
{
	if (nfvd_policy_zone(src) != nfvd_policy_zone(dst) || (dst && !nfvd_policy_carries(dst, vlan)))
		return NFVD_DROP_VLAN;
	return src && dst && src->isolated && dst->isolated ? NFVD_DROP_ISOLATED : NFVD_PASS;
}

enum nfvd_retag nfvd_policy_retag(const struct nfvd_policy *dst, const struct nfvd_frame *f, uint16_t vlan)
{
	bool tag = tagged(f) && f->hdr_len >= 18;

	/* VLAN 0 is that of no tag; what has a priority only keeps it. */
	if (!vlan)
		return NFVD_RETAG_NOT;
	if (dst && vlan == dst->native && !dst->native_tagged)
		return !tag ? NFVD_RETAG_NOT : nfvd_is_tag(f->hdr + 16) ? NFVD_RETAG_DOUBLE : NFVD_RETAG_POP;
	if (!tag)
		return NFVD_RETAG_PUSH;
	return nfvd_vlan_of(f) == vlan ? NFVD_RETAG_NOT : NFVD_RETAG_SET;
}

/* Where a request says that something lies, seen from the frame's start. */
static void shift(struct nfvd_frame *f, int by)
{
	f->len += by;
	f->hdr_len += by;
	if (f->vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		f->vnet.hdr.csum_start += by;
	if (f->vnet.hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		f->vnet.hdr.hdr_len += by;
}

bool nfvd_retag(struct nfvd_frame *to, const struct nfvd_frame *from, enum nfvd_retag how, uint16_t vlan)
{
	uint16_t type = htons(ETH_P_8021Q), tci = htons(vlan);

	*to = *from;
	to->held = false;	/* not what the kernel holds any more */
	switch (how) {
	case NFVD_RETAG_POP:
		memmove(to->hdr + 12, from->hdr + 16, from->hdr_len - 16);
		shift(to, -NFVD_TAG_LEN);
		break;
	case NFVD_RETAG_PUSH:
		memcpy(to->hdr + 12, &type, 2);
		memcpy(to->hdr + 14, &tci, 2);
		memcpy(to->hdr + 16, from->hdr + 12, from->hdr_len - 12);
		shift(to, NFVD_TAG_LEN);
		break;
	case NFVD_RETAG_SET:
		tci |= htons(0xf000) & (uint16_t)(from->hdr[14] | from->hdr[15] << 8);
		memcpy(to->hdr + 14, &tci, 2);
		break;
	default:
		break;
	}
	/* What a super-frame in a tunnel needs depends on its tags; and the kernel does not hold a copy. */
	if (to->needs & (NFVD_ACCEPT_TUNNEL | NFVD_ACCEPT_NEVER | NFVD_ACCEPT_SKB))
		return nfvd_offload_check(to) == NFVD_PASS;
	return !(to->vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || to->vnet.hdr.csum_start >= NFVD_FRAME_MIN;
}
