/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What nfvd, its gates and fdkeep may still do, should a peer take one of them over.
 *
 *			capabilities			system calls	another one
 *	nfvd		those of keep[]			some 170	fails with EPERM, a line in the log
 *	spawner		none				some 60		ends it; nfvd starts another
 *	gate		none				some 20		ends it, and its peer's connection
 *	fdkeep		nfvd's, and to give them away	all
 *
 * In nfvd a refused system call only fails with EPERM: if a newer libc makes a call that nobody has tested, one
 * function fails, but all guests keep their frames. A gate has one peer and makes only calls that are known, so a
 * refused call ends it.
 *
 * All of them have no_new_privs, and a program that they execute has no capability for being root's.
 * Context: before other threads exist.
 */
#ifndef NFVD_PRIVILEGES_H
#define NFVD_PRIVILEGES_H

/* Each returns 0 or -errno. nfvd goes on as far as it can: fewer privileges are better than all. */
int nfvd_privileges_of_nfvd(void);
int nfvd_privileges_of_spawner(void);
int nfvd_privileges_of_fdkeep(void);
int nfvd_privileges_of_gate(void);	/* after nfvd_privileges_of_spawner(), in the forked process */

#endif
