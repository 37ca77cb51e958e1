/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames, devices and the stack, for guest_kernel.h. */
#ifndef TEST_GUEST_SKB_H
#define TEST_GUEST_SKB_H

#define ETH_HLEN		14
#define ETH_ALEN		6
#define NET_SKB_PAD		64
#define NET_IP_ALIGN		0
#define MAX_SKB_FRAGS		17
#define SKBFL_SHARED_FRAG	2
enum { SKB_GSO_TCPV4 = 1, SKB_GSO_DODGY = 2, SKB_GSO_TCPV6 = 16 };
enum { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL };
typedef u64 netdev_features_t;
typedef enum { NETDEV_TX_OK } netdev_tx_t;

struct netdev_queue { bool stopped; };
struct net_device { void *priv; struct netdev_queue txq[8]; bool carrier; int errors, warnings; };
#define netdev_priv(dev)		((dev)->priv)
#define netdev_get_tx_queue(dev, i)	(&(dev)->txq[i])
#define netif_tx_stop_queue(q)		((q)->stopped = true)
#define netif_tx_wake_queue(q)		((q)->stopped = false)
#define netif_tx_queue_stopped(q)	((q)->stopped)
#define netif_tx_stop_all_queues(dev)	((dev)->txq[0].stopped = true)
#define netif_carrier_off(dev)		((dev)->carrier = false)
#define __netif_tx_lock(q, cpu)		((void)0)
#define __netif_tx_unlock(q)		((void)0)
#define smp_processor_id()		0
static const char *last_error;
#define netdev_err(dev, format, queue, how)	((dev)->errors++, last_error = (how))
#define netdev_warn(dev, ...)		((dev)->warnings++)

typedef struct { struct page *page; u32 offset, size; } skb_frag_t;
#define skb_frag_address(f)		((void *)((u8 *)page_address((f)->page) + (f)->offset))
#define skb_frag_size(f)		((f)->size)

struct skb_shared_info {
	u8 flags, nr_frags;
	u16 gso_size;
	u32 gso_type;
	skb_frag_t frags[MAX_SKB_FRAGS];
};

struct sk_buff {
	u8 *data;
	struct page *head;		/* what the linear part is in */
	u32 room;			/* of it */
	u32 len, data_len;
	u8 ip_summed;
	u16 protocol;
	int users;
	void *sk;
	struct skb_shared_info info;
};
static int skbs_in_use;

#define skb_shinfo(skb)			(&((struct sk_buff *)(skb))->info)
#define skb_headlen(skb)		((skb)->len - (skb)->data_len)
#define skb_is_gso(skb)			((skb)->info.gso_size)
#define skb_get_queue_mapping(skb)	0
#define sk_pacing_shift_update(sk, n)	((void)0)
#define skb_tx_timestamp(skb)		((void)0)
#define skb_reset_network_header(skb)	((void)0)
#define skb_record_rx_queue(skb, q)	((void)0)

/* The linear part lies within memory with other data, as in a slab. */
static inline struct sk_buff *skb_make(u32 room)
{
	struct page *head = alloc_pages(0, room + 512 > 16 * PAGE_SIZE ? 5 : room + 512 > PAGE_SIZE ? 4 : 0);
	struct sk_buff *skb = head ? calloc(1, sizeof(*skb)) : NULL;

	if (!skb)
		return NULL;
	*skb = (struct sk_buff){ .head = head, .data = (u8 *)page_address(head) + 256, .room = room, .users = 1 };
	skbs_in_use++;
	return skb;
}

static inline struct sk_buff *skb_get(struct sk_buff *skb) { skb->users++; return skb; }

static inline void kfree_skb(struct sk_buff *skb)
{
	if (!skb)
		return;
	require(skb->users > 0);
	if (--skb->users)
		return;
	for (int i = 0; i < skb->info.nr_frags; i++)
		put_page(skb->info.frags[i].page);
	put_page(skb->head);
	skbs_in_use--;
	free(skb);
}
#define dev_kfree_skb_any		kfree_skb
#define dev_consume_skb_any		kfree_skb

static inline void *skb_put(struct sk_buff *skb, u32 n)
{
	u8 *at = skb->data + skb->len;

	require(!skb->data_len && skb->len + n <= skb->room);
	skb->len += n;
	return at;
}
static inline void skb_put_data(struct sk_buff *skb, const void *from, u32 n) { memcpy(skb_put(skb, n), from, n); }
static inline void skb_reserve(struct sk_buff *skb, u32 n) { skb->data += n; skb->room -= n; }

static inline void skb_add_rx_frag(struct sk_buff *skb, int i, struct page *page, u32 offset, u32 size, u32 truesize)
{
	require(i == skb->info.nr_frags && i < MAX_SKB_FRAGS);
	skb->info.frags[skb->info.nr_frags++] = (skb_frag_t){ page, offset, size };
	skb->len += size;
	skb->data_len += size;
}

static inline bool skb_can_coalesce(struct sk_buff *skb, int i, const struct page *page, u32 offset)
{
	const skb_frag_t *f = skb->info.frags + i - 1;

	if (i < 1)
		return false;
	return f->page == page && f->offset + f->size == offset;
}
static inline void skb_coalesce_rx_frag(struct sk_buff *skb, int i, u32 size, u32 truesize)
{
	skb->info.frags[i].size += size;
	skb->len += size;
	skb->data_len += size;
}

/* Call do(part, offset in the frame) for each part of the bytes; bytes beyond the frame are an error. */
static inline void skb_each(struct sk_buff *skb, u32 at, u32 n, void (*move)(void *bytes, u8 *other, u32 len), u8 *other)
{
	u32 first = 0, size = skb_headlen(skb);
	u8 *bytes = skb->data;

	require(at + n <= skb->len);
	for (int i = -1; n; bytes = skb_frag_address(&skb->info.frags[i]), size = skb->info.frags[i].size) {
		if (at < first + size) {
			u32 len = min(n, first + size - at);

			move(bytes + at - first, other, len);
			at += len;
			n -= len;
			other += len;
		}
		first += size;
		if (!n || ++i == skb->info.nr_frags)
			break;
	}
	require(!n);
}
static inline void move_in(void *bytes, u8 *other, u32 len) { memcpy(bytes, other, len); }
static inline void move_out(void *bytes, u8 *other, u32 len) { memcpy(other, bytes, len); }
static inline int skb_store_bits(struct sk_buff *skb, u32 at, const void *from, u32 n) { skb_each(skb, at, n, move_in, (u8 *)from); return 0; }
static inline void skb_read(struct sk_buff *skb, u8 *to) { skb_each(skb, 0, skb->len, move_out, to); }

static inline void *__pskb_pull_tail(struct sk_buff *skb, u32 n)
{
	u32 linear = skb_headlen(skb);

	require(n <= skb->data_len && linear + n <= skb->room);
	skb_each(skb, linear, n, move_out, skb->data + linear);
	skb->data_len -= n;
	while (n) {
		skb_frag_t *f = &skb->info.frags[0];
		u32 some = min(n, f->size);

		f->offset += some;
		f->size -= some;
		n -= some;
		if (f->size)
			break;
		put_page(f->page);
		memmove(f, f + 1, --skb->info.nr_frags * sizeof(*f));
	}
	return skb->data;
}

static inline int skb_linearize(struct sk_buff *skb)
{
	struct page *head = alloc_pages(0, 5);

	if (!head)
		return -ENOMEM;
	skb_read(skb, page_address(head));
	for (int i = 0; i < skb->info.nr_frags; i++)
		put_page(skb->info.frags[i].page);
	put_page(skb->head);
	skb->head = head;
	skb->data = page_address(head);
	skb->data_len = skb->info.nr_frags = 0;
	return 0;
}

static inline struct sk_buff *napi_alloc_skb(struct napi_struct *napi, u32 n) { return skb_make(n); }
static inline struct sk_buff *alloc_skb_with_frags(u32 header, u32 data, int order, int *err, int gfp)
{
	struct sk_buff *skb = skb_make(header);

	for (int i = 0; skb && data; i++) {
		struct page *page = alloc_pages(0, 0);

		if (!page) {
			kfree_skb(skb);
			return NULL;
		}
		skb->info.frags[skb->info.nr_frags++] = (skb_frag_t){ page, 0, min(data, PAGE_SIZE) };
		data -= min(data, PAGE_SIZE);
	}
	return skb;
}

/* ---- the stack ---- */

static struct sk_buff *received[300];
static unsigned int nr_received;
static bool checksum_is_bad;

/* A frame's Ethernet header stays where it is: the test compares it, too. */
static inline u16 eth_type_trans(struct sk_buff *skb, struct net_device *dev)
{
	require(skb_headlen(skb) >= ETH_HLEN);
	return 0x0800;
}
static inline int skb_checksum_setup(struct sk_buff *skb, bool recalculate) { return checksum_is_bad ? -EPROTO : 0; }
static inline void napi_gro_receive(struct napi_struct *napi, struct sk_buff *skb)
{
	require(nr_received < ARRAY_SIZE(received));
	for (int i = 0; i < skb->info.nr_frags; i++) {
		const skb_frag_t *f = &skb->info.frags[i];

		require(f->size && f->offset + f->size <= PAGE_SIZE << f->page->head->order);
	}
	received[nr_received++] = skb;
}

#endif
