/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that outlive nfvd. They are kept in systemd's file descriptor store, or by fdkeep,
 * which understands the same messages, and come back by name when nfvd is started again:
 *
 *	PORT/WHAT	as vm1/conn; systemd allows no ':' in a name, and a port's name has no '/'
 *
 * Whoever keeps a descriptor holds what is behind it: memory, a connection. So what is not needed
 * any more has to be removed.
 */
#ifndef NFVD_FDSTORE_H
#define NFVD_FDSTORE_H

#include <stdbool.h>

/*
 * Control, before other threads: take over what the store hands to us. wanted: nfvd keeps its
 * configuration, too; else all of it is removed from the store, and nothing is put there.
 */
void nfvd_fdstore_start(bool wanted);

/* Any thread: is there a store to put descriptors into? */
bool nfvd_fdstore_ready(void);

/* Control: return the descriptor PORT/WHAT, which is the caller's now, or -1. It stays in the store. */
int nfvd_fdstore_take(const char *port, const char *what);

/* Control: remove all that nobody has taken. */
void nfvd_fdstore_remove_rest(void);

/* Any thread: keep fd as PORT/WHAT, in the place of another of that name; remove it. 0 or -errno. */
int nfvd_fdstore_put(const char *port, const char *what, int fd);
void nfvd_fdstore_remove(const char *port, const char *what);

/* Any thread: wait until the store has done all that was asked before. 0 or -errno. */
int nfvd_fdstore_settle(void);

/* Control: this process ends, and the next one goes on with what is stored. Any thread: is it so? */
void nfvd_fdstore_hand_over(void);
bool nfvd_fdstore_handing_over(void);

#endif
