/* SPDX-License-Identifier: BSD-3-Clause */
/* What librte_vhost leaves undone about its UNIX sockets. */
#ifndef NFVD_VHOST_SOCK_H
#define NFVD_VHOST_SOCK_H

#include <stdbool.h>
#include "port.h"

/*
 * Make way for a listening socket at path: remove a socket that is ours and that
 * nobody listens on. Anything else there is an error. 0 or -1 with *err.
 */
int nfvd_sock_clear(const char *path, struct nfvd_err *err);

/*
 * Find the library's connected socket for path, give it time limits (one blocking
 * read would stop the control plane of all ports), and return a duplicate to shut
 * it down with; -1 if it cannot be found.
 */
int nfvd_sock_harden(const char *path, bool client);

/* Has the peer left so many replies unread that the next might block? */
bool nfvd_sock_unread(int sock);

/* vhost thread: did the current message bring descriptors that were closed at once? Asked once. */
bool nfvd_sock_stripped(void);

/*
 * Control thread: have the library look at its sockets now. Once before the first is
 * added, and after each. 0 or -1 with errno.
 */
int nfvd_sock_wake(void);

#endif
