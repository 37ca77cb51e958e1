// SPDX-License-Identifier: BSD-3-Clause
/*
 * The part of the C library that the compiler and lwIP call.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	for (; n >= 4 * sizeof(word); n -= 4 * sizeof(word)) {
		word a = ((const word *)s)[0], b = ((const word *)s)[1];
		word c = ((const word *)s)[2], e = ((const word *)s)[3];

		((word *)d)[0] = a;
		((word *)d)[1] = b;
		((word *)d)[2] = c;
		((word *)d)[3] = e;
		s += 4 * sizeof(word);
		d += 4 * sizeof(word);
	}
	for (; n >= sizeof(word); n -= sizeof(word)) {
		*(word *)d = *(const word *)s;
		s += sizeof(word);
		d += sizeof(word);
	}
	while (n--)
		*d++ = *s++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	unsigned char *d = to;
	const unsigned char *s = from;

	if (d <= s || d >= s + n) {
		while (n--)
			*d++ = *s++;
	} else {
		while (n--)
			d[n] = s[n];
	}
	return to;
}

void *memset(void *to, int value, size_t n)
{
	unsigned char *d = to;
	word pattern = (unsigned char)value * 0x0101010101010101u;

	for (; n >= sizeof(word); n -= sizeof(word)) {
		*(word *)d = pattern;
		d += sizeof(word);
	}
	while (n--)
		*d++ = (unsigned char)value;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (unsigned char)*a - (unsigned char)*b;
		if (!*a)
			break;
	}
	return 0;
}
