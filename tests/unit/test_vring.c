/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings: which are valid; what a previous nfvd had taken; when a guest is interrupted; endless chains. */
#include "vring_rig.h"

static void assert_replays(uint16_t used, uint32_t taken, unsigned int n)
{
	struct guest g;

	guest_init(&g, 256, false, true);
	g.vr.used->idx = used;
	nfvd_vring_resume(&g.vr);
	assert_int_equal(nfvd_vring_replays(&g.vr, taken), n);
	guest_free(&g);
}

/* What a killed nfvd had taken, also where the index wraps; and marks that are not valid. */
static void taken_before(void **state)
{
	assert_replays(0, NFVD_TAKEN, 0);
	assert_replays(100, NFVD_TAKEN | 101, 1);
	assert_replays(100, NFVD_TAKEN | (100 + NFVD_BURST), NFVD_BURST);
	assert_replays(0xfffe, NFVD_TAKEN | 0xffff, 1);
	assert_replays(0xfffe, NFVD_TAKEN, 2);
	assert_replays(0xfff0, NFVD_TAKEN | 48, NFVD_BURST);
	assert_replays(0xfff0, NFVD_TAKEN | 49, 0);
	assert_replays(100, NFVD_TAKEN | (101 + NFVD_BURST), 0);
	assert_replays(100, NFVD_TAKEN | 99, 0);
	assert_replays(100, 0, 0);
	assert_replays(0, 1, 0);
	assert_replays(100, 101, 0);
	assert_replays(100, 2 * NFVD_TAKEN | 101, 0);
	assert_replays(100, 0x80000000 | NFVD_TAKEN | 101, 0);
	assert_replays(0xffff, UINT32_MAX, 0);
}

/* The mark of an unfinished turn, and of a finished one. */
static void taken_in_a_turn(void **state)
{
	struct guest g;
	uint32_t mark;

	guest_init(&g, 16, false, true);
	g.vr.avail->idx = g.avail = 0xfffd;
	g.vr.used->idx = 0xfffd;
	nfvd_vring_resume(&g.vr);
	for (unsigned int i = 0; i < 5; i++) {
		guest_desc(&g, i, GUEST_DATA, 12 + 60, 0, 0);
		guest_post(&g, i);
	}
	assert_int_equal(take(&g), 5);
	mark = NFVD_TAKEN | g.vr.last_avail;
	nfvd_vring_resume(&g.vr);
	assert_int_equal(nfvd_vring_replays(&g.vr, mark), 5);
	assert_int_equal(take(&g), 5);
	assert_int_equal(NFVD_TAKEN | g.vr.last_avail, mark);
	nfvd_vring_take_done(&g.vr, 3);
	nfvd_vring_resume(&g.vr);
	assert_int_equal(nfvd_vring_replays(&g.vr, mark), 2);
	assert_int_equal(take(&g), 2);
	done(&g);
	nfvd_vring_resume(&g.vr);
	assert_int_equal(nfvd_vring_replays(&g.vr, mark), 0);
	guest_free(&g);
}

/* A ring that ends at its region's end is valid; one that is a byte longer is not. */

static void rings_are_checked(void **state)
{
	struct guest g;

	guest_init(&g, 256, true, true);
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_PASS);
	g.vr.used = (struct vring_used *)(g.mem[0] + GUEST_SIZE - (4 + 8 * 256 + 4));
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_PASS);
	g.vr.used = (struct vring_used *)(g.mem[0] + GUEST_SIZE - (4 + 8 * 256));
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_DROP_VU_BAD_ADDR);
	g.vr.used = (struct vring_used *)((uint8_t *)g.vr.avail + 8);
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_DROP_VU_BAD_ADDR);
	g.vr.used = (struct vring_used *)(g.mem[0] + 0x30002);
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_DROP_VU_BAD_ADDR);
	g.vr.size = 255;
	assert_int_equal(nfvd_vring_check(&g.vr), NFVD_DROP_VU_BAD_NUM);
	guest_free(&g);
}

static void broken_memory_fences(void **state)
{
	struct guest g;

	guest_init(&g, 16, false, true);
	guest_desc(&g, 0, GUEST_DATA, 99, 0, 0);
	guest_post(&g, 0);
	atomic_store(&g.gmem.broken, true);
	assert_int_equal(take(&g), 0);
	assert_int_equal(g.vr.fault, NFVD_DROP_MEM_SIGBUS);
	guest_free(&g);
}

static void event_index(void **state)
{
	struct guest g;
	uint64_t count;
	int fd = eventfd(0, EFD_NONBLOCK);

	guest_init(&g, 16, true, true);
	assert_int_equal(nfvd_call_init(0), 0);
	g.vr.call = fd;
	for (unsigned int i = 0; i < 3; i++) {
		guest_fill(&g, GUEST_DATA, 60, 1);
		guest_desc(&g, 0, GUEST_DATA, 72, 0, 0);
		guest_post(&g, 0);
		/* The guest asks for an interrupt only at the second frame. */
		g.vr.avail->ring[16] = 1;
		assert_int_equal(take(&g), 1);
		assert_int_equal(done(&g), i == 0 || i == 1);
		if (i < 2)
			assert_int_equal(read(fd, &count, sizeof(count)), 8);
	}
	assert_false(nfvd_vring_arm(&g.vr, true));
	assert_int_equal(*(uint16_t *)&g.vr.used->ring[16], 3);
	guest_post(&g, 0);
	assert_true(nfvd_vring_arm(&g.vr, true));
	close(fd);
	nfvd_call_fini();
	guest_free(&g);
}

/* A signal never waits: not for a full eventfd that its owner made blocking, not for a full socket. */
static void full_call(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	uint64_t full = 0xfffffffffffffffe, count;
	int fd = eventfd(0, 0), sock[2];

	assert_int_equal(nfvd_call_init(0), 0);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	/* More than one context keeps. */
	for (unsigned int i = 0; i < 5000; i++)
		assert_true(nfvd_call(fd));
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_true(nfvd_call(fd));
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	close(fd);
	for (unsigned int t = 0; t < 3; t++) {
		assert_int_equal(socketpair(AF_UNIX, types[t], 0, sock), 0);
		for (unsigned int i = 0; i < 5000; i++)
			assert_true(nfvd_call(NFVD_CALL_SOCKET | sock[0]));
		close(sock[1]);
		assert_false(nfvd_call(NFVD_CALL_SOCKET | sock[0]));
		close(sock[0]);
	}
	assert_false(nfvd_call(NFVD_CALL_NONE));
	assert_false(nfvd_call(9999));
	nfvd_call_fini();
}

/* ---- an eventfd with so many waiters that each signal is slow ---- */

#define LAYERS_MAX	16
#define STEP		1000	/* waiters */

static struct {
	struct rlimit limit;
	int fd, watch[LAYERS_MAX], copies;
} crowd;

/* So many waiters that one signal takes this long, by this thread's own time, at least. */
static void crowd_gathers(struct guest *g, uint64_t signal_us)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct rlimit all;
	uint64_t took_us = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &crowd.limit), 0);
	all = (struct rlimit){ crowd.limit.rlim_max < 20000 ? crowd.limit.rlim_max : 20000, crowd.limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(nfvd_call_init(0), 0);
	guest_init(g, 16, false, true);
	crowd.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	g->vr.call = crowd.fd;
	for (int i = 0; i < LAYERS_MAX; i++)
		crowd.watch[i] = epoll_create1(EPOLL_CLOEXEC);
	crowd.copies = 0;
	while (dup(crowd.fd) >= 0)
		crowd.copies++;
	crowd.copies -= crowd.copies % STEP;
	for (int n = 0; took_us < signal_us && n < LAYERS_MAX * crowd.copies; n += STEP) {
		for (int i = n; i < n + STEP; i++)
			assert_int_equal(epoll_ctl(crowd.watch[i / crowd.copies % LAYERS_MAX], EPOLL_CTL_ADD,
						   crowd.watch[LAYERS_MAX - 1] + 1 + i % crowd.copies, &ev), 0);
		took_us = UINT64_MAX;
		for (unsigned int k = 0; k < 5; k++) {
			uint64_t start = call_clock_ns(true), us;

			nfvd_call(crowd.fd);
			us = (call_clock_ns(true) - start) / 1000;
			took_us = us < took_us ? us : took_us;
		}
	}
	assert_true(took_us >= signal_us);
}

static void crowd_goes(struct guest *g)
{
	close_range(crowd.fd, crowd.watch[LAYERS_MAX - 1] + crowd.copies + STEP, 0);
	nfvd_call_fini();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &crowd.limit), 0);
	guest_free(g);
}

static void nap_us(unsigned int us)
{
	nanosleep(&(struct timespec){ 0, us * 1000l }, NULL);
}

static void send_one(struct guest *g)
{
	guest_fill(g, GUEST_DATA, 60, 1);
	guest_desc(g, 0, GUEST_DATA, 72, 0, 0);
	guest_post(g, 0);
	assert_int_equal(take(g), 1);
	done(g);
}

/* Half a second of frames: interrupts take a fifth of the worker at most, and the last one is not forgotten. */
static void slow_call(void **state)
{
	uint64_t start, began, spent = 0, all, drain;
	struct guest g;

	crowd_gathers(&g, 300);
	for (unsigned int i = 0; i < 2; i++)	/* after these they are measured exactly */
		send_one(&g);
	start = call_clock_ns(false);
	while (call_clock_ns(false) - start < 500000000) {
		began = call_clock_ns(true);
		send_one(&g);
		spent += call_clock_ns(true) - began;
		nap_us(20);
	}
	all = call_clock_ns(false) - start;
	print_message("    %llu of %llu ms in %llu interrupts\n", (unsigned long long)spent / 1000000,
		      (unsigned long long)all / 1000000, (unsigned long long)g.vr.calls);
	assert_true(spent < all / 5);
	assert_int_equal(g.vr.fault, NFVD_PASS);
	while (read(crowd.fd, &drain, sizeof(drain)) > 0)
		;
	send_one(&g);
	send_one(&g);
	for (unsigned int ms = 0; !nfvd_vring_call_owed(&g.vr) && ms < 20000; ms++)
		nap_us(1000);
	assert_int_equal(read(crowd.fd, &drain, sizeof(drain)), sizeof(drain));
	assert_false(g.vr.owed);
	crowd_goes(&g);
}

/* So slow that also one is too long for others: the queue is fenced. */
static void very_slow_call(void **state)
{
	struct guest g;

	crowd_gathers(&g, 8000);
	for (unsigned int ms = 0; g.vr.fault == NFVD_PASS && ms < 60000; ms++) {
		send_one(&g);
		nap_us(1000);
	}
	assert_int_equal(g.vr.fault, NFVD_DROP_CALL_SLOW);
	/* A guest that starts its queue again does not begin anew. */
	g.vr.fault = NFVD_PASS;
	g.pace.next_ns = 0;
	send_one(&g);
	assert_int_equal(g.vr.fault, NFVD_DROP_CALL_SLOW);
	crowd_goes(&g);
}

#define LONG_RING 8192

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* A ring whose entries are all the same chain of LONG_RING empty descriptors, n times; in a table or not. */
static void empty_chains(struct guest *g, bool mergeable, bool table, uint16_t flags, unsigned int n)
{
	struct vring_desc *d;

	guest_init(g, LONG_RING, false, mergeable);
	d = table ? (struct vring_desc *)guest_at(g, GUEST_DATA) : g->desc;
	for (unsigned int i = 0; i < LONG_RING; i++)
		d[i] = (struct vring_desc){ GUEST_GPA, 0, flags | (i + 1 < LONG_RING ? N : 0), i + 1 };
	if (table)
		guest_desc(g, 0, GUEST_DATA, LONG_RING * sizeof(*d), I, 0);
	while (n--)
		guest_post(g, 0);
}

/*
 * Empty descriptors cost work, too, so the number of descriptors per call is bounded. Without
 * the bound the calls here take 10 to 1000 times the limit.
 */
#define CALL_US	20000

static void empty_receive_chains(void **state)
{
	struct nfvd_frame f = module_frame(4, 60), *list[NFVD_BURST];
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop results[NFVD_BURST];
	struct guest g;

	for (unsigned int i = 0; i < NFVD_BURST; i++)
		list[i] = &f;
	for (int mergeable = 0; mergeable < 2; mergeable++)
		for (int table = 0; table < 2; table++) {
			uint64_t best = UINT64_MAX;

			empty_chains(&g, mergeable, table, W, LONG_RING);
			for (unsigned int round = 0; round < 5; round++) {
				uint64_t start = now_us();

				nfvd_vring_deliver(&g.vr, list, NFVD_BURST, results, &l);
				if (now_us() - start < best)
					best = now_us() - start;
				for (unsigned int i = 0; i < NFVD_BURST; i++)
					assert_int_equal(results[i], NFVD_DROP_RX_BUF_SHORT);
			}
			assert_in_range(best, 0, CALL_US);
			assert_int_equal(g.vr.used->idx, 0);
			assert_int_equal(g.vr.fault, NFVD_PASS);
			guest_free(&g);
		}
	assert_int_equal(l.frames, 0);
}

static void empty_send_chains(void **state)
{
	struct guest g;

	for (int table = 0; table < 2; table++) {
		unsigned int dropped = 0, calls = 0;

		empty_chains(&g, true, table, 0, 3 * NFVD_BURST);
		while (dropped < 3 * NFVD_BURST && calls++ < 1000) {
			assert_int_equal(take(&g), 0);
			/* The last chain may begin below the limit. */
			assert_in_range(drops.n, 1, NFVD_WALK_MAX / CHAIN_SEGS_MAX + 1);
			for (unsigned int i = 0; i < drops.n; i++)
				assert_int_equal(drops.why[i], NFVD_DROP_TOO_MANY_SEGS);
			dropped += drops.n;
			done(&g);
			assert_int_equal(g.vr.used->idx, dropped);
		}
		assert_int_equal(dropped, 3 * NFVD_BURST);
		guest_free(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_receive_chains),
		cmocka_unit_test(empty_send_chains),
		cmocka_unit_test(taken_before),
		cmocka_unit_test(taken_in_a_turn),
		cmocka_unit_test(rings_are_checked),
		cmocka_unit_test(broken_memory_fences),
		cmocka_unit_test(event_index),
		cmocka_unit_test(full_call),
		cmocka_unit_test(slow_call),
		cmocka_unit_test(very_slow_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
