/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may ask what. A client has the highest role that its user, its group or one of its supplementary groups gives
 * (SO_PEERCRED, SO_PEERGROUPS: as they were when it connected). root and nfvd's own user are admin.
 *
 * Groups are those of /etc/group, read once at the start, or numbers: a directory service that does not respond would
 * hold the control thread. User names are nfvctl's to look up.
 *
 * Context: control.
 */
#ifndef NFVD_ROLE_H
#define NFVD_ROLE_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <jansson.h>
#include "err.h"

/* X(enumerator, name): each may do what those before it may. A role's group is nfv-NAME, if --role names no other. */
#define NFVD_ROLES(X)			\
	X(READ, "read")			\
	X(OPERATE, "operate")		\
	X(ADMIN, "admin")

enum nfvd_role {
	NFVD_ROLE_NONE,
#define X(e, name) NFVD_ROLE_##e,
	NFVD_ROLES(X)
#undef X
	NFVD_N_ROLES
};

struct nfvd_caller {
	uid_t uid;
	pid_t pid;		/* 0: the client is in another pid namespace */
	enum nfvd_role role;
	char comm[16];		/* what its process calls itself */
	const char *method;	/* the method that it calls now; a string of nfvd's own */
	bool groups;		/* its changes of the configuration are one generation, as long as nobody else's come between */
	unsigned int generation;	/* the one that they are; 0: there is none yet */
};

/* Use arg, an argument of --role: ROLE=GROUP. It must stay valid. Return false if it is malformed. */
bool nfvd_role_option(const char *arg);

/* Look the groups up. Write an event for each named one that does not exist. */
void nfvd_roles_start(void);

/* Let the groups that have a role connect to the socket file at path, by its access control list. */
void nfvd_roles_open_socket(const char *path);

/* Fill in *who by the peer of socket fd. Return 0, or -errno with role NONE. */
int nfvd_caller_of(int fd, struct nfvd_caller *who);

const char *nfvd_role_name(enum nfvd_role role);

/* Say in *err which role is needed, and which group gives it. Return -1. */
int nfvd_role_refuse(const struct nfvd_caller *who, enum nfvd_role needed, const char *what, struct nfvd_err *err);

/* Who calls the method that runs now; NULL: nfvd does it by itself. */
extern struct nfvd_caller *nfvd_caller;

#endif
