/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text from a guest, a container or a file, made safe for a terminal or a log.
 *
 * Escape sequences begin with a C0 control (ESC) or a C1 control (U+009B). On a terminal that does not use UTF-8 the
 * byte 0x9b alone is such a control. Characters without a width or with a direction change what the eye reads.
 */
#ifndef NFV_TEXT_H
#define NFV_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Return how many bytes the character at s has, and set *code to its code point. Return 0 if it is not UTF-8. */
static inline unsigned int nfv_text_char(const unsigned char *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned int n = *s < 0x80 ? 1 : *s >> 5 == 0x6 ? 2 : *s >> 4 == 0xe ? 3 : *s >> 3 == 0x1e ? 4 : 0;

	if (!n)
		return 0;
	*code = n == 1 ? *s : *s & (0x7fU >> n);
	for (unsigned int i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	return *code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff) ? 0 : n;
}

static inline bool nfv_text_steers(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||		/* C0, DEL, C1 */
	       code == 0x61c || (code >= 0x200b && code <= 0x200f) ||	/* of no width; directions */
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
	       code == 0xfeff || (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe0fff);
}

/* Replace each control character, and each byte that is not UTF-8, by '?'. The text never gets longer. */
static inline void nfv_text_clean(char *text)
{
	unsigned char *in = (unsigned char *)text, *out = in;
	uint32_t code = 0;

	while (*in) {
		unsigned int n = nfv_text_char(in, &code);

		if (!n || nfv_text_steers(code)) {
			*out++ = '?';
			in += n ? n : 1;
		} else {
			memmove(out, in, n);
			out += n;
			in += n;
		}
	}
	*out = '\0';
}

#endif
