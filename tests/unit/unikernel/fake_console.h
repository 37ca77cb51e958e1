/* SPDX-License-Identifier: BSD-3-Clause */
/* A console that counts its lines. */
#ifndef FAKE_CONSOLE_H
#define FAKE_CONSOLE_H

#include <stdlib.h>
#include "console.h"

static unsigned int lines;

void print(const char *format, ...)
{
	(void)format;
	lines++;
}

void stop(const char *format, ...)
{
	(void)format;
	abort();
}

#endif
