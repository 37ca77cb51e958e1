/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of nfv.ko: a session and its rings by hand, and devices to attach.
 *
 * Each test has its own network namespace with two veth pairs, h0-c0 and h1-c1, whose four
 * ends are up. A frame that is sent on c0 arrives at h0, and the reverse.
 */
#ifndef KNFV_H
#define KNFV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uapi/linux/nfv.h>
#include <nfv/ring.h>

#define DEVICE	"/dev/nfv"
#define PAGE	4096
#define SRC	"\x02\x00\x00\x00\x00\x01"
#define DST	"\x02\x00\x00\x00\x00\x02"

struct kport {
	int session, wake;
	uint32_t id, map_bytes, mask, cons;
	const struct nfv_producer *producer;
	const struct nfv_entry *entries;
	struct nfv_consumer *consumer;
};

/* Make the namespace and the devices; net_down removes them. For cmocka. */
int net_up(void **state);
int net_down(void **state);
void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* fails the test if the command does */
int ifindex(const char *name);
int in_child(int (*f)(void));			/* f's exit status in a process of its own; 128 + signal if it was killed */

int session_open(void);				/* greeted */
struct nfv_attach attach_args(const char *dev, uint32_t entries);
int port_open(struct kport *p, int session, const char *dev, uint32_t entries);	/* 0 or -errno */
int port_attach(struct kport *p, int session, struct nfv_attach *a);	/* the same, of any type */
void port_close(struct kport *p);		/* detach and unmap */
struct nfv_stats stats_of(const struct kport *p);

/* Return entry n after the consumer index. Wait for it for up to a few seconds. */
const struct nfv_entry *entry(struct kport *p, uint32_t n);
uint64_t handle(const struct kport *p, const struct nfv_entry *e);
void pass(struct kport *p, uint32_t n);
int op_run(int session, struct nfv_op *op);	/* one operation: its result, or -errno of the call */
struct nfv_op op_copy(uint64_t handle, uint32_t offset, struct iovec *iov, unsigned int n);
struct nfv_op op_send(const struct kport *p, struct iovec *iov, unsigned int n);
struct nfv_op op_forward(uint64_t handle, const struct kport *to, uint8_t flags);

int raw_open(const char *dev);			/* a packet socket, non-blocking */
void raw_send(int sock, const char *dev, const void *frame, size_t len);
int raw_recv(int sock, void *buf, size_t len);	/* waits; skips frames that are not from SRC; -1: none arrived */
/* Make a frame from SRC to DST of a test ethertype, whose bytes count up from seed. */
void make_frame(uint8_t *buf, size_t len, uint8_t seed);

/* A page that is present only after slow_answer(): earlier accesses wait. */
struct slow {
	int fd;
	uint8_t *page;
};

void slow_up(struct slow *s);
void slow_wait(struct slow *s);			/* wait until an access waits */
void slow_answer(struct slow *s);		/* it has a frame of make_frame(), seed 9 */
void slow_down(struct slow *s);

#define assert_errno(call, error) do { assert_int_equal(call, -1); assert_int_equal(errno, error); } while (0)

#endif
