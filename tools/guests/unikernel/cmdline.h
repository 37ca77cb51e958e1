/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: words, some of them NAME=VALUE. */
#ifndef CMDLINE_H
#define CMDLINE_H

#include <stdbool.h>
#include <stdint.h>

/* Return the value of the first word that begins with NAME ("a="), or NULL. */
const char *option(const char *cmdline, const char *name);
/* Parse a number (decimal, or 0x) after SKIP characters of *TEXT, and move *TEXT behind it. */
bool number(const char **text, unsigned int skip, uint64_t max, uint64_t *value);
/* Parse A.B.C.D, into network order. */
bool address(const char **text, uint32_t *value);

#endif
