/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory: the table of mapped regions, and the one layer that reads control fields in it.
 *
 * The guest writes this memory while nfvd reads it. So each control field (index, descriptor, header byte) is read
 * exactly once per use into private memory, checked there, and never read again. Two test builds check that:
 * guest_access=once aborts on a second read within one use, guest_access=lie returns another value for it.
 * gread_begin() starts a use: one descriptor chain, or one read of a ring index.
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
 * Translate a guest physical range. Return where it starts, and cut *len at the end of its region. Return NULL if gpa
 * is in no region.
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
/* gmem.c: return true if a byte of [p, p + n) was read since gread_begin(). Abort then in the once build. */
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

/* Read a 16-byte descriptor in two loads. It may tear; the caller checks the copy. */
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
 * Install the handler of SIGBUS, which is raised when the guest truncates the file behind its memory. Return 0 or
 * -errno. The handler replaces the region by zeros and marks its table broken; its queues are fenced at their next use.
 * It knows each mapping from before the first use to after the last, by its owner's place in a table. A fault
 * at another address is nfvd's own and ends the process.
 */
int nfvd_gmem_sigbus_init(void);

#define NFVD_GMEM_OWNERS 4096	/* as many as ports */

struct nfvd_gmem_source {
	uint64_t gpa, size, uva, offset;	/* bytes; offset into the file; uva: the peer's own address */
	int fd;					/* tmpfs or hugetlbfs, at least offset + size bytes; stays the caller's */
};

/*
 * Map n regions; unmap them. nfvd_gmem_map() returns NULL with errno on failure. Do not touch the memory before
 * nfvd_gmem_own(). Unmapping a large guest takes long. nfvd_gmem_unmap() accepts NULL.
 * Context: any thread but a worker.
 */
struct nfvd_gmem *nfvd_gmem_map(const struct nfvd_gmem_source *src, unsigned int n);
void nfvd_gmem_unmap(struct nfvd_gmem *m);

/*
 * Give owner (a port's id) the memory of m, or none with NULL. No thread may still use the memory that owner had
 * before. Call it for one owner once at a time.
 */
void nfvd_gmem_own(unsigned int owner, struct nfvd_gmem *m);

/* Return where the peer's own address uva is mapped here, or NULL if it is in no region. */
uint8_t *nfvd_gmem_at_uva(const struct nfvd_gmem *m, uint64_t uva);

#endif
