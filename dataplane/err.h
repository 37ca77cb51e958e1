/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a control operation failed, for the client that requested it. */
#ifndef NFVD_ERR_H
#define NFVD_ERR_H

#include <nfv/rpc.h>

/* One line of text, and a command that helps (may be empty). */
struct nfvd_err {
	int code;		/* NFV_RPC_E_* */
	char text[256], hint[256];
};

int nfvd_err(struct nfvd_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));	/* fills in *err, returns -1 */
void nfvd_hint(struct nfvd_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
