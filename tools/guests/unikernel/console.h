/* SPDX-License-Identifier: BSD-3-Clause */
/* The console. */
#ifndef CONSOLE_H
#define CONSOLE_H

/* %s %u %d %x %c %%, and a width (%04x: zeros in front); ends no line by itself. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line with the reason, and the end. */
void stop(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
