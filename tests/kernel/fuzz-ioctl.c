/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz-ioctl [SEED [CALLS]] - random calls on sessions of nfv.ko, the same for the same
 * seed. Most fields are close to valid values; memory is mapped, unmapped, read-only or
 * unaligned. The test fails if the kernel reports a bug: the machine then panics.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include "knfv.h"

#define SESSIONS 4

static uint64_t state;
static int fds[SESSIONS], wake, c0;
static uint8_t *good, *readonly, *gone;
static struct { void *p; size_t n; } maps[16];

static uint32_t rnd(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return below ? (state >> 33) % below : state >> 33;
}

static bool rarely(void) { return rnd(16) == 0; }

static uint64_t address(void)
{
	switch (rnd(12)) {
	case 0: return (uintptr_t)readonly;
	case 1: return (uintptr_t)gone;
	case 2: return ~0ull - rnd(10000);
	case 3: return rnd(4096);
	case 4: return (uintptr_t)good + (1 << 20) - rnd(300);	/* close to the end of the memory */
	default: return (uintptr_t)good + rnd(1 << 19);
	}
}

static uint64_t length(void)
{
	return rarely() ? state : rnd(3) ? rnd(2000) : rnd(70000);
}

static void fuzz_op(struct nfv_op *op)
{
	struct iovec *iov = (struct iovec *)(good + rnd(1 << 18) / 16 * 16);

	*op = (struct nfv_op){ .code = rarely() ? rnd(256) : 1 + rnd(4) };
	if (op->code != NFV_OP_SEND)
		op->handle = rarely() ? state : NFV_HANDLE(rnd(3), rnd(2), rnd(400));
	if (op->code == NFV_OP_SEND || op->code == NFV_OP_FORWARD)
		op->port = rarely() ? state : rnd(3);
	if (op->code == NFV_OP_COPY || op->code == NFV_OP_SEND) {
		op->iov_n = rarely() ? rnd(2000) : 1 + rnd(6);
		op->iov = rarely() ? address() : (uintptr_t)iov;
		for (int i = 0; i < 8; i++)
			iov[i] = (struct iovec){ (void *)address(), length() };
	}
	if (op->code == NFV_OP_COPY)
		op->offset = rarely() ? state : NFV_HDR_MAX + rnd(1500);
	if (op->code == NFV_OP_SEND && rnd(2))
		op->vnet = (struct nfv_vnet_hdr){ rnd(4), rnd(8), rnd(200), rnd(3000), rnd(200), rnd(40), 0 };
	op->flags = rarely() ? rnd(256) : rnd(2) && (op->code & 1);
	if (rarely())
		((uint8_t *)op)[rnd(sizeof(*op))] = state;
}

static void attach(int fd)
{
	static const char *const devs[] = { "h0", "h1", "c1", "lo" };
	struct nfv_attach a = attach_args(devs[rnd(4)], 64u << rnd(4));

	a.queues = rarely() ? rnd(20) : 1 + rnd(2);
	a.eventfd[rnd(NFV_QUEUES_MAX)] = rarely() ? (int)rnd(40) : wake;
	if (rarely())
		((uint8_t *)&a)[rnd(sizeof(a))] = state;
	ioctl(fd, NFV_IOC_ATTACH, &a);
}

/* Set a table of frames()' addresses, mostly at their real ports. */
static void table(int fd)
{
	struct nfv_fdb_entry *e = (struct nfv_fdb_entry *)(good + (3 << 18));
	struct nfv_fdb f = { .entries = rarely() ? address() : (uintptr_t)e, .n = rarely() ? rnd(0) : rnd(3) };
	struct nfv_forwarded w = { .port = rnd(3), .to = address() };

	for (unsigned int i = 0; i < 2; i++) {
		e[i] = (struct nfv_fdb_entry){ .port = rnd(3), .flags = rnd(4) };
		memcpy(e[i].mac, i ? DST : SRC, 6);
	}
	if (rarely())
		((uint8_t *)e)[rnd(2 * sizeof(*e))] = state;
	ioctl(fd, NFV_IOC_FDB, &f);
	ioctl(fd, NFV_IOC_FORWARDED, &w);
}

static void map(int fd)
{
	unsigned int i = rnd(16), what = rnd(2);
	size_t n = what ? PAGE : (NFV_ENTRIES_OFFSET + (64u << rnd(4)) * sizeof(struct nfv_entry) + PAGE - 1) / PAGE * PAGE;
	void *p = mmap(NULL, n, what || rarely() ? PROT_READ | PROT_WRITE : PROT_READ, rarely() ? MAP_PRIVATE : MAP_SHARED,
		       fd, NFV_MMAP(rnd(3), rnd(2), what));

	if (p == MAP_FAILED)
		return;
	if (maps[i].p)
		munmap(maps[i].p, maps[i].n);
	maps[i].p = p;
	maps[i].n = n;
	/* Advance the consumer index, to a valid or invalid value. */
	if (what)
		*(volatile uint32_t *)p = rarely() ? state : rnd(200);
}

static void frames(void)
{
	uint8_t buf[2000];
	size_t n = 14 + rnd(1480);

	make_frame(buf, n, state);
	if (rnd(3) == 0) {
		buf[12] = 8;
		buf[13] = 0;
	}
	if (send(c0, buf, n, 0) < 0)
		return;
}

static void step(void)
{
	static const unsigned long calls[] = { NFV_IOC_HELLO, NFV_IOC_ATTACH, NFV_IOC_DETACH, NFV_IOC_BATCH, NFV_IOC_STATS,
		NFV_IOC_FDB, NFV_IOC_FORWARDED };
	unsigned int s = rnd(SESSIONS);
	struct nfv_hello h = { .abi = NFV_ABI_VERSION };
	struct nfv_batch b = { .n = 1 + rnd(8) };
	struct nfv_detach d = { .port = rarely() ? rnd(0) : rnd(3) };
	struct nfv_stats st = { .port = rnd(3) };
	struct pollfd p = { .fd = fds[s], .events = POLLIN };
	struct nfv_op *ops = (struct nfv_op *)(good + (1 << 19));

	switch (rnd(14)) {
	case 0:
		close(fds[s]);
		fds[s] = open(DEVICE, O_RDWR);
		if (!rarely())
			ioctl(fds[s], NFV_IOC_HELLO, &h);
		break;
	case 1: case 2:
		attach(fds[s]);
		break;
	case 3:
		if (rnd(3) == 0)
			ioctl(fds[s], NFV_IOC_DETACH, &d);
		break;
	case 4:
		ioctl(fds[s], NFV_IOC_STATS, &st);
		poll(&p, 1, 0);
		break;
	case 5:
		ioctl(fds[s], calls[rnd(7)], (void *)address());
		break;
	case 6:
		map(fds[s]);
		table(fds[s]);
		break;
	case 7: case 8:
		frames();
		break;
	default:
		for (unsigned int i = 0; i < b.n; i++)
			fuzz_op(&ops[i]);
		b.ops = rarely() ? address() : (uintptr_t)ops;
		if (rarely())
			b.n = rnd(400);
		ioctl(fds[s], NFV_IOC_BATCH, &b);
	}
}

int main(int argc, char **argv)
{
	unsigned int calls = argc > 2 ? atoi(argv[2]) : 20000;

	state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	net_up(NULL);
	c0 = raw_open("c0");
	wake = eventfd(0, EFD_NONBLOCK);
	/* An unmapped page follows the valid ones. */
	good = mmap(NULL, (1 << 20) + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	gone = good + (1 << 20);
	munmap(gone, PAGE);
	readonly = mmap(NULL, 1 << 18, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < SESSIONS; i++)
		fds[i] = session_open();
	for (unsigned int i = 0; i < calls; i++)
		step();
	return 0;
}
