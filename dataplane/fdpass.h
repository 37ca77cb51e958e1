/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages with descriptors, over UNIX sockets that keep messages apart. */
#ifndef NFVD_FDPASS_H
#define NFVD_FDPASS_H

#include <stdbool.h>
#include <stddef.h>

#define NFVD_FDPASS_MAX	8	/* descriptors of one message */

/* Send a message of n bytes with n_fds descriptors. Return 0 or -errno. Context: any thread. */
int nfvd_fdpass_send(int sock, const void *data, size_t n, const int *fds, unsigned int n_fds);

/*
 * Receive a message of n bytes, with up to max descriptors, which the caller owns. *n_fds: how many there were; *lost: some could
 * not be had. Return 0, -EAGAIN (none there yet, or a signal), or -ECONNRESET (no such message will come). Context: any thread.
 */
int nfvd_fdpass_recv(int sock, int flags, void *data, size_t n, int *fds, unsigned int max, unsigned int *n_fds, bool *lost);

#endif
