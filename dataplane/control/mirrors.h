/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ports are mirrored to which: from the mirrors' names, and ports that come and go.
 *
 * Context: control.
 */
#ifndef NFVD_CONTROL_MIRRORS_H
#define NFVD_CONTROL_MIRRORS_H

#include <jansson.h>
#include <stdbool.h>

/* Is list one of mirrors, or NULL? */
bool nfvd_mirrors_sound(const json_t *list);
/* Use this list of mirrors, as in mirror.list, from now on; NULL: none. */
void nfvd_mirrors_use(json_t *list);
/* A port has come, has gone, or was put into quarantine: give it its mirrors. When it returns, workers use them. */
void nfvd_mirrors_apply(void);
/* Append to list what doctor reports: probes that are not there. */
void nfvd_mirrors_findings(json_t *list);

#endif
