/* SPDX-License-Identifier: BSD-3-Clause */
/* The UNIX socket of a KVM port, and messages on it. */
#ifndef NFVD_VHOST_SOCK_H
#define NFVD_VHOST_SOCK_H

#include <stdbool.h>
#include <sys/stat.h>
#include "switch/port.h"
#include "vhost/msg.h"

/* Who may connect to a socket file: who may write to it. */
struct nfvd_sock_access {
	uid_t owner;		/* -1: as it is made */
	gid_t group;		/* the same; else its members may, unless mode says otherwise */
	int mode;		/* permission bits; -1: by the umask */
};

/*
 * Control: listen at path, in the place of a stale socket of ours, or of the owner that is asked for; anything else
 * there is an error. *id is the new socket's identity. The descriptor, or -1 with *err.
 */
int nfvd_sock_listen(const char *path, const struct nfvd_sock_access *access, struct stat *id, struct nfvd_err *err);

/* Control: is what *id was taken of still at path? 0, -ENOENT if nothing is, -EEXIST if something else is. */
int nfvd_sock_check(const char *path, const struct stat *id);

/* Control: remove path, if it is still the socket that *id was taken of. */
void nfvd_sock_unlink(const char *path, const struct stat *id);

/* Connect to path, without waiting: a descriptor or -errno. */
int nfvd_sock_connect(const char *path);

/* Accept a connection if there is one: a descriptor or -errno. */
int nfvd_sock_accept(int listener);

/*
 * Receive one message, which has begun to arrive. The peer has PEER_TIMEOUT_MS for the
 * rest of it, or until stop is readable. 0 with *msg, whose descriptors are then the
 * caller's, also when there are more than fit or than belong; or
 *	-ECONNRESET	the peer is gone, -ECANCELED: stop
 *	-ETIMEDOUT	it is too slow
 *	-EMSGSIZE	longer than any message, nothing of it received but the header
 */
int nfvd_sock_recv(int sock, int stop, struct nfvd_vu_msg *msg);

/* Send a reply without waiting: 0, -EAGAIN if the peer does not read its replies, or -errno. */
int nfvd_sock_reply(int sock, const struct nfvd_vu_msg *msg);

/*
 * May a guest have descriptor fd? The kernel gives out the lowest number that is free,
 * so one close to the limit says that few are left, and those are not for guests.
 */
bool nfvd_sock_fd_spare(int fd);

/* Close the descriptors that came with msg. May wait for whoever serves a peer's file: own thread only. */
void nfvd_sock_close_fds(struct nfvd_vu_msg *msg);

#endif
