// SPDX-License-Identifier: BSD-3-Clause
/*
 * Lines for the platform's console.
 */
#include <stdarg.h>
#include <stdbool.h>
#include "console.h"
#include "platform.h"

static void put_string(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			platform->put_char('\r');
		platform->put_char(*s);
	}
}

static void put_number(unsigned int value, unsigned int base, int width)
{
	char digits[33], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = "0123456789abcdef"[value % base];
		value /= base;
		width--;
	} while (value || (width > 0 && p > digits));
	put_string(p);
}

static void put_signed(int value)
{
	if (value < 0)
		platform->put_char('-');
	put_number(value < 0 ? 0u - (unsigned int)value : (unsigned int)value, 10, 0);
}

static void vprint(const char *f, va_list args)
{
	for (; *f; f++) {
		int width = 0;

		if (*f != '%') {
			put_string((char[]){ *f, '\0' });
			continue;
		}
		for (f++; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + *f - '0';
		switch (*f) {
		case 's': put_string(va_arg(args, const char *)); break;
		case 'u': put_number(va_arg(args, unsigned int), 10, width); break;
		case 'x': put_number(va_arg(args, unsigned int), 16, width); break;
		case 'd': put_signed(va_arg(args, int)); break;
		case 'c': platform->put_char((char)va_arg(args, int)); break;
		default: platform->put_char(*f); break;
		}
	}
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprint(format, args);
	va_end(args);
}

void stop(const char *format, ...)
{
	va_list args;

	put_string("nfv-guest-failed ");
	va_start(args, format);
	vprint(format, args);
	va_end(args);
	put_string("\n");
	platform->halt();
}
