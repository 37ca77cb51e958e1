/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Libraries that only one command needs. That command opens them. Linked, they and the 17 that they need in turn were
 * loaded by each command, which took three times as long as all else of its start. debian/control names them.
 *
 *	#define FUNCTIONS(X) X(pcap_compile) X(pcap_close)
 *	static struct { FUNCTIONS(LIBRARY_POINTER) } lib;
 *	static const struct library_function functions[] = {
 *		FUNCTIONS(LIBRARY_FUNCTION)
 *		{ NULL, NULL }
 *	};
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include "ctl.h"

#define LIBRARY_POINTER(function)	__typeof__(function) *function;
#define LIBRARY_FUNCTION(function)	{ #function, (void **)&lib.function },

struct library_function {
	const char *name;	/* NULL: the end */
	void **to;
};

/* Open a library, and set the pointers to its functions. Return an exit code. */
int library_open(const char *name, const struct library_function *functions, struct ctl_err *err);

#endif
