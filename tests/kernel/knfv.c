/* SPDX-License-Identifier: BSD-3-Clause */
#include "knfv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define ETHERTYPE	0x88b5	/* for local experiments */
#define PATIENCE_MS	10000	/* emulated, beside another machine */

void sh(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command))
		fail_msg("failed: %s", command);
}

int ifindex(const char *name)
{
	int i = if_nametoindex(name);

	if (!i)
		fail_msg("no device %s", name);
	return i;
}

int in_child(int (*f)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);	/* cmocka has a handler */
		_exit(f());
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int net_up(void **state)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	sh("for i in 0 1; do ip link add h$i type veth peer name c$i && ip link set h$i up && ip link set c$i up &&"
	   " echo 1 >/proc/sys/net/ipv6/conf/c$i/disable_ipv6 && echo 1 >/proc/sys/net/ipv6/conf/h$i/disable_ipv6 ||"
	   " exit 1; done");
	return 0;
}

int net_down(void **state)
{
	return unshare(CLONE_NEWNET);	/* the old one ends with its last process */
}

int session_open(void)
{
	struct nfv_hello h = { .abi = NFV_ABI_VERSION };
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, NFV_IOC_HELLO, &h), 0);
	return fd;
}

struct nfv_attach attach_args(const char *dev, uint32_t entries)
{
	struct nfv_attach a = {
		.type = NFV_PORT_NETDEV, .ifindex = ifindex(dev), .netns_fd = -1, .queues = 1, .entries = entries,
	};

	memset(a.eventfd, 0xff, sizeof(a.eventfd));
	return a;
}

int port_open(struct kport *p, int session, const char *dev, uint32_t entries)
{
	struct nfv_attach a = attach_args(dev, entries);

	return port_attach(p, session, &a);
}

int port_attach(struct kport *p, int session, struct nfv_attach *a)
{
	memset(p, 0, sizeof(*p));
	p->session = session;
	a->eventfd[0] = p->wake = eventfd(0, EFD_NONBLOCK);
	if (ioctl(session, NFV_IOC_ATTACH, a)) {
		int error = errno;

		close(p->wake);
		return -error;
	}
	p->id = a->port;
	p->map_bytes = a->map_bytes;
	p->producer = mmap(NULL, p->map_bytes, PROT_READ, MAP_SHARED, session, NFV_MMAP(p->id, 0, NFV_MMAP_ENTRIES));
	p->consumer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, session,
			   NFV_MMAP(p->id, 0, NFV_MMAP_CONSUMER));
	assert_true(p->producer != MAP_FAILED && p->consumer != MAP_FAILED);
	p->entries = (const void *)((const uint8_t *)p->producer + NFV_ENTRIES_OFFSET);
	p->mask = p->producer->entries - 1;
	assert_int_equal(p->mask + 1, a->entries);
	return 0;
}

void port_close(struct kport *p)
{
	struct nfv_detach d = { .port = p->id };

	munmap((void *)p->producer, p->map_bytes);
	munmap(p->consumer, PAGE);
	assert_int_equal(ioctl(p->session, NFV_IOC_DETACH, &d), 0);
	close(p->wake);
}

struct nfv_stats stats_of(const struct kport *p)
{
	struct nfv_stats s = { .port = p->id };

	assert_int_equal(ioctl(p->session, NFV_IOC_STATS, &s), 0);
	return s;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

const struct nfv_entry *entry(struct kport *p, uint32_t n)
{
	int64_t end = now_ms() + PATIENCE_MS;

	while (nfv_ring_filled(&p->producer->prod, p->cons) <= n) {
		if (now_ms() > end)
			fail_msg("no frame came");
		sched_yield();
	}
	return &p->entries[(p->cons + n) & p->mask];
}

uint64_t handle(const struct kport *p, const struct nfv_entry *e)
{
	return NFV_HANDLE(p->id, 0, e->pos);
}

void pass(struct kport *p, uint32_t n)
{
	p->cons += n;
	nfv_ring_pass(&p->consumer->cons, p->cons);
}

int op_run(int session, struct nfv_op *op)
{
	struct nfv_batch b = { .ops = (uintptr_t)op, .n = 1 };

	return ioctl(session, NFV_IOC_BATCH, &b) ? -errno : op->result;
}

struct nfv_op op_copy(uint64_t h, uint32_t offset, struct iovec *iov, unsigned int n)
{
	return (struct nfv_op){ .code = NFV_OP_COPY, .handle = h, .offset = offset, .iov = (uintptr_t)iov, .iov_n = n };
}

struct nfv_op op_send(const struct kport *p, struct iovec *iov, unsigned int n)
{
	return (struct nfv_op){ .code = NFV_OP_SEND, .port = p->id, .iov = (uintptr_t)iov, .iov_n = n };
}

struct nfv_op op_forward(uint64_t h, const struct kport *to, uint8_t flags)
{
	return (struct nfv_op){ .code = NFV_OP_FORWARD, .handle = h, .port = to->id, .flags = flags };
}

int raw_open(const char *dev)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(0x0003), .sll_ifindex = ifindex(dev),
	};
	const int on = 1;
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(sock >= 0);
	assert_int_equal(setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&to, sizeof(to)), 0);
	return sock;
}

void raw_send(int sock, const char *dev, const void *frame, size_t len)
{
	struct pollfd p = { .fd = sock, .events = POLLOUT };

	while (send(sock, frame, len, 0) < 0) {
		if (errno != EAGAIN && errno != ENOBUFS)
			fail_msg("cannot send on %s: %s", dev, strerror(errno));
		poll(&p, 1, 100);
	}
}

int raw_recv(int sock, void *buf, size_t len)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int n;

	while (poll(&p, 1, 3000) > 0) {
		n = recv(sock, buf, len, 0);
		if (n >= 14 && !memcmp((uint8_t *)buf + 6, SRC, 6))
			return n;
	}
	return -1;
}

void make_frame(uint8_t *buf, size_t len, uint8_t seed)
{
	memcpy(buf, DST, 6);
	memcpy(buf + 6, SRC, 6);
	buf[12] = ETHERTYPE >> 8;
	buf[13] = ETHERTYPE & 0xff;
	for (size_t i = 14; i < len; i++)
		buf[i] = seed + i;
}

/* ---- memory whose page faults the test delays ---- */

void slow_up(struct slow *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	s->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	assert_true(s->fd >= 0 && s->page != MAP_FAILED);
	assert_int_equal(ioctl(s->fd, UFFDIO_API, &api), 0);
	r.range = (struct uffdio_range){ (uintptr_t)s->page, PAGE };
	assert_int_equal(ioctl(s->fd, UFFDIO_REGISTER, &r), 0);
}

void slow_wait(struct slow *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	struct uffd_msg msg;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(s->fd, &msg, sizeof(msg)), sizeof(msg));
}

void slow_answer(struct slow *s)
{
	uint8_t bytes[PAGE];
	struct uffdio_copy c = { .dst = (uintptr_t)s->page, .src = (uintptr_t)bytes, .len = PAGE };

	make_frame(bytes, PAGE, 9);
	assert_int_equal(ioctl(s->fd, UFFDIO_COPY, &c), 0);
}

void slow_down(struct slow *s)
{
	munmap(s->page, PAGE);
	close(s->fd);
}
