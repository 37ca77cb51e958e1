// SPDX-License-Identifier: BSD-3-Clause
/*
 * Foreign text for a terminal: include/nfv/text.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>
#include <nfv/text.h>

static void test_examples(void **state)
{
	static const char *const map[][2] = {
		{ "", "" },
		{ "plain text", "plain text" },
		{ "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\033]0;owned\a\033[2J", "?]0;owned??[2J" },
		{ "a\nb\rc\td\177", "a?b?c?d?" },
		{ "\xc2\x9b" "31m", "?31m" },			/* C1: CSI */
		{ "\xc2\x80\xc2\x9f\xc2\xa0", "??\xc2\xa0" },	/* its ends, and what follows */
		{ "\x9b" "31m", "?31m" },			/* the same to a terminal not in UTF-8 */
		{ "\xc0\x9b\xe0\x80\x9b\xf0\x80\x80\x9b", "?????????" },	/* ESC, written too long */
		{ "\xed\xa0\x9b\xf4\x90\x80\x80\xff\xfe", "?????????" },	/* no characters */
		{ "\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf", "????" },	/* direction, no width */
		{ "cut \xe2\x82", "cut ??" },
		{ "cut \xf0", "cut ?" },
	};

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		char buf[64];

		snprintf(buf, sizeof(buf), "%s", map[i][0]);
		nfv_text_clean(buf);
		assert_string_equal(buf, map[i][1]);
	}
}

static bool has_c1(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0)
			return true;
	return false;
}

/* For any input: never longer, always UTF-8 (by jansson), no control character, unchanged by a second cleaning. */
static void test_random(void **state)
{
	srandom(1);
	for (int n = 0; n < 200000; n++) {
		char buf[33], again[33];
		size_t len = (size_t)random() % 32;

		for (size_t i = 0; i < len; i++)
			buf[i] = (char)(random() % 4 ? 0x80 | random() % 128 : 1 + random() % 255);
		buf[len] = '\0';
		nfv_text_clean(buf);
		assert_true(strlen(buf) <= len);
		json_t *str = json_string(buf);

		assert_non_null(str);
		json_decref(str);
		for (const char *p = buf; *p; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
		assert_false(has_c1(buf));
		snprintf(again, sizeof(again), "%s", buf);
		nfv_text_clean(again);
		assert_string_equal(buf, again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
