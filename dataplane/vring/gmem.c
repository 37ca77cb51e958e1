/* SPDX-License-Identifier: BSD-3-Clause */
#include "vring/gmem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

/*
 * The data that the signal handler reads, in any thread. It is never freed. A slot changes only while no thread uses
 * its memory, so a fault in that memory finds the slot complete. A fault elsewhere must not match a half-written
 * slot: turn is odd while a slot changes.
 */
static struct slot {
	_Atomic(uint32_t) turn;
	_Atomic(uintptr_t) start[NFVD_GMEM_REGIONS_MAX], end[NFVD_GMEM_REGIONS_MAX];
	_Atomic(struct nfvd_gmem *) table;
} slots[NFVD_GMEM_OWNERS];

void nfvd_gmem_own(unsigned int owner, struct nfvd_gmem *m)
{
	struct slot *s = &slots[owner];

	atomic_fetch_add(&s->turn, 1);
	for (unsigned int i = 0; i < NFVD_GMEM_REGIONS_MAX; i++) {
		bool there = m && i < m->n;

		atomic_store(&s->start[i], there ? (uintptr_t)m->r[i].map : 0);
		atomic_store(&s->end[i], there ? (uintptr_t)m->r[i].map + m->r[i].map_size : 0);
	}
	atomic_store(&s->table, m);
	atomic_fetch_add(&s->turn, 1);
}

/* hugetlbfs maps whole huge pages only; st_blksize is their size, and that of a page elsewhere. */
static bool map_region(struct nfvd_gmem_region *r, const struct nfvd_gmem_source *src)
{
	uint64_t page, start, end;
	struct stat st;
	void *map;

	if (fstat(src->fd, &st))
		return false;
	page = st.st_blksize >= 4096 ? st.st_blksize : 4096;
	start = src->offset / page * page;
	end = (src->offset + src->size + page - 1) / page * page;
	map = mmap(NULL, end - start, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, src->fd, start);
	if (map == MAP_FAILED)
		return false;
	madvise(map, end - start, MADV_DONTDUMP);
	*r = (struct nfvd_gmem_region){
		.gpa = src->gpa, .size = src->size, .uva = src->uva,
		.hva = (uint8_t *)map + (src->offset - start), .map = map, .map_size = end - start,
	};
	return true;
}

struct nfvd_gmem *nfvd_gmem_map(const struct nfvd_gmem_source *src, unsigned int n)
{
	struct nfvd_gmem *m = calloc(1, sizeof(*m));

	for (; m && m->n < n; m->n++)
		if (!map_region(&m->r[m->n], &src[m->n])) {
			nfvd_gmem_unmap(m);
			return NULL;
		}
	return m;
}

void nfvd_gmem_unmap(struct nfvd_gmem *m)
{
	int saved = errno;

	for (unsigned int i = 0; m && i < m->n; i++)
		munmap(m->r[i].map, m->r[i].map_size);
	free(m);
	errno = saved;
}

uint8_t *nfvd_gmem_at_uva(const struct nfvd_gmem *m, uint64_t uva)
{
	for (unsigned int i = 0; i < m->n; i++)
		if (uva - m->r[i].uva < m->r[i].size)
			return m->r[i].hva + (uva - m->r[i].uva);
	return NULL;
}

/* Replace the region of s that addr lies in by zeros. Return false if it lies in none, or if that fails. */
static bool replace(struct slot *s, uintptr_t addr)
{
	uint32_t turn = atomic_load(&s->turn);

	for (unsigned int i = 0; i < NFVD_GMEM_REGIONS_MAX; i++) {
		uintptr_t start = atomic_load(&s->start[i]), end = atomic_load(&s->end[i]);

		if (addr < start || addr >= end || turn & 1 || atomic_load(&s->turn) != turn)
			continue;
		if (mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
			return false;
		atomic_store(&atomic_load(&s->table)->broken, true);
		return true;
	}
	return false;
}

static void on_sigbus(int sig, siginfo_t *info, void *ctx)
{
	int saved = errno;

	for (unsigned int i = 0; i < NFVD_GMEM_OWNERS; i++)
		if (replace(&slots[i], (uintptr_t)info->si_addr)) {
			errno = saved;
			return;
		}
	/* Not guest memory: a fault of our own, to be seen as such. */
	signal(SIGBUS, SIG_DFL);
}

int nfvd_gmem_sigbus_init(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	return sigaction(SIGBUS, &sa, NULL) ? -errno : 0;
}

#ifdef NFVD_GUEST_ACCESS_TRACKED
#define SEEN_SLOTS 32768

static __thread struct {
	uintptr_t addr;
	uint64_t use;
} seen[SEEN_SLOTS];
static __thread uint64_t use = 1, lies;

void gread_begin(void)
{
	use++;
}

/*
 * Record a read of one byte, and return whether it was recorded before. If all slots nearby are in use the byte is
 * not recorded, and a second read may be missed.
 */
static bool seen_byte(uintptr_t addr)
{
	uint64_t hash = addr * 0x9e3779b97f4a7c15u >> 40;

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int s = (hash + i) % SEEN_SLOTS;

		if (seen[s].use != use) {
			seen[s].addr = addr;
			seen[s].use = use;
			return false;
		}
		if (seen[s].addr == addr)
			return true;
	}
	return false;
}

bool gread_seen(const volatile void *p, size_t n)
{
	bool again = false;

	for (size_t i = 0; i < n; i++)
		again |= seen_byte((uintptr_t)p + i);
#ifdef NFVD_GUEST_ACCESS_ONCE
	if (again) {
		fprintf(stderr, "nfvd: second read of guest memory at %p, %zu bytes\n", (const void *)p, n);
		abort();
	}
#endif
	return again;
}

void gread_lie(void *dst, size_t n)
{
	uint8_t *d = dst;

	for (size_t i = 0; i < n; i++)
		d[i] ^= 1 + (lies++ * 37 & 0x7f);
}
#endif
