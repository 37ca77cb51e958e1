// SPDX-License-Identifier: GPL-2.0
/*
 * Persistent grants, which a frontend has named (xen_gref.h). They stay mapped, so that frames are copied by memcpy. A
 * page that is not mapped is copied by grant, so a mapping may end at any time; copying is then only slower.
 *
 *	ADD ─► mapped ◄──────────────────┐ used again
 *	         │ none of the table     │ one of the table
 *	         │ used for IDLE_MS      │ is used again
 *	         └─► unmapped, known ────┘
 *	DEL, or the queue stops ─► unmapped, forgotten
 *
 * Only one thread at a time changes a table. Readers look up an address and copy within one RCU section, so a page is
 * unmapped a grace period after its address was cleared. No frame refers to a mapping. Each call waits for at most one
 * grace period, for any number of grants. Freeing the table waits for none, because it has no readers any more.
 */
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <xen/grant_table.h>
#include <xen/interface/io/netif.h>
#include "maps.h"

#define IDLE_MS		30000
#define BATCH		64
#define BUCKET_BITS	9

struct nfvk_xen_map {
	struct hlist_node node;
	struct rcu_head rcu;
	u32 ref;
	bool readonly;
	bool revoked;			/* could not be mapped again: use grant copies from now on */
	void *addr;			/* of page, for readers; NULL: use a grant copy */
	struct page *page;		/* NULL: not mapped */
	struct nfvk_xen_map *next;	/* in a list of removed entries */
	grant_handle_t handle;
};

struct nfvk_xen_maps {
	struct nfvk_xen_grants *grants;
	u32 seed;			/* random, so that a guest cannot choose grants that collide */
	unsigned int n, mapped;		/* entries, and those with a page */
	bool wanted;			/* one was used while it was not mapped */
	bool no_room;			/* the last try to map them again lacked room or memory */
	unsigned long used;		/* jiffies */
	struct hlist_head bucket[1 << BUCKET_BITS];
	/* Used by the thread that changes the table. */
	struct nfvk_xen_map *some[BATCH];
	struct page *page[BATCH];
	struct gnttab_map_grant_ref map[BATCH];
	struct gnttab_unmap_grant_ref unmap[BATCH];
};

static atomic_t mapped = ATOMIC_INIT(0);	/* pages, of all guests */

static struct hlist_head *bucket_of(struct nfvk_xen_maps *m, u32 ref)
{
	return &m->bucket[hash_32(ref ^ m->seed, BUCKET_BITS)];
}

static struct nfvk_xen_map *find(struct nfvk_xen_maps *m, u32 ref)
{
	struct nfvk_xen_map *e;

	hlist_for_each_entry_rcu(e, bucket_of(m, ref), node, true)
		if (e->ref == ref)
			return e;
	return NULL;
}

void *nfvk_xen_map_addr(struct nfvk_xen_maps *m, u32 ref, bool write)
{
	struct nfvk_xen_map *e = find(m, ref);
	void *addr;

	if (!e || (write && e->readonly))
		return NULL;
	if (READ_ONCE(m->used) != jiffies)
		WRITE_ONCE(m->used, jiffies);
	addr = READ_ONCE(e->addr);
	if (!addr && !READ_ONCE(e->revoked) && !READ_ONCE(m->wanted)) {
		WRITE_ONCE(m->wanted, true);
		m->grants->kick(m->grants);
	}
	return addr;
}

/* ---- mapping and unmapping, some at a time ---- */

/* Map the n entries in m->some[]. Return 0; -ENOSPC or -ENOMEM if none is mapped; -EINVAL if some are not. */
static int map_some(struct nfvk_xen_maps *m, unsigned int n)
{
	unsigned int failed = 0;

	if (atomic_add_return(n, &mapped) > (int)nfvk_xen_maps_max) {
		atomic_sub(n, &mapped);
		return -ENOSPC;
	}
	if (gnttab_alloc_pages(n, m->page)) {
		atomic_sub(n, &mapped);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < n; i++)
		gnttab_set_map_op(&m->map[i], (unsigned long)pfn_to_kaddr(page_to_pfn(m->page[i])),
				  GNTMAP_host_map | (m->some[i]->readonly ? GNTMAP_readonly : 0), m->some[i]->ref, m->grants->domid);
	if (gnttab_map_refs(m->map, NULL, m->page, n)) {
		gnttab_free_pages(n, m->page);
		atomic_sub(n, &mapped);
		return -ENOMEM;
	}
	atomic64_add(n, &m->grants->maps);
	for (unsigned int i = 0; i < n; i++) {
		struct nfvk_xen_map *e = m->some[i];

		e->page = m->page[i];
		if (m->map[i].status != GNTST_okay) {
			gnttab_free_pages(1, &e->page);
			atomic_dec(&mapped);
			e->page = NULL;
			failed++;
			continue;
		}
		e->handle = m->map[i].handle;
		atomic_inc(&m->grants->mapped);
		m->mapped++;
		smp_store_release(&e->addr, pfn_to_kaddr(page_to_pfn(e->page)));
	}
	return failed ? -EINVAL : 0;
}

/* Hide the page from readers. After a grace period it may be unmapped. */
static void hide(struct nfvk_xen_map *e)
{
	WRITE_ONCE(e->addr, NULL);
}

/* Unmap the n entries in m->some[], as far as they are mapped. Context: no reader uses them. */
static void unmap_some(struct nfvk_xen_maps *m, unsigned int n)
{
	struct gntab_unmap_queue_data data = { .unmap_ops = m->unmap, .pages = m->page };

	for (unsigned int i = 0; i < n; i++) {
		struct nfvk_xen_map *e = m->some[i];

		if (!e->page)
			continue;
		gnttab_set_unmap_op(&m->unmap[data.count], (unsigned long)pfn_to_kaddr(page_to_pfn(e->page)),
				    GNTMAP_host_map | (e->readonly ? GNTMAP_readonly : 0), e->handle);
		m->page[data.count++] = e->page;
		e->page = NULL;
	}
	if (!data.count)
		return;
	/* This fails only for an invalid handle, and these handles are valid. */
	WARN_ON_ONCE(gnttab_unmap_refs_sync(&data));
	gnttab_free_pages(data.count, m->page);
	m->mapped -= data.count;
	atomic_sub(data.count, &m->grants->mapped);
	atomic_sub(data.count, &mapped);
}

/* Call fn for all entries for which pick is true, at most BATCH at a time in m->some[]. */
static void each_some(struct nfvk_xen_maps *m, bool (*pick)(const struct nfvk_xen_map *e),
		      void (*fn)(struct nfvk_xen_maps *m, unsigned int n))
{
	struct nfvk_xen_map *e;
	unsigned int n = 0;

	for (unsigned int b = 0; b < ARRAY_SIZE(m->bucket); b++)
		hlist_for_each_entry(e, &m->bucket[b], node) {
			if (!pick(e))
				continue;
			m->some[n++] = e;
			if (n == BATCH) {
				fn(m, n);
				n = 0;
			}
		}
	if (n)
		fn(m, n);
}

/* Remove e from the table, and add it to the list *going. */
static void remove(struct nfvk_xen_maps *m, struct nfvk_xen_map *e, struct nfvk_xen_map **going)
{
	hlist_del_rcu(&e->node);
	m->n--;
	hide(e);
	e->next = *going;
	*going = e;
}

/* Unmap and free the entries of the list. */
static void let_go(struct nfvk_xen_maps *m, struct nfvk_xen_map *going)
{
	if (going)
		synchronize_rcu();
	while (going) {
		unsigned int n = 0;

		for (; going && n < BATCH; going = going->next)
			m->some[n++] = going;
		unmap_some(m, n);
		while (n)
			kfree(m->some[--n]);
	}
}

/* ---- what the frontend asks for ---- */

static int add_known(struct nfvk_xen_maps *m, const struct nfvk_xen_gref *g, struct nfvk_xen_map **added)
{
	struct nfvk_xen_map *e;

	if (find(m, g->ref))
		return -EEXIST;
	e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	e->ref = g->ref;
	e->readonly = g->flags & NFVK_XEN_GREF_READONLY;
	hlist_add_head_rcu(&e->node, bucket_of(m, e->ref));
	m->n++;
	*added = e;
	return 0;
}

static int add_some(struct nfvk_xen_maps *m, const struct nfvk_xen_gref *list, unsigned int n, struct nfvk_xen_map **going)
{
	unsigned int known = 0;
	int err = 0;

	while (known < n && !err) {
		err = add_known(m, &list[known], &m->some[known]);
		known += !err;
	}
	if (!err)
		err = map_some(m, n);
	while (err && known)
		remove(m, m->some[--known], going);
	return err;
}

struct nfvk_xen_maps *nfvk_xen_maps_new(struct nfvk_xen_grants *grants)
{
	struct nfvk_xen_maps *m = kvzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);

	if (!m)
		return NULL;
	m->used = jiffies;
	m->grants = grants;
	m->seed = get_random_u32();
	return m;
}

int nfvk_xen_maps_add(struct nfvk_xen_maps *m, const struct nfvk_xen_gref *list, unsigned int n)
{
	struct nfvk_xen_map *going = NULL;
	unsigned int done = 0;
	int err = m->n + n > NFVK_XEN_MAPS ? -ENOSPC : 0;

	while (done < n && !err) {
		unsigned int some = min_t(unsigned int, n - done, BATCH);

		err = add_some(m, list + done, some, &going);
		if (!err)
			done += some;
	}
	while (err && done)
		remove(m, find(m, list[--done].ref), &going);
	let_go(m, going);
	return err;
}

unsigned int nfvk_xen_maps_del(struct nfvk_xen_maps *m, struct nfvk_xen_gref *list, unsigned int n)
{
	struct nfvk_xen_map *going = NULL;
	unsigned int gone = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct nfvk_xen_map *e = find(m, list[i].ref);

		list[i].status = e ? XEN_NETIF_CTRL_STATUS_SUCCESS : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
		if (e) {
			remove(m, e, &going);
			gone++;
		}
	}
	let_go(m, going);
	return gone;
}

static bool is_mapped(const struct nfvk_xen_map *e)
{
	return e->page;
}

static bool is_unmapped(const struct nfvk_xen_map *e)
{
	return !e->page && !e->revoked;
}

static void hide_some(struct nfvk_xen_maps *m, unsigned int n)
{
	while (n)
		hide(m->some[--n]);
}

static void map_again(struct nfvk_xen_maps *m, unsigned int n)
{
	int err = map_some(m, n);

	m->no_room |= err == -ENOSPC || err == -ENOMEM;
	for (unsigned int i = 0; err == -EINVAL && i < n; i++)
		if (!m->some[i]->page)
			WRITE_ONCE(m->some[i]->revoked, true);
}

void nfvk_xen_maps_refresh(struct nfvk_xen_maps *m)
{
	if (time_after(jiffies, READ_ONCE(m->used) + msecs_to_jiffies(IDLE_MS))) {
		WRITE_ONCE(m->wanted, false);
		if (!m->mapped)
			return;
		each_some(m, is_mapped, hide_some);
		synchronize_rcu();
		each_some(m, is_mapped, unmap_some);
	} else if (READ_ONCE(m->wanted)) {
		m->no_room = false;
		each_some(m, is_unmapped, map_again);
		/* Without room it stays wanted: nobody asks for it, and the next refresh tries again. */
		WRITE_ONCE(m->wanted, m->no_room);
	}
}

void nfvk_xen_maps_free(struct nfvk_xen_maps *m)
{
	struct nfvk_xen_map *e;
	struct hlist_node *next;

	if (!m)
		return;
	each_some(m, is_mapped, unmap_some);
	for (unsigned int b = 0; b < ARRAY_SIZE(m->bucket); b++)
		hlist_for_each_entry_safe(e, next, &m->bucket[b], node)
			kfree(e);
	kvfree(m);
}
