/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory that vanishes: which guests are affected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vring/gmem.c"

#define SIZE (1u << 20)

static int memory(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	return fd;
}

/* A guest of n regions of SIZE bytes, each in a file of its own, filled with fill. */
static struct nfvd_gmem *guest(unsigned int owner, int *fd, unsigned int n, uint8_t fill)
{
	struct nfvd_gmem_source src[NFVD_GMEM_REGIONS_MAX];
	struct nfvd_gmem *m;

	/* Replace cmocka's handler. */
	assert_int_equal(nfvd_gmem_sigbus_init(), 0);
	for (unsigned int i = 0; i < n; i++) {
		fd[i] = memory();
		src[i] = (struct nfvd_gmem_source){ i * 16ull * SIZE, SIZE, 0x7f0000000000 + i * 16ull * SIZE, 0, fd[i] };
	}
	m = nfvd_gmem_map(src, n);
	assert_non_null(m);
	nfvd_gmem_own(owner, m);
	for (unsigned int i = 0; i < n; i++)
		memset(m->r[i].hva, fill, SIZE);
	return m;
}

static void leave(unsigned int owner, struct nfvd_gmem *m, int *fd)
{
	for (unsigned int i = 0; i < m->n; i++)
		close(fd[i]);
	nfvd_gmem_own(owner, NULL);
	nfvd_gmem_unmap(m);
}

static void all_is(const uint8_t *p, uint8_t value)
{
	for (unsigned int i = 0; i < SIZE; i += 512)
		assert_int_equal(((const volatile uint8_t *)p)[i], value);
}

static void one_is_hit(void **state)
{
	int fd1[2], fd2[1];
	struct nfvd_gmem *m1 = guest(NFVD_GMEM_OWNERS - 1, fd1, 2, 1), *m2 = guest(2, fd2, 1, 2);

	assert_int_equal(ftruncate(fd1[1], 0), 0);
	all_is(m1->r[1].hva, 0);
	assert_true(m1->broken);
	all_is(m1->r[0].hva, 1);
	all_is(m2->r[0].hva, 2);
	assert_false(m2->broken);
	/* Its other region vanishes later, completely. */
	assert_int_equal(ftruncate(fd1[0], 4096), 0);
	assert_int_equal(((volatile uint8_t *)m1->r[0].hva)[SIZE - 1], 0);
	all_is(m1->r[0].hva, 0);
	leave(NFVD_GMEM_OWNERS - 1, m1, fd1);
	leave(2, m2, fd2);
}

/* A former guest's addresses may now be another guest's memory, or nfvd's own. */
static void what_was_is_forgotten(void **state)
{
	int fd1[1], fd2[1];
	struct nfvd_gmem *m1 = guest(1, fd1, 1, 1), *m2;
	uint8_t *range = m1->r[0].map;

	leave(1, m1, fd1);
	assert_ptr_equal(mmap(range, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), range);
	memset(range, 7, SIZE);
	m2 = guest(2, fd2, 1, 2);
	assert_int_equal(ftruncate(fd2[0], 0), 0);
	all_is(m2->r[0].hva, 0);
	assert_true(m2->broken);
	all_is(range, 7);
	leave(2, m2, fd2);
	munmap(range, SIZE);
}

/* A fault outside guest memory ends the process; nothing is mapped there. */
static void own_fault_is_seen(void **state)
{
	int status, fd1[1];
	pid_t pid;

	(void)guest(1, fd1, 1, 1);
	pid = fork();
	if (!pid) {
		int fd = memory();
		volatile uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		alarm(10);
		if (p == MAP_FAILED || ftruncate(fd, 0))
			_exit(1);
		_exit(p[0]);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	leave(1, slots[1].table, fd1);
}

static void peers_addresses(void **state)
{
	int fd = memory();
	/* In the middle of a page of the file, and not at its start here. */
	struct nfvd_gmem_source src = { 0x1000, 8192, 0x10000, 5000, fd };
	struct nfvd_gmem *m = nfvd_gmem_map(&src, 1);
	uint64_t n = 1;

	assert_non_null(m);
	assert_int_equal(pwrite(fd, "x", 1, 5000), 1);
	assert_int_equal(*nfvd_gmem_at_uva(m, 0x10000), 'x');
	assert_ptr_equal(nfvd_gmem_at(m, 0x1000, &n), nfvd_gmem_at_uva(m, 0x10000));
	assert_null(nfvd_gmem_at_uva(m, 0xffff));
	assert_null(nfvd_gmem_at_uva(m, 0x10000 + 8192));
	nfvd_gmem_unmap(m);
	close(fd);
	src.fd = -1;
	assert_null(nfvd_gmem_map(&src, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_hit),
		cmocka_unit_test(what_was_is_forgotten),
		cmocka_unit_test(own_fault_is_seen),
		cmocka_unit_test(peers_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
