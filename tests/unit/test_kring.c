/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rx ring that nfv.ko and nfvd share: both sides of it at full speed in two threads
 * (ThreadSanitizer checks the barriers where it is built in). No entry is torn, lost or
 * seen twice, and no wake-up is lost. And indices out of range.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uapi/linux/nfv.h>
#include <nfv/ring.h>

#define ENTRIES	64
#define ROUNDS	300000u

static struct {
	struct nfv_producer producer;
	struct nfv_consumer consumer;
	uint32_t data[ENTRIES][8];	/* of an entry, not atomic on purpose */
	int wake;
} ring;

static atomic_uint stalls;

/* As nfv.ko does it: queue.c. */
static void *produce(void *arg)
{
	uint32_t prod = 0xfffffff0u, passed = prod, cons;	/* wraps soon */

	for (unsigned int n = 0; n < ROUNDS; n++) {
		do {
			if (!nfv_ring_passed(&ring.consumer.cons, passed, prod, &cons))
				return "the index is out of range";
			passed = cons;
		} while (prod - passed == ENTRIES);
		for (unsigned int i = 0; i < 8; i++)
			ring.data[prod % ENTRIES][i] = prod + i;
		nfv_ring_publish(&ring.producer.prod, ++prod);
		if (nfv_ring_sleeper(&ring.consumer.need_wakeup))
			eventfd_write(ring.wake, 1);
		/* Sometimes give the consumer time to fall asleep. */
		if (n % 1000 == 0)
			usleep(50);
	}
	return NULL;
}

/* As nfvd does it: kmod.c, worker.c. */
static void consume(void)
{
	struct pollfd p = { .fd = ring.wake, .events = POLLIN };
	uint32_t cons = 0xfffffff0u, seen = 0, filled;
	eventfd_t v;

	while (seen < ROUNDS) {
		filled = nfv_ring_filled(&ring.producer.prod, cons);
		assert_true(filled <= ENTRIES);
		for (uint32_t i = 0; i < filled; i++)
			for (unsigned int k = 0; k < 8; k++)
				assert_int_equal(ring.data[(cons + i) % ENTRIES][k], cons + i + k);
		seen += filled;
		cons += filled;
		if (filled) {
			nfv_ring_pass(&ring.consumer.cons, cons);
			continue;
		}
		nfv_ring_sleep(&ring.consumer.need_wakeup, true);
		if (!nfv_ring_filled(&ring.producer.prod, cons) && poll(&p, 1, 2000) == 0)
			atomic_fetch_add(&stalls, 1);
		nfv_ring_sleep(&ring.consumer.need_wakeup, false);
		if (p.revents & POLLIN)
			eventfd_read(ring.wake, &v);
	}
}

static void both_sides(void **state)
{
	pthread_t producer;
	void *failure;

	ring.producer.prod = ring.consumer.cons = 0xfffffff0u;
	ring.wake = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(pthread_create(&producer, NULL, produce, NULL), 0);
	consume();
	pthread_join(producer, &failure);
	assert_null(failure);
	assert_int_equal(stalls, 0);
	close(ring.wake);
}

static void mad_indices(void **state)
{
	static const struct { uint32_t passed, prod, cons; bool good; } cases[] = {
		{ 0, 0, 0, true },		{ 0, 5, 5, true },
		{ 3, 5, 4, true },		{ 3, 5, 2, false },
		{ 0, 5, 6, false },		{ 0, 0, 1, false },
		{ 0, 0, 0xffffffff, false },	{ 0xfffffffe, 3, 0xffffffff, true },
		{ 0xfffffffe, 3, 3, true },	{ 0xfffffffe, 3, 4, false },
		{ 0xfffffffe, 3, 0xfffffffd, false }, { 10, 10 + ENTRIES, 10 + ENTRIES, true },
	};
	uint32_t cons;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cons = ~cases[i].cons;
		assert_int_equal(nfv_ring_passed(&cases[i].cons, cases[i].passed, cases[i].prod, &cons), cases[i].good);
		assert_int_equal(cons, cases[i].cons);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides),
		cmocka_unit_test(mad_indices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
