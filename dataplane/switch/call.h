/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts to guests: signal a descriptor that belongs to a peer, and never wait.
 *
 * O_NONBLOCK belongs to the open file, so to the peer as much as to us: whoever
 * fills its eventfd and clears the flag would hold a thread that writes to it. The
 * kernel's own signal, eventfd_signal(), adds to the counter, stops at its maximum
 * and never sleeps; a completed asynchronous read (io_submit(2), IOCB_FLAG_RESFD)
 * makes it do that. It costs 0.7 us in place of write()'s 0.2.
 *
 * User-mode Linux has a UNIX socket in the place of an eventfd. MSG_DONTWAIT belongs
 * to the call. No other family is taken: TCP, for one, waits for the socket's lock.
 */
#ifndef NFVD_CALL_H
#define NFVD_CALL_H

#include <stdbool.h>

#define NFVD_CALL_NONE		(-1)		/* the guest polls */
#define NFVD_CALL_SOCKET	(1 << 30)	/* flag beside the descriptor's number: a UNIX socket */

/* Main thread, before any other: 0 or -errno. workers: threads that will call nfvd_call_use(). */
int nfvd_call_init(unsigned int workers);
void nfvd_call_fini(void);

/* Worker: signal through context i from now on. All other threads share one. */
void nfvd_call_use(unsigned int i);

/*
 * Any thread. Signal call: a descriptor, or NFVD_CALL_SOCKET | descriptor. True if the
 * guest was told, or has a signal pending; never waits.
 */
bool nfvd_call(int call);

#endif
