/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of nfv.ko with cmocka: each has a session. */
#ifndef ONE_SESSION_H
#define ONE_SESSION_H

#include "knfv.h"

static int session;

static int up(void **state)
{
	net_up(state);
	session = session_open();
	return 0;
}

static int down(void **state)
{
	close(session);
	return net_down(state);
}

#endif
