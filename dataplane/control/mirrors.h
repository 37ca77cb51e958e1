/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decide which ports are mirrored to which probes. Mirrors name their ports, which may come and go at any time.
 *
 * Context: control.
 */
#ifndef NFVD_CONTROL_MIRRORS_H
#define NFVD_CONTROL_MIRRORS_H

#include <jansson.h>
#include <stdbool.h>

/* Return whether list is NULL or a well-formed list of mirrors. */
bool nfvd_mirrors_sound(const json_t *list);
/* Use this list of mirrors, as in mirror.list, from now on; NULL: none. */
void nfvd_mirrors_use(json_t *list);
/*
 * Update the mirrors of all ports, because a port has come, has gone, or was put into quarantine. When this returns,
 * workers use them.
 */
void nfvd_mirrors_apply(void);
/* Append to list what doctor reports: probes that are not there. */
void nfvd_mirrors_findings(json_t *list);

#endif
