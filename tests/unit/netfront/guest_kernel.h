/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of a guest's kernel that the files of kmod/netfront/ need, for unit tests: one thread, memory
 * whose pages are all tracked, grants that a backend may keep mapped, a stack that keeps received frames.
 * guest_skb.h has frames. The rings are those of Xen's headers.
 */
#ifndef TEST_GUEST_KERNEL_H
#define TEST_GUEST_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#undef static_assert
#define static_assert(x, ...)	static_assert_said(x, ##__VA_ARGS__, #x)
#define static_assert_said(x, said, ...) _Static_assert(x, said)
#define require(x)		((x) ? (void)0 : abort())	/* also where assert() is off */
#define READ_ONCE(x)		(*(volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val)	(*(volatile __typeof__(x) *)&(x) = (val))
#define smp_load_acquire(p)	READ_ONCE(*(p))
#define smp_store_release(p, val) WRITE_ONCE(*(p), val)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define round_down(n, to)	((n) & ~((to) - 1u))
#define BIT(n)			(1u << (n))
#define __ffs(n)		((unsigned int)__builtin_ctz(n))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define test_bit(n, p)		(*(p) >> (n) & 1)
static inline bool test_and_set_bit(int n, unsigned long *p)
{
	bool was = test_bit(n, p);

	*p |= 1ul << n;
	return was;
}

typedef struct { int v; } atomic_t;
#define atomic_set(a, n)	((a)->v = (n))
#define atomic_or(n, a)		((a)->v |= (n))
#define atomic_xchg(a, n)	__atomic_exchange_n(&(a)->v, n, __ATOMIC_RELAXED)

/* The backend's action at a barrier of the datapath, for example between reading an index and the entries. */
static void (*at_barrier)(void);
static inline void barrier_passed(void)
{
	if (at_barrier)
		at_barrier();
}
#define virt_mb			barrier_passed
#define virt_rmb()		((void)0)
#define mb()			((void)0)	/* the rings' own */
#define rmb()			((void)0)
#define wmb()			((void)0)

/* ---- memory ---- */

#define PAGE_SIZE		4096u
#define XEN_PAGE_SIZE		4096u
#define PAGES			8192u
#define SECRET			0xa5	/* in all memory that was not zeroed */
#define GFP_ATOMIC		0
#define GFP_KERNEL		0
#define __GFP_NOWARN		0
#define __GFP_COMP		0
#define __GFP_ZERO		1
#define PAGE_ALLOC_COSTLY_ORDER	3

struct page { struct page *head; int refs; unsigned int order; };
static u8 memory[PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static struct page pages[PAGES];
static bool out_of_memory;
static int pages_in_use;
static unsigned int pages_next;	/* what was freed is not soon used again */

#define page_address(p)		((void *)memory[(p) - pages])
#define offset_in_page(p)	((u32)((uintptr_t)(p) % PAGE_SIZE))
#define virt_to_page(p)		(&pages[((u8 *)(p) - memory[0]) / PAGE_SIZE])
#define xen_page_to_gfn(p)	((unsigned long)((p) - pages))
#define page_ref_count(p)	((p)->head->refs)

static inline struct page *alloc_pages(int gfp, unsigned int order)
{
	unsigned int n = 1u << order;

	if (out_of_memory)
		return NULL;
	for (unsigned int tries = 0; tries < PAGES / n; tries++) {
		struct page *p = &pages[pages_next = (pages_next + n - 1) / n * n % PAGES];
		bool used = false;

		pages_next = (pages_next + n) % PAGES;
		for (unsigned int i = 0; i < n; i++)
			used |= p[i].head && p[i].head->refs;
		if (used)
			continue;
		for (unsigned int i = 0; i < n; i++)
			p[i] = (struct page){ .head = p };
		p->refs = 1;
		p->order = order;
		pages_in_use += n;
		memset(page_address(p), gfp & __GFP_ZERO ? 0 : SECRET, n * PAGE_SIZE);
		return p;
	}
	return NULL;
}

static inline void get_page(struct page *p)
{
	require(p->head->refs > 0);
	p->head->refs++;
}

static inline void put_page(struct page *p)
{
	struct page *head = p->head;
	unsigned int n = 1u << head->order;

	require(head->refs > 0);
	if (--head->refs)
		return;
	pages_in_use -= n;
	for (unsigned int i = 0; i < n; i++)
		head[i].head = &head[i];	/* or it would count as used when its old head is */
}
#define __free_page		put_page
#define __dev_alloc_page(gfp)	alloc_pages(gfp, 0)

static inline void *kvcalloc(size_t n, size_t size, int gfp) { return out_of_memory ? NULL : calloc(n, size); }
#define kvfree			free

/* ---- grants ---- */

#define GRANTS			8192u
typedef u32 grant_ref_t;
typedef u32 evtchn_port_t;
static struct { struct page *page; bool used, readonly, held; } grants[GRANTS];	/* held: by the backend */
static u32 grants_next, grants_end;	/* the last one made; none was made from here on */
static int grants_deferred;

static inline int grant_make(struct page *page, bool readonly)
{
	for (u32 tries = 0; tries < GRANTS; tries++) {
		u32 next = grants_next = grants_next % (GRANTS - 1) + 1;	/* there is no 0 */

		if (grants[next].used)
			continue;
		if (next >= grants_end)
			grants_end = next + 1;
		grants[next].used = true;
		grants[next].page = page;
		grants[next].readonly = readonly;
		return next;
	}
	return -ENOSPC;
}

/* References are only counted: a slot takes one, and returns it. */
static inline int gnttab_alloc_grant_references(u16 n, grant_ref_t *list) { *list = n; return 0; }
static inline void gnttab_free_grant_references(grant_ref_t list) { }
static inline int gnttab_claim_grant_reference(grant_ref_t *list)
{
	require(*list > 0);
	--*list;
	return grant_make(NULL, false);
}
static inline void gnttab_release_grant_reference(grant_ref_t *list, grant_ref_t ref) { ++*list; }
static inline void gnttab_page_grant_foreign_access_ref_one(grant_ref_t ref, u16 domid, struct page *page, int readonly)
{
	grants[ref].page = page;
	grants[ref].readonly = readonly;
}
static inline int gnttab_grant_foreign_access(u16 domid, unsigned long gfn, int readonly)
{
	return grant_make(&pages[gfn], readonly);
}
static inline int gnttab_end_foreign_access_ref(grant_ref_t ref)
{
	require(grants[ref].used);
	if (grants[ref].held)
		return 0;
	grants[ref].used = false;
	grants[ref].page = NULL;
	return 1;
}
static inline void gnttab_end_foreign_access(grant_ref_t ref, struct page *page)
{
	if (gnttab_end_foreign_access_ref(ref))
		put_page(page);
	else
		grants_deferred++;
}

/* ---- rings: Xen's headers with Linux's names ---- */

#define netif_tx_request	xen_netif_tx_request
#define netif_tx_response	xen_netif_tx_response
#define netif_rx_request	xen_netif_rx_request
#define netif_rx_response	xen_netif_rx_response
#define netif_extra_info	xen_netif_extra_info
#include <xen/xen.h>
#include <xen/io/ring.h>
#include <xen/io/netif.h>
DEFINE_RING_TYPES(xen_netif_tx, struct xen_netif_tx_request, struct xen_netif_tx_response);
DEFINE_RING_TYPES(xen_netif_rx, struct xen_netif_rx_request, struct xen_netif_rx_response);
#define XEN_NETTXF_csum_blank		NETTXF_csum_blank
#define XEN_NETTXF_data_validated	NETTXF_data_validated
#define XEN_NETTXF_more_data		NETTXF_more_data
#define XEN_NETTXF_extra_info		NETTXF_extra_info
#define XEN_NETRXF_csum_blank		NETRXF_csum_blank
#define XEN_NETRXF_data_validated	NETRXF_data_validated
#define XEN_NETRXF_more_data		NETRXF_more_data
#define XEN_NETRXF_extra_info		NETRXF_extra_info
#define XEN_NETIF_RSP_NULL		NETIF_RSP_NULL

/* ---- interrupts, polls, work ---- */

typedef int irqreturn_t;
#define IRQ_HANDLED		1
#define XEN_EOI_FLAG_SPURIOUS	1
typedef irqreturn_t (*irq_handler_t)(int irq, void *arg);
static int notified, ended_interrupts, polls_wanted, refill_delay;
#define notify_remote_via_irq(irq)	((void)notified++)
#define xen_irq_lateeoi(irq, flags)	((void)(flags), (void)ended_interrupts++)
static inline void unbind_from_irqhandler(int irq, void *arg) { }
static inline int bind_evtchn_to_irqhandler_lateeoi(evtchn_port_t port, irq_handler_t handler, unsigned long flags, const char *name, void *arg) { return 1; }
#define local_bh_disable()	((void)0)
#define local_bh_enable()	((void)0)

struct napi_struct { int unused; };
static inline void napi_schedule(struct napi_struct *napi) { polls_wanted++; }
static inline bool napi_complete_done(struct napi_struct *napi, int n) { return true; }

#define HZ			250
struct work_struct { int unused; };
struct delayed_work { struct work_struct work; };
#define to_delayed_work(w)	container_of(w, struct delayed_work, work)
static inline void schedule_delayed_work(struct delayed_work *w, int delay) { refill_delay = delay; }

typedef struct { int unused; } wait_queue_head_t;
#define wake_up(w)		((void)(w))
/* A backend responds at once, in at_barrier() of the preceding read, or not at all. */
#define wait_event_timeout(w, cond, t)	((void)((cond) || (barrier_passed(), 0) || (cond)))

/* ---- counters ---- */

typedef struct { u64 v; } u64_stats_t;
struct u64_stats_sync { int unused; };
#define u64_stats_update_begin(s)	((void)0)
#define u64_stats_update_end(s)		((void)0)
#define u64_stats_inc(p)		((p)->v++)
#define u64_stats_add(p, n)		((p)->v += (n))
#define u64_stats_read(p)		((p)->v)

/* ---- xenbus ---- */

struct xenbus_device { u16 otherend_id; };
static inline int xenbus_alloc_evtchn(struct xenbus_device *xb, evtchn_port_t *port) { return 0; }
static inline void xenbus_free_evtchn(struct xenbus_device *xb, evtchn_port_t port) { }
static inline int xenbus_setup_ring(struct xenbus_device *xb, int gfp, void **ring, unsigned int n, grant_ref_t *ref) { return -ENOMEM; }
static inline void xenbus_teardown_ring(void **ring, unsigned int n, grant_ref_t *ref) { *ring = NULL; }

#include "guest_skb.h"
#endif
