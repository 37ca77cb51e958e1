/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts to guests: signal a descriptor that belongs to a peer, and never wait.
 *
 * O_NONBLOCK is a flag of the open file, which the peer shares. A peer that fills its eventfd and clears the flag
 * would block a thread that writes to it. The kernel's own signal, eventfd_signal(), adds to the counter, stops at its
 * maximum and never sleeps. A completed asynchronous read (io_submit(2), IOCB_FLAG_RESFD) calls it. That costs
 * 0.7 us; a write() costs 0.2.
 *
 * User-mode Linux has a UNIX socket instead of an eventfd. MSG_DONTWAIT is a flag of the call, so it is safe
 * there. Sockets of other families are refused: TCP, for one, waits for the socket's lock.
 */
#ifndef NFVD_CALL_H
#define NFVD_CALL_H

#include <stdbool.h>

#define NFVD_CALL_NONE		(-1)		/* the guest polls */
#define NFVD_CALL_SOCKET	(1 << 30)	/* flag beside the descriptor's number: a UNIX socket */

/*
 * Set up signalling for this many workers, which will call nfvd_call_use(). Return 0 or -errno.
 * Context: main thread, before any other thread exists.
 */
int nfvd_call_init(unsigned int workers);
void nfvd_call_fini(void);

/*
 * Signal through context i from now on. All other threads share one context.
 * Context: worker i.
 */
void nfvd_call_use(unsigned int i);

/*
 * Signal call, which is a descriptor or NFVD_CALL_SOCKET | descriptor. Return true if the guest was interrupted, or
 * has an interrupt pending. Never wait.
 * Context: any thread.
 */
bool nfvd_call(int call);

#endif
