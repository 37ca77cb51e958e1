/* SPDX-License-Identifier: BSD-3-Clause */
/* The UNIX socket of a KVM port, and messages on it. */
#ifndef NFVD_VHOST_SOCK_H
#define NFVD_VHOST_SOCK_H

#include <stdbool.h>
#include <sys/stat.h>
#include "port/port.h"
#include "vhost/msg.h"

/* Who may connect to a socket file, which is who may write to it. */
struct nfvd_sock_access {
	uid_t owner;		/* -1: as it is made */
	gid_t group;		/* the same; members of a group that is set may, unless mode says otherwise */
	int mode;		/* permission bits; -1: by the umask */
};

/*
 * Listen at path, and set *id to the new socket's identity. Return the descriptor, or -1 with *err. A stale socket of
 * nfvd's user, or of the owner that access asks for, is replaced. Any other file at path is an error.
 * Context: control.
 */
int nfvd_sock_listen(const char *path, const struct nfvd_sock_access *access, struct stat *id, struct nfvd_err *err);

/* Return 0 if the file of identity *id is still at path, -ENOENT if none is, -EEXIST if another is. Context: control. */
int nfvd_sock_check(const char *path, const struct stat *id);

/* Remove path if it is still the socket of identity *id. Context: control. */
void nfvd_sock_unlink(const char *path, const struct stat *id);

/* Connect to path without waiting. Return a descriptor or -errno. */
int nfvd_sock_connect(const char *path);

/* Accept a connection if one is waiting. Return a descriptor or -errno. */
int nfvd_sock_accept(int listener);

/*
 * Receive one message, which has begun to arrive. The peer has PEER_TIMEOUT_MS for the rest of it, or until stop is
 * readable. Return 0 with *msg; the caller owns its descriptors, even if there are too many of them. Or return
 *	-ECONNRESET	the peer is gone, -ECANCELED: stop
 *	-ETIMEDOUT	it is too slow
 *	-EMSGSIZE	longer than any message, nothing of it received but the header
 */
int nfvd_sock_recv(int sock, int stop, struct nfvd_vu_msg *msg);

/* Send a response without waiting. Return 0, -EAGAIN if the peer does not read its responses, or -errno. */
int nfvd_sock_reply(int sock, const struct nfvd_vu_msg *msg);

/*
 * Return whether descriptor fd may be used for a guest. The kernel gives out the lowest free number, so a number
 * close to the limit shows that few are left. Those are not for guests.
 */
bool nfvd_sock_fd_spare(int fd);

/* Close the descriptors that came with msg. May wait for the server of a peer's file. Context: the port's thread. */
void nfvd_sock_close_fds(struct nfvd_vu_msg *msg);

#endif
