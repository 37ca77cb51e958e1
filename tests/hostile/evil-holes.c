/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory with holes: large ones, which block every access while they are punched; holes in huge pages; and a machine
 * that is merely busy, where nobody may be fenced.
 */
#include "evil.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- large holes ---- */

#define LARGE	(512ul << 20)	/* 300 ms */
#define SMALLER	(128ul << 20)	/* 40 ms */
#define HOLES_MS	60000	/* for a few of them: where pages are dear, 1 GiB takes more than 5 s to fill and to punch */

static atomic_bool stop_punching;
static atomic_uint holes;

/* A guest with its own port. Holes are punched into its memory, except the part that it uses itself. */
struct holed {
	struct vuf f;
	struct vuf_vring *tx;
	uint8_t *rest;			/* what is punched */
	size_t rest_bytes;
	pthread_t t;
	bool punching;
};

static struct holed *left;		/* by a test that has failed, or NULL */

/* A fault in a hole that is being punched waits in the kernel until that is done. */
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

static void end_punching(struct holed *h)
{
	void *failed;

	atomic_store(&stop_punching, true);
	pthread_join(h->t, &failed);
	h->punching = false;
	assert_null(failed);
}

/* Later tests must not fail for what an earlier one left. */
static void remove_left(void)
{
	if (!left)
		return;
	if (left->punching)
		end_punching(left);
	vuf_fini(&left->f);
	port_detach("evil8");
	left = NULL;
}

static void holed_init(struct holed *h, size_t mem_bytes, bool huge)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .ring_size = RING, .mem_bytes = mem_bytes, .huge = huge };

	remove_left();
	left = h;
	port_attach("evil8", "server", 1);
	assert_int_equal(vuf_init(&h->f, &o), 0);
	h->tx = &h->f.vq[TX];
}

static void holed_up(struct holed *h)
{
	char path[108];

	port_path("evil8", path, sizeof(path));
	assert_int_equal(vuf_connect(&h->f, path), 0);
	assert_int_equal(vuf_start(&h->f), 0);
	assert_true(wait_until(port_is("evil8", "up"), PATIENCE_MS));
}

/* Punch holes from now on, except into memory that is allocated already. */
static void start_punching(struct holed *h)
{
	h->rest = h->f.mem + (h->f.mem_taken + 4095) / 4096 * 4096;
	h->rest_bytes = h->f.mem + h->f.mem_bytes - h->rest;
	atomic_store(&stop_punching, false);
	atomic_store(&holes, 0);
	assert_int_equal(pthread_create(&h->t, NULL, punch, h), 0);
	h->punching = true;
}

static void holed_fini(struct holed *h, unsigned int fds)
{
	vuf_fini(&h->f);
	port_detach("evil8");
	left = NULL;
	assert_true(wait_until(nfvd_fds() <= fds, PATIENCE_MS));
	guest_again(&peer, true);
	guest_again(&evil, true);
	mark();
}

/* Return page i of RING pages that are spread over the punched memory. */
static uint8_t *page_in_hole(const struct holed *h, unsigned int i)
{
	return h->rest + i * (h->rest_bytes / RING / 4096 * 4096);
}

/* Wait until the port is fenced, within `most` holes. The witness was held meanwhile, and is held no longer. */
static void fenced_in_time(struct holed *h, unsigned int most)
{
	int64_t start = now_ms();
	unsigned int punched;

	assert_true(wait_until((send_again(h->tx), port_is("evil8", "fenced")), HOLES_MS));
	assert_int_equal(moved_by("evil8", "worker_held"), 1);
	punched = atomic_load(&holes);
	print_message("    fenced after %lld ms and %u holes\n", (long long)(now_ms() - start), punched);
	assert_in_range(punched, 0, most);
	/* The witness is held, too, until that hole is done. */
	assert_true(wait_until(atomic_load(&holes) > punched + 1, HOLES_MS));
	witness_begin();
	punched = atomic_load(&holes);
	assert_true(wait_until((send_again(h->tx), atomic_load(&holes) > punched + 3), HOLES_MS));
	witness_check("after the fence");
}

/* A worker is held once, while the kernel punches. The port is fenced; afterwards no worker is held. */
static void d4_large_holes(void **state)
{
	unsigned int fds = nfvd_fds();
	static struct holed h;

	holed_init(&h, LARGE, false);
	holed_up(&h);
	start_punching(&h);
	/* Frames lie in memory where holes will be punched. */
	for (unsigned int i = 0; i < RING; i++) {
		vuf_set_desc(&h.f, h.tx, i, page_in_hole(&h, i), HDR + MIN, 0);
		vuf_post(h.tx, i);
	}
	fenced_in_time(&h, 20);
	end_punching(&h);
	holed_fini(&h, fds);
}

/* Waits that are too short for a fence, but repeated. */
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

/* The header is present, the payload is in the holes: the receiver must not be fenced. */
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
	/* The peer takes the frames; its ring holds one burst. */
	for (int64_t end = now_ms() + HOLES_MS; !port_is("evil8", "fenced") && now_ms() < end;) {
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

/* Its receive buffers are in the holes: the sender must not be fenced. */
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
	/* Send a frame, so that its address is learnt. */
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
	for (int64_t end = now_ms() + HOLES_MS; !port_is("evil8", "fenced") && now_ms() < end; sent++) {
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
	/* The witness was held until then. */
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

/* Bring it up with frames that have a valid header, and a piece on each of the other pages. */
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

/* Take all free huge pages. */
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

	/* Punched pages come back as zeros. */
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

	/* The page cannot come back, because all huge pages are in use. */
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
 * Workers wait for CPUs, for the lock of the address space while memory is mapped, for pages that are not present yet;
 * and holes are punched into memory that a guest has given back. None of this fences a port.
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
	for (int64_t start = now_ms(); now_ms() < start + 3 * RUN_MS ||
				       (atomic_load(&holes) <= 3 && now_ms() < start + HOLES_MS); tables++) {
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

int holes_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(d4_large_holes),
		evil_test(d4_holes_again),
		evil_test(d4_holes_for_others),
		evil_test(d4_holes_of_a_receiver),
		evil_test(d4_busy_machine),
		evil_test(d5_huge_pages),
	};

	return cmocka_run_group_tests_name("holes", tests, NULL, NULL);
}
