/* SPDX-License-Identifier: BSD-3-Clause */
/* nfv.ko: the forwarding table, which forwards frames without the daemon. Group E of the hostile cases. */
#include "two_ports.h"

static int set_table(struct nfv_fdb_entry *e, uint32_t n)
{
	struct nfv_fdb f = { .entries = (uintptr_t)e, .n = n };

	return ioctl(session, NFV_IOC_FDB, &f) ? -errno : 0;
}

static struct nfv_pair forwarded(const struct kport *from, uint32_t to)
{
	static struct nfv_pair pairs[NFV_PORTS_MAX + 1];
	struct nfv_forwarded f = { .port = from->id, .to = (uintptr_t)pairs };

	assert_int_equal(ioctl(session, NFV_IOC_FORWARDED, &f), 0);
	return pairs[to];
}

/* If source and destination are known, the frame bypasses the daemon. Others go to the daemon. */
static void forwarding_table(void **state)
{
	struct nfv_fdb_entry e[2] = {
		{ .mac = SRC, .port = a.id, .flags = NFV_FDB_FROM | NFV_FDB_TO },
		{ .mac = DST, .port = b.id, .flags = NFV_FDB_FROM | NFV_FDB_TO },
	};
	uint32_t shown = 0;

	assert_int_equal(set_table(e, 2), 0);
	assert_int_equal(e[0].idle_ms, NFV_FDB_NEVER);
	send_c0(1000, 1);
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 1000);
	assert_memory_equal(got, frame, 1000);
	assert_int_equal(forwarded(&a, b.id).frames, 1);
	assert_int_equal(forwarded(&a, b.id).bytes, 1000);
	assert_int_equal(stats_of(&a).rx_frames, 0);
	assert_int_equal(stats_of(&b).tx_frames, 1);
	/* It reports which sources were seen, and keeps that when it is set again. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(set_table(e, 2), 0);
		assert_true(e[0].idle_ms < 60000);
		assert_int_equal(e[1].idle_ms, NFV_FDB_NEVER);
	}
	/* The source is at another port, is not a source, not a destination, in another VLAN, at a missing port. */
	for (int i = 0; i < 5; i++) {
		struct nfv_fdb_entry x[2] = { e[0], e[1] };

		switch (i) {
		case 0: x[0].port = b.id; break;
		case 1: x[0].flags = NFV_FDB_TO; break;
		case 2: x[1].flags = NFV_FDB_FROM; break;
		case 3: x[1].vlan = 5; break;
		default: x[1].port = 77; break;
		}
		assert_int_equal(set_table(x, 2), 0);
		send_c0(1000, 1);
		entry(&a, shown++);
	}
	assert_int_equal(set_table(NULL, 0), 0);
	send_c0(1000, 1);
	entry(&a, shown++);
	assert_int_equal(forwarded(&a, b.id).frames, 1);
	/* Refused frames are counted. */
	assert_int_equal(set_table(e, 2), 0);
	sh("ip link set h1 mtu 600");
	send_c0(1000, 1);
	while (!forwarded(&a, b.id).refused[NFV_REFUSED_MTU])
		usleep(1000);
	sh("ip link set h1 down");
	send_c0(300, 1);
	while (!forwarded(&a, b.id).refused[NFV_REFUSED_DOWN])
		usleep(1000);
	sh("ip link set h1 up mtu 1500");
	/* The port is detached: its counters are kept with the source's, and the table forgets it. */
	port_close(&b);
	send_c0(1000, 1);
	entry(&a, shown++);
	assert_int_equal(forwarded(&a, b.id).frames, 0);
	assert_int_equal(forwarded(&a, NFV_PORTS_MAX).frames, 1);
	assert_int_equal(forwarded(&a, NFV_PORTS_MAX).refused[NFV_REFUSED_MTU], 1);
	assert_int_equal(forwarded(&a, NFV_PORTS_MAX).refused[NFV_REFUSED_DOWN], 1);
	assert_int_equal(port_open(&b, session, "h1", 64), 0);
}

static void bad_tables(void **state)
{
	struct nfv_fdb_entry e = { .mac = SRC, .port = a.id, .flags = NFV_FDB_FROM }, x;
	struct nfv_forwarded f = { .port = 200, .to = (uintptr_t)got };

	x = e; x.vlan = 4096;
	assert_int_equal(set_table(&x, 1), -EINVAL);
	x = e; x.port = NFV_PORTS_MAX;
	assert_int_equal(set_table(&x, 1), -EINVAL);
	x = e; x.flags = 4;
	assert_int_equal(set_table(&x, 1), -EINVAL);
	x = e; x.mac[0] = 3;
	assert_int_equal(set_table(&x, 1), -EINVAL);
	assert_int_equal(set_table(&e, NFV_FDB_MAX + 1), -EINVAL);
	assert_int_equal(set_table((void *)8, 1), -EFAULT);
	assert_errno(ioctl(session, NFV_IOC_FORWARDED, &f), ENOENT);
	f = (struct nfv_forwarded){ .port = a.id, .flags = 1 };
	assert_errno(ioctl(session, NFV_IOC_FORWARDED, &f), EINVAL);
	f = (struct nfv_forwarded){ .port = a.id, .to = 8 };
	assert_errno(ioctl(session, NFV_IOC_FORWARDED, &f), EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { T(forwarding_table), T(bad_tables) };

	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
