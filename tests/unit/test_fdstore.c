/* SPDX-License-Identifier: BSD-3-Clause */
/* The limit of names in the descriptor store, and descriptors with several names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/eventfd.h>
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
	/* An existing name may be replaced; removing one makes room for one. */
	assert_true(note_name("a_port_with_a_name_of_31_char00/kick0", true));
	assert_false(note_name("a_port_with_a_name_of_31_char99/kick0", true));
	assert_true(note_name("a_port_with_a_name_of_31_char00/kick0", false));
	assert_true(note_name("a_port_with_a_name_of_31_char00/kick0", false));
	assert_true(note_name("a_port_with_a_name_of_31_char99/kick0", true));
	assert_false(note_name("a_port_with_a_name_of_31_char99/kick1", true));
	json_decref(names_there);
	names_there = NULL;
	names_bytes = 0;
}

static void as_many_as_a_store_keeps(void **state)
{
	char name[16];

	for (unsigned int i = 0; i <= NFVD_FDSTORE_MAX; i++) {
		snprintf(name, sizeof(name), "v/%u", i);
		assert_int_equal(note_name(name, true), i < NFVD_FDSTORE_MAX);
	}
	assert_true(note_name("v/0", true));
	assert_true(note_name("v/0", false));
	assert_true(note_name(name, true));
	json_decref(names_there);
	names_there = NULL;
	names_bytes = 0;
}

/* What comes with the start. */
static void hand_in(int fd)
{
	stored = calloc(1, sizeof(*stored));
	stored[0] = (struct stored){ strdup("vm1/call0"), dup(fd) };
	n_stored = 1;
}

static void takes(int expected)
{
	eventfd_t value = 0;
	int fd = nfvd_fdstore_take_shared("vm1", "call0");

	if (expected < 0) {
		assert_int_equal(fd, -1);
	} else {
		assert_return_code(fd, errno);
		assert_return_code(eventfd_write(expected, 7), errno);
		assert_return_code(eventfd_read(fd, &value), errno);
		assert_int_equal(value, 7);
		close(fd);
	}
	nfvd_fdstore_remove_rest();
}

/* The store keeps a separate socket for each name, and returns the descriptor any number of times. */
static void shared(void **state)
{
	int event = eventfd(0, EFD_CLOEXEC), sock = wrap(event), empty[2];

	assert_return_code(sock, errno);
	for (int i = 0; i < 3; i++) {
		hand_in(sock);
		takes(event);
	}
	/* From an older nfvd, which stored the descriptor itself. */
	hand_in(event);
	takes(event);
	/* From nobody. */
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, empty), errno);
	hand_in(empty[0]);
	takes(-1);
	assert_int_equal(send(empty[1], "x", 1, 0), 1);
	hand_in(empty[0]);
	takes(-1);
	close(empty[0]);
	close(empty[1]);
	close(sock);
	close(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_many_as_a_start_takes), cmocka_unit_test(as_many_as_a_store_keeps), cmocka_unit_test(shared) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
