/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups C and D, repeated: leaks that show only after many times, and memory that vanishes at any moment. */
#include "evil.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int tell_state(uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_vring_state s = { index, num };

	return vuf_tell(&evil.f, request, &s, sizeof(s), NULL, 0);
}

/* ---- memory that goes while a message is served ---- */

struct going {
	int fd, after_us;
};

static void *truncate_soon(void *arg)
{
	const struct going *g = arg;
	struct timespec t = { 0, g->after_us * 1000l };

	nanosleep(&t, NULL);
	if (ftruncate(g->fd, 0))
		return (void *)-1;
	return NULL;
}

/* Send a new table with all memory in another file. */
static void new_table(int fd)
{
	struct { uint32_t n, padding; struct nfvd_vu_region r[2]; } t = { .n = 2 };

	memcpy(t.r, evil.f.region, sizeof(t.r));
	vuf_tell(&evil.f, VU_SET_MEM_TABLE, &t, sizeof(t), (int[]){ fd, fd }, 2);
}

/* Send new ring addresses, so that nfvd reads there. */
static void new_address(unsigned int i)
{
	const struct vuf_vring *r = &evil.f.vq[TX];
	struct vhost_vring_addr a = { .index = TX, .desc_user_addr = (uintptr_t)(i & 1 ? (void *)evil.ind : (void *)r->desc),
				      .avail_user_addr = (uintptr_t)r->avail, .used_user_addr = (uintptr_t)r->used };

	vuf_tell(&evil.f, VU_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
}

static void say(unsigned int what, unsigned int i, int other)
{
	uint64_t u64 = TX, fewer = evil.f.features & ~(1ull << VIRTIO_RING_F_INDIRECT_DESC);

	/* nfvd's response depends on the order of events; the connection may be closed. */
	switch (what) {
	case 0: new_table(other); break;
	case 1: vuf_set_mem_table(&evil.f); break;
	case 2: new_address(i + 1); break;
	case 3: vuf_tell(&evil.f, VU_SET_VRING_KICK, &u64, sizeof(u64), &evil.f.vq[TX].kickfd, 1); break;
	case 4: vuf_tell(&evil.f, VU_SET_VRING_CALL, &u64, sizeof(u64), &evil.f.vq[TX].callfd, 1); break;
	case 5: tell_state(VU_SET_VRING_BASE, TX, 0); break;
	case 6: tell_state(VU_SET_VRING_NUM, TX, RING / 2); break;
	case 7: vuf_ring_enable(&evil.f, TX, false); vuf_ring_enable(&evil.f, TX, true); break;
	case 8: vuf_ring_stop(&evil.f, TX, NULL); break;
	case 9: vuf_tell(&evil.f, VU_SET_FEATURES, &fewer, sizeof(fewer), NULL, 0); break;
	case 10: vuf_kick(&evil.f.vq[TX]); break;	/* no message: it runs */
	}
}

static void d3_any_moment(void **state)
{
	uint8_t frame[200];
	pthread_t t;
	void *failed;

	for (unsigned int what = 0; what <= 10; what++)
		for (unsigned int i = 0; i < 12; i++) {
			int other = memfd_create("other", MFD_CLOEXEC);
			struct going g = { what ? evil.f.memfd : other, i * 60 };

			assert_true(other >= 0 && !ftruncate(other, evil.f.mem_bytes));
			assert_int_equal(pthread_create(&t, NULL, truncate_soon, &g), 0);
			say(what, i, other);
			frame_make(frame, sizeof(frame), evil.mac, peer.mac, i);
			guest_send(&peer, NULL, frame, sizeof(frame));
			pthread_join(t, &failed);
			assert_null(failed);
			guest_send(&peer, NULL, frame, sizeof(frame));
			/* The test does not access its own mapping until the file has its size again. */
			assert_int_equal(ftruncate(evil.f.memfd, evil.f.mem_bytes), 0);
			close(other);
			guest_again(&evil, true);
		}
	traffic_flows();
	queue_is("peer", RX, "running", NULL);
	mark();
}

/* ---- two who play together ---- */

static void d3_two_ports(void **state)
{
	static struct guest second;
	uint8_t frame[200];

	/* One guest releases its memory, another one's is mapped; then that one's vanishes. */
	assert_int_equal(vuf_tell(&evil.f, VU_RESET_OWNER, NULL, 0, NULL, 0), 0);
	guest_again(&peer, true);
	json_decref(rpc("port.attach", json_pack("{s:s, s:s}", "type", "kvm", "name", "evil2")));
	guest_init(&second, "evil2", 0xef, VUF_NET_FEATURES);
	snprintf(second.path, sizeof(second.path), "%s/evil2.sock", getenv("NFVD_STATE_DIR"));
	guest_up(&second, true);
	mark();
	assert_int_equal(ftruncate(second.f.memfd, 0), 0);
	frame_make(frame, sizeof(frame), second.mac, peer.mac, 1);
	guest_send(&peer, NULL, frame, sizeof(frame));
	vuf_kick(&second.f.vq[TX]);
	assert_true(wait_until(port_is("evil2", "fenced"), PATIENCE_MS));
	assert_in_range(moved_by("evil2", "mem_sigbus"), 1, 2);
	assert_int_equal(moved_by("evil", "mem_sigbus") + moved_by("peer", "mem_sigbus"), 0);
	for (unsigned int q = 0; q < 2; q++) {
		queue_is("evil", q, "running", NULL);
		queue_is("peer", q, "running", NULL);
	}
	assert_int_equal(ftruncate(second.f.memfd, second.f.mem_bytes), 0);
	guest_fini(&second);
	json_decref(rpc("port.detach", json_pack("{s:s}", "name", "evil2")));
	/* The frame to it was flooded to all others. */
	guest_again(&evil, true);
	traffic_flows();
	mark();
}

/* ---- what costs nothing once ---- */

static void c6_reset_owner(void **state)
{
	unsigned int fds = nfvd_fds(), rss = nfvd_rss_kb();
	uint16_t base;

	/* In every state this must be ignored. */
	traffic_flows();
	for (unsigned int i = 0; i < 10000; i++) {
		if (i == 1000)
			assert_int_equal(vuf_ring_stop(&evil.f, TX, &base), 0);
		if (i == 2000)
			assert_int_equal(vuf_ring_start(&evil.f, TX), 0);
		if (i == 3000)
			assert_int_equal(vuf_set_mem_table(&evil.f), 0);
		if (i == 4000)
			rss = nfvd_rss_kb();
		assert_int_equal(vuf_tell(&evil.f, VU_RESET_OWNER, NULL, 0, NULL, 0), 0);
	}
	/* Memory does not grow, except by a sanitizer's quarantine. */
	assert_true(nfvd_rss_kb() < rss + 16384);
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	guest_reset(&evil, true);
	traffic_flows();
	/* Before the first message. */
	guest_down(&evil);
	assert_int_equal(vuf_connect(&evil.f, evil.path), 0);
	for (unsigned int i = 0; i < 100; i++)
		vuf_send(&evil.f, VU_RESET_OWNER, VU_VERSION, NULL, 0, NULL, 0);
	guest_again(&evil, true);
	traffic_flows();
	mark();
}

static void c4_largest_again(void **state)
{
	unsigned int rss = nfvd_rss_kb();

	for (unsigned int i = 0; i < 2000; i++) {
		assert_int_equal(tell_state(VU_SET_VRING_NUM, 0, 32768), 0);
		assert_int_equal(tell_state(VU_SET_VRING_NUM, 1, 32768), 0);
		assert_int_equal(vuf_tell(&evil.f, VU_RESET_OWNER, NULL, 0, NULL, 0), 0);
	}
	assert_true(nfvd_rss_kb() < rss + 16384);
	/* Others have as many descriptors as before. */
	guest_again(&peer, true);
	guest_again(&evil, true);
	traffic_flows();
	mark();
}

/* A VMM that needs more queues than there are reconnects at once, for ever. */
static void c10_asks_and_leaves(void **state)
{
	int64_t end = now_ms() + 2000, start;
	unsigned int n, fds, of_peer = 0;
	json_t *events, *e;
	uint64_t u64;
	size_t i;

	guest_again(&peer, true);
	guest_down(&evil);
	fds = nfvd_fds();
	for (n = 0; now_ms() < end; n++) {
		assert_int_equal(vuf_connect(&evil.f, evil.path), 0);
		vuf_ask(&evil.f, VU_GET_FEATURES, &u64);
		vuf_ask(&evil.f, VU_GET_QUEUE_NUM, &u64);
		vuf_disconnect(&evil.f);
		start = now_ms();
		json_decref(rpc("daemon.info", NULL));
		assert_in_range(now_ms() - start, 0, RESPONSE_MS);
	}
	print_message("    %u connections\n", n);
	assert_true(wait_until(port_is("evil", "waiting"), PATIENCE_MS));
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	/* Events of other ports are still kept. */
	events = rpc("events.get", NULL);
	json_array_foreach(json_object_get(events, "events"), i, e)
		of_peer += json_is_string(json_object_get(e, "port")) && !strcmp(json_string_value(json_object_get(e, "port")), "peer");
	json_decref(events);
	assert_true(of_peer > 0);
	guest_up(&evil, true);
	traffic_flows();
	mark();
}

/* ---- M2: descriptors run out ---- */

#define GUESTS 10

static void name_guest(unsigned int i, char *name, char *path)
{
	snprintf(name, 16, "m%u", i);
	snprintf(path, 108, "%.*s/%s.sock", (int)(strrchr(evil.path, '/') - evil.path), evil.path, name);
}

/* An ordinary guest is either served completely or refused with a reason; nfvd responds, and does not spin. */
static void m2_few_descriptors(void **state)
{
	struct vuf guests[GUESTS] = { 0 };
	struct vuf_options o = { .wanted = VUF_NET_FEATURES };
	unsigned int fds = nfvd_fds(), old, up = 0, cpu;
	char name[16], path[108];
	int64_t start;

	for (unsigned int i = 0; i < GUESTS; i++) {
		name_guest(i, name, path);
		json_decref(rpc("port.attach", json_pack("{s:s, s:s}", "type", "kvm", "name", name)));
		assert_int_equal(vuf_init(&guests[i], &o), 0);
	}
	mark();
	old = nfvd_limit_fds(nfvd_fds() + 50);
	for (unsigned int i = 0; i < GUESTS; i++) {
		name_guest(i, name, path);
		if (!vuf_connect(&guests[i], path) && !vuf_start(&guests[i])) {
			assert_true(wait_until(port_is(name, "up"), PATIENCE_MS));
			up++;
			continue;
		}
		assert_true(wait_until(moved_by(name, "fd_exhausted") > 0, PATIENCE_MS));
		vuf_disconnect(&guests[i]);
		assert_true(wait_until(port_is(name, "waiting"), PATIENCE_MS));
	}
	print_message("    %u of %u guests served\n", up, GUESTS);
	assert_in_range(up, 1, GUESTS - 1);
	start = now_ms();
	cpu = nfvd_cpu_ms();
	json_decref(rpc("port.list", NULL));
	assert_false(wait_until(false, 500));
	assert_in_range(nfvd_cpu_ms() - cpu, 0, (now_ms() - start) / 2);
	traffic_flows();
	/* When descriptors are free again, the last guest is accepted. */
	nfvd_limit_fds(old);
	name_guest(GUESTS - 1, name, path);
	assert_int_equal(vuf_connect(&guests[GUESTS - 1], path), 0);
	assert_int_equal(vuf_start(&guests[GUESTS - 1]), 0);
	assert_true(wait_until(port_is(name, "up"), PATIENCE_MS));
	for (unsigned int i = 0; i < GUESTS; i++) {
		name_guest(i, name, path);
		vuf_fini(&guests[i]);
		json_decref(rpc("port.detach", json_pack("{s:s}", "name", name)));
	}
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	mark();
}

/* ---- detached while it starts a queue ---- */

/* Start the Tx queue again and again, each time with a frame from another address to itself, until the port goes. */
static void *start_again(void *arg)
{
	struct guest *g = arg;
	uint8_t mac[6] = { 2, 0xee };

	for (unsigned int i = 0;; i++) {
		memcpy(mac + 2, &i, sizeof(i));
		memset(g->big, 0, g->hdr_len);
		frame_make(g->big + g->hdr_len, MIN, mac, mac, i);
		vuf_set_desc(&g->f, &g->f.vq[TX], 0, g->big, g->hdr_len + MIN, 0);
		vuf_post(&g->f.vq[TX], 0);
		vuf_publish(&g->f.vq[TX]);
		if (vuf_ring_enable(&g->f, TX, false) || vuf_ring_enable(&g->f, TX, true))
			return NULL;
	}
}

static json_int_t macs_of(const char *name)
{
	json_t *port = port_of(name);
	json_int_t n = json_integer_value(json_object_get(port, "macs"));

	json_decref(port);
	return n;
}

/* Nothing of a port is left that the next one with its number could be charged for. */
static void d3_detached_at_any_moment(void **state)
{
	static struct guest second;
	uint8_t frame[MIN];
	pthread_t t;

	port_attach("evil2", "server", 1);
	guest_init(&second, "evil2", 0xef, VUF_NET_FEATURES);
	port_path("evil2", second.path, sizeof(second.path));
	for (unsigned int i = 0; i < 40; i++) {
		guest_up(&second, true);
		frame_make(frame, sizeof(frame), second.mac, second.mac, i);
		guest_send(&second, NULL, frame, sizeof(frame));
		assert_int_equal(macs_of("evil2"), 1);
		assert_int_equal(pthread_create(&t, NULL, start_again, &second), 0);
		usleep(3000 + i * 97);
		port_detach("evil2");
		pthread_join(t, NULL);
		vuf_disconnect(&second.f);
		port_attach("evil2", "server", 1);
	}
	port_detach("evil2");
	guest_fini(&second);
	/* Frames from a port that was not up were flooded. */
	guest_again(&evil, true);
	guest_again(&peer, true);
	traffic_flows();
	mark();
}

int again_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(d3_any_moment),
		evil_test(d3_two_ports),
		evil_test(d3_detached_at_any_moment),
		evil_test(c6_reset_owner),
		evil_test(c4_largest_again),
		evil_test(c10_asks_and_leaves),
		evil_test(m2_few_descriptors),
	};

	return cmocka_run_group_tests_name("again and again", tests, NULL, NULL);
}
