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
 * EPERM in nfvd: what a newer libc calls and nobody has tried costs a function, not the frames of every guest. A gate has
 * one peer, and makes no call that is not known.
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
