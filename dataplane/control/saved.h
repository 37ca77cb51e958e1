/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The requests of operators, kept over restarts: each port that was attached and not detached, the shortcut, link-local
 * protocols. A request gets its response only once it is on disk (store.h).
 *
 * A kept port that cannot be attached, or whose device has gone, is tried again until it can be attached: when a device
 * changes, and else after 0.1, 0.2, ... 1.6 s. Without --keep nothing is written, and a port ends with its device.
 *
 * Context: control.
 */
#ifndef NFVD_SAVED_H
#define NFVD_SAVED_H

#include <stdbool.h>
#include <jansson.h>
#include "port/port.h"

/* Read what is kept in dir, and attach it. dir NULL: keep nothing. Return 0, or -errno with a line in the log. */
int nfvd_saved_start(const char *dir);
void nfvd_saved_stop(void);

/*
 * Attach or detach as in ports.h, and keep the request as it was made, without the defaults. With wait "yes" a request
 * that is valid, but cannot be carried out now, is kept: return 0 with *port NULL.
 */
int nfvd_saved_attach(json_t *params, struct nfvd_port **port, struct nfvd_err *err);
int nfvd_saved_detach(const char *name, struct nfvd_err *err);

/* Keep a setting of the switch (name NULL) or of the port of this name. Return 0, or -1 with *err if it could not be written. */
int nfvd_saved_set(const char *name, const char *key, bool value, struct nfvd_err *err);

/* Keep words as the policy of the port of this name. As above. */
int nfvd_saved_words(const char *name, json_t *words, struct nfvd_err *err);
/* Return whether a port of this name is attached, or kept. */
bool nfvd_saved_knows(const char *name);
/* Return whether a port of this name and type (NULL: any) is kept, and not attached. */
bool nfvd_saved_waits(const char *name, const char *type);
/* Return a new reference to the words of a port that is kept and not attached; NULL if there is none of this name. */
json_t *nfvd_saved_waiting(const char *name);

/* Return the mirrors, as in mirror.list; a borrowed reference. */
json_t *nfvd_saved_mirrors(void);
/* Use these mirrors from now on, and keep them. Takes the reference to mirrors. Return as above. */
int nfvd_saved_set_mirrors(json_t *mirrors, struct nfvd_err *err);

/*
 * Try again to attach the kept ports that are not attached: in the tick once their time has come, or at once after a
 * device has changed.
 */
void nfvd_saved_tick(void);
void nfvd_saved_device_changed(void);

/*
 * Return a new reference to {generation, config: {...}, history}; generation is null if nothing is kept. If
 * generation is not 0, config is the configuration of that generation; return NULL with *err if that one is not kept.
 */
json_t *nfvd_saved_show(unsigned int generation, struct nfvd_err *err);
/* Return a new reference to the number of the configuration; null if nothing is kept. */
json_t *nfvd_saved_generation(void);
/* Append the ports that are kept and not attached (of this name; NULL: all) to list, as in port.list. */
void nfvd_saved_missing(json_t *list, const char *name);
/* Append what doctor reports to list. */
void nfvd_saved_findings(json_t *list);

#endif
