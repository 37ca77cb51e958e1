/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory: the table of mapped regions, and the one layer through which
 * control fields in it are read.
 *
 * The guest writes this memory while we read it. So each control field (index,
 * descriptor, header byte) is read exactly once per use into private memory,
 * checked there, and never read again. Two test builds keep us honest:
 * guest_access=once aborts on a second read within one use, guest_access=lie
 * answers it with another value. gread_begin() starts a use: one descriptor
 * chain, or one look at a ring index.
 */
#ifndef NFVD_GMEM_H
#define NFVD_GMEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define NFVD_GMEM_REGIONS_MAX 8

struct nfvd_gmem_region {
	uint64_t gpa, size;	/* guest physical address, bytes */
	uint8_t *hva;		/* where gpa is mapped here */
	uint8_t *map;		/* the whole mapping, for the SIGBUS handler */
	size_t map_size;
	uint64_t uva;		/* where the peer itself has it mapped */
};

/* Immutable once published, but for broken. Freed after a grace period. */
struct nfvd_gmem {
	atomic_bool broken;	/* its file was truncated; pages now read as zeros */
	unsigned int n;
	struct nfvd_gmem_region r[NFVD_GMEM_REGIONS_MAX];
};

/*
 * Translate a guest physical range. Returns where it starts, and cuts *len at
 * the end of its region; NULL if gpa is in none.
 */
static inline uint8_t *nfvd_gmem_at(const struct nfvd_gmem *m, uint64_t gpa, uint64_t *len)
{
	for (unsigned int i = 0; i < m->n; i++) {
		const struct nfvd_gmem_region *r = &m->r[i];
		uint64_t off = gpa - r->gpa;

		if (off < r->size) {
			if (*len > r->size - off)
				*len = r->size - off;
			return r->hva + off;
		}
	}
	return NULL;
}

#ifdef NFVD_GUEST_ACCESS_TRACKED
/* gmem.c: true if a byte of [p, p + n) was read since gread_begin(); in the once build it aborts. */
bool gread_seen(const volatile void *p, size_t n);
void gread_begin(void);
void gread_lie(void *dst, size_t n);
#else
static inline bool gread_seen(const volatile void *p, size_t n) { return false; }
static inline void gread_begin(void) { }
static inline void gread_lie(void *dst, size_t n) { }
#endif

static inline uint16_t gread16(const volatile void *p)
{
	uint16_t v = *(const volatile uint16_t *)p;

	if (gread_seen(p, sizeof(v)))
		gread_lie(&v, sizeof(v));
	return v;
}

/* A 16-byte descriptor, in two loads; it may tear, and is checked after. */
static inline void gread_desc(void *dst, const volatile void *p)
{
	const volatile uint64_t *s = p;
	uint64_t v[2] = { s[0], s[1] };

	if (gread_seen(p, sizeof(v)))
		gread_lie(v, sizeof(v));
	memcpy(dst, v, sizeof(v));
}

static inline void gread_copy(void *dst, const void *p, size_t n)
{
	memcpy(dst, p, n);
	/* The compiler must not go back to the source for what it needs later. */
	__asm__ volatile("" ::: "memory");
	if (gread_seen(p, n))
		gread_lie(dst, n);
}

static inline void gwrite16(volatile void *p, uint16_t v)
{
	*(volatile uint16_t *)p = v;
}

/*
 * Memory that vanishes under us (the guest truncates its file) raises SIGBUS.
 * The handler replaces the region by zeros and marks its table broken; the
 * queues of the table are fenced at the next look. It knows each mapping from
 * before its first use to after its last, by its owner's place in a table, and
 * touches no other address: a fault elsewhere is our own and ends the process.
 */
int nfvd_gmem_sigbus_init(void);

#define NFVD_GMEM_OWNERS 256

struct nfvd_gmem_source {
	uint64_t gpa, size, uva, offset;	/* bytes; offset into the file; uva: the peer's own address */
	int fd;					/* tmpfs or hugetlbfs, at least offset + size bytes; stays the caller's */
};

/*
 * Map n regions. NULL with errno. The memory is to be touched only after nfvd_gmem_own().
 * Unmapping a large guest takes its time. Any thread but a worker; NULL is fine.
 */
struct nfvd_gmem *nfvd_gmem_map(const struct nfvd_gmem_source *src, unsigned int n);
void nfvd_gmem_unmap(struct nfvd_gmem *m);

/*
 * From now on owner (a port's id) has the memory of m, or none with NULL. No thread
 * may be using what it had before. One at a time for each owner.
 */
void nfvd_gmem_own(unsigned int owner, struct nfvd_gmem *m);

/* Where the peer's own address uva is mapped here; NULL if it is in no region. */
uint8_t *nfvd_gmem_at_uva(const struct nfvd_gmem *m, uint64_t uva);

#endif
