/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The heartbeat: a thread that detects a worker that stands still, and the port that holds it.
 *
 * No worker should ever wait for a peer; this finds the cases that were overlooked. A worker counts its turns, and
 * records which port it serves and which it delivers to: a store or two a turn. The thread measures the worker's own
 * time, blocked or computing, since the count last moved. Waiting for a processor does not count, nor does a stopped
 * process or a suspended machine.
 *
 *	0.1 s blocked, or 0.25 s of processor	the port is fenced, with an event; a signal
 *						ends a wait that signals can end
 *	2 s more				the process ends, NFVD_EXIT_HELD, for its
 *						supervisor to start it again: that also ends
 *						the wait of control for a grace period
 *	three turns in an hour that were seen	the port is fenced
 *	to wait for a hole in its memory
 *
 * A fenced port is released after a minute, for it may have been an accident, such as a host that swaps. After three
 * times in an hour it stays fenced for an hour.
 *
 * A guest that shares its memory may punch holes into it, as large as it likes. A thread that touches a page of such
 * a hole waits in the kernel until the whole hole is punched: 0.3 s per GiB on tmpfs, and no flag, lock or signal
 * changes that. Waits below 0.1 s are ended by none of the measures above, however often they come. So the thread
 * checks which function of the kernel an awake worker waits in. A worker waits in that function for no other reason:
 * not because the machine is loaded, not for the lock of the address space, not for a page from a disk. Such waits
 * are seen once they add up to 50 ms on average, or to 10 ms if one was seen in the last minute, whether they are few
 * and long or many and short.
 *
 * This thread sleeps while all workers sleep.
 */
#ifndef NFVD_WATCH_H
#define NFVD_WATCH_H

#include <stdbool.h>
#include "port/port.h"
#include "switch/watched.h"

#define NFVD_EXIT_HELD	71

/* Record that the worker is about to sleep, or awake again. Context: worker. */
void nfvd_watch_sleep(struct nfvd_watched *w, bool asleep);

/*
 * Return in how many seconds a port that held a worker is released; 0: now, or it is not fenced. Release it if its time has
 * come. Context: control.
 */
unsigned int nfvd_watch_release_s(const struct nfvd_port *port);
void nfvd_watch_release(struct nfvd_port *port);

/* Start watching the workers, which run already. Return 0 or -errno. Context: control. */
int nfvd_watch_start(void);
void nfvd_watch_stop(void);	/* before the workers end */

#endif
