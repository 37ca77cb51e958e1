/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bad-daemon DOMID WHAT - in dom0: a daemon that mistreats a guest's held frames until it is killed:
 *
 *	self	send them back to the guest, which posts no buffers
 *	fault	the same, in a batch that then accesses memory whose page faults take a second
 *	copy	copy them to such memory
 *	flood	send each one back many times, then copy
 *	idle	nothing
 *
 * It prints "ready" when it has the first frame.
 */
#include <pthread.h>
#include <stdio.h>
#include "knfv.h"

static int session;
static struct kport p;
static struct nfv_op ops[20];
static unsigned int n_ops;

static void *batch(void *arg)
{
	struct nfv_batch b = { .ops = (uintptr_t)ops, .n = n_ops };

	return (void *)(intptr_t)ioctl(session, NFV_IOC_BATCH, &b);
}

/* Run the operations in ops[], one of which faults in slow. */
static void run_slowly(struct slow *slow)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, batch, NULL), 0);
	/* A frame whose guest has gone is not copied, so there may be no fault. */
	usleep(1000000);
	slow_answer(slow);
	pthread_join(t, NULL);
}

static void deal_with(uint64_t h, const char *what)
{
	struct slow slow;
	struct iovec iov;

	slow_up(&slow);
	iov = (struct iovec){ slow.page, PAGE };
	n_ops = 0;
	if (!strcmp(what, "flood"))
		while (n_ops < 16)
			ops[n_ops++] = op_forward(h, &p, 0);
	if (!strcmp(what, "self") || !strcmp(what, "fault"))
		ops[n_ops++] = op_forward(h, &p, NFV_OP_LAST);
	if (!strcmp(what, "fault")) {
		iov.iov_len = 1000;
		ops[n_ops++] = op_send(&p, &iov, 1);
	}
	if (!strcmp(what, "copy") || !strcmp(what, "flood")) {
		ops[n_ops] = op_copy(h, NFV_HDR_MAX, &iov, 1);
		ops[n_ops++].flags = NFV_OP_LAST;
	}
	if (!strcmp(what, "self"))
		batch(NULL);
	else if (n_ops)
		run_slowly(&slow);
	slow_down(&slow);
}

int main(int argc, char **argv)
{
	struct nfv_attach a = { .type = NFV_PORT_XEN, .netns_fd = -1, .queues = 1, .entries = 256 };
	bool ready = false;

	if (argc != 3)
		return 2;
	a.domid = atoi(argv[1]);
	memset(a.eventfd, 0xff, sizeof(a.eventfd));
	session = session_open();
	assert_int_equal(port_attach(&p, session, &a), 0);
	for (;;) {
		while (!nfv_ring_filled(&p.producer->prod, p.cons))
			usleep(2000);
		if (!ready) {
			puts("ready");
			fflush(stdout);
			ready = true;
		}
		if (strcmp(argv[2], "idle")) {
			deal_with(handle(&p, entry(&p, 0)), argv[2]);
			pass(&p, 1);
		}
	}
}
