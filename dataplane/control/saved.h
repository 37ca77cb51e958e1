/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What operators asked for, kept over restarts: each port that was attached and not detached, the
 * shortcut, link-local protocols. Nothing is answered before it is on disk (store.h).
 *
 * A port that is kept and cannot be attached, or whose device has gone, is tried again until it can:
 * when a device changes, and else after 0.1, 0.2, ... 1.6 s. Without --keep it is known, but not kept, and
 * a port ends with its device. All functions: control.
 */
#ifndef NFVD_SAVED_H
#define NFVD_SAVED_H

#include <jansson.h>
#include "switch/port.h"

/* Read what is kept and attach it. dir NULL: nothing is kept. 0 or -errno, with a line in the log. */
int nfvd_saved_start(const char *dir);
void nfvd_saved_stop(void);

/* As those of ports.h. params may have "temporary": "yes": kept until the machine boots again. */
struct nfvd_port *nfvd_saved_attach(json_t *params, struct nfvd_err *err);
int nfvd_saved_detach(const char *name, struct nfvd_err *err);

/* Keep a setting of the switch (port NULL) or of a port. 0; -1 with *err: it could not be written. */
int nfvd_saved_set(const struct nfvd_port *port, const char *key, bool value, struct nfvd_err *err);

/* Try again what is not attached: if its time has come; at once, for a device has changed. */
void nfvd_saved_tick(void);
void nfvd_saved_device_changed(void);

/* What was asked for: {generation, config: {...}}; generation null: it is not kept. A new reference. */
json_t *nfvd_saved_show(void);
/* Ports that are kept and not attached (of this name; NULL: all), as port.list has them, appended to list. */
void nfvd_saved_missing(json_t *list, const char *name);
/* What doctor should know, appended to list. */
void nfvd_saved_findings(json_t *list);

#endif
