/* SPDX-License-Identifier: BSD-3-Clause */
/* Many peers at once, and messages during traffic: 250 guests, eight queues, hostile vhost-user servers. */
#include "evil.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CROWD	250	/* guests besides evil, peer, w0, w1 */

/* ---- a crowd ---- */

static struct vuf crowd[CROWD];
static atomic_uint crowd_up, crowd_tables;
static pthread_barrier_t all_there;

static void *join_crowd(void *arg)
{
	unsigned int first = (unsigned int)(uintptr_t)arg;
	char name[16], path[108];

	pthread_barrier_wait(&all_there);
	for (unsigned int i = first; i < CROWD; i += 10) {
		snprintf(name, sizeof(name), "m%u", i);
		port_path(name, path, sizeof(path));
		if (!vuf_connect(&crowd[i], path) && !vuf_start(&crowd[i]))
			atomic_fetch_add(&crowd_up, 1);
	}
	/* All tables anew, all at once, again and again. */
	pthread_barrier_wait(&all_there);
	for (unsigned int round = 0; round < 10; round++)
		for (unsigned int i = first; i < CROWD; i += 10)
			atomic_fetch_add(&crowd_tables, !vuf_set_mem_table(&crowd[i]));
	return NULL;
}

static void c13_crowd(void **state)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .regions = 8, .mem_bytes = 4 << 20, .timeout_ms = 30000 };
	unsigned int fds = nfvd_fds(), rss = nfvd_rss_kb();
	pthread_t t[10];
	char name[16];

	for (unsigned int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		port_attach(name, "server", 1);
		assert_int_equal(vuf_init(&crowd[i], &o), 0);
	}
	atomic_store(&crowd_up, 0);
	atomic_store(&crowd_tables, 0);
	pthread_barrier_init(&all_there, NULL, 10);
	for (uintptr_t i = 0; i < 10; i++)
		assert_int_equal(pthread_create(&t[i], NULL, join_crowd, (void *)i), 0);
	for (unsigned int i = 0; i < 10; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&all_there);
	assert_int_equal(atomic_load(&crowd_up), CROWD);
	assert_int_equal(atomic_load(&crowd_tables), 10 * CROWD);
	witness_check("crowd, connected");
	/* All of them are killed. */
	for (unsigned int i = 0; i < CROWD; i++)
		vuf_disconnect(&crowd[i]);
	for (unsigned int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		assert_true(wait_until(port_is(name, "waiting"), PATIENCE_MS));
		port_detach(name);
		vuf_fini(&crowd[i]);
	}
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	print_message("    %u KiB more than before\n", nfvd_rss_kb() - rss);
	traffic_flows();
	mark();
}

/* ---- what a peer says while its frames pass ---- */

static void say_state(uint32_t request, uint32_t i, uint32_t num)
{
	struct vhost_vring_state s = { i, num };

	assert_int_equal(vuf_tell(&evil.f, request, &s, sizeof(s), NULL, 0), 0);
}

static void say_fd(uint32_t request, uint64_t i, int fd)
{
	assert_int_equal(vuf_tell(&evil.f, request, &i, sizeof(i), &fd, 1), 0);
}

static void say_features(uint64_t f)
{
	assert_int_equal(vuf_tell(&evil.f, VU_SET_FEATURES, &f, sizeof(f), NULL, 0), 0);
}

static int full_eventfd(void)
{
	uint64_t full = 0xfffffffffffffffe;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_true(fd >= 0 && write(fd, &full, sizeof(full)) == sizeof(full));
	return fd;
}

static void say_something(unsigned int what, unsigned int n)
{
	static const uint64_t flips[] = { 1ull << VIRTIO_RING_F_INDIRECT_DESC, 1ull << VIRTIO_NET_F_MRG_RXBUF,
					  1ull << VIRTIO_NET_F_CSUM, 1ull << VUF_F_PROTOCOL };
	uint16_t base;
	int fd;

	switch (what) {
	case 0:
		say_features(evil.f.features & ~(n & 1 ? flips[n / 2 % 4] : 0));
		break;
	case 1:
		assert_int_equal(vuf_ring_stop(&evil.f, TX, &base), 0);
		say_state(VU_SET_VRING_BASE, TX, n * 4099 & 0xffff);
		assert_int_equal(vuf_ring_start(&evil.f, TX), 0);
		break;
	case 2:
		fd = eventfd(0, EFD_CLOEXEC);
		assert_true(fd >= 0);
		say_fd(VU_SET_VRING_KICK, TX, fd);
		close(fd);
		break;
	case 3:
		fd = full_eventfd();
		say_fd(VU_SET_VRING_CALL, TX, fd);
		close(fd);
		break;
	}
}

static void c14_said_in_traffic(void **state)
{
	static const char *const names[] = { "features", "base", "kick", "call" };
	unsigned int fds = nfvd_fds();

	for (unsigned int what = 0; what < 4; what++) {
		int64_t end = now_ms() + RUN_MS;
		unsigned int n;

		load();
		for (unsigned int i = 0; i < RING; i++) {
			desc(TX, i, gpa_of(evil.big), HDR + MIN, 0, 0);
			vuf_post(&evil.f.vq[TX], i);
		}
		vuf_publish(&evil.f.vq[TX]);
		for (n = 0; now_ms() < end; n++) {
			say_something(what, n);
			send_again(&evil.f.vq[TX]);
		}
		print_message("    %s: %u times\n", names[what], n);
		queue_is("evil", TX, "running", NULL);
		guest_again(&peer, true);
		guest_again(&evil, true);
		traffic_flows();
		witness_check(names[what]);
	}
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	mark();
}

/* ---- eight queues, on and off in turns ---- */

static void c15_eight_queues(void **state)
{
	static struct guest eight;
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .pairs = VUF_PAIRS_MAX, .ring_size = 64 };
	unsigned int fds = nfvd_fds(), n;
	int64_t end = now_ms() + RUN_MS;
	uint64_t sent = 0;
	uint8_t *buf;

	port_attach("evil8", "server", VUF_PAIRS_MAX);
	memset(&eight, 0, sizeof(eight));
	assert_int_equal(vuf_init(&eight.f, &o), 0);
	port_path("evil8", eight.path, sizeof(eight.path));
	assert_int_equal(vuf_connect(&eight.f, eight.path), 0);
	assert_int_equal(vuf_start(&eight.f), 0);
	buf = vuf_alloc(&eight.f, HDR + MIN, 64);
	assert_non_null(buf);
	/* Frames to itself: nfvd takes, judges and drops them. */
	frame_make(buf + HDR, MIN, (const uint8_t *)"\2\0\0\0\0\x88", (const uint8_t *)"\2\0\0\0\0\x88", 1);
	for (n = 0; now_ms() < end; n++) {
		unsigned int pair = n % VUF_PAIRS_MAX;

		for (unsigned int i = 0; i < VUF_PAIRS_MAX; i++) {
			struct vuf_vring *r = &eight.f.vq[VUF_TX(i)];
			uint32_t id, len;

			while (vuf_used(r, &id, &len))
				sent++;
			while ((uint16_t)(r->avail_idx - r->last_used) < r->size) {
				vuf_set_desc(&eight.f, r, r->avail_idx & r->mask, buf, HDR + MIN, 0);
				vuf_post(r, r->avail_idx & r->mask);
			}
			vuf_publish(r);
		}
		assert_int_equal(vuf_ring_enable(&eight.f, VUF_TX(pair), n / VUF_PAIRS_MAX & 1), 0);
		assert_int_equal(vuf_ring_enable(&eight.f, VUF_RX(VUF_PAIRS_MAX - 1 - pair), n / VUF_PAIRS_MAX & 1), 0);
	}
	print_message("    %u turns, %llu frames\n", n, (unsigned long long)sent);
	assert_true(sent > n);
	vuf_fini(&eight.f);
	port_detach("evil8");
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	/* Until nfvd had learnt its address, frames to it were flooded. */
	guest_again(&peer, true);
	guest_again(&evil, true);
	traffic_flows();
	mark();
}

/* ---- servers ---- */

enum manner { SILENT, GARBAGE, HALF, CLOSING, REPLYING, MANNERS };

static const char *const manner_names[MANNERS] = { "says nothing", "garbage", "half a message", "accepts and closes", "only replies" };
static atomic_bool stop_serving;
static atomic_uint served;

struct server {
	int listener;
	enum manner manner;
};

static void *serve(void *arg)
{
	const struct server *s = arg;
	const uint32_t half[] = { VU_SET_MEM_TABLE, VU_VERSION, 264, 8, 0 };
	const uint32_t reply[] = { VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8, 0, 0 };
	uint8_t junk[4096];
	uint64_t seed = 1;

	for (unsigned int i = 0; i < sizeof(junk); i++)
		junk[i] = (seed = seed * 6364136223846793005u + 1) >> 56;
	while (!atomic_load(&stop_serving)) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			break;
		atomic_fetch_add(&served, 1);
		switch (s->manner) {
		case GARBAGE: send(fd, junk, sizeof(junk), MSG_NOSIGNAL); break;
		case HALF: send(fd, half, sizeof(half), MSG_NOSIGNAL); break;
		case REPLYING: send(fd, reply, sizeof(reply), MSG_NOSIGNAL); break;
		default: break;
		}
		/* Until nfvd closes the connection. */
		if (s->manner != CLOSING)
			while (recv(fd, junk, 1, 0) > 0)
				;
		close(fd);
	}
	return NULL;
}

static void bad_server(enum manner manner)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct server s = { socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), manner };
	unsigned int cpu;
	int64_t start;
	pthread_t t;

	port_path("evilc", un.sun_path, sizeof(un.sun_path));
	unlink(un.sun_path);
	assert_true(s.listener >= 0 && !bind(s.listener, (struct sockaddr *)&un, sizeof(un)) && !listen(s.listener, 64));
	atomic_store(&stop_serving, false);
	atomic_store(&served, 0);
	assert_int_equal(pthread_create(&t, NULL, serve, &s), 0);
	port_attach("evilc", "client", 1);
	assert_true(witness_pause(true));
	cpu = nfvd_cpu_ms();
	start = now_ms();
	usleep(RUN_MS * 1000);	/* the time over which it is measured */
	cpu = nfvd_cpu_ms() - cpu;
	witness_pause(false);
	print_message("    %s: %u connections, %u ms of processor in %lld\n", manner_names[manner], atomic_load(&served), cpu,
		      (long long)(now_ms() - start));
	assert_in_range(cpu, 0, RUN_MS / 2);
	/* nfvd starts a process for each connection: a few at once, then four a second. */
	assert_in_range(atomic_load(&served), 1, 8 + 4 * (RUN_MS + 1000) / 1000);
	usleep(RUN_MS / 2 * 1000);	/* and the witness beside it */
	traffic_flows();
	start = now_ms();
	port_detach("evilc");
	assert_in_range(now_ms() - start, 0, RESPONSE_MS);
	atomic_store(&stop_serving, true);
	shutdown(s.listener, SHUT_RDWR);
	pthread_join(t, NULL);
	close(s.listener);
	unlink(un.sun_path);
	witness_check(manner_names[manner]);
}

static void c16_servers(void **state)
{
	unsigned int fds = nfvd_fds();

	for (unsigned int i = 0; i < MANNERS; i++)
		bad_server(i);
	assert_true(wait_until(nfvd_fds() <= fds, 2 * PATIENCE_MS));
	mark();
}

int crowd_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(c13_crowd),
		evil_test(c14_said_in_traffic),
		evil_test(c15_eight_queues),
		evil_test(c16_servers),
	};

	return cmocka_run_group_tests_name("crowds", tests, NULL, NULL);
}
