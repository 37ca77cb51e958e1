/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Group C2, continued: the sender of a descriptor still has it, too, and can change its flags, how full
 * it is, and the server behind it. And descriptors of every kind, in messages that take one and in others.
 */
#include "evil.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "fuse.h"

#define PROMPT_MS	1000	/* for an answer of control's */

static void control_answers(void)
{
	int64_t start = now_ms();

	json_decref(rpc("stats.get", NULL));
	assert_in_range(now_ms() - start, 0, PROMPT_MS);
}

static int set_fd(uint32_t request, unsigned int q, int fd)
{
	uint64_t u64 = q;

	return vuf_tell(&evil.f, request, &u64, sizeof(u64), &fd, 1);
}

static void make_blocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

/* ---- calls ---- */

static void fill_eventfd(int fd)
{
	uint64_t full = 0xfffffffffffffffe, pending;

	if (read(fd, &pending, sizeof(pending)) < 0)
		assert_int_equal(errno, EAGAIN);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
}

static void fill_socket(int fd)
{
	static const uint8_t junk[512];
	const int small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while (send(fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	while (send(fd, junk, 1, MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

/* When nfvd has the descriptor, fill it, so that a write to it blocks for ever. */
static void calls_block(const char *what, int fd, void (*fill)(int fd))
{
	print_message("    %s\n", what);
	for (unsigned int q = 0; q < 2; q++)
		assert_int_equal(set_fd(VU_SET_VRING_CALL, q, fd), 0);
	fill(fd);
	make_blocking(fd);
	for (unsigned int i = 0; i < 100; i++)
		traffic_flows();
	control_answers();
	queue_is("evil", RX, "running", NULL);
	/* Also while it gets another one, and stops. */
	assert_int_equal(set_fd(VU_SET_VRING_CALL, RX, evil.f.vq[RX].callfd), 0);
	traffic_flows();
	guest_again(&evil, true);
	traffic_flows();
}

static void c2_call_made_blocking(void **state)
{
	unsigned int before = nfvd_fds();
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), pair[2];

	assert_true(fd >= 0);
	calls_block("eventfd", fd, fill_eventfd);
	close(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	calls_block("stream socket", pair[0], fill_socket);
	close(pair[0]);
	close(pair[1]);
	assert_true(wait_until(nfvd_fds() <= before, PATIENCE_MS));
	mark();
}

#define WAITERS	2000	/* for half a millisecond */

/* Many wait at the descriptor, and each call wakes them all. The witness must not wait for that. */
static void c2_call_crowded(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), watch = epoll_create1(EPOLL_CLOEXEC), waiter[WAITERS];
	struct epoll_event ev = { .events = EPOLLIN };
	int64_t end = now_ms() + RUN_MS;
	unsigned int rounds = 0;
	uint64_t called;

	for (unsigned int i = 0; i < WAITERS; i++) {
		waiter[i] = dup(fd);
		assert_int_equal(epoll_ctl(watch, EPOLL_CTL_ADD, waiter[i], &ev), 0);
	}
	for (unsigned int q = 0; q < 2; q++)
		assert_int_equal(set_fd(VU_SET_VRING_CALL, q, fd), 0);
	for (; now_ms() < end; rounds++)
		traffic_flows();
	print_message("    %u rounds, %lld calls were late\n", rounds, (long long)moved_by("evil", "call_late"));
	assert_true(moved_by("evil", "call_late") > 0);
	queue_is("evil", RX, "running", NULL);
	/* None is forgotten. */
	while (read(fd, &called, sizeof(called)) > 0)
		;
	traffic_flows();
	assert_true(wait_until(read(fd, &called, sizeof(called)) > 0, PATIENCE_MS));
	guest_again(&evil, true);
	close(fd);
	close(watch);
	for (unsigned int i = 0; i < WAITERS; i++)
		close(waiter[i]);
	mark();
}

/* ---- kicks ---- */

static atomic_bool stop_snatching;

/* Make it readable, and read it before nfvd does: a blocking read of nfvd would then block. */
static void *snatch(void *arg)
{
	int fd = *(int *)arg;
	uint64_t n = 1;

	while (!atomic_load(&stop_snatching)) {
		fcntl(fd, F_SETFL, 0);
		if (write(fd, &n, sizeof(n)) < 0)
			break;
		fcntl(fd, F_SETFL, O_NONBLOCK);
		if (read(fd, &n, sizeof(n)) < 0)
			n = 1;
		n = 1;
	}
	return NULL;
}

static void c2_kick_snatched(void **state)
{
	int64_t end = now_ms() + 2000;
	unsigned int rounds = 0;
	int fd = eventfd(0, EFD_CLOEXEC);
	pthread_t t;

	assert_true(fd >= 0);
	for (unsigned int q = 0; q < 2; q++)
		assert_int_equal(set_fd(VU_SET_VRING_KICK, q, fd), 0);
	guest_fill(&evil);
	atomic_store(&stop_snatching, false);
	assert_int_equal(pthread_create(&t, NULL, snatch, &fd), 0);
	for (; now_ms() < end; rounds++)
		control_answers();
	atomic_store(&stop_snatching, true);
	pthread_join(t, NULL);
	print_message("    %u answers of control\n", rounds);
	/* One that is always readable, and full. */
	fill_eventfd((fcntl(fd, F_SETFL, O_NONBLOCK), fd));
	make_blocking(fd);
	control_answers();
	guest_again(&evil, true);
	traffic_flows();
	close(fd);
	mark();
}

/* ---- every kind, with every message ---- */

struct kind {
	const char *name;
	int fd, other;		/* other: to be kept open with it; -1: none */
};

/* Make a socket with unsent data, whose close waits for sending it (SO_LINGER). */
static int lingering_tcp(int *other)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct linger wait = { 1, 60 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);

	assert_true(listener >= 0 && fd >= 0);
	/* The run has a network namespace of its own, and loopback may be down there. */
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&a, &len) || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		print_message("    a TCP socket that is not connected: %s\n", strerror(errno));
	else
		fill_socket(fd);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait));
	*other = listener;
	return fd;
}

static int sealed_memory(int seals, size_t bytes)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static unsigned int make_kinds(struct kind *k)
{
	unsigned int n = 0;
	sigset_t none;
	int p[2];

	sigemptyset(&none);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	k[n++] = (struct kind){ "pipe, to read", p[0], -1 };
	k[n++] = (struct kind){ "pipe, to write", p[1], -1 };
	k[n++] = (struct kind){ "folder", open("/", O_RDONLY | O_CLOEXEC), -1 };
	k[n++] = (struct kind){ "a path only", open("/proc/self/exe", O_PATH | O_CLOEXEC), -1 };
	k[n++] = (struct kind){ "/dev/null", open("/dev/null", O_RDWR | O_CLOEXEC), -1 };
	k[n++] = (struct kind){ "/proc file", open("/proc/self/stat", O_RDONLY | O_CLOEXEC), -1 };
	k[n++] = (struct kind){ "epoll", epoll_create1(EPOLL_CLOEXEC), -1 };
	k[n++] = (struct kind){ "timer", timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), -1 };
	k[n++] = (struct kind){ "signalfd", signalfd(-1, &none, SFD_CLOEXEC), -1 };
	k[n++] = (struct kind){ "pidfd", syscall(SYS_pidfd_open, getpid(), 0), -1 };
	k[n++] = (struct kind){ "userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC), -1 };
	k[n++] = (struct kind){ "memory sealed against writing", sealed_memory(F_SEAL_WRITE | F_SEAL_SHRINK, 1 << 16), -1 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, p), 0);
	k[n++] = (struct kind){ "UNIX datagram socket", p[0], p[1] };
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p), 0);
	k[n++] = (struct kind){ "UNIX packet socket", p[0], p[1] };
	k[n++] = (struct kind){ "UDP socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), -1 };
	k[n].name = "TCP socket that lingers";
	k[n].fd = lingering_tcp(&k[n].other);
	n++;
	return n;
}

/* None of these belongs in any message. */
static void refuse_kind(const struct kind *k)
{
	struct { uint32_t n, padding; struct nfvd_vu_region r[1]; } t = { .n = 1 };
	static const uint32_t about_queue[] = { VU_SET_VRING_KICK, VU_SET_VRING_CALL, VU_SET_VRING_ERR };
	static const uint32_t plain[] = { VU_SET_OWNER, VU_GET_FEATURES, VU_RESET_OWNER, VU_GET_QUEUE_NUM, VU_SET_BACKEND_REQ_FD };
	uint64_t u64;

	if (k->fd < 0) {
		print_message("    %s: not to be had here\n", k->name);
		return;
	}
	print_message("    %s\n", k->name);
	t.r[0] = (struct nfvd_vu_region){ .gpa = 1 << 20, .size = 1 << 16, .uva = 1ull << 40 };
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(set_fd(about_queue[i], TX, k->fd), -EREMOTEIO);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(vuf_tell(&evil.f, plain[i], NULL, 0, &k->fd, 1), -EREMOTEIO);
	u64 = evil.f.features;
	assert_int_equal(vuf_tell(&evil.f, VU_SET_FEATURES, &u64, sizeof(u64), &k->fd, 1), -EREMOTEIO);
	assert_int_equal(vuf_tell(&evil.f, VU_SET_MEM_TABLE, &t, sizeof(t), &k->fd, 1), -EREMOTEIO);
	traffic_flows();
}

static void c2_every_kind(void **state)
{
	unsigned int before = nfvd_fds(), n;
	struct kind kinds[20];

	n = make_kinds(kinds);
	for (unsigned int i = 0; i < n; i++) {
		refuse_kind(&kinds[i]);
		control_answers();
	}
	for (unsigned int i = 0; i < n; i++) {
		/* The test's own close must not linger. */
		setsockopt(kinds[i].fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 0 }, sizeof(struct linger));
		close(kinds[i].fd);
		if (kinds[i].other >= 0)
			close(kinds[i].other);
	}
	queue_is("evil", TX, "running", NULL);
	assert_true(wait_until(nfvd_fds() <= before, PATIENCE_MS));
	mark();
}

/* Memory that is sealed, so that it cannot vanish. */
static void d2_sealed_memory(void **state)
{
	struct { uint32_t n, padding; struct nfvd_vu_region r[1]; } t = { .n = 1 };
	int fd = sealed_memory(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 1 << 16);

	t.r[0] = (struct nfvd_vu_region){ .gpa = 1 << 20, .size = 1 << 16, .uva = 1ull << 40 };
	assert_int_equal(vuf_tell(&evil.f, VU_SET_MEM_TABLE, &t, sizeof(t), &fd, 1), 0);
	close(fd);
	guest_again(&evil, true);
	traffic_flows();
	mark();
}

/* ---- a file whose server does not answer ---- */

#define BIT(op)	(1ull << (op))
#define GATES	8	/* that may hang, of one port: dataplane/vhost/peer.c */

/* Send it once in each message. nfvd must only close it, and must not wait for its server when it does. */
static void send_file(int fd, uint64_t withhold)
{
	struct { uint32_t n, padding; struct nfvd_vu_region r[1]; } t = { .n = 1 };
	unsigned int before = nfvd_fds();

	t.r[0] = (struct nfvd_vu_region){ .gpa = 1 << 20, .size = 1 << 16, .uva = 1ull << 40 };
	for (unsigned int i = 0; i < 5; i++) {
		fuse_withhold(withhold);
		mark();
		switch (i) {
		case 0: assert_int_equal(vuf_tell(&evil.f, VU_SET_MEM_TABLE, &t, sizeof(t), &fd, 1), -EREMOTEIO); break;
		case 1: assert_int_equal(set_fd(VU_SET_VRING_CALL, RX, fd), -EREMOTEIO); break;
		case 2: assert_int_equal(set_fd(VU_SET_VRING_KICK, TX, fd), -EREMOTEIO); break;
		case 3: assert_int_equal(vuf_tell(&evil.f, VU_SET_BACKEND_REQ_FD, NULL, 0, &fd, 1), -EREMOTEIO); break;
		case 4: assert_int_equal(vuf_tell(&evil.f, VU_SET_OWNER, NULL, 0, &fd, 1), -EREMOTEIO); break;
		}
		moved("evil", i ? "vu_bad_fds" : "mem_not_ram", 1, NULL);
		/* Other peers connect and leave, control responds, frames pass; then this peer works again. */
		traffic_flows();
		guest_again(&peer, true);
		control_answers();
		guest_again(&evil, true);
		traffic_flows();
		fuse_withhold(0);
	}
	/* A gate that hung is forgotten when its port's next peer comes. */
	assert_true(wait_until((guest_again(&evil, true), nfvd_fds() <= before), PATIENCE_MS));
}

/* Closing the file hangs in each process that has received it. They become few, however often the peer connects. */
static void send_often(int fd)
{
	struct { uint32_t n, padding; struct nfvd_vu_region r[1]; } t = { .n = 1 };
	unsigned int before = nfvd_fds(), served = 0;

	t.r[0] = (struct nfvd_vu_region){ .gpa = 1 << 20, .size = 1 << 16, .uva = 1ull << 40 };
	fuse_withhold(BIT(FUSE_FLUSH) | BIT(FUSE_RELEASE));
	mark();
	while (served <= GATES && !moved_by("evil", "vu_hung")) {
		guest_down(&evil);
		assert_int_equal(vuf_connect(&evil.f, evil.path), 0);
		if (!vuf_tell(&evil.f, VU_SET_MEM_TABLE, &t, sizeof(t), &fd, 1))
			fail_msg("the file is taken for memory");
		assert_true(wait_until(moved_by("evil", "mem_not_ram") > served || moved_by("evil", "vu_hung"), PATIENCE_MS));
		served = moved_by("evil", "mem_not_ram");
	}
	print_message("    %u connections hang, and no more\n", served);
	assert_in_range(served, 1, GATES);
	guest_again(&peer, true);
	control_answers();
	fuse_withhold(0);
	sleep(2);	/* for one of them to end, at least */
	assert_true(wait_until((guest_again(&evil, true), nfvd_fds() <= before), PATIENCE_MS));
	traffic_flows();
	mark();
}

static void c2_fuse_file(void **state)
{
	int fd = fuse_start(1 << 20);

	if (fd < 0) {
		print_message("    no FUSE: %s\n", strerror(-fd));
		if (geteuid() == 0)
			fail_msg("root cannot mount a FUSE file system: %s", strerror(-fd));
		return;
	}
	print_message("    it answers\n");
	send_file(fd, 0);
	print_message("    closing it is not answered\n");
	send_file(fd, BIT(FUSE_FLUSH) | BIT(FUSE_RELEASE));
	print_message("    nothing is\n");
	send_file(fd, ~(BIT(FUSE_INIT) | BIT(FUSE_INTERRUPT) | BIT(FUSE_FORGET)));
	print_message("    closing it is not answered, many times\n");
	send_often(fd);
	close(fd);
	fuse_stop();
	mark();
}

int fds_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(c2_call_made_blocking),
		evil_test(c2_call_crowded),
		evil_test(c2_kick_snatched),
		evil_test(c2_every_kind),
		evil_test(d2_sealed_memory),
		evil_test(c2_fuse_file),
	};

	return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
