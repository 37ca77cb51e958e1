// SPDX-License-Identifier: BSD-3-Clause
/*
 * Reads the command line.
 */
#include <stddef.h>
#include <string.h>
#include "cmdline.h"

const char *option(const char *cmdline, const char *name)
{
	size_t length = strlen(name);
	const char *p = cmdline;

	while (*p) {
		while (*p == ' ')
			p++;
		if (!strncmp(p, name, length))
			return p + length;
		while (*p && *p != ' ')
			p++;
	}
	return NULL;
}

static int digit(char c, unsigned int base)
{
	int value = 16;

	if (c >= '0' && c <= '9')
		value = c - '0';
	else if (c >= 'a' && c <= 'f')
		value = c - 'a' + 10;
	return value < (int)base ? value : -1;
}

bool number(const char **text, unsigned int skip, uint64_t max, uint64_t *value)
{
	const char *p = *text + skip, *first;
	unsigned int base = 10;

	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	*value = 0;
	for (first = p; digit(*p, base) >= 0; p++) {
		*value = *value * base + (unsigned int)digit(*p, base);
		if (*value > max)
			return false;
	}
	if (p == first)
		return false;
	*text = p;
	return true;
}

bool address(const char **text, uint32_t *value)
{
	uint8_t bytes[4];
	uint64_t n;
	int i;

	for (i = 0; i < 4; i++) {
		if ((i && **text != '.') || !number(text, i > 0, 255, &n))
			return false;
		bytes[i] = (uint8_t)n;
	}
	memcpy(value, bytes, sizeof(bytes));
	return true;
}
