/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of the kernel's network stack that the module's files need in a test program:
 * buffers, queues of buffers, statistics. There is one thread; taking a lock twice or
 * freeing a buffer twice ends the program.
 */
#ifndef TEST_NET_H
#define TEST_NET_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/virtio_net.h>
#include "kernel.h"

typedef uint8_t u8;
typedef int16_t s16;
typedef unsigned int gfp_t;
typedef int irqreturn_t;
typedef u16 domid_t;
typedef u32 grant_ref_t, evtchn_port_t;

#define __rcu
#define __percpu
#define __user
#define __force
#undef noinline
#define noinline
#define unlikely(x)		(x)
#define likely(x)		(x)

#define GFP_KERNEL		0
#define GFP_ATOMIC		1
#define __GFP_NOWARN		0
#define NUMA_NO_NODE		(-1)
#define SKB_ALLOC_NAPI		0
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096ul
#define PAGE_ALIGN(n)		(((n) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define PAGE_ALLOC_COSTLY_ORDER	3
#define NET_SKB_PAD		64
#define IS_ENABLED(x)		1
#define IRQ_HANDLED		1

#define min(a, b)		({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b)		({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define max_t(type, a, b)	((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define round_up(n, to)		(((n) + (to) - 1) / (to) * (to))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define offset_in_page(p)	((unsigned long)(p) & (PAGE_SIZE - 1))
#define struct_size(p, member, n) (sizeof(*(p)) + (n) * sizeof((p)->member[0]))
#ifndef static_assert
#define static_assert(x, ...)	_Static_assert(x, "")
#endif
#define IS_ERR(p)		((unsigned long)(p) >= -4095ul)
#define PTR_ERR(p)		((long)(p))
#define ERR_PTR(e)		((void *)(long)(e))

#define rcu_read_lock()		do { } while (0)
#define rcu_read_unlock()	do { } while (0)
#define rcu_dereference(p)	(p)
#define rcu_dereference_raw(p)	(p)
#define rcu_dereference_check(p, c) (p)
#define rcu_dereference_protected(p, c) (p)
#define rcu_access_pointer(p)	(p)
#define rcu_assign_pointer(p, v) ((p) = (v))
#define RCU_INIT_POINTER(p, v)	((p) = (v))
#define smp_load_acquire(p)	READ_ONCE(*(p))
#define virt_rmb()		do { } while (0)
#define virt_mb()		do { } while (0)
#define virt_wmb()		do { } while (0)
#define cond_resched()		kernel_resched()
#define local_bh_disable()	do { } while (0)
#define local_bh_enable()	do { } while (0)
#define atomic_dec_and_test(a)	(--(a)->v == 0)
#define atomic_set(a, n)	((void)((a)->v = (n)))
#define atomic_xchg(a, n)	({ int v_ = (a)->v; (a)->v = (n); v_; })
#define atomic_or(n, a)		((void)((a)->v |= (n)))
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)

static void kernel_resched(void);	/* defined by the test: what other threads do meanwhile */

/* ---- locks ---- */

typedef struct { bool held; } spinlock_t;

static inline void lock(bool *held) { require(!*held); *held = true; }
static inline void unlock(bool *held) { require(*held); *held = false; }

#define spin_lock_init(l)	((l)->held = false)
#define spin_lock(l)		lock(&(l)->held)
#define spin_unlock(l)		unlock(&(l)->held)
#define spin_lock_bh(l)		lock(&(l)->held)
#define spin_unlock_bh(l)	unlock(&(l)->held)
#define lockdep_is_held(l)	((l)->held)

struct mutex { bool held; };
#define mutex_init(m)		((m)->held = false)
#define mutex_lock(m)		lock(&(m)->held)
#define mutex_unlock(m)		unlock(&(m)->held)

/* ---- lists ---- */

struct list_head { struct list_head *next, *prev; };

#define INIT_LIST_HEAD(l)	((l)->next = (l)->prev = (l))
#define list_empty(l)		((l)->next == (l))
#define list_for_each_entry(e, l, member)								\
	for (e = container_of((l)->next, __typeof__(*e), member); &e->member != (l);			\
	     e = container_of(e->member.next, __typeof__(*e), member))

static inline void list_add(struct list_head *e, struct list_head *l)
{
	e->next = l->next;
	e->prev = l;
	l->next->prev = e;
	l->next = e;
}

static inline void list_del(struct list_head *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	e->next = e->prev = NULL;
}

/* ---- members of the module's structures that are not used here ---- */

typedef struct { int unused; } netdevice_tracker, wait_queue_head_t;
struct kref { int unused; };
struct work_struct { int unused; };
struct delayed_work { struct work_struct work; };
struct eventfd_ctx;
struct mm_struct;
struct file_operations;
struct net_device { int unused; };
struct napi_struct { int unused; };
struct device { int unused; };
struct xenbus_device { struct device dev; };
struct xenbus_watch { int unused; };
static int system_wq __attribute__((unused));

#define to_delayed_work(w)		container_of(w, struct delayed_work, work)
#define INIT_DELAYED_WORK(w, fn)	((void)(fn))
#define mod_delayed_work(wq, w, ms)	((void)(w), (void)(wq))
#define queue_delayed_work(wq, w, ms)	((void)(w), (void)(wq))
#define cancel_delayed_work_sync(w)	((void)(w))
#define wake_up_var(v)			((void)(v))
#define wake_up_interruptible(w)	((void)(w))
#define dev_warn_ratelimited(dev, ...)	((void)(dev))

struct eventfd_ctx { int unused; };
struct vm_area_struct { unsigned long vm_flags; };
#define LINUX_VERSION_CODE		KERNEL_VERSION(6, 1, 0)
#define KERNEL_VERSION(a, b, c)		((a) << 16 | (b) << 8 | (c))
#define eventfd_signal(ctx, n)		((void)(ctx))
#define eventfd_ctx_put(ctx)		((void)(ctx))

/* ---- statistics ---- */

typedef struct { u64 v; } u64_stats_t;
struct u64_stats_sync { int unused; };
#define u64_stats_update_begin(s)	((void)(s))
#define u64_stats_update_end(s)		((void)(s))
#define u64_stats_add(s, n)		((void)((s)->v += (n)))
#define u64_stats_inc(s)		((void)(s)->v++)
#define this_cpu_ptr(p)			(p)
#define get_cpu_ptr(p)			(p)
#define put_cpu_ptr(p)			((void)(p))

/* ---- bits ---- */

#define BIT(n)			(1ul << (n))
#define BITS_TO_LONGS(n)	(((n) + 63) / 64)
#define DECLARE_BITMAP(name, n)	unsigned long name[BITS_TO_LONGS(n)]
#define __set_bit(i, map)	((map)[(i) / 64] |= BIT((i) % 64))
#define test_bit(i, map)	((map)[(i) / 64] >> (i) % 64 & 1)
#define bitmap_zero(map, n)	memset(map, 0, BITS_TO_LONGS(n) * 8)

static inline unsigned int bitmap_weight(const unsigned long *map, unsigned int n)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < BITS_TO_LONGS(n); i++)
		sum += __builtin_popcountl(map[i]);
	return sum;
}

#define bitmap_empty(map, n)	(!bitmap_weight(map, n))

static inline unsigned int next_bit(const unsigned long *map, unsigned int n, unsigned int i)
{
	for (; i < n; i = (i / 64 + 1) * 64) {
		unsigned long rest = map[i / 64] >> i % 64;

		if (rest)
			return i + __builtin_ctzl(rest);
	}
	return n;
}
#define for_each_set_bit(i, map, n)	for (i = next_bit(map, n, 0); i < (n); i = next_bit(map, n, i + 1))

/* ---- Ethernet ---- */

#define VLAN_HLEN		4
#define VLAN_ETH_HLEN		18

static inline bool is_multicast_ether_addr(const u8 *a) { return a[0] & 1; }
static inline bool is_broadcast_ether_addr(const u8 *a) { return !memcmp(a, "\xff\xff\xff\xff\xff\xff", 6); }
static inline bool eth_type_vlan(__be16 t) { return t == htons(ETH_P_8021Q) || t == htons(ETH_P_8021AD); }
static inline bool eth_proto_is_802_3(__be16 t) { return ntohs(t) >= ETH_P_802_3_MIN; }

static inline u64 ether_addr_to_u64(const u8 *a)
{
	u64 v = 0;

	for (int i = 0; i < 6; i++)
		v = v << 8 | a[i];
	return v;
}

/* ---- buffers ---- */

enum { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL };
enum { SKB_GSO_TCPV4 = 1, SKB_GSO_DODGY = 4, SKB_GSO_TCPV6 = 16 };
#define MAX_SKB_FRAGS		17

typedef struct { u8 *at; u32 len; } skb_frag_t;
#define skb_frag_page(f)	((void *)(f)->at)
#define skb_frag_off(f)		0u
#define skb_frag_size(f)	((f)->len)
#define page_address(p)		((u8 *)(p))

struct skb_shared_info {
	u8 nr_frags;
	u16 gso_size, gso_segs;
	unsigned int gso_type;
	struct sk_buff *frag_list;
	skb_frag_t frags[MAX_SKB_FRAGS];
};

struct sk_buff {
	struct sk_buff *next, *prev;	/* as of the head of a list */
	struct net_device *dev;
	void (*destructor)(struct sk_buff *skb);
	u8 *head, *data;
	u32 tail, end, len, data_len, truesize;
	int users;
	u8 ip_summed;
	bool tagged;
	u16 csum_start, csum_offset, mac_header, network_header, transport_header;
	__be16 protocol, vlan_proto;
	u16 vlan_tci;
	char cb[48] __attribute__((aligned(8)));
	struct skb_shared_info info;
};

struct sk_buff_head {
	struct sk_buff *next, *prev;
	u32 qlen;
};

static unsigned int buffers_out;	/* that are not freed */

#define skb_shinfo(skb)		(&((struct sk_buff *)(skb))->info)
#define skb_headlen(skb)	((skb)->len - (skb)->data_len)
#define skb_headroom(skb)	((u32)((skb)->data - (skb)->head))
#define skb_shared(skb)		((skb)->users > 1)
#define skb_is_gso(skb)		(skb_shinfo(skb)->gso_size != 0)
#define skb_vlan_tag_present(skb) ((skb)->tagged)
#define skb_vlan_tag_get(skb)	((skb)->vlan_tci)
#define skb_checksum_start_offset(skb) ((int)(skb)->csum_start - (int)skb_headroom(skb))
#define skb_reset_mac_header(skb) ((skb)->mac_header = skb_headroom(skb))
#define skb_reset_tail_pointer(skb) ((skb)->tail = skb_headroom(skb))
#define skb_set_network_header(skb, n) ((skb)->network_header = skb_headroom(skb) + (n))
#define skb_set_transport_header(skb, n) ((skb)->transport_header = skb_headroom(skb) + (n))
#define skb_mark_not_on_list(skb) ((skb)->next = NULL)
#define eth_hdr(skb)		((struct ethhdr *)((skb)->head + (skb)->mac_header))

static inline struct sk_buff *__alloc_skb(u32 size, gfp_t gfp, int flags, int node)
{
	struct sk_buff *skb = kzalloc(sizeof(*skb), 0);
	u8 *head = skb ? malloc(size) : NULL;

	if (!head) {
		free(skb);
		return NULL;
	}
	skb->head = skb->data = head;
	skb->end = size;
	skb->truesize = size + sizeof(*skb);
	skb->users = 1;
	buffers_out++;
	return skb;
}

static inline struct sk_buff *alloc_skb_with_frags(u32 header, u32 data, int order, int *err, gfp_t gfp)
{
	struct sk_buff *skb = __alloc_skb(header, gfp, 0, 0);

	for (u32 left = data, n; skb && left; left -= n) {
		skb_frag_t *frag = &skb->info.frags[skb->info.nr_frags++];

		require(skb->info.nr_frags <= MAX_SKB_FRAGS);
		n = left < PAGE_SIZE << order ? left : PAGE_SIZE << order;
		frag->at = aligned_alloc(PAGE_SIZE, PAGE_ALIGN(n));
		frag->len = n;
		skb->truesize += n;
		require(frag->at);
	}
	return skb;
}

static inline void kfree_skb(struct sk_buff *skb)
{
	if (!skb)
		return;
	require(skb->users > 0);
	if (--skb->users)
		return;
	if (skb->destructor)
		skb->destructor(skb);
	for (int i = 0; i < skb->info.nr_frags; i++)
		free(skb->info.frags[i].at);
	for (struct sk_buff *part = skb->info.frag_list, *next; part; part = next) {
		next = part->next;
		kfree_skb(part);
	}
	free(skb->head);
	free(skb);
	buffers_out--;
}
#define consume_skb		kfree_skb
#define napi_consume_skb(skb, budget) kfree_skb(skb)

static inline struct sk_buff *skb_get(struct sk_buff *skb)
{
	skb->users++;
	return skb;
}

static inline void skb_reserve(struct sk_buff *skb, u32 n)
{
	skb->data += n;
	skb->tail += n;
	require(skb->tail <= skb->end);
}

static inline void *skb_put(struct sk_buff *skb, u32 n)
{
	void *at = skb->head + skb->tail;

	skb->tail += n;
	skb->len += n;
	require(skb->tail <= skb->end && !skb->data_len);
	return at;
}

static inline void skb_put_data(struct sk_buff *skb, const void *data, u32 n) { memcpy(skb_put(skb, n), data, n); }

static inline __be16 __vlan_get_protocol(const struct sk_buff *skb, __be16 type, int *depth)
{
	u32 at = ETH_HLEN;

	for (; eth_type_vlan(type); at += VLAN_HLEN) {
		if (skb_headlen(skb) < at + VLAN_HLEN)
			return 0;
		memcpy(&type, skb->data + at + 2, 2);
	}
	if (depth)
		*depth = at;
	return type;
}
#define vlan_get_protocol(skb)	__vlan_get_protocol(skb, (skb)->protocol, NULL)

static inline int virtio_net_hdr_from_skb(const struct sk_buff *skb, struct virtio_net_hdr *h, bool little, bool valid, int tag)
{
	memset(h, 0, sizeof(*h));
	if (skb_is_gso(skb)) {
		h->hdr_len = skb_headlen(skb);
		h->gso_size = skb_shinfo(skb)->gso_size;
		h->gso_type = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	}
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = skb_checksum_start_offset(skb) + tag;
		h->csum_offset = skb->csum_offset;
	}
	return 0;
}

static inline int virtio_net_hdr_to_skb(struct sk_buff *skb, const struct virtio_net_hdr *h, bool little)
{
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if ((u32)h->csum_start + h->csum_offset + 2 > skb_headlen(skb))
			return -EINVAL;
		skb->ip_summed = CHECKSUM_PARTIAL;
		skb->csum_start = skb_headroom(skb) + h->csum_start;
		skb->csum_offset = h->csum_offset;
	}
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	if ((h->gso_type != VIRTIO_NET_HDR_GSO_TCPV4 && h->gso_type != VIRTIO_NET_HDR_GSO_TCPV6) || !h->gso_size ||
	    !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return -EINVAL;
	skb_shinfo(skb)->gso_size = h->gso_size;
	skb_shinfo(skb)->gso_type = (h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6) | SKB_GSO_DODGY;
	return 0;
}

/* ---- lists of them ---- */

static inline void __skb_queue_head_init(struct sk_buff_head *l)
{
	l->next = l->prev = (struct sk_buff *)l;
	l->qlen = 0;
}

static inline void __skb_queue_tail(struct sk_buff_head *l, struct sk_buff *skb)
{
	skb->next = (struct sk_buff *)l;
	skb->prev = l->prev;
	l->prev->next = skb;
	l->prev = skb;
	l->qlen++;
}

static inline void __skb_unlink(struct sk_buff *skb, struct sk_buff_head *l)
{
	skb->next->prev = skb->prev;
	skb->prev->next = skb->next;
	skb->next = skb->prev = NULL;
	l->qlen--;
}

static inline struct sk_buff *skb_peek(const struct sk_buff_head *l)
{
	return l->next == (const struct sk_buff *)l ? NULL : l->next;
}

static inline struct sk_buff *__skb_dequeue(struct sk_buff_head *l)
{
	struct sk_buff *skb = skb_peek(l);

	if (skb)
		__skb_unlink(skb, l);
	return skb;
}

static inline void skb_queue_splice_tail_init(struct sk_buff_head *from, struct sk_buff_head *to)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(from)))
		__skb_queue_tail(to, skb);
}

#define skb_queue_len(l)	((l)->qlen)
#define skb_queue_empty_lockless(l) (!skb_peek(l))
#define skb_queue_walk(l, skb)	for (skb = (l)->next; skb != (struct sk_buff *)(l); skb = skb->next)
#define skb_queue_walk_safe(l, skb, n) \
	for (skb = (l)->next, n = skb->next; skb != (struct sk_buff *)(l); skb = n, n = skb->next)

#endif
