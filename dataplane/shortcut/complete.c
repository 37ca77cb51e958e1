/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/complete.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/types.h>
#include <string.h>
#include "frame/offload.h"
#include "shortcut/bpf/shortcut.h"
#include "shortcut/shortcut.h"

static void address_nobody(const uint8_t *hdr, uint8_t *head)
{
	static const uint8_t nobody[] = SHORTCUT_NOBODY;

	for (unsigned int i = 0; i < sizeof(nobody); i++)
		head[i] = hdr[i] ^ nobody[i];
	memcpy(head + ETH_ALEN, hdr + ETH_ALEN, ETH_ALEN);
}

uint32_t nfvd_complete_untag(unsigned int id, const uint8_t *hdr, uint8_t head[14])
{
	uint32_t mark = SHORTCUT_TAG | hdr[14] << 8 | hdr[15];
	uint16_t tpid, next;

	if (!nfvd_shortcut_completes(id))
		return 0;
	memcpy(&tpid, hdr + 12, sizeof(tpid));
	memcpy(&next, hdr + 16, sizeof(next));
	if (tpid == htons(ETH_P_8021AD))
		mark |= SHORTCUT_TAG_8021AD;
	/* Beyond the MTU the socket accepts only a tag of 802.1Q. */
	if (next == htons(ETH_P_8021AD)) {
		mark |= SHORTCUT_NEXT_8021AD;
		next = htons(ETH_P_8021Q);
	}
	address_nobody(hdr, head);
	memcpy(head + 12, &next, sizeof(next));
	return mark;
}

_Static_assert(NFVD_OUTER_LEN == SHORTCUT_OUTER_LEN && NFVD_OUTER_L2(1) == 1 << SHORTCUT_OUTER_L2_SHIFT &&
	       NFVD_OUTER_V6 == SHORTCUT_OUTER_V6 && NFVD_OUTER_UDP == SHORTCUT_OUTER_UDP && NFVD_OUTER_GRE == SHORTCUT_OUTER_GRE,
	       "the mark says it in the words of the layout");

uint32_t nfvd_complete_tunnel(unsigned int id, const struct nfvd_frame *f, uint8_t head[14])
{
	uint16_t inner = htons(f->needs & NFVD_ACCEPT_TSO4 ? ETH_P_IP : ETH_P_IPV6);

	if (!nfvd_shortcut_completes(id))
		return 0;
	address_nobody(f->hdr, head);
	memcpy(head + 12, &inner, sizeof(inner));
	return SHORTCUT_OUTER | f->outer;
}
