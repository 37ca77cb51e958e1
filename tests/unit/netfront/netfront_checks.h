/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks that the tests of nfv-netfront.ko make after each step. */
#ifndef NFV_TEST_NETFRONT_CHECKS_H
#define NFV_TEST_NETFRONT_CHECKS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "netfront_rig.h"

#define BUDGET	64

static u8 got[NETFRONT_FRAME_MAX + ETH_HLEN + 1];

/* Free everything, and check that nothing is left. */
static void unmake_all(void)
{
	unmake();
	assert_int_equal(skbs_in_use, 0);
	assert_int_equal(pages_in_use, pages_before);
	for (u32 i = 0; i < GRANTS; i++)
		assert_false(grants[i].used);
}

static void poll_works(void)
{
	netfront_poll(&q->napi, BUDGET);
	if (netfront_is_broken(q))
		fail_msg("the backend %s", last_error);
}
static void poll_breaks(const char *why)
{
	netfront_poll(&q->napi, BUDGET);
	assert_true(netfront_is_broken(q));
	assert_false(dev.carrier);
	assert_true(dev.txq[0].stopped);
	assert_int_equal(dev.errors, 1);
	assert_string_equal(last_error, why);
	/* A broken device reads no ring any more, and has no pending work. */
	polls_wanted = 0;
	netfront_poll(&q->napi, BUDGET);
	assert_int_equal(polls_wanted, 0);
	unmake_all();
}

#endif
