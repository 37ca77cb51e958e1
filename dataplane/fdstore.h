/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that outlive nfvd. systemd's file descriptor store keeps them, or fdkeep, which understands the same
 * messages. They come back by name when nfvd starts again:
 *
 *	PORT/WHAT	as vm1/conn; systemd allows no ':' in a name, and a port's name has no '/'
 *
 * A kept descriptor keeps its memory or connection alive. So a descriptor has to be removed once it is not needed.
 */
#ifndef NFVD_FDSTORE_H
#define NFVD_FDSTORE_H

#include <stdbool.h>

/* Descriptors that a store keeps: FileDescriptorStoreMax= in nfvd.service. It drops more without a word. */
#define NFVD_FDSTORE_MAX	8192

/*
 * Take over the descriptors from the store. If not wanted, because nfvd does not keep its configuration, remove all of
 * them from the store and put nothing there.
 * Context: control, before other threads exist.
 */
void nfvd_fdstore_start(bool wanted);

/* Return whether there is a store to put descriptors into. Context: any thread. */
bool nfvd_fdstore_ready(void);

/* Return the descriptor PORT/WHAT, which the caller then owns, or -1. It stays in the store. Context: control. */
int nfvd_fdstore_take(const char *port, const char *what);

/* Return the name of a descriptor that begins with these words and that nobody has taken, or NULL. Context: control. */
const char *nfvd_fdstore_find(const char *begin);

/* Remove all descriptors that nobody has taken. Context: control. */
void nfvd_fdstore_remove_rest(void);

/*
 * Keep fd as PORT/WHAT, in place of any other descriptor of that name. Return 0 or -errno; -ENOSPC if the store has
 * no room, or if the names would be too long together to start the next nfvd. Context: any thread.
 */
int nfvd_fdstore_put(const char *port, const char *what, int fd);

/*
 * Do the same for a descriptor that may be kept under another name, too: two devices of a guest share its memory.
 * systemd does not store a second descriptor of a file that it has already. So this descriptor is put into a message
 * in a socket of its own, and the socket is stored.
 */
int nfvd_fdstore_put_shared(const char *port, const char *what, int fd);
int nfvd_fdstore_take_shared(const char *port, const char *what);

/* Remove PORT/WHAT from the store. Context: any thread. */
void nfvd_fdstore_remove(const char *port, const char *what);

/* Wait until the store has carried out all earlier requests. Return 0 or -errno. Context: any thread. */
int nfvd_fdstore_settle(void);

/*
 * nfvd_fdstore_hand_over() records that this process ends and the next one goes on with what is stored (context:
 * control). nfvd_fdstore_handing_over() returns whether that is so (any thread).
 */
void nfvd_fdstore_hand_over(void);
bool nfvd_fdstore_handing_over(void);

#endif
