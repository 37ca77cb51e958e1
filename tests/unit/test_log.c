/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: many events of one port must not displace those of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>
#include "log.c"

static int setup(void **state)
{
	n_events = 0;
	next_seq = 1;
	return 0;
}

static unsigned int count(const char *port)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < n_events; i++)
		n += !strcmp(events[i].port, port);
	return n;
}

static void many_events_of_one_port(void **state)
{
	char name[16];

	for (unsigned int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "quiet%u", i % 5);
		nfvd_event(name, "said %u", i);
	}
	nfvd_event(NULL, "ready");
	for (unsigned int i = 0; i < 100000; i++) {
		nfvd_event("loud", "connected %u", i);
		nfvd_event("loud", "disconnected %u", i);
		if (i == 50000)
			nfvd_event("late", "attached");
	}
	for (unsigned int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "quiet%u", i);
		assert_int_equal(count(name), 4);
	}
	assert_int_equal(count("late"), 1);
	assert_int_equal(count(""), 1);
	assert_int_equal(count("loud"), 2 * KIND_MAX);
	/* Of the port with many events the last one is kept, with their number. */
	assert_string_equal(events[n_events - 1].text, "disconnected 99999");
	assert_int_equal(events[n_events - 1].like, 100000 - KIND_MAX);
	assert_int_equal(next_seq, 1 + 20 + 1 + 200000 + 1);
}

/* Events of different kinds, or long apart, fill the history: it is shared between ports. */
static void history_is_shared(void **state)
{
	static char kinds[1000];
	char name[16];

	for (unsigned int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "quiet%u", i);
		nfvd_event(name, "said");
	}
	for (unsigned int i = 0; i < sizeof(kinds); i++) {
		struct event e = { .place = &kinds[i], .port = "loud" };

		snprintf(e.text, sizeof(e.text), "%u", i);
		pthread_mutex_lock(&lock);
		add(&e);
		pthread_mutex_unlock(&lock);
	}
	assert_int_equal(n_events, EVENTS_KEPT);
	assert_int_equal(count("loud"), EVENTS_KEPT - 100);
	assert_string_equal(events[n_events - 1].text, "999");
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "new%u", i);
		nfvd_event(name, "said");
	}
	assert_int_equal(n_events, EVENTS_KEPT);
	assert_in_range(count("loud"), 0, 1);
}

static void since(void **state)
{
	json_t *answer, *list;

	for (unsigned int i = 0; i < 100; i++)
		nfvd_event("p", "flap");
	answer = nfvd_events(0);
	list = json_object_get(answer, "events");
	assert_int_equal(json_array_size(list), KIND_MAX);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, KIND_MAX - 1), "text")),
			    "flap (and 92 like it before)");
	for (unsigned int i = 1; i < KIND_MAX; i++)
		assert_true(json_integer_value(json_object_get(json_array_get(list, i), "seq")) >
			    json_integer_value(json_object_get(json_array_get(list, i - 1), "seq")));
	assert_int_equal(json_integer_value(json_object_get(answer, "next")), 101);
	json_decref(answer);
	/* One more of a summarised kind, and one of another port: both are new. */
	nfvd_event("p", "flap");
	nfvd_event("q", "other");
	answer = nfvd_events(101);
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 2);
	json_decref(answer);
}

static void texts_are_lines_of_utf8(void **state)
{
	static const char *const odd[] = { "\xff\xfe", "a\nb", "\033[2Jx", "caf\xc3\xa9" };
	static const char *const fine[] = { "??", "a?b", "?[2Jx", "caf\xc3\xa9" };
	char longer[400];
	json_t *answer;

	for (unsigned int i = 0; i < 4; i++) {
		nfvd_event("p", "%s", odd[i]);
		assert_string_equal(events[n_events - 1].text, fine[i]);
	}
	/* Cut in the middle of a character, wherever that is. */
	for (unsigned int skip = 0; skip < 3; skip++) {
		memset(longer, 'x', skip);
		for (unsigned int i = skip; i + 3 < sizeof(longer); i += 3)
			memcpy(longer + i, "\xe2\x82\xac", 4);
		nfvd_event("p", "%s", longer);
	}
	answer = nfvd_events(0);
	assert_int_equal(json_array_size(json_object_get(answer, "events")), 7);
	json_decref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(many_events_of_one_port, setup),
		cmocka_unit_test_setup(history_is_shared, setup),
		cmocka_unit_test_setup(since, setup),
		cmocka_unit_test_setup(texts_are_lines_of_utf8, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
