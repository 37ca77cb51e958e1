// SPDX-License-Identifier: GPL-2.0
/*
 * A queue: the ring that the daemon reads, and the held frames that its entries describe.
 *
 * An entry and its held frame have the same position, so no free list is needed. Positions run freely, so the position
 * in a handle also tells an old frame of the slot from the present one.
 *
 *	 passed            cons (daemon's)            prod
 *	───┼────────────────────┼─────────────────────┼───
 *	   │ freed when cons    │  held, not yet      │ free
 *	   │ is read next       │  processed          │
 */
#include <linux/jiffies.h>
#include <linux/vmalloc.h>
#include <linux/virtio_net.h>
#include <nfv/ring.h>
#include "compat.h"
#include "nfvk.h"
#include "trace.h"

#define OK NFV_N_MISSES

size_t nfvk_queue_map_bytes(u32 entries)
{
	return PAGE_ALIGN(NFV_ENTRIES_OFFSET + entries * sizeof(struct nfv_entry));
}

int nfvk_queue_init(struct nfvk_queue *q, struct nfvk_port *port, unsigned int index, u32 entries)
{
	struct nfv_producer *p;

	q->port = port;
	q->index = index;
	q->entries = entries;
	q->mask = entries - 1;
	spin_lock_init(&q->lock);
	q->skb = kvcalloc(entries, sizeof(*q->skb), GFP_KERNEL_ACCOUNT);
	q->since = kvcalloc(entries, sizeof(*q->since), GFP_KERNEL_ACCOUNT);
	q->map = vmalloc_user(nfvk_queue_map_bytes(entries));
	q->user = vmalloc_user(PAGE_SIZE);
	if (!q->skb || !q->since || !q->map || !q->user)
		return -ENOMEM;
	p = q->map;
	p->entries = entries;
	return 0;
}

static struct nfv_entry *entry_at(struct nfvk_queue *q, u32 pos)
{
	return (struct nfv_entry *)(q->map + NFV_ENTRIES_OFFSET) + (pos & q->mask);
}

/* Remove the frame at pos from the ring and return it; NULL if it was removed before. */
static struct sk_buff *take(struct nfvk_queue *q, u32 pos)
{
	struct sk_buff *skb = q->skb[pos & q->mask];

	if (skb) {
		q->skb[pos & q->mask] = NULL;
		nfvk_uncharge(&q->held, skb->truesize);
	}
	return skb;
}

static void take_to(struct nfvk_queue *q, u32 pos, struct sk_buff_head *list)
{
	struct sk_buff *skb = take(q, pos);

	if (skb)
		__skb_queue_tail(list, skb);
}

static void free_list(struct sk_buff_head *list)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(list)))
		consume_skb(skb);
}

/* Read the daemon's index, and collect the frames below it. Context: queue->lock held. */
static void look(struct nfvk_queue *q, struct sk_buff_head *done)
{
	u32 cons;

	if (q->broken)
		return;
	if (!nfv_ring_passed(&q->user->cons, q->passed, q->prod, &cons)) {
		q->broken = true;
		cons = q->prod;
		wake_up_interruptible(&q->port->session->wait);
	}
	for (; q->passed != cons; q->passed++)
		take_to(q, q->passed, done);
}

void nfvk_queue_free(struct nfvk_queue *q)
{
	if (q->skb)
		for (u32 i = 0; i < q->entries; i++)
			consume_skb(q->skb[i]);
	nfvk_account_clear(&q->held);
	kvfree(q->skb);
	kvfree(q->since);
	vfree(q->map);
	vfree(q->user);
	if (q->wake)
		eventfd_ctx_put(q->wake);
}

static void fill(struct nfvk_queue *q, struct sk_buff *skb, const struct nfv_vnet_hdr *vnet)
{
	struct nfv_entry *e = entry_at(q, q->prod);
	u32 tag = skb_vlan_tag_present(skb) ? VLAN_HLEN : 0;
	u32 shown = min_t(u32, skb->len, NFV_HDR_MAX - tag);

	e->pos = q->prod;
	e->len = skb->len + tag;
	e->hdr_len = shown + tag;
	e->vnet = *vnet;
	/* skb_copy_bits() cannot fail here: the length is at most skb->len. */
	if (!tag) {
		skb_copy_bits(skb, 0, e->hdr, shown);
	} else {
		/* IEEE 802.1Q clause 9: the tag follows the addresses. */
		__be16 word[2] = { skb->vlan_proto, htons(skb_vlan_tag_get(skb)) };

		skb_copy_bits(skb, 0, e->hdr, 2 * ETH_ALEN);
		memcpy(e->hdr + 2 * ETH_ALEN, word, sizeof(word));
		skb_copy_bits(skb, 2 * ETH_ALEN, e->hdr + 2 * ETH_ALEN + sizeof(word), shown - 2 * ETH_ALEN);
	}
}

static enum nfv_miss put(struct nfvk_queue *q, struct sk_buff *skb, const struct nfv_vnet_hdr *vnet,
			 struct sk_buff_head *done)
{
	struct nfv_producer *p = q->map;

	look(q, done);
	if (q->broken)
		return NFV_MISS_RING_BROKEN;
	if (q->prod - q->passed == q->entries)
		return NFV_MISS_RING_FULL;
	if (q->held.bytes + skb->truesize > (u64)nfvk_held_kib << 10 || !nfvk_charge(&q->held, q->port->session, skb->truesize))
		return NFV_MISS_HELD_BYTES;
	fill(q, skb, vnet);
	q->skb[q->prod & q->mask] = skb;
	q->since[q->prod & q->mask] = jiffies;
	trace_rx(q->port->id, q->index, q->prod, skb->len);
	nfv_ring_publish(&p->prod, ++q->prod);
	return OK;
}

void nfvk_queue_put(struct nfvk_queue *q, struct sk_buff *skb)
{
	u32 tag = skb_vlan_tag_present(skb) ? VLAN_HLEN : 0, len = skb->len + tag;
	struct nfv_vnet_hdr vnet = { 0 };
	struct sk_buff_head done;
	enum nfv_miss why = NFV_MISS_BAD_FRAME;
	bool wake = false;

	__skb_queue_head_init(&done);
	if (skb->len >= ETH_HLEN && len <= NFV_FRAME_MAX &&
	    !virtio_net_hdr_from_skb(skb, (struct virtio_net_hdr *)&vnet, true, true, tag)) {
		spin_lock(&q->lock);
		why = put(q, skb, &vnet, &done);
		spin_unlock(&q->lock);
	}
	if (why == OK) {
		nfvk_count_rx(q->port, len);
		wake = q->wake && nfv_ring_sleeper(&q->user->need_wakeup);
	} else {
		nfvk_miss(q->port, why);
		kfree_skb(skb);
	}
	if (wake)
		nfvk_eventfd_signal(q->wake);
	free_list(&done);
}

int nfvk_queue_get(struct nfvk_queue *q, u32 pos, bool last, struct nfvk_held *held)
{
	struct nfv_entry *e = entry_at(q, pos);
	int err = -ESTALE;

	spin_lock_bh(&q->lock);
	if (pos - q->passed < q->prod - q->passed) {
		held->skb = last ? take(q, pos) : q->skb[pos & q->mask];
		if (held->skb) {
			if (!last)
				skb_get(held->skb);
			held->len = e->len;
			held->hdr_len = e->hdr_len;
			memcpy(held->hdr, e->hdr, e->hdr_len);
			err = 0;
		}
	}
	spin_unlock_bh(&q->lock);
	return err;
}

void nfvk_queue_flush(struct nfvk_queue *q)
{
	struct sk_buff_head all;

	__skb_queue_head_init(&all);
	spin_lock_bh(&q->lock);
	for (u32 pos = q->passed; pos != q->prod; pos++)
		take_to(q, pos, &all);
	spin_unlock_bh(&q->lock);
	free_list(&all);
}

void nfvk_queue_expire(struct nfvk_queue *q)
{
	unsigned long limit = msecs_to_jiffies(nfvk_held_ms);
	struct sk_buff_head done, old;

	__skb_queue_head_init(&done);
	__skb_queue_head_init(&old);
	spin_lock_bh(&q->lock);
	look(q, &done);
	/* The oldest frame has the lowest position. */
	for (u32 pos = q->passed; pos != q->prod && time_after_eq(jiffies, q->since[pos & q->mask] + limit); pos++)
		take_to(q, pos, &old);
	if (!q->held.bytes)
		nfvk_account_clear(&q->held);
	spin_unlock_bh(&q->lock);
	for (u32 n = skb_queue_len(&old); n; n--)
		nfvk_miss(q->port, NFV_MISS_EXPIRED);
	free_list(&done);
	free_list(&old);
}
