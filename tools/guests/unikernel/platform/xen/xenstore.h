/* SPDX-License-Identifier: BSD-3-Clause */
/* The xenstore: DIRECTORY/KEY has a value. A directory without a leading / is relative to this domain's. */
#ifndef XENSTORE_H
#define XENSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XENSTORE_WATCHES	8u

void xenstore_init(void *ring, uint32_t port);
/* Read a value. Return false if there is none, or it is not shorter than BYTES. */
bool xenstore_read(const char *directory, const char *key, char *value, size_t bytes);
/* Return a decimal number; OTHERWISE if the value is not one, or larger than MAX. */
uint32_t xenstore_number(const char *directory, const char *key, uint32_t max, uint32_t otherwise);
bool xenstore_write(const char *directory, const char *key, const char *value);
bool xenstore_write_number(const char *directory, const char *key, uint32_t value);
/* Watch the value, as number WATCH, below XENSTORE_WATCHES. */
bool xenstore_watch(const char *directory, const char *key, unsigned int watch);
/* Return a bit for each watch whose value may have changed since the last call; at first all bits. */
uint32_t xenstore_changed(void);
/* Return whether xenstore_changed() may return bits. */
bool xenstore_ready(void);

#endif
