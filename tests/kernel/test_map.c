/* SPDX-License-Identifier: BSD-3-Clause */
/* nfv.ko: mapping the pages of a port's rings, and how they are charged. Group F of the hostile cases. */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "one_session.h"

static struct kport p;

static int read_entries(void) { return p.producer->prod; }
static int read_consumer(void) { return p.consumer->cons; }

static void mappings(void **state)
{
	const int rw = PROT_READ | PROT_WRITE;
	uint64_t entries, consumer;

	assert_int_equal(port_open(&p, session, "h0", 64), 0);
	entries = NFV_MMAP(p.id, 0, NFV_MMAP_ENTRIES);
	consumer = NFV_MMAP(p.id, 0, NFV_MMAP_CONSUMER);
#define MAP(len, prot, flags, off) mmap(NULL, len, prot, flags, session, off)
#define REFUSED(call, error) do { assert_ptr_equal(call, MAP_FAILED); assert_int_equal(errno, error); } while (0)
	REFUSED(MAP(0, PROT_READ, MAP_SHARED, entries), EINVAL);
	REFUSED(MAP(p.map_bytes - PAGE, PROT_READ, MAP_SHARED, entries), EINVAL);
	REFUSED(MAP(p.map_bytes + PAGE, PROT_READ, MAP_SHARED, entries), EINVAL);
	REFUSED(MAP(2 * PAGE, rw, MAP_SHARED, consumer), EINVAL);
	REFUSED(MAP(PAGE, rw, MAP_SHARED, consumer + PAGE), EINVAL);
	REFUSED(MAP(PAGE, rw, MAP_SHARED, NFV_MMAP(p.id, 1, NFV_MMAP_CONSUMER)), EINVAL);
	REFUSED(MAP(PAGE, rw, MAP_SHARED, NFV_MMAP(p.id + 1, 0, NFV_MMAP_CONSUMER)), EINVAL);
	REFUSED(MAP(PAGE, rw, MAP_SHARED, NFV_MMAP(p.id, 0, 2)), EINVAL);
	REFUSED(MAP(PAGE, rw, MAP_SHARED, 0x7ffffffffffff000), EINVAL);
	REFUSED(MAP(p.map_bytes, PROT_READ, MAP_PRIVATE, entries), EINVAL);
	REFUSED(MAP(p.map_bytes, rw, MAP_SHARED, entries), EACCES);
	REFUSED(MAP(PAGE, rw | PROT_EXEC, MAP_SHARED, consumer), EACCES);
	assert_errno(mprotect((void *)p.producer, p.map_bytes, rw), EACCES);
	assert_errno(mprotect((void *)p.producer, p.map_bytes, PROT_READ | PROT_EXEC), EACCES);
	assert_errno(mprotect(p.consumer, PAGE, PROT_READ | PROT_EXEC), EACCES);
	REFUSED(mremap((void *)p.producer, p.map_bytes, p.map_bytes + PAGE, MREMAP_MAYMOVE), EFAULT);
	/* A child does not inherit the mapping. */
	assert_int_equal(in_child(read_entries), 128 + SIGSEGV);
	assert_int_equal(in_child(read_consumer), 128 + SIGSEGV);
	/* The mapping cannot be made writable later. */
	{
		int mem = open("/proc/self/mem", O_RDWR);
		uint32_t v = 7;

		assert_true(pwrite(mem, &v, 4, (uintptr_t)p.producer) < 0);
		close(mem);
	}
	/* Unmap half, and use the rest after the port is detached: pages exist as long as they are mapped. */
	munmap((uint8_t *)p.producer + PAGE, PAGE);
	{
		struct nfv_detach d = { .port = p.id };
		volatile uint32_t *cons = &p.consumer->cons;

		assert_int_equal(ioctl(session, NFV_IOC_DETACH, &d), 0);
		*cons = 5;
		assert_int_equal(*cons, 5);
		assert_int_equal(p.producer->entries, 64);
	}
	munmap((void *)p.producer, p.map_bytes);
	munmap(p.consumer, PAGE);
	close(p.wake);
}

/* F8 */
static long locked_kb(void)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

static int over_the_limit(void)
{
	struct rlimit none = { 8192, 8192 };
	struct nfv_attach a = attach_args("h0", 64);
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	syscall(SYS_capget, &h, d);
	d[0].effective &= ~(1u << CAP_IPC_LOCK);
	if (setrlimit(RLIMIT_MEMLOCK, &none) || syscall(SYS_capset, &h, d))
		return 1;
	return ioctl(session, NFV_IOC_ATTACH, &a) != -1 || errno != ENOBUFS;
}

static void locked_memory(void **state)
{
	long before = locked_kb(), with;
	struct nfv_attach a;
	struct kport q;

	assert_int_equal(in_child(over_the_limit), 0);
	assert_int_equal(port_open(&q, session, "h0", 1024), 0);
	with = locked_kb();
	assert_true(with - before >= 1024 * (long)sizeof(struct nfv_entry) / 1024);
	port_close(&q);
	assert_int_equal(locked_kb(), before);
	a = attach_args("h0", 64);
	a.ifindex = 9999;
	for (int i = 0; i < 100; i++)
		ioctl(session, NFV_IOC_ATTACH, &a);
	assert_int_equal(locked_kb(), before);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = { T(mappings), T(locked_memory) };

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
