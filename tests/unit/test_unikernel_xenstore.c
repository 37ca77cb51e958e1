/* SPDX-License-Identifier: BSD-3-Clause */
/* The unikernel's xenstore client against a hostile daemon, and any values. */
#include <stdlib.h>
#include "xenstore.c"
#include "cmdline.c"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "fake_console.h"

static struct xenstore_domain_interface page;
static uint64_t clock_us;
/* The daemon's response to each request; NULL: none. */
static void (*served_by)(const struct xsd_sockmsg *request, const char *payload);
static char last_payload[XENSTORE_PAYLOAD_MAX];
static uint32_t last_type;

void event_send(evtchn_port_t p)
{
	assert_int_equal(p, 7);
}

void event_listen(evtchn_port_t p)
{
	assert_int_equal(p, 7);
}

/* --- the daemon --- */

static char requests[2 * XENSTORE_PAYLOAD_MAX], answers[4 * XENSTORE_PAYLOAD_MAX];
static size_t requested, answering, answered;

static void say(const void *bytes, size_t n)
{
	assert_true(answering + n <= sizeof(answers));
	memcpy(answers + answering, bytes, n);
	answering += n;
}

static void say_message(uint32_t type, uint32_t id, uint32_t length, const char *payload, size_t n)
{
	const struct xsd_sockmsg message = { .type = type, .req_id = id, .len = length };

	say(&message, sizeof(message));
	say(payload, n);
}

static void serve_requests(void)
{
	struct xsd_sockmsg message;

	while (page.req_cons != page.req_prod)
		requests[requested++] = page.req[MASK_XENSTORE_IDX(page.req_cons++)];
	while (requested >= sizeof(message)) {
		memcpy(&message, requests, sizeof(message));
		if (requested < sizeof(message) + message.len)
			return;
		memset(last_payload, 0, sizeof(last_payload));
		memcpy(last_payload, requests + sizeof(message), message.len);
		last_type = message.type;
		requested -= sizeof(message) + message.len;
		memmove(requests, requests + sizeof(message) + message.len, requested);
		if (served_by)
			served_by(&message, last_payload);
	}
}

static void give_answers(void)
{
	while (answered < answering && page.rsp_prod - page.rsp_cons < XENSTORE_RING_SIZE)
		page.rsp[MASK_XENSTORE_IDX(page.rsp_prod++)] = answers[answered++];
	if (answered == answering)
		answered = answering = 0;
}

/* While the client sleeps, the daemon runs. */
static void fake_sleep(uint64_t timeout_us, bool (*ready)(void))
{
	if (page.req_prod - page.req_cons <= XENSTORE_RING_SIZE)
		serve_requests();
	give_answers();
	if (!ready())
		clock_us += timeout_us;
}

static uint64_t fake_now_us(void)
{
	return clock_us++;
}

static const struct platform fake = { .now_us = fake_now_us, .sleep = fake_sleep };
const struct platform *platform = &fake;

static int setup(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	/* The indexes wrap. */
	page.req_prod = page.req_cons = UINT32_MAX - 100;
	page.rsp_prod = page.rsp_cons = UINT32_MAX - 50;
	requested = answering = answered = 0;
	changed = 0;
	lines = 0;
	broken = false;
	served_by = NULL;
	xenstore_init(&page, 7);
	return 0;
}

static void assert_stopped(void)
{
	char value[8];

	assert_true(broken);
	assert_int_equal(lines, 1);
	assert_false(xenstore_read("a", "b", value, sizeof(value)));
	assert_false(xenstore_write("a", "b", "c"));
	assert_false(xenstore_ready());
	assert_int_equal(xenstore_changed(), 0);
	assert_int_equal(lines, 1);
}

/* --- values --- */

static const char *value_is;
static size_t value_bytes;

static void daemon_value(const struct xsd_sockmsg *request, const char *payload)
{
	(void)payload;
	say_message(request->type, request->req_id, (uint32_t)value_bytes, value_is, value_bytes);
}

static void set_value(const char *value)
{
	served_by = daemon_value;
	value_is = value;
	value_bytes = strlen(value);
}

static void test_read(void **state)
{
	char value[8];

	(void)state;
	set_value("1234567");
	assert_true(xenstore_read("device/vif/0", "mac", value, sizeof(value)));
	assert_string_equal(value, "1234567");
	assert_string_equal(last_payload, "device/vif/0/mac");
	assert_int_equal(last_type, XS_READ);
	set_value("12345678");
	assert_false(xenstore_read("a", "b", value, sizeof(value)));
	set_value("");
	assert_true(xenstore_read("a", "b", value, sizeof(value)));
	assert_string_equal(value, "");
	assert_int_equal(lines, 0);
}

static void test_long_value(void **state)
{
	static char much[XENSTORE_PAYLOAD_MAX + 1];
	char value[512];

	(void)state;
	memset(much, '1', sizeof(much) - 1);
	set_value(much);
	assert_false(xenstore_read("a", "b", value, sizeof(value)));
	assert_false(broken);
	assert_int_equal(xenstore_number("a", "b", 100, 5), 5);
}

static void test_number(void **state)
{
	static const char *const none[] = { "", "x", "4x", "-1", " 4", "4 ", "0y4", "101", "99999999999999999999999" };

	(void)state;
	for (unsigned int i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		set_value(none[i]);
		assert_int_equal(xenstore_number("a", "b", 100, 5), 5);
	}
	set_value("100");
	assert_int_equal(xenstore_number("a", "b", 100, 5), 100);
	set_value("4");
	value_bytes = 2;	/* and a NUL */
	assert_int_equal(xenstore_number("a", "b", 100, 5), 4);
	assert_int_equal(lines, 0);
}

static void test_write(void **state)
{
	(void)state;
	set_value("OK");
	assert_true(xenstore_write_number("device/vif/0", "state", UINT32_MAX));
	assert_int_equal(last_type, XS_WRITE);
	assert_string_equal(last_payload, "device/vif/0/state");
	assert_string_equal(last_payload + sizeof("device/vif/0/state"), "4294967295");
}

static void daemon_refuses(const struct xsd_sockmsg *request, const char *payload)
{
	(void)payload;
	say_message(XS_ERROR, request->req_id, 7, "ENOENT", 7);
}

static void test_refused(void **state)
{
	char value[8];

	(void)state;
	served_by = daemon_refuses;
	assert_false(xenstore_read("a", "b", value, sizeof(value)));
	assert_false(xenstore_write("a", "b", "c"));
	assert_false(xenstore_watch("a", "b", 1));
	assert_int_equal(xenstore_number("a", "b", 100, 5), 5);
	assert_int_equal(lines, 0);
}

/* --- events --- */

static void daemon_events(const struct xsd_sockmsg *request, const char *payload)
{
	(void)payload;
	say_message(XS_WATCH_EVENT, 0, 6, "a/b\0001", 6);
	say_message(XS_READ, request->req_id - 1, 3, "old", 3);
	say_message(request->type, request->req_id, 3, "new", 3);
	say_message(XS_WATCH_EVENT, 0, 6, "a/c\0003", 6);
}

static void test_events_between(void **state)
{
	char value[8];

	(void)state;
	served_by = daemon_events;
	assert_true(xenstore_read("a", "b", value, sizeof(value)));
	assert_string_equal(value, "new");
	assert_true(xenstore_ready());
	give_answers();
	assert_int_equal(xenstore_changed(), 1 << 1 | 1 << 3);
	assert_false(xenstore_ready());
	assert_int_equal(xenstore_changed(), 0);
}

static void test_strange_events(void **state)
{
	static const struct {
		const char *payload;
		size_t bytes;
	} events[] = {
		{ "", 0 }, { "a", 1 }, { "a\0", 2 }, { "a\0008", 3 }, { "a\0/", 3 }, { "a\0\377", 3 }, { "\0\0", 2 },
		{ "\0002", 2 },
	};
	static char path[XENSTORE_PAYLOAD_MAX];

	(void)state;
	for (unsigned int i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		say_message(XS_WATCH_EVENT, 1, (uint32_t)events[i].bytes, events[i].payload, events[i].bytes);
	memset(path, 'p', sizeof(path));
	say_message(XS_WATCH_EVENT, 1, sizeof(path), path, sizeof(path));
	say_message(99, 1, 3, "abc", 3);
	give_answers();
	assert_int_equal(xenstore_changed(), 1 << 2);
	assert_false(broken);
}

/* --- malformed responses --- */

static void daemon_too_long(const struct xsd_sockmsg *request, const char *payload)
{
	say_message(request->type, request->req_id, XENSTORE_PAYLOAD_MAX + 1, payload, 8);
}

static void test_too_long(void **state)
{
	char value[8];

	(void)state;
	served_by = daemon_too_long;
	assert_false(xenstore_read("a", "b", value, sizeof(value)));
	assert_stopped();
}

static void test_rsp_prod_too_far(void **state)
{
	(void)state;
	page.rsp_prod = page.rsp_cons + XENSTORE_RING_SIZE + 1;
	assert_int_equal(xenstore_changed(), 0);
	assert_stopped();
}

static void test_req_cons_too_far(void **state)
{
	(void)state;
	page.req_cons = page.req_prod + 1;
	assert_false(xenstore_write("a", "b", "c"));
	assert_stopped();
}

static void test_no_answer(void **state)
{
	uint64_t start = clock_us;
	char value[8];

	(void)state;
	assert_false(xenstore_read("a", "b", value, sizeof(value)));
	assert_true(clock_us - start < 2 * ANSWER_US);
	assert_stopped();
}

/* It sends only other messages, without end. */
static void chatter(uint64_t timeout_us, bool (*ready)(void))
{
	(void)timeout_us;
	serve_requests();
	if (answering == answered)
		say_message(XS_WATCH_EVENT, 0, 6, "a/b\0001", 6);
	give_answers();
	clock_us += 100000;
	(void)ready;
}

static void test_no_end(void **state)
{
	static const struct platform talker = { .now_us = fake_now_us, .sleep = chatter };
	char value[8];

	(void)state;
	platform = &talker;
	assert_false(xenstore_read("a", "b", value, sizeof(value)));
	platform = &fake;
	assert_int_equal(xenstore_changed(), 1 << 1);
	assert_stopped();
}

/* Half a message, and no more. */
static void test_half(void **state)
{
	(void)state;
	say_message(XS_WATCH_EVENT, 0, 40, "a/b\0001", 6);
	give_answers();
	assert_int_equal(xenstore_changed(), 0);
	assert_stopped();
}

static void daemon_random(const struct xsd_sockmsg *request, const char *payload)
{
	char bytes[300];
	unsigned int n = (unsigned int)rand() % sizeof(bytes);

	(void)payload;
	for (unsigned int i = 0; i < n; i++)
		bytes[i] = (char)rand();
	say_message(rand() % 4 ? request->type : (uint32_t)rand() % 20, request->req_id - !(rand() % 4),
		    rand() % 40 ? n : (uint32_t)rand() % 5000, bytes, n);
}

static void test_random(void **state)
{
	char value[64];

	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		served_by = daemon_random;
		xenstore_read("a", "b", value, 1 + (unsigned int)rand() % sizeof(value));
		if (!(rand() % 100))
			page.rsp_prod += (uint32_t)rand() % 2000;
		xenstore_changed();
		if (broken)
			setup(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_read, setup),
		cmocka_unit_test_setup(test_long_value, setup),
		cmocka_unit_test_setup(test_number, setup),
		cmocka_unit_test_setup(test_write, setup),
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_events_between, setup),
		cmocka_unit_test_setup(test_strange_events, setup),
		cmocka_unit_test_setup(test_too_long, setup),
		cmocka_unit_test_setup(test_rsp_prod_too_far, setup),
		cmocka_unit_test_setup(test_req_cons_too_far, setup),
		cmocka_unit_test_setup(test_no_answer, setup),
		cmocka_unit_test_setup(test_no_end, setup),
		cmocka_unit_test_setup(test_half, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
