/* SPDX-License-Identifier: BSD-3-Clause */
#include "gmem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define TABLES_MAX 512	/* one for each connected guest, and its successor */

/* Read by the signal handler in any thread, so: a fixed array of atomic pointers. */
static _Atomic(struct nfvd_gmem *) tables[TABLES_MAX];

int nfvd_gmem_register(struct nfvd_gmem *m)
{
	for (unsigned int i = 0; i < TABLES_MAX; i++) {
		struct nfvd_gmem *none = NULL;

		if (atomic_compare_exchange_strong(&tables[i], &none, m))
			return 0;
	}
	return -ENOSPC;
}

void nfvd_gmem_unregister(struct nfvd_gmem *m)
{
	for (unsigned int i = 0; i < TABLES_MAX; i++) {
		struct nfvd_gmem *same = m;

		if (atomic_compare_exchange_strong(&tables[i], &same, NULL))
			return;
	}
}

static bool replace(struct nfvd_gmem *m, const uint8_t *addr)
{
	for (unsigned int i = 0; i < m->n; i++) {
		const struct nfvd_gmem_region *r = &m->r[i];

		if (addr < r->map || addr >= r->map + r->map_size)
			continue;
		if (mmap(r->map, r->map_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
			return false;
		atomic_store(&m->broken, true);
		return true;
	}
	return false;
}

static void on_sigbus(int sig, siginfo_t *info, void *ctx)
{
	int saved = errno;

	for (unsigned int i = 0; i < TABLES_MAX; i++) {
		struct nfvd_gmem *m = atomic_load(&tables[i]);

		if (m && replace(m, info->si_addr)) {
			errno = saved;
			return;
		}
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

/* Remembers bytes; a full neighbourhood forgets, which only misses a second read. */
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
