/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration as one JSON document, as it was asked for; with --keep it is on disk (store.h), too:
 *
 *	{version, boot, by, link_local, shortcut, mirrors, ports: [{type, name, ..., shortcut, temporary}]}
 *
 * To change it: keep a deep copy, change nfvd_document, and commit.
 *
 * Context: control.
 */
#ifndef NFVD_DOCUMENT_H
#define NFVD_DOCUMENT_H

#include <stdbool.h>
#include <jansson.h>
#include "err.h"

extern json_t *nfvd_document;

/* Read what is kept in dir. dir NULL: keep nothing. Return 0, or -errno with a line in the log. */
int nfvd_document_open(const char *dir);
void nfvd_document_close(void);
bool nfvd_document_is_kept(void);

json_t *nfvd_document_ports(void);
const char *nfvd_document_name(const json_t *port);
/* Return the place of the port of this name, or -1. */
int nfvd_document_find(const char *name);

/* Return whether a kept port is in quarantine. */
bool nfvd_document_quarantined(const json_t *port);
/*
 * Reduce a kept port whose endpoint will never be back to its quarantine and "gone": it is for the next port of this name, for
 * no guest to leave it by a restart. Return false, and leave it, if it is in none.
 */
bool nfvd_document_keep_quarantine(json_t *port);

/*
 * Write the document if it is another than before, which it takes. If that fails, it is before again. Return 0, or -1
 * with *err.
 */
int nfvd_document_commit(json_t *before, struct nfvd_err *err);

/* Return {generation, config} of a generation on disk; NULL with *err. */
json_t *nfvd_document_of(unsigned int generation, struct nfvd_err *err);
/* Return the files that were not sound: ["NAME: reason"]. */
const json_t *nfvd_document_broken(void);

#endif
