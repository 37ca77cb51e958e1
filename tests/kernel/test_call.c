/* SPDX-License-Identifier: BSD-3-Clause */
/* nfv.ko: permissions of calls, and invalid calls. Group F of the hostile cases. */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "one_session.h"

static void greeting(void **state)
{
	struct nfv_hello h = { .abi = NFV_ABI_VERSION + 1 };
	struct nfv_stats s = { 0 };
	int fd = open(DEVICE, O_RDWR);

	assert_true(fd >= 0);
	assert_errno(ioctl(fd, NFV_IOC_STATS, &s), EPROTO);
	assert_errno(ioctl(fd, NFV_IOC_HELLO, &h), EPROTO);
	assert_int_equal(h.abi, NFV_ABI_VERSION);
	assert_errno(ioctl(fd, NFV_IOC_STATS, &s), EPROTO);
	h = (struct nfv_hello){ .abi = NFV_ABI_VERSION, .flags = 1 };
	assert_errno(ioctl(fd, NFV_IOC_HELLO, &h), EINVAL);
	h = (struct nfv_hello){ .abi = NFV_ABI_VERSION };
	h.reserved[10] = 1;
	assert_errno(ioctl(fd, NFV_IOC_HELLO, &h), EINVAL);
	h = (struct nfv_hello){ .abi = NFV_ABI_VERSION };
	assert_int_equal(ioctl(fd, NFV_IOC_HELLO, &h), 0);
	assert_true(h.ring_entries >= NFV_RING_MIN && h.held_kib && h.held_ms);
	assert_errno(ioctl(fd, NFV_IOC_STATS, &s), ENOENT);
	close(fd);
}

static void bad_calls(void **state)
{
	static const unsigned long calls[] = {
		NFV_IOC_HELLO, NFV_IOC_ATTACH, NFV_IOC_DETACH, NFV_IOC_BATCH, NFV_IOC_STATS, NFV_IOC_FDB, NFV_IOC_FORWARDED,
	};
	struct nfv_op op = { .code = NFV_OP_DROP };
	struct nfv_batch b = { .ops = 8, .n = 1 };
	struct nfv_detach d = { .port = 3 };
	struct nfv_stats s = { .accepts = 1 };
	char any[512] = { 0 };

	for (unsigned int i = 0; i < 7; i++) {
		assert_errno(ioctl(session, calls[i], NULL), EFAULT);
		assert_errno(ioctl(session, calls[i], (void *)8), EFAULT);
		assert_errno(ioctl(session, calls[i], (void *)~0xfffull), EFAULT);
		/* The argument's size is part of the call's number. */
		assert_errno(ioctl(session, calls[i] + (1 << 16), any), ENOTTY);
		assert_errno(ioctl(session, calls[i] - (1 << 16), any), ENOTTY);
	}
	for (unsigned int nr = 7; nr < 256; nr++)
		assert_errno(ioctl(session, _IOWR(0xE7, nr, any), any), ENOTTY);
	assert_errno(ioctl(session, NFV_IOC_BATCH, &b), EFAULT);
	b = (struct nfv_batch){ .ops = (uintptr_t)&op, .n = 0 };
	assert_errno(ioctl(session, NFV_IOC_BATCH, &b), EINVAL);
	b.n = NFV_BATCH_MAX + 1;
	assert_errno(ioctl(session, NFV_IOC_BATCH, &b), EINVAL);
	b.n = ~0u;
	assert_errno(ioctl(session, NFV_IOC_BATCH, &b), EINVAL);
	assert_errno(ioctl(session, NFV_IOC_DETACH, &d), ENOENT);
	d.flags = 1;
	assert_errno(ioctl(session, NFV_IOC_DETACH, &d), EINVAL);
	d = (struct nfv_detach){ .port = ~0u };
	assert_errno(ioctl(session, NFV_IOC_DETACH, &d), ENOENT);
	assert_errno(ioctl(session, NFV_IOC_STATS, &s), EINVAL);
	/* Results that cannot be written: the operations took effect, and the call returns EFAULT. */
	{
		void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		*(struct nfv_op *)page = op;
		mprotect(page, PAGE, PROT_READ);
		b = (struct nfv_batch){ .ops = (uintptr_t)page, .n = 1 };
		assert_errno(ioctl(session, NFV_IOC_BATCH, &b), EFAULT);
		munmap(page, PAGE);
	}
}

static void bad_attach(void **state)
{
	struct nfv_attach a, good = attach_args("h0", 64);
	struct kport p;

	a = good; a.ifindex = 9999;
	assert_errno(ioctl(session, NFV_IOC_ATTACH, &a), ENODEV);
	a = good; a.netns_fd = 9999;
	assert_errno(ioctl(session, NFV_IOC_ATTACH, &a), EBADF);
	a = good; a.netns_fd = session;
	assert_errno(ioctl(session, NFV_IOC_ATTACH, &a), EBADF);
	a = good; a.eventfd[0] = session;
	assert_errno(ioctl(session, NFV_IOC_ATTACH, &a), EBADF);
	a = good; a.eventfd[0] = 9999;
	assert_errno(ioctl(session, NFV_IOC_ATTACH, &a), EBADF);
	a = good; a.entries = 100;
	assert_errno(ioctl(session, NFV_IOC_ATTACH, &a), EINVAL);
	a = good; a.queues = 9;
	assert_errno(ioctl(session, NFV_IOC_ATTACH, &a), EINVAL);
	/* After all these, a valid attach works, once. */
	assert_int_equal(port_open(&p, session, "h0", 64), 0);
	a = good;
	assert_errno(ioctl(session, NFV_IOC_ATTACH, &a), EBUSY);
	port_close(&p);
}

static int drop_net_admin(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return 1;
	d[0].effective &= ~(1u << CAP_NET_ADMIN | 1u << CAP_IPC_LOCK);
	d[0].permitted &= ~(1u << CAP_NET_ADMIN | 1u << CAP_IPC_LOCK);
	return syscall(SYS_capset, &h, d) ? 1 : 0;
}

static int open_without(void)
{
	return drop_net_admin() || open(DEVICE, O_RDWR) != -1 || errno != EPERM;
}

static int open_as_root_of_a_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) || open(DEVICE, O_RDWR) != -1 || (errno != EPERM && errno != EACCES);
}

/* Opening and attaching both need CAP_NET_ADMIN; a passed session can be used, but cannot attach. */
static int attach_without(void)
{
	struct nfv_attach a = attach_args("h0", 64);
	struct nfv_op op = { .code = NFV_OP_DROP };

	if (drop_net_admin())
		return 1;
	if (ioctl(session, NFV_IOC_ATTACH, &a) != -1 || errno != EPERM)
		return 2;
	return op_run(session, &op) == -ENOENT ? 0 : 3;
}

static int attach_as_another_user(void)
{
	struct nfv_attach a = attach_args("h0", 64);

	if (setgroups(0, NULL) || setgid(1000) || setuid(1000))
		return 1;
	return ioctl(session, NFV_IOC_ATTACH, &a) != -1 || errno != EPERM;
}

static void permissions(void **state)
{
	assert_int_equal(in_child(open_without), 0);
	assert_int_equal(in_child(open_as_root_of_a_user_namespace), 0);
	assert_int_equal(in_child(attach_without), 0);
	assert_int_equal(in_child(attach_as_another_user), 0);
}

static struct kport p;

static void attach_and_detach(void **state)
{
	int n = getenv("NFV_KERNEL_SLOW") ? 30 : 200;

	for (int i = 0; i < n; i++) {
		assert_int_equal(port_open(&p, session, i % 2 ? "h0" : "h1", 64), 0);
		port_close(&p);
	}
}

/* F9 */
static void device_goes(void **state)
{
	struct pollfd f = { .fd = session, .events = POLLIN };
	struct nfv_op op;
	uint8_t buf[100];
	struct iovec iov = { buf, sizeof(buf) };

	assert_int_equal(port_open(&p, session, "h0", 64), 0);
	make_frame(buf, sizeof(buf), 1);
	assert_int_equal(poll(&f, 1, 0), 0);
	sh("ip link del h0");
	assert_int_equal(poll(&f, 1, 5000), 1);
	assert_int_equal(f.revents, POLLHUP);
	assert_int_equal(stats_of(&p).state, NFV_STATE_GONE);
	op = op_send(&p, &iov, 1);
	assert_int_equal(op_run(session, &op), -ENODEV);
	port_close(&p);
	assert_int_equal(poll(&f, 1, 0), 0);
}

/* F6, F7: all calls at once, on one session, while ports are attached and detached. */
static atomic_bool stop;
static atomic_uint shared_port;

static void *hammer(void *arg)
{
	unsigned int what = (uintptr_t)arg, n = 0;
	static __thread uint8_t buf[2000];
	struct iovec iov = { buf, 1000 };

	make_frame(buf, 1000, 1);
	while (!atomic_load(&stop)) {
		struct kport q = { .id = atomic_load(&shared_port) };
		struct nfv_op op = op_send(&q, &iov, 1);
		struct pollfd f = { .fd = session, .events = POLLIN };
		struct nfv_stats s = { .port = q.id };
		void *m;

		switch (what) {
		case 0:
			op_run(session, &op);
			break;
		case 1:
			op = op_copy(NFV_HANDLE(q.id, 0, n), NFV_HDR_MAX, &iov, 1);
			op_run(session, &op);
			break;
		case 2:
			ioctl(session, NFV_IOC_STATS, &s);
			poll(&f, 1, 0);
			break;
		default:
			m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, session,
				 NFV_MMAP(q.id, 0, NFV_MMAP_CONSUMER));
			if (m != MAP_FAILED) {
				*(volatile uint32_t *)m = 0;
				munmap(m, PAGE);
			}
		}
		n++;
	}
	return NULL;
}

static void all_at_once(void **state)
{
	struct timespec start, now;
	pthread_t t[6];
	int sock = raw_open("c0");
	uint8_t buf[1000];

	make_frame(buf, sizeof(buf), 1);
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer, (void *)(i % 4)), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		assert_int_equal(port_open(&p, session, "h0", 64), 0);
		atomic_store(&shared_port, p.id);
		for (int i = 0; i < 20; i++)
			raw_send(sock, "c0", buf, sizeof(buf));
		port_close(&p);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < 5);
	atomic_store(&stop, true);
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	close(sock);
}

/* The fd is closed under a call: the session lives until the call ends. */
static void *close_it(void *arg)
{
	usleep(rand() % 2000);
	close(*(int *)arg);
	return NULL;
}

static void closed_under_calls(void **state)
{
	for (int i = 0; i < 30; i++) {
		int fd = session_open();
		struct nfv_attach a = attach_args("h0", 64);
		struct nfv_stats s = { 0 };
		pthread_t t;

		pthread_create(&t, NULL, close_it, &fd);
		ioctl(fd, NFV_IOC_ATTACH, &a);
		while (!ioctl(fd, NFV_IOC_STATS, &s) || errno == ENOENT)
			;
		pthread_join(t, NULL);
	}
}

/* F1, R2: each allocation of an attach and of a batch fails once; the next try works. */
static bool fail_nth(int n)
{
	char path[64], text[16];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	fd = open(path, O_RDWR);
	if (fd < 0)
		return false;
	snprintf(text, sizeof(text), "%d", n);
	if (write(fd, text, strlen(text)) < 0)
		n = -1;
	close(fd);
	return n >= 0;
}

static void allocations_fail(void **state)
{
	static uint8_t buf[60000];
	struct iovec iov[10];
	int failed = 0;

	if (!fail_nth(0))
		skip();
	for (int n = 1; n < 80; n++) {
		struct nfv_attach a = attach_args("h0", 64);
		struct nfv_detach d;

		fail_nth(n);
		if (ioctl(session, NFV_IOC_ATTACH, &a)) {
			int error = errno;

			fail_nth(0);
			/* Copies from and to user memory may be made to fail, too. */
			if (error != ENOMEM && error != ENOBUFS && error != EFAULT)
				fail_msg("attach with failure %d: %s", n, strerror(error));
			failed++;
			continue;
		}
		fail_nth(0);
		d.port = a.port;
		d.flags = 0;
		assert_int_equal(ioctl(session, NFV_IOC_DETACH, &d), 0);
	}
	assert_true(failed > 3);
	assert_int_equal(port_open(&p, session, "h0", 64), 0);
	for (int i = 0; i < 10; i++)
		iov[i] = (struct iovec){ buf + i * 140, 140 };
	make_frame(buf, 1400, 1);
	failed = 0;
	for (int n = 1; n < 40; n++) {
		struct nfv_op op = op_send(&p, iov, 10);
		int result;

		fail_nth(n);
		result = op_run(session, &op);
		fail_nth(0);
		if (result != 1400 && result != -ENOMEM && result != -ENOBUFS && result != -EFAULT)
			fail_msg("send with failure %d: %d", n, result);
		failed += result != 1400;
	}
	assert_true(failed > 2);
	port_close(&p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(greeting), T(bad_calls), T(bad_attach), T(permissions), T(attach_and_detach), T(device_goes),
		T(all_at_once), T(closed_under_calls), T(allocations_fail),
	};

	return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
