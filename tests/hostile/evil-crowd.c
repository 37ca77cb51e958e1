/* SPDX-License-Identifier: BSD-3-Clause */
/* Many at once, and what a peer says while its frames pass: 250 guests, eight queues, servers that do as they like, large holes. */
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

#define CROWD	250	/* and evil, peer, w0, w1: nearly as many ports as there can be */
#define RUN_MS	2000

static void path_of(const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s.sock", getenv("NFVD_STATE_DIR"), name);
}

static void attach_kvm(const char *name, const char *mode, int queues)
{
	char path[108];

	path_of(name, path, sizeof(path));
	json_decref(rpc("port.attach", json_pack("{s:s, s:s, s:s, s:s, s:i}", "type", "kvm", "name", name, "mode", mode, "socket", path,
						 "queues", queues)));
}

static void detach(const char *name)
{
	json_decref(rpc("port.detach", json_pack("{s:s}", "name", name)));
}

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
		path_of(name, path, sizeof(path));
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
		attach_kvm(name, "server", 1);
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
		detach(name);
		vuf_fini(&crowd[i]);
	}
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	print_message("    %u KiB more than before\n", nfvd_rss_kb() - rss);
	traffic_flows();
	mark();
}

/* ---- what a peer says while its frames pass ---- */

/* What was sent, once more. */
static void send_again(struct vuf_vring *r)
{
	uint32_t id, len;

	while (vuf_used(r, &id, &len))
		vuf_post(r, id);
	vuf_publish(r);
}

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

	attach_kvm("evil8", "server", VUF_PAIRS_MAX);
	memset(&eight, 0, sizeof(eight));
	assert_int_equal(vuf_init(&eight.f, &o), 0);
	path_of("evil8", eight.path, sizeof(eight.path));
	assert_int_equal(vuf_connect(&eight.f, eight.path), 0);
	assert_int_equal(vuf_start(&eight.f), 0);
	buf = vuf_alloc(&eight.f, HDR + MIN, 64);
	assert_non_null(buf);
	/* To itself: taken, decided, dropped. */
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
	detach("evil8");
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	/* While nfvd had not learnt where its address is, its frames went to all. */
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
		/* Until nfvd goes. */
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

	path_of("evilc", un.sun_path, sizeof(un.sun_path));
	unlink(un.sun_path);
	assert_true(s.listener >= 0 && !bind(s.listener, (struct sockaddr *)&un, sizeof(un)) && !listen(s.listener, 64));
	atomic_store(&stop_serving, false);
	atomic_store(&served, 0);
	assert_int_equal(pthread_create(&t, NULL, serve, &s), 0);
	attach_kvm("evilc", "client", 1);
	assert_true(witness_pause(true));
	cpu = nfvd_cpu_ms();
	start = now_ms();
	usleep(RUN_MS * 1000);	/* the time over which it is measured */
	cpu = nfvd_cpu_ms() - cpu;
	witness_pause(false);
	print_message("    %s: %u connections, %u ms of processor in %lld\n", manner_names[manner], atomic_load(&served), cpu,
		      (long long)(now_ms() - start));
	assert_in_range(cpu, 0, RUN_MS / 2);
	/* A process is made for each: a few at once, four a second. */
	assert_in_range(atomic_load(&served), 1, 8 + 4 * (RUN_MS + 1000) / 1000);
	usleep(RUN_MS / 2 * 1000);	/* and the witness beside it */
	traffic_flows();
	start = now_ms();
	detach("evilc");
	assert_in_range(now_ms() - start, 0, 1000);
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

/* ---- large holes ---- */

#define LARGE	(1ul << 30)
#define SMALLER	(128ul << 20)	/* 40 ms */

static atomic_bool stop_punching;
static atomic_uint holes;

/* A guest with a port of its own, whose memory, but for what it uses itself, is punched. */
struct holed {
	struct vuf f;
	struct vuf_vring *tx;
	uint8_t *rest;			/* what is punched */
	size_t rest_bytes;
	pthread_t t;
};

/* Who faults in a hole that is being punched waits in the kernel until that is done. */
static void *punch(void *arg)
{
	struct holed *h = arg;

	while (!atomic_load(&stop_punching)) {
		memset(h->rest, 1, h->rest_bytes);
		if (fallocate(h->f.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, h->rest - h->f.mem, h->rest_bytes))
			return (void *)-1;
		atomic_fetch_add(&holes, 1);
	}
	return NULL;
}

static void holed_init(struct holed *h, size_t mem_bytes, bool huge)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .ring_size = RING, .mem_bytes = mem_bytes, .huge = huge };

	attach_kvm("evil8", "server", 1);
	assert_int_equal(vuf_init(&h->f, &o), 0);
	h->tx = &h->f.vq[TX];
}

static void holed_up(struct holed *h)
{
	char path[108];

	path_of("evil8", path, sizeof(path));
	assert_int_equal(vuf_connect(&h->f, path), 0);
	assert_int_equal(vuf_start(&h->f), 0);
	assert_true(wait_until(port_is("evil8", "up"), PATIENCE_MS));
}

/* What is allocated until now is not punched. */
static void start_punching(struct holed *h)
{
	h->rest = h->f.mem + (h->f.mem_taken + 4095) / 4096 * 4096;
	h->rest_bytes = h->f.mem + h->f.mem_bytes - h->rest;
	atomic_store(&stop_punching, false);
	atomic_store(&holes, 0);
	assert_int_equal(pthread_create(&h->t, NULL, punch, h), 0);
}

static void end_punching(struct holed *h)
{
	void *failed;

	atomic_store(&stop_punching, true);
	pthread_join(h->t, &failed);
	assert_null(failed);
}

static void holed_fini(struct holed *h, unsigned int fds)
{
	vuf_fini(&h->f);
	detach("evil8");
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	guest_again(&peer, true);
	guest_again(&evil, true);
	mark();
}

/* Page i of RING that lie all over what is punched. */
static uint8_t *page_in_hole(const struct holed *h, unsigned int i)
{
	return h->rest + i * (h->rest_bytes / RING / 4096 * 4096);
}

/* Until it is fenced, for which so many holes may be punched. The witness was held meanwhile, and is not any more. */
static void fenced_in_time(struct holed *h, unsigned int most)
{
	int64_t start = now_ms();
	unsigned int punched;

	assert_true(wait_until((send_again(h->tx), port_is("evil8", "fenced")), 4 * PATIENCE_MS));
	assert_int_equal(moved_by("evil8", "worker_held"), 1);
	punched = atomic_load(&holes);
	print_message("    fenced after %lld ms and %u holes\n", (long long)(now_ms() - start), punched);
	assert_in_range(punched, 0, most);
	/* Until that hole is done the witness is held, too. */
	assert_true(wait_until(atomic_load(&holes) > punched + 1, 4 * PATIENCE_MS));
	witness_begin();
	punched = atomic_load(&holes);
	assert_true(wait_until((send_again(h->tx), atomic_load(&holes) > punched + 3), 4 * PATIENCE_MS));
	witness_check("after the fence");
}

/* A worker is held once, for as long as the kernel punches; the port is fenced, and from then on nobody is. */
static void d4_large_holes(void **state)
{
	unsigned int fds = nfvd_fds();
	static struct holed h;

	holed_init(&h, LARGE, false);
	holed_up(&h);
	start_punching(&h);
	/* What is sent lies where the holes will be, all over. */
	for (unsigned int i = 0; i < RING; i++) {
		vuf_set_desc(&h.f, h.tx, i, page_in_hole(&h, i), HDR + MIN, 0);
		vuf_post(h.tx, i);
	}
	fenced_in_time(&h, 4);
	end_punching(&h);
	holed_fini(&h, fds);
}

/* Shorter than what a port is fenced for, but again and again. */
static void d4_holes_again(void **state)
{
	unsigned int fds = nfvd_fds();
	static struct holed h;

	holed_init(&h, SMALLER, false);
	holed_up(&h);
	start_punching(&h);
	for (unsigned int i = 0; i < RING; i++) {
		vuf_set_desc(&h.f, h.tx, i, page_in_hole(&h, i), HDR + MIN, 0);
		vuf_post(h.tx, i);
	}
	fenced_in_time(&h, 40);
	end_punching(&h);
	holed_fini(&h, fds);
}

/* The header is sound, the rest is where the holes are: it is not the receiver who is fenced. */
static void d4_holes_for_others(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0xe8 };
	unsigned int fds = nfvd_fds();
	static struct holed h;
	uint8_t *buf;

	holed_init(&h, SMALLER, false);
	buf = vuf_alloc(&h.f, 4096, 4096);
	assert_non_null(buf);
	frame_make(buf + HDR, 1000, peer.mac, mac, 1);
	holed_up(&h);
	traffic_flows();
	start_punching(&h);
	for (unsigned int i = 0; i + 1 < RING; i += 2) {
		vuf_set_desc(&h.f, h.tx, i, buf, HDR + 200, VRING_DESC_F_NEXT);
		h.tx->desc[i].next = i + 1;
		vuf_set_desc(&h.f, h.tx, i + 1, page_in_hole(&h, i), 800, 0);
		vuf_post(h.tx, i);
	}
	/* The peer takes them: one burst is all that its ring holds. */
	for (int64_t end = now_ms() + 4 * PATIENCE_MS; !port_is("evil8", "fenced") && now_ms() < end;) {
		static uint8_t got[BIG];

		send_again(h.tx);
		while (guest_recv(&peer, NULL, got, sizeof(got), 0) >= 0)
			;
	}
	assert_int_equal(moved_by("peer", "worker_held"), 0);
	queue_is("peer", RX, "running", NULL);
	fenced_in_time(&h, 60);
	assert_true(port_is("peer", "up"));
	end_punching(&h);
	holed_fini(&h, fds);
}

/* What is for it goes where the holes are: it is not the sender who is fenced. */
static void d4_holes_of_a_receiver(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0xe8 };
	unsigned int fds = nfvd_fds(), sent = 0;
	static struct holed h;
	struct vuf_vring *rx;
	uint8_t *buf, frame[1000];
	uint32_t id, len;

	holed_init(&h, SMALLER, false);
	rx = &h.f.vq[RX];
	buf = vuf_alloc(&h.f, 4096, 4096);
	assert_non_null(buf);
	frame_make(buf + HDR, 1000, peer.mac, mac, 1);
	holed_up(&h);
	/* So that its address is known. */
	vuf_set_desc(&h.f, h.tx, 0, buf, HDR + 1000, 0);
	vuf_post(h.tx, 0);
	vuf_publish(h.tx);
	assert_true(wait_until(vuf_used_ready(h.tx) == 1, PATIENCE_MS));
	start_punching(&h);
	for (unsigned int i = 0; i < RING; i++) {
		vuf_set_desc(&h.f, rx, i, page_in_hole(&h, i), 2048, VRING_DESC_F_WRITE);
		vuf_post(rx, i);
	}
	vuf_publish(rx);
	frame_make(frame, sizeof(frame), mac, evil.mac, 2);
	for (int64_t end = now_ms() + 4 * PATIENCE_MS; !port_is("evil8", "fenced") && now_ms() < end; sent++) {
		guest_send(&evil, NULL, frame, sizeof(frame));
		while (vuf_used(rx, &id, &len))
			vuf_post(rx, id);
		vuf_publish(rx);
	}
	print_message("    fenced after %u frames and %u holes\n", sent, atomic_load(&holes));
	assert_true(port_is("evil8", "fenced"));
	assert_int_equal(moved_by("evil8", "worker_held"), 1);
	assert_int_equal(moved_by("evil", "worker_held"), 0);
	assert_true(port_is("evil", "up"));
	/* The witness was held, until then. */
	end_punching(&h);
	witness_begin();
	holed_fini(&h, fds);
}

/* ---- huge pages ---- */

#define HUGE		(2ul << 20)
#define HUGE_PAGES	16		/* of run.sh's; the guest's first one holds its rings, and is not touched */

static unsigned int free_huge_pages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	unsigned int n = 0;

	if (f && fscanf(f, "%u", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

/* Frames of a sound header and a piece on each of the other pages. Then it is up. */
static void huge_up(struct holed *h)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0xe8 };
	uint8_t *buf = h->rest - 4096;

	vuf_ring_reset(h->tx);
	vuf_ring_reset(&h->f.vq[RX]);
	memset(h->rest, 1, h->rest_bytes);
	memset(buf, 0, HDR);
	frame_make(buf + HDR, 200, peer.mac, mac, 1);
	holed_up(h);
	for (unsigned int i = 0; i < RING; i++) {
		unsigned int k = i % HUGE_PAGES;

		vuf_set_desc(&h->f, h->tx, i, k ? h->rest + (k - 1) * HUGE : buf, k ? 64 : HDR + 200,
			     k + 1 < HUGE_PAGES ? VRING_DESC_F_NEXT : 0);
		h->tx->desc[i].next = i + 1;
		if (!k)
			vuf_post(h->tx, i);
	}
}

static void punch_huge(struct holed *h)
{
	assert_int_equal(fallocate(h->f.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, h->rest - h->f.mem, h->rest_bytes), 0);
}

/* All huge pages that there are. */
static int take_huge_pages(uint8_t **at, size_t *bytes)
{
	int fd = memfd_create("hog", MFD_CLOEXEC | MFD_HUGETLB);

	*bytes = free_huge_pages() * HUGE;
	assert_true(fd >= 0 && !ftruncate(fd, *bytes));
	*at = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	assert_ptr_not_equal(*at, MAP_FAILED);
	return fd;
}

static void peer_takes(void)
{
	static uint8_t got[BIG];

	while (guest_recv(&peer, NULL, got, sizeof(got), 0) >= 0)
		;
}

static void d5_huge_pages(void **state)
{
	unsigned int fds = nfvd_fds();
	static struct holed h;
	uint8_t *hog;
	size_t bytes;
	int fd;

	if (free_huge_pages() < HUGE_PAGES) {
		print_message("    %u huge pages are free\n", free_huge_pages());
		skip();
	}
	holed_init(&h, HUGE_PAGES * HUGE, true);
	h.rest = h.f.mem + HUGE;
	h.rest_bytes = h.f.mem_bytes - HUGE;

	/* What was punched comes back as zeros. */
	huge_up(&h);
	traffic_flows();
	for (unsigned int round = 0; round < 50; round++) {
		punch_huge(&h);
		send_again(h.tx);
		assert_true(wait_until((peer_takes(), vuf_used_ready(h.tx) == RING / HUGE_PAGES), PATIENCE_MS));
	}
	assert_true(port_is("evil8", "up"));
	assert_int_equal(moved_by("evil8", "mem_sigbus") + moved_by("evil8", "worker_held"), 0);
	witness_check("holes");

	/* The page may not come back, as somebody else has all that there are. */
	punch_huge(&h);
	fd = take_huge_pages(&hog, &bytes);
	send_again(h.tx);
	assert_true(wait_until((peer_takes(), port_is("evil8", "fenced")), PATIENCE_MS));
	assert_int_equal(moved_by("evil8", "mem_sigbus"), 1);
	munmap(hog, bytes);
	close(fd);
	vuf_disconnect(&h.f);
	assert_true(wait_until(port_is("evil8", "waiting"), PATIENCE_MS));
	witness_check("no page left");

	huge_up(&h);
	assert_int_equal(ftruncate(h.f.memfd, HUGE), 0);
	send_again(h.tx);
	assert_true(wait_until((peer_takes(), port_is("evil8", "fenced")), PATIENCE_MS));
	assert_int_equal(moved_by("evil8", "mem_sigbus"), 2);
	assert_true(port_is("peer", "up"));
	holed_fini(&h, fds);
}

/* ---- a machine that has much to do ---- */

#define SPINNERS_MAX	256

static atomic_bool stop_spinning;

static void *spin(void *unused)
{
	while (!atomic_load(&stop_spinning))
		;
	return unused;
}

/*
 * Workers wait for processors, for the lock of the address space while memory is mapped, for pages that are not there
 * yet; and holes are punched into memory that a guest has given back. Nobody is fenced for any of it.
 */
static void d4_busy_machine(void **state)
{
	static const char *const ports[] = { "evil8", "evil", "peer", "w0", "w1" };
	unsigned int fds = nfvd_fds(), n = 2 * sysconf(_SC_NPROCESSORS_ONLN), tables = 0;
	static struct holed h;
	static pthread_t t[SPINNERS_MAX];
	uint8_t *buf;

	if (n > SPINNERS_MAX)
		n = SPINNERS_MAX;
	holed_init(&h, SMALLER, false);
	buf = vuf_alloc(&h.f, SMALLER / 4, 4096);
	assert_non_null(buf);
	holed_up(&h);
	start_punching(&h);
	atomic_store(&stop_spinning, false);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&t[i], NULL, spin, NULL), 0);
	for (unsigned int i = 0; i < RING; i++) {
		vuf_set_desc(&h.f, h.tx, i, buf + i * 4096, HDR + MIN, 0);
		vuf_post(h.tx, i);
	}
	for (int64_t end = now_ms() + 3 * RUN_MS; now_ms() < end; tables++) {
		send_again(h.tx);
		assert_int_equal(vuf_set_mem_table(&h.f), 0);
		traffic_flows();
	}
	print_message("    %u tables, %u holes\n", tables, atomic_load(&holes));
	assert_true(tables > 3 && atomic_load(&holes) > 3);
	atomic_store(&stop_spinning, true);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	end_punching(&h);
	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		assert_int_equal(moved_by(ports[i], "worker_held"), 0);
	holed_fini(&h, fds);
}

int crowd_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(c13_crowd),
		evil_test(c14_said_in_traffic),
		evil_test(c15_eight_queues),
		evil_test(c16_servers),
		evil_test(d4_large_holes),
		evil_test(d4_holes_again),
		evil_test(d4_holes_for_others),
		evil_test(d4_holes_of_a_receiver),
		evil_test(d4_busy_machine),
		evil_test(d5_huge_pages),
	};

	return cmocka_run_group_tests_name("crowds", tests, NULL, NULL);
}
