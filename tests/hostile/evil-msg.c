/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Group C: vhost-user messages. When nfvd refuses a message, it sends an error response
 * if a response was requested; otherwise it closes the connection. If the end of a
 * message cannot be found, it always closes it.
 */
#include "evil.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages whose payload is a struct vhost_vring_state. */
static const uint32_t state_requests[] = { VU_SET_VRING_NUM, VU_SET_VRING_BASE, VU_SET_VRING_ENABLE };

static int tell_state(uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_vring_state s = { index, num };

	return vuf_tell(&evil.f, request, &s, sizeof(s), NULL, 0);
}

/* The message is refused with a response and counted; the connection stays. */
static void nack(uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds, unsigned int n,
		 const char *reason)
{
	struct nfvd_vu_msg reply;

	mark();
	assert_int_equal(vuf_send(&evil.f, request, flags | VU_NEED_REPLY, payload, size, fds, n), 0);
	assert_int_equal(vuf_recv(&evil.f, &reply), 0);
	assert_int_equal(reply.request, request);
	assert_true(reply.payload.u64);
	moved("evil", reason, 1, NULL);
}

/* The message is refused without a response: the connection is closed. */
static void cut(uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds, unsigned int n,
		const char *reason)
{
	mark();
	assert_int_equal(vuf_send(&evil.f, request, flags, payload, size, fds, n), 0);
	assert_int_equal(vuf_wait_closed(&evil.f), 0);
	moved("evil", reason, 1, "evil", "vu_disconnect", 1, NULL);
	guest_again(&evil, true);
}

static void both_ways(uint32_t request, uint32_t flags, const void *payload, uint32_t size, const char *reason)
{
	nack(request, flags, payload, size, NULL, 0, reason);
	traffic_flows();
	cut(request, flags, payload, size, NULL, 0, reason);
}

static void c1_malformed(void **state)
{
	static const uint32_t unknown[] = { 0, 22, 34, 41, 99, 1000, 0x7fffffff, 0xffffffff };
	static uint8_t big[4096];
	uint64_t u64 = evil.f.features;
	uint32_t header[3] = { VU_SET_FEATURES, VU_VERSION, 8 };

	for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		both_ways(unknown[i], VU_VERSION, &u64, sizeof(u64), "vu_bad_msg");
	both_ways(VU_SET_FEATURES, 0, &u64, sizeof(u64), "vu_bad_msg");
	both_ways(VU_SET_FEATURES, 2, &u64, sizeof(u64), "vu_bad_msg");
	both_ways(VU_SET_FEATURES, VU_VERSION | VU_REPLY, &u64, sizeof(u64), "vu_bad_msg");
	both_ways(VU_SET_FEATURES, VU_VERSION, NULL, 0, "vu_bad_msg");
	both_ways(VU_SET_FEATURES, VU_VERSION, big, 7, "vu_bad_msg");
	both_ways(VU_SET_FEATURES, VU_VERSION, big, 9, "vu_bad_msg");
	both_ways(VU_SET_OWNER, VU_VERSION, big, 8, "vu_bad_msg");
	both_ways(VU_SET_VRING_ADDR, VU_VERSION, big, 8, "vu_bad_msg");
	both_ways(VU_GET_VRING_BASE, VU_VERSION, big, 4, "vu_bad_msg");
	both_ways(VU_SET_MEM_TABLE, VU_VERSION, big, 4, "vu_bad_msg");
	/* Longer than any message. */
	cut(VU_SET_FEATURES, VU_VERSION, big, sizeof(big), NULL, 0, "vu_bad_msg");

	/* A length that is never sent. */
	mark();
	header[2] = 0xffffffff;
	assert_int_equal(send(evil.f.sock, header, sizeof(header), 0), sizeof(header));
	assert_int_equal(vuf_wait_closed(&evil.f), 0);
	moved("evil", "vu_bad_msg", 1, "evil", "vu_disconnect", 1, NULL);
	guest_again(&evil, true);
}

static void c1_slow(void **state)
{
	uint32_t header[3] = { VU_SET_FEATURES, VU_VERSION, 8 };
	int64_t start;

	/* The payload, or half of the header, is never sent. Others are served meanwhile. */
	for (unsigned int n = sizeof(header); n; n -= 6) {
		mark();
		start = now_ms();
		assert_int_equal(send(evil.f.sock, header, n, 0), n);
		guest_again(&peer, true);
		assert_int_equal(vuf_wait_closed(&evil.f), 0);
		assert_in_range(now_ms() - start, 0, 5500);
		moved("evil", "vu_timeout", 1, "evil", "vu_disconnect", 1, "peer", "vu_disconnect", 1, NULL);
		guest_again(&evil, true);
	}
}

/* ---- C2 ---- */

static void c2_descriptors(void **state)
{
	unsigned int before = nfvd_fds();
	uint64_t tx = 1;
	int fds[32], pipe_fd[2], ev = eventfd(0, EFD_CLOEXEC), sock[2];
	struct { uint32_t n, padding; struct nfvd_vu_region r[1]; } t = { .n = 1, .r[0] = evil.f.region[0] };
	int wrong[6];

	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	for (unsigned int i = 0; i < 32; i++)
		fds[i] = ev;
	wrong[0] = open("/", O_RDONLY | O_CLOEXEC);
	wrong[1] = pipe_fd[0];
	wrong[2] = pipe_fd[1];
	wrong[3] = open("/dev/null", O_RDWR | O_CLOEXEC);
	wrong[4] = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	wrong[5] = sock[0];

	/* A descriptor in a message that takes none. */
	nack(VU_SET_OWNER, VU_VERSION, NULL, 0, fds, 1, "vu_bad_fds");
	nack(VU_SET_FEATURES, VU_VERSION, &evil.f.features, 8, fds, 8, "vu_bad_fds");
	nack(VU_GET_FEATURES, VU_VERSION, NULL, 0, fds, 1, "vu_bad_fds");
	/* None, 9, and 32 instead of one: more than fit are cut off. */
	nack(VU_SET_VRING_KICK, VU_VERSION, &tx, 8, NULL, 0, "vu_bad_fds");
	nack(VU_SET_VRING_CALL, VU_VERSION, &tx, 8, fds, 2, "vu_bad_fds");
	nack(VU_SET_VRING_ERR, VU_VERSION, &tx, 8, fds, 9, "vu_bad_fds");
	nack(VU_SET_VRING_KICK, VU_VERSION, &tx, 8, fds, 32, "vu_bad_fds");
	for (unsigned int i = 0; i < 6; i++) {
		nack(VU_SET_VRING_KICK, VU_VERSION, &tx, 8, &wrong[i], 1, "vu_bad_fds");
		/* A descriptor that only names a file (O_PATH) cannot be examined. */
		nack(VU_SET_MEM_TABLE, VU_VERSION, &t, sizeof(t), &wrong[i], 1, i == 4 ? "vu_bad_fds" : "mem_not_ram");
	}
	nack(VU_SET_MEM_TABLE, VU_VERSION, &t, sizeof(t), &ev, 1, "mem_not_ram");
	/* A queue without a kick descriptor, in a message with one. */
	tx |= VU_VRING_NOFD;
	nack(VU_SET_VRING_KICK, VU_VERSION, &tx, 8, fds, 1, "vu_bad_fds");
	traffic_flows();
	assert_true(wait_until(nfvd_fds() <= before, PATIENCE_MS));

	mark();
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(vuf_tell(&evil.f, VU_SET_OWNER, NULL, 0, fds, 1 + i % 32), -EREMOTEIO);
	moved("evil", "vu_bad_fds", 1000, NULL);
	assert_true(wait_until(nfvd_fds() <= before, PATIENCE_MS));
	traffic_flows();
	close(ev);
	close(sock[1]);
	for (unsigned int i = 0; i < 6; i++)
		close(wrong[i]);
	mark();
}

/* An eventfd that is full: no thread may block in writing to it. */
static void c2_full_eventfd(void **state)
{
	uint64_t full = 0xfffffffffffffffe, pending;
	struct vuf_vring *r = &evil.f.vq[RX];

	guest_down(&evil);
	mark();
	if (read(r->callfd, &pending, sizeof(pending)) < 0)
		assert_int_equal(errno, EAGAIN);
	assert_int_equal(write(r->callfd, &full, sizeof(full)), sizeof(full));
	guest_up(&evil, true);
	traffic_flows();
	moved(NULL, NULL);
	assert_int_equal(read(r->callfd, &full, sizeof(full)), sizeof(full));
}

/* ---- C3, C4, C5 ---- */

static void c3_queue_index(void **state)
{
	static const uint32_t bad[] = { 2, 3, 15, 16, 127, 128, 255 };
	/* Values that are not valid in a message with a descriptor. */
	static const uint32_t worse[] = { 0x100, 0xffff, 0x10000, 0x10001, 0x7fffffff, 0xffffffff };
	uint64_t u64;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vhost_vring_state s = { bad[i], 64 };
		struct vhost_vring_addr a = { .index = bad[i] };

		for (unsigned int k = 0; k < 3; k++)
			nack(state_requests[k], VU_VERSION, &s, sizeof(s), NULL, 0, "vu_bad_index");
		nack(VU_GET_VRING_BASE, VU_VERSION, &s, sizeof(s), NULL, 0, "vu_bad_index");
		nack(VU_SET_VRING_ADDR, VU_VERSION, &a, sizeof(a), NULL, 0, "vu_bad_index");
		u64 = bad[i];
		nack(VU_SET_VRING_KICK, VU_VERSION, &u64, 8, &evil.f.vq[TX].kickfd, 1, "vu_bad_index");
		nack(VU_SET_VRING_CALL, VU_VERSION, &u64, 8, &evil.f.vq[TX].callfd, 1, "vu_bad_index");
		traffic_flows();
	}
	for (unsigned int i = 0; i < sizeof(worse) / sizeof(worse[0]); i++) {
		struct vhost_vring_state s = { worse[i], 64 };
		struct vhost_vring_addr a = { .index = worse[i] };

		both_ways(state_requests[i % 3], VU_VERSION, &s, sizeof(s), "vu_bad_index");
		both_ways(VU_SET_VRING_ADDR, VU_VERSION, &a, sizeof(a), "vu_bad_index");
		both_ways(VU_GET_VRING_BASE, VU_VERSION, &s, sizeof(s), "vu_bad_index");
	}
	mark();
}

/* A message that is refused for another reason must not leak its descriptors. */
static void c3_index_with_descriptors(void **state)
{
	const struct vhost_vring_state s = { 0x100, 64 };
	int fds[VU_REGIONS_MAX];
	unsigned int before;

	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++)
		fds[i] = evil.f.memfd;
	before = nfvd_fds();
	for (unsigned int i = 0; i < 10; i++)
		cut(VU_SET_VRING_NUM, VU_VERSION, &s, sizeof(s), fds, VU_REGIONS_MAX, "vu_bad_index");
	mark();
	if (!wait_until(nfvd_fds() <= before, PATIENCE_MS))
		fail_msg("nfvd has %u descriptors more than before", nfvd_fds() - before);
}

static void c4_queue_size(void **state)
{
	static const uint32_t bad[] = { 0, 3, 255, 257, 32769, 65536, 0x10100, 0x80000000, 0xffffffff };
	unsigned int fds, rss;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vhost_vring_state s = { TX, bad[i] };

		nack(VU_SET_VRING_NUM, VU_VERSION, &s, sizeof(s), NULL, 0, "vu_bad_num");
		traffic_flows();
	}
	mark();
	/* While running: the queue is stopped and built anew. Smaller, then as before. */
	assert_int_equal(tell_state(VU_SET_VRING_NUM, TX, 64), 0);
	guest_reset(&evil, true);
	traffic_flows();
	fds = nfvd_fds();
	rss = nfvd_rss_kb();
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(tell_state(VU_SET_VRING_NUM, i & 1, i & 2 ? RING : RING / 2), 0);
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	/* Memory does not grow, except by a sanitizer's quarantine. */
	assert_true(nfvd_rss_kb() < rss + 16384);
	guest_reset(&evil, true);
	traffic_flows();
	moved(NULL, NULL);
}

static void c5_queue_address(void **state)
{
	struct vuf_vring *r = &evil.f.vq[TX];
	const uint64_t end = (uintptr_t)evil.f.mem + evil.f.mem_bytes;
	const struct vhost_vring_addr good = { .index = TX, .desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)r->avail, .used_user_addr = (uintptr_t)r->used };
	struct vhost_vring_addr a;

	/* Unaligned. */
	for (unsigned int off = 1; off < 16; off += 2) {
		a = good;
		a.desc_user_addr += off;
		nack(VU_SET_VRING_ADDR, VU_VERSION, &a, sizeof(a), NULL, 0, "vu_bad_addr");
	}
	a = good;
	a.avail_user_addr++;
	nack(VU_SET_VRING_ADDR, VU_VERSION, &a, sizeof(a), NULL, 0, "vu_bad_addr");
	a = good;
	a.used_user_addr += 2;
	nack(VU_SET_VRING_ADDR, VU_VERSION, &a, sizeof(a), NULL, 0, "vu_bad_addr");
	a = good;
	a.flags = 1;	/* log the used ring */
	nack(VU_SET_VRING_ADDR, VU_VERSION, &a, sizeof(a), NULL, 0, "vu_bad_log");
	traffic_flows();

	/* Overlapping, or not wholly in a region: seen when the queue would start. */
	const struct vhost_vring_addr bad[] = {
		{ .index = TX, .desc_user_addr = (uintptr_t)r->desc, .avail_user_addr = (uintptr_t)r->desc,
		  .used_user_addr = (uintptr_t)r->used },
		{ .index = TX, .desc_user_addr = (uintptr_t)r->desc, .avail_user_addr = (uintptr_t)r->avail,
		  .used_user_addr = (uintptr_t)r->avail },
		{ .index = TX, .desc_user_addr = (uintptr_t)r->desc, .avail_user_addr = (uintptr_t)r->avail,
		  .used_user_addr = (uintptr_t)r->desc + 16 * RING - 16 },
	};
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mark();
		vuf_tell(&evil.f, VU_SET_VRING_ADDR, &bad[i], sizeof(bad[i]), NULL, 0);
		assert_true(wait_until(moved_by("evil", "vu_bad_addr") >= 1, PATIENCE_MS));
		queue_is("evil", TX, "stopped", "vu_bad_addr");
		guest_again(&evil, true);
		traffic_flows();
	}
	/* Half outside, or half in the next region: refused, or never started. */
	const uint64_t edge = (uintptr_t)evil.f.mem + evil.f.region[1].mmap_offset;
	const uint64_t outside[] = { edge - 16 * RING / 2, end - 16 * RING / 2, end, end + (1 << 20), 0, 0xfffffffffffff000 };

	for (unsigned int i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		a = good;
		a.desc_user_addr = outside[i];
		vuf_tell(&evil.f, VU_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
		assert_true(wait_until(!port_is("evil", "up"), PATIENCE_MS));
		guest_again(&evil, true);
		traffic_flows();
	}
	/* The same address again, while running, is no reason to stop. */
	mark();
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(vuf_tell(&evil.f, VU_SET_VRING_ADDR, &good, sizeof(good), NULL, 0), 0);
		if (i % 10 == 0)
			traffic_flows();
	}
	moved(NULL, NULL);
}

/* ---- C6: legal messages in random order ---- */

static uint32_t rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 33;
}

static int random_message(uint64_t *s)
{
	struct vuf_vring *r = &evil.f.vq[rnd(s) % 2];
	uint64_t u64, q = r == &evil.f.vq[TX];
	uint16_t base;

	switch (rnd(s) % 16) {
	case 0:
		return vuf_ask(&evil.f, VU_GET_FEATURES, &u64);
	case 1:
		return vuf_tell(&evil.f, VU_SET_FEATURES, &evil.f.features, 8, NULL, 0);
	case 2:
		u64 = evil.f.features & ~(1ull << VIRTIO_RING_F_INDIRECT_DESC);
		return vuf_tell(&evil.f, VU_SET_FEATURES, &u64, 8, NULL, 0);
	case 3:
		return vuf_tell(&evil.f, VU_SET_OWNER, NULL, 0, NULL, 0);
	case 4:
		return vuf_tell(&evil.f, VU_RESET_OWNER, NULL, 0, NULL, 0);
	case 5:
	case 6:
		return vuf_set_mem_table(&evil.f);
	case 7:
		return tell_state(VU_SET_VRING_NUM, q, 1u << rnd(s) % 16);
	case 8:
		return tell_state(VU_SET_VRING_BASE, q, rnd(s) & 0xffff);
	case 9:
		return vuf_ring_stop(&evil.f, q, &base);
	case 10:
	case 11:
		return tell_state(VU_SET_VRING_ENABLE, q, rnd(s) % 2);
	case 12:
		u64 = q | (rnd(s) % 2 ? VU_VRING_NOFD : 0);
		return vuf_tell(&evil.f, VU_SET_VRING_CALL, &u64, 8, &r->callfd, u64 & VU_VRING_NOFD ? 0 : 1);
	case 13:
		u64 = q | (rnd(s) % 4 ? 0 : VU_VRING_NOFD);
		return vuf_tell(&evil.f, VU_SET_VRING_KICK, &u64, 8, &r->kickfd, u64 & VU_VRING_NOFD ? 0 : 1);
	case 14:
		return vuf_ask(&evil.f, VU_GET_QUEUE_NUM, &u64);
	default:
		return vuf_ring_start(&evil.f, q);
	}
}

static void c6_random_order(void **state)
{
	unsigned int fds = nfvd_fds(), closed = 0, refused = 0;
	int64_t end = now_ms() + 8000;
	unsigned int n;
	uint64_t seed = 6;

	for (n = 0; n < 20000 && now_ms() < end; n++) {
		int err = random_message(&seed);

		if (err == -EREMOTEIO) {
			refused++;
		} else if (err) {
			closed++;
			guest_down(&evil);
			assert_int_equal(vuf_connect(&evil.f, evil.path), 0);
			assert_int_equal(vuf_negotiate(&evil.f), 0);
		}
	}
	print_message("    %u messages, %u refused, %u connections closed\n", n, refused, closed);
	guest_again(&evil, true);
	traffic_flows();
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
}

/* ---- C7, C8: not offered ---- */

static void c7_c8_not_offered(void **state)
{
	/* An area for one queue: two 64-bit numbers, then the number of queues and their size. */
	uint8_t payload[24] = { [16] = 1, [18] = 64 };

	nack(VU_GET_INFLIGHT_FD, VU_VERSION, payload, sizeof(payload), NULL, 0, "vu_bad_inflight");
	nack(VU_SET_INFLIGHT_FD, VU_VERSION, payload, sizeof(payload), &evil.f.memfd, 1, "vu_bad_inflight");
	nack(VU_SET_LOG_BASE, VU_VERSION, payload, 16, &evil.f.memfd, 1, "vu_bad_log");
	nack(VU_SET_LOG_FD, VU_VERSION, NULL, 0, &evil.f.vq[TX].callfd, 1, "vu_bad_log");
	traffic_flows();
	mark();
}

/* ---- C12 ---- */

static void c12_enable_storm(void **state)
{
	int64_t end = now_ms() + 3000;
	unsigned int n;

	for (n = 0; n < 100000 && now_ms() < end; n++) {
		assert_int_equal(vuf_ring_enable(&evil.f, n / 2 % 2, n % 2), 0);
		if (n % 64 == 0) {
			int64_t start = now_ms();

			json_decref(rpc("stats.get", NULL));
			assert_in_range(now_ms() - start, 0, 5000);
		}
	}
	print_message("    %u toggles\n", n);
	for (unsigned int q = 0; q < 2; q++)
		assert_int_equal(vuf_ring_enable(&evil.f, q, true), 0);
	moved(NULL, NULL);
	guest_reset(&evil, true);
	traffic_flows();
}

/* When a ring is stopped, exactly the taken buffers have been returned. */
static void c12_stopped_in_traffic(void **state)
{
	struct vuf_vring *r = &evil.f.vq[TX];
	uint32_t id, len;
	uint16_t base;

	load();
	for (unsigned int i = 0; i < RING; i++)
		desc(TX, i, gpa_of(evil.big), HDR + MIN, 0, 0);
	for (unsigned int n = 0; n < 2000; n++) {
		for (unsigned int i = 0; i < RING; i++)
			vuf_post(r, i);
		vuf_publish(r);
		assert_int_equal(vuf_ring_stop(&evil.f, TX, &base), 0);
		assert_int_equal(base, r->used->idx);
		assert_int_equal(vuf_ring_start(&evil.f, TX), 0);
		assert_true(wait_until(vuf_used_ready(r) == RING, PATIENCE_MS));
		for (unsigned int i = 0; i < RING && vuf_used(r, &id, &len); i++)
			assert_int_equal(id, i);
	}
	mark();
}

int msg_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(c1_malformed),
		evil_test(c1_slow),
		evil_test(c2_descriptors),
		evil_test(c2_full_eventfd),
		evil_test(c3_queue_index),
		evil_test(c3_index_with_descriptors),
		evil_test(c4_queue_size),
		evil_test(c5_queue_address),
		evil_test(c6_random_order),
		evil_test(c7_c8_not_offered),
		evil_test(c12_enable_storm),
		evil_test(c12_stopped_in_traffic),
	};

	return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
