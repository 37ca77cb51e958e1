/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nfv.ko: a daemon that delays its page faults (userfaultfd), and the limits of held frames of a
 * session. The module is loaded with held_mib=16 held_ms=10000.
 */
#include <pthread.h>
#include <time.h>
#include "knfv.h"

#define ENTRIES		512
#define LIMIT_MS	5000	/* emulated, beside another machine */

static uint8_t frame[61000];
static int session, c0, c1;
static struct kport a, b;
static struct slow slow;

static int up(void **state)
{
	net_up(state);
	sh("for d in h0 c0 h1 c1; do ip link set $d mtu 65000 || exit 1; done");
	session = session_open();
	assert_int_equal(port_open(&a, session, "h0", ENTRIES), 0);
	assert_int_equal(port_open(&b, session, "h1", ENTRIES), 0);
	c0 = raw_open("c0");
	c1 = raw_open("c1");
	return 0;
}

static void forget(struct kport *p)
{
	munmap((void *)p->producer, p->map_bytes);
	munmap(p->consumer, PAGE);
	close(p->wake);
}

static int down(void **state)
{
	close(session);
	forget(&a);
	forget(&b);
	close(c0);
	close(c1);
	return net_down(state);
}

/* ---- a batch that waits for it ---- */

static struct nfv_op ops[2];

static void *batch(void *arg)
{
	struct nfv_batch n = { .ops = (uintptr_t)ops, .n = 2 };

	return (void *)(intptr_t)ioctl(session, NFV_IOC_BATCH, &n);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

static void detach(uint32_t id)
{
	struct nfv_detach d = { .port = id };
	int64_t start = now_ms();

	assert_int_equal(ioctl(session, NFV_IOC_DETACH, &d), 0);
	assert_true(now_ms() - start < LIMIT_MS);
}

/* A batch forwards, and waits; meanwhile its destination's port number becomes another device's. */
static void port_becomes_another(void **state)
{
	struct iovec iov = { NULL, 1000 };
	struct kport other;
	pthread_t t;
	uint8_t got[2000];
	void *ret;

	sh("ip link add h2 type veth peer name c2 && ip link set h2 up && ip link set c2 up");
	for (int round = 0; round < 20; round++) {
		uint32_t id = b.id;
		int c2 = raw_open("c2");

		slow_up(&slow);
		iov.iov_base = slow.page;
		make_frame(frame, 1400, round);
		raw_send(c0, "c0", frame, 1400);
		ops[0] = op_forward(handle(&a, entry(&a, 0)), &b, NFV_OP_LAST);
		ops[1] = op_send(&b, &iov, 1);
		assert_int_equal(pthread_create(&t, NULL, batch, NULL), 0);
		slow_wait(&slow);
		detach(id);
		assert_int_equal(port_open(&other, session, "h2", ENTRIES), 0);
		assert_int_equal(other.id, id);
		slow_answer(&slow);
		pthread_join(t, &ret);
		assert_null(ret);
		/* Each frame went to the port that has the number, or was dropped. */
		assert_true(ops[0].result == 1400 || ops[0].result == -ENOENT);
		assert_int_equal(ops[1].result, 1000);
		if (ops[0].result == 1400) {
			assert_int_equal(raw_recv(c2, got, sizeof(got)), 1400);
			assert_memory_equal(got, frame, 1400);
		}
		pass(&a, 1);
		port_close(&other);
		forget(&b);
		assert_int_equal(port_open(&b, session, "h1", ENTRIES), 0);
		slow_down(&slow);
		close(c2);
	}
}

/* A frame is being copied for ever: neither its port nor the device waits for that. */
static void nobody_waits(void **state)
{
	struct iovec iov = { NULL, PAGE };
	int64_t start;
	pthread_t t;
	void *ret;

	slow_up(&slow);
	iov.iov_base = slow.page;
	make_frame(frame, 1400, 1);
	raw_send(c0, "c0", frame, 1400);
	ops[0] = op_copy(handle(&a, entry(&a, 0)), NFV_HDR_MAX, &iov, 1);
	ops[0].flags = NFV_OP_LAST;
	ops[1] = op_forward(ops[0].handle, &b, NFV_OP_LAST);
	assert_int_equal(pthread_create(&t, NULL, batch, NULL), 0);
	slow_wait(&slow);
	start = now_ms();
	sh("ip link del h1");
	assert_true(now_ms() - start < LIMIT_MS);
	detach(a.id);
	forget(&a);
	assert_int_equal(port_open(&a, session, "h0", ENTRIES), 0);
	slow_answer(&slow);
	pthread_join(t, &ret);
	assert_null(ret);
	assert_int_equal(ops[0].result, 1400 - NFV_HDR_MAX);
	assert_int_equal(ops[1].result, -ESTALE);
	slow_down(&slow);
}

/* ---- what a session may hold ---- */

static unsigned int send_large(int sock, const char *dev, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		make_frame(frame, sizeof(frame), i);
		raw_send(sock, dev, frame, sizeof(frame));
	}
	return n;
}

/* Wait until so many frames are in the ring or counted as dropped. */
static void all_arrived(const struct kport *p, uint64_t n)
{
	for (int i = 0; i < 1000; i++) {
		struct nfv_stats s = stats_of(p);

		if (s.rx_frames + s.missed[NFV_MISS_HELD_BYTES] >= n)
			return;
		usleep(10000);
	}
	fail_msg("%u frames did not arrive", (unsigned int)n);
}

/* All ports together reach 16 MiB; each one is below its own limit. */
static void session_cap(void **state)
{
	struct nfv_stats of_a, of_b;
	unsigned int n;

	n = send_large(c0, "c0", 160);
	all_arrived(&a, n);
	of_a = stats_of(&a);
	assert_int_equal(of_a.held, n);
	assert_int_equal(of_a.missed[NFV_MISS_HELD_BYTES], 0);
	n = send_large(c1, "c1", 160);
	all_arrived(&b, n);
	of_b = stats_of(&b);
	assert_true(of_b.missed[NFV_MISS_HELD_BYTES] > 0);
	assert_int_equal(of_b.held + of_b.missed[NFV_MISS_HELD_BYTES], n);
	assert_true(of_a.held_kib + of_b.held_kib <= 16 << 10);
	assert_true(of_a.held_kib + of_b.held_kib > 14 << 10);
	/* Memory that one port releases is available to the other. */
	pass(&a, of_a.held);
	send_large(c0, "c0", 1);
	all_arrived(&a, 161);
	send_large(c1, "c1", 20);
	all_arrived(&b, 180);
	assert_int_equal(stats_of(&b).missed[NFV_MISS_HELD_BYTES], of_b.missed[NFV_MISS_HELD_BYTES]);
	/* A detached port holds nothing. */
	port_close(&b);
	assert_int_equal(port_open(&b, session, "h1", ENTRIES), 0);
	n = send_large(c1, "c1", 160);
	all_arrived(&b, n);
	assert_int_equal(stats_of(&b).missed[NFV_MISS_HELD_BYTES], 0);
}

/* An entry for a missing port stays inactive when another port gets its number. */
static void dead_entries(void **state)
{
	struct nfv_fdb_entry e[] = {
		{ .port = a.id, .flags = NFV_FDB_FROM },
		{ .port = 2, .flags = NFV_FDB_FROM | NFV_FDB_TO },
	};
	struct nfv_fdb f = { .entries = (uintptr_t)e, .n = 2 };
	struct kport other;

	memcpy(e[0].mac, SRC, 6);
	memcpy(e[1].mac, DST, 6);
	sh("ip link add h2 type veth peer name c2 && ip link set h2 up && ip link set c2 up");
	assert_int_equal(ioctl(session, NFV_IOC_FDB, &f), 0);
	assert_int_equal(port_open(&other, session, "h2", ENTRIES), 0);
	assert_int_equal(other.id, 2);
	make_frame(frame, 1000, 1);
	raw_send(c0, "c0", frame, 1000);
	assert_int_equal(entry(&a, 0)->len, 1000);	/* to the daemon, not to that port */
	assert_int_equal(stats_of(&other).tx_frames, 0);
	pass(&a, 1);
	/* When the table is set again, it is active. */
	assert_int_equal(ioctl(session, NFV_IOC_FDB, &f), 0);
	raw_send(c0, "c0", frame, 1000);
	for (int i = 0; i < 1000 && !stats_of(&other).tx_frames; i++)
		usleep(10000);
	assert_int_equal(stats_of(&other).tx_frames, 1);
	port_close(&other);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(port_becomes_another), T(nobody_waits), T(session_cap), T(dead_entries),
	};

	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
