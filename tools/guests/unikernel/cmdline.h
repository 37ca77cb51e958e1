/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: words, some of them NAME=VALUE. */
#ifndef CMDLINE_H
#define CMDLINE_H

#include <stdbool.h>
#include <stdint.h>

/* The value of the first word at or after CMDLINE that begins with NAME ("a="); NULL without. */
const char *option(const char *cmdline, const char *name);
/* The number (decimal, or 0x) after SKIP characters of *TEXT, which then points behind it. */
bool number(const char **text, unsigned int skip, uint64_t max, uint64_t *value);
/* A.B.C.D, in network order. */
bool address(const char **text, uint32_t *value);

#endif
