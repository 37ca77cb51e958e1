/* SPDX-License-Identifier: BSD-3-Clause */
/* What nfvd counts, as text for Prometheus. */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Ask nfvd, and return the text, to be freed, with its length; NULL without memory. openmetrics: in that format, else in
 * Prometheus' own. If nfvd does not respond, the text says so: nfv_up is 0.
 */
char *metrics_text(bool openmetrics, size_t *len);

#endif
