/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of the kernel that kmod/xen/maps.c needs, for unit tests: one thread, and a guest
 * whose grants the test makes. Calls that a hypervisor would refuse fail here, too.
 */
#ifndef TEST_KERNEL_H
#define TEST_KERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef struct { int v; } atomic_t;
typedef struct { int64_t v; } atomic64_t;
typedef struct { long v; } atomic_long_t;

#define ATOMIC_INIT(n)		{ n }
#define atomic_read(a)		((a)->v)
#define atomic_add_return(n, a)	((a)->v += (int)(n))
#define atomic_add(n, a)	((void)((a)->v += (int)(n)))
#define atomic_sub(n, a)	((void)((a)->v -= (int)(n)))
#define atomic_inc(a)		atomic_add(1, a)
#define atomic_dec(a)		atomic_sub(1, a)
#define atomic_long_add_return(n, a) ((a)->v += (long)(n))
#define atomic_long_sub(n, a)	((void)((a)->v -= (long)(n)))
#define atomic64_add(n, a)	((void)((a)->v += (n)))
#define atomic64_read(a)	((a)->v)
#define atomic64_set(a, n)	((void)((a)->v = (n)))
#define atomic64_try_cmpxchg(a, was, n) ((a)->v == *(was) ? ((a)->v = (n), true) : (*(was) = (a)->v, false))

#define READ_ONCE(x)		(*(volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val)	(*(volatile __typeof__(x) *)&(x) = (val))
#define smp_store_release(p, val) WRITE_ONCE(*(p), val)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define require(x)		((x) ? (void)0 : abort())	/* also where assert() is off */
#define WARN_ON_ONCE(x)		({ require(!(x)); false; })
#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

static unsigned long jiffies = 1000;	/* of a millisecond */
#define msecs_to_jiffies(ms)	(ms)
#define NSEC_PER_USEC		1000
#define ktime_get_ns()		((u64)jiffies * 1000000)
#define div_u64(n, by)		((u64)(n) / (u32)(by))
struct hrtimer { int unused; };
#define time_after(a, b)	((long)((b) - (a)) < 0)

/* ---- memory ---- */

#define GFP_KERNEL_ACCOUNT	0
static int fail_allocations;		/* that many of the next fail, after as many as the other says */
static int allocations_before;

static inline void *kzalloc(size_t n, int gfp)
{
	if (fail_allocations && allocations_before-- <= 0) {
		fail_allocations--;
		return NULL;
	}
	return calloc(1, n);
}
#define kvzalloc kzalloc
#define kfree free
#define kvfree free

struct rcu_head { int unused; };
#define kfree_rcu(p, member)	free(p)

/* ---- lists ---- */

struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };

static inline void hlist_add_head_rcu(struct hlist_node *n, struct hlist_head *h)
{
	n->next = h->first;
	n->pprev = &h->first;
	if (n->next)
		n->next->pprev = &n->next;
	h->first = n;
}

static inline void hlist_del_rcu(struct hlist_node *n)
{
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
}

#define hlist_entry_or_null(p, type, member) ((p) ? container_of(p, type, member) : NULL)
#define hlist_for_each_entry(e, h, member)						\
	for (e = hlist_entry_or_null((h)->first, __typeof__(*e), member); e;		\
	     e = hlist_entry_or_null(e->member.next, __typeof__(*e), member))
#define hlist_for_each_entry_rcu(e, h, member, cond) hlist_for_each_entry(e, h, member)
#define hlist_for_each_entry_safe(e, n, h, member)					\
	for (e = hlist_entry_or_null((h)->first, __typeof__(*e), member); e && (n = e->member.next, 1); \
	     e = hlist_entry_or_null(n, __typeof__(*e), member))

#define hash_32(val, bits)	((u32)(val) * 0x61c88647u >> (32 - (bits)))
#define get_random_u32()	0x12345678u

/* ---- grants ---- */

#define PAGE_BYTES	4096
#define GUEST_GRANTS	4096

typedef u32 grant_handle_t;
struct page { uint8_t bytes[PAGE_BYTES]; u32 grant; bool used; };

/* The guest's: granted, read-only, how often mapped by us. */
static struct { bool granted, readonly; int mapped; } guest[GUEST_GRANTS];
static int grace_periods, pages_out;

static void synchronize_rcu(void) { grace_periods++; }

enum { GNTST_okay = 0, GNTST_bad_gntref = -3 };
enum { GNTMAP_host_map = 2, GNTMAP_readonly = 4 };
struct gnttab_map_grant_ref { unsigned long addr; u32 flags, ref; int status; grant_handle_t handle; };
struct gnttab_unmap_grant_ref { unsigned long addr; grant_handle_t handle; };
struct gntab_unmap_queue_data { struct gnttab_unmap_grant_ref *unmap_ops, *kunmap_ops; struct page **pages; unsigned int count; };

static inline int gnttab_alloc_pages(int n, struct page **pages)
{
	for (int i = 0; i < n; i++) {
		pages[i] = kzalloc(sizeof(**pages), 0);
		if (!pages[i]) {
			while (i--)
				free(pages[i]);
			return -ENOMEM;
		}
	}
	pages_out += n;
	return 0;
}

static inline void gnttab_free_pages(int n, struct page **pages)
{
	pages_out -= n;
	while (n--) {
		require(!pages[n]->used);
		free(pages[n]);
	}
}

#define page_to_pfn(p)	((unsigned long)(p))
#define pfn_to_kaddr(p)	((void *)((struct page *)(p))->bytes)

static inline void gnttab_set_map_op(struct gnttab_map_grant_ref *op, unsigned long addr, u32 flags, u32 ref, u32 domid)
{
	*op = (struct gnttab_map_grant_ref){ addr, flags, ref, 0, 0 };
}

static inline void gnttab_set_unmap_op(struct gnttab_unmap_grant_ref *op, unsigned long addr, u32 flags, grant_handle_t handle)
{
	*op = (struct gnttab_unmap_grant_ref){ addr, handle };
}

static inline int gnttab_map_refs(struct gnttab_map_grant_ref *op, void *kop, struct page **pages, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		u32 ref = op[i].ref;

		if (ref >= GUEST_GRANTS || !guest[ref].granted || (guest[ref].readonly && !(op[i].flags & GNTMAP_readonly))) {
			op[i].status = GNTST_bad_gntref;
			continue;
		}
		guest[ref].mapped++;
		pages[i]->grant = ref;
		pages[i]->used = true;
		op[i].handle = ref + 1;
	}
	return 0;
}

static inline int gnttab_unmap_refs_sync(struct gntab_unmap_queue_data *d)
{
	for (unsigned int i = 0; i < d->count; i++) {
		u32 ref = d->unmap_ops[i].handle - 1;

		require(d->pages[i]->used && d->pages[i]->grant == ref && guest[ref].mapped > 0);
		require(d->unmap_ops[i].addr == (unsigned long)d->pages[i]->bytes);
		guest[ref].mapped--;
		d->pages[i]->used = false;
	}
	return 0;
}

enum {
	XEN_NETIF_CTRL_STATUS_SUCCESS, XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED,
	XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER, XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW,
};

#endif
