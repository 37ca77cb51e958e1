/* SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include "clock.h"
#include "fdstore.h"
#include "nfvd.h"

sd_event *nfvd_event_loop;
uint64_t nfvd_started_us;

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	nfvd_fdstore_hand_over();
	return sd_event_exit(nfvd_event_loop, 0);
}

/*
 * SIGTERM and SIGINT end nfvd. SIGHUP ends it, too, and the next nfvd goes on with what is stored. The signals are
 * blocked here, so that every thread inherits that. While the loop runs it reports to systemd, if systemd asks for
 * that (WatchdogSec).
 */
int nfvd_loop_init(void)
{
	sigset_t set;
	int err;

	nfvd_started_us = nfvd_now_us();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	err = sd_event_default(&nfvd_event_loop);
	if (err >= 0)
		err = sd_event_add_signal(nfvd_event_loop, NULL, SIGTERM, NULL, NULL);
	if (err >= 0)
		err = sd_event_add_signal(nfvd_event_loop, NULL, SIGINT, NULL, NULL);
	if (err >= 0)
		err = sd_event_add_signal(nfvd_event_loop, NULL, SIGHUP, on_hangup, NULL);
	if (err >= 0)
		err = sd_event_set_watchdog(nfvd_event_loop, true);
	return err < 0 ? err : 0;
}
