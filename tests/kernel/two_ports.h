/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of nfv.ko with cmocka: each has a session with port a at h0 and port b at h1, and sends and receives at
 * their other ends, c0 and c1.
 */
#ifndef TWO_PORTS_H
#define TWO_PORTS_H

#include "knfv.h"

#define ENTRIES 64

static uint8_t frame[70000], got[70000];
static int session, c0, c1;
static struct kport a, b;

static int up(void **state)
{
	net_up(state);
	session = session_open();
	assert_int_equal(port_open(&a, session, "h0", ENTRIES), 0);
	assert_int_equal(port_open(&b, session, "h1", ENTRIES), 0);
	c0 = raw_open("c0");
	c1 = raw_open("c1");
	return 0;
}

static int down(void **state)
{
	close(session);
	munmap((void *)a.producer, a.map_bytes);
	munmap((void *)b.producer, b.map_bytes);
	munmap(a.consumer, PAGE);
	munmap(b.consumer, PAGE);
	close(a.wake);
	close(b.wake);
	close(c0);
	close(c1);
	return net_down(state);
}

static void send_c0(size_t len, uint8_t seed)
{
	make_frame(frame, len, seed);
	raw_send(c0, "c0", frame, len);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

#endif
