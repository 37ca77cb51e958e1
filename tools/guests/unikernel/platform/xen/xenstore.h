/* SPDX-License-Identifier: BSD-3-Clause */
/* The xenstore: DIRECTORY/KEY has a value. A directory without / in front is in ours. */
#ifndef XENSTORE_H
#define XENSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XENSTORE_WATCHES	8u

void xenstore_init(void *ring, uint32_t port);
/* False: there is no such value, or it is not shorter than BYTES. */
bool xenstore_read(const char *directory, const char *key, char *value, size_t bytes);
/* A decimal number; OTHERWISE if it is none, or larger than MAX. */
uint32_t xenstore_number(const char *directory, const char *key, uint32_t max, uint32_t otherwise);
bool xenstore_write(const char *directory, const char *key, const char *value);
bool xenstore_write_number(const char *directory, const char *key, uint32_t value);
/* Calls the value WATCH, below XENSTORE_WATCHES. */
bool xenstore_watch(const char *directory, const char *key, unsigned int watch);
/* A bit for each watch of a value that may have changed since it was last asked; at first all are. */
uint32_t xenstore_changed(void);
/* Whether there is something to ask for. */
bool xenstore_ready(void);

#endif
