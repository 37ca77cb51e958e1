/* SPDX-License-Identifier: BSD-3-Clause */
/* The console. */
#ifndef CONSOLE_H
#define CONSOLE_H

/* Print %s %u %d %x %c %%, with a width (%04x: leading zeros), without a newline. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Print a line with the reason, and end the machine. */
void stop(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
