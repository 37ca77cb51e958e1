/* SPDX-License-Identifier: BSD-3-Clause */
/* How many names the descriptor store may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fdstore.c"

void nfvd_event(const char *port, const char *fmt, ...) { (void)port; (void)fmt; }

static unsigned int fill(void)
{
	unsigned int n = 0;
	char name[80];

	do
		snprintf(name, sizeof(name), "a_port_with_a_name_of_31_char%02u/kick%u", n / 100, n % 100);
	while (note_name(name, true) && ++n < 100000);
	return n;
}

/* The variable of the environment: the names, with a colon between two of them. */
static void as_many_as_a_start_takes(void **state)
{
	unsigned int n = fill();

	assert_in_range(n, 2500, 4000);
	assert_in_range(names_bytes, 119900, NAMES_MAX);
	assert_true(NAMES_MAX + sizeof("LISTEN_FDNAMES=") < 128 << 10);
	/* What is there may be replaced; one that goes makes room for one. */
	assert_true(note_name("a_port_with_a_name_of_31_char00/kick0", true));
	assert_false(note_name("a_port_with_a_name_of_31_char99/kick0", true));
	assert_true(note_name("a_port_with_a_name_of_31_char00/kick0", false));
	assert_true(note_name("a_port_with_a_name_of_31_char00/kick0", false));
	assert_true(note_name("a_port_with_a_name_of_31_char99/kick0", true));
	assert_false(note_name("a_port_with_a_name_of_31_char99/kick1", true));
	json_decref(names_there);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_many_as_a_start_takes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
