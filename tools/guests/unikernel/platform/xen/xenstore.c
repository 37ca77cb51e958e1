// SPDX-License-Identifier: BSD-3-Clause
/*
 * The xenstore's ring: one request at a time, and events of watches.
 */
#include "xen.h"
#include <string.h>
#include <xen/io/xs_wire.h>
#include "cmdline.h"
#include "console.h"
#include "platform.h"
#include "xenstore.h"

#define ANSWER_US	30000000u
#define SLEEP_US	1000000u
#define REQUEST_PARTS	6u
#define AT_ONCE		64u	/* events in a row; then frames are processed */

struct part {
	const void *data;
	size_t bytes;
};

static struct xenstore_domain_interface *ring;
static evtchn_port_t port;
static uint32_t req_prod, rsp_cons;
static uint32_t last_id;
static uint32_t changed;
static uint64_t deadline_us;
static bool broken;

static void give_up(const char *reason)
{
	if (!broken)
		print("xenstore: stopped, it %s\n", reason);
	broken = true;
}

/* ---- bytes ---- */

static bool has_room(void)
{
	return req_prod - READ_ONCE(ring->req_cons) != XENSTORE_RING_SIZE;
}

static bool has_bytes(void)
{
	return READ_ONCE(ring->rsp_prod) != rsp_cons;
}

/* Wait until READY, or until the request's deadline. */
static bool wait(bool (*ready)(void))
{
	while (!broken && !ready()) {
		if (now_us() >= deadline_us)
			give_up("does not respond");
		else
			platform->sleep(SLEEP_US, ready);
	}
	return !broken;
}

static void publish(void)
{
	barrier();
	WRITE_ONCE(ring->req_prod, req_prod);
	event_send(port);
}

static void put(const char *from, size_t bytes)
{
	while (bytes) {
		uint32_t used = req_prod - READ_ONCE(ring->req_cons);

		if (used > XENSTORE_RING_SIZE) {
			give_up("takes more than there is");
			return;
		}
		if (used == XENSTORE_RING_SIZE) {
			publish();
			if (!wait(has_room))
				return;
			continue;
		}
		ring->req[MASK_XENSTORE_IDX(req_prod)] = *from++;
		req_prod++;
		bytes--;
	}
}

/* TO may be NULL. */
static bool get(char *to, size_t bytes)
{
	while (bytes) {
		uint32_t there = READ_ONCE(ring->rsp_prod) - rsp_cons;

		barrier();
		if (there > XENSTORE_RING_SIZE) {
			give_up("gives more than there is room for");
			return false;
		}
		if (!there) {
			event_send(port);
			if (!wait(has_bytes))
				return false;
			continue;
		}
		if (to)
			*to++ = READ_ONCE(ring->rsp[MASK_XENSTORE_IDX(rsp_cons)]);
		rsp_cons++;
		bytes--;
		if (there == 1 || !bytes) {
			barrier();
			WRITE_ONCE(ring->rsp_cons, rsp_cons);
		}
	}
	return true;
}

/* ---- messages ---- */

/* The payload is "path" "digit"; the digit is the watch's number. */
static void take_event(const char *payload, size_t bytes)
{
	size_t at = 0;

	while (at < bytes && payload[at])
		at++;
	at++;
	if (at < bytes && payload[at] >= '0' && payload[at] < (char)('0' + XENSTORE_WATCHES))
		changed |= 1u << (payload[at] - '0');
}

/* Take the next message, and as much of its payload as fits. Return false if the ring is broken. */
static bool take_message(struct xsd_sockmsg *message, char *payload, size_t bytes)
{
	size_t taken;

	if (!get((char *)message, sizeof(*message)))
		return false;
	if (message->len > XENSTORE_PAYLOAD_MAX) {
		give_up("sends more than it may");
		return false;
	}
	taken = message->len < bytes ? message->len : bytes;
	if (!get(payload, taken) || !get(NULL, message->len - taken))
		return false;
	/* The daemon may wait for room. */
	event_send(port);
	return true;
}

static void take_events(void)
{
	struct xsd_sockmsg message;
	char payload[256];
	unsigned int n;

	deadline_us = now_us() + ANSWER_US;
	for (n = 0; n < AT_ONCE && !broken && has_bytes(); n++) {
		if (!take_message(&message, payload, sizeof(payload)))
			return;
		if (message.type == XS_WATCH_EVENT)
			take_event(payload, message.len < sizeof(payload) ? message.len : sizeof(payload));
	}
}

/* Return the length of the response, truncated to the buffer; -1: refused. */
static int ask(uint32_t type, const struct part *parts, unsigned int n, char *answer, size_t bytes)
{
	struct xsd_sockmsg message = { .type = type, .req_id = ++last_id };
	unsigned int i;

	deadline_us = now_us() + ANSWER_US;
	for (i = 0; i < n; i++)
		message.len += (uint32_t)parts[i].bytes;
	put((const char *)&message, sizeof(message));
	for (i = 0; i < n; i++)
		put(parts[i].data, parts[i].bytes);
	publish();
	for (;;) {
		if (broken || !take_message(&message, answer, bytes))
			return -1;
		if (message.type == XS_WATCH_EVENT)
			take_event(answer, message.len < bytes ? message.len : bytes);
		else if (message.req_id == last_id)
			break;
		if (now_us() >= deadline_us)
			give_up("does not respond");
	}
	return message.type == type ? (int)(message.len < bytes ? message.len : bytes) : -1;
}

/* Send a request about DIRECTORY/KEY, followed by further bytes. */
static int ask_about(uint32_t type, const char *directory, const char *key, const char *more, size_t more_bytes,
		     char *answer, size_t bytes)
{
	const struct part parts[] = {
		{ directory, strlen(directory) }, { "/", 1 }, { key, strlen(key) + 1 }, { more, more_bytes },
	};

	return ask(type, parts, sizeof(parts) / sizeof(parts[0]), answer, bytes);
}

/* ---- values ---- */

bool xenstore_read(const char *directory, const char *key, char *value, size_t bytes)
{
	char answer[256];
	int n = ask_about(XS_READ, directory, key, NULL, 0, answer, sizeof(answer));

	if (n < 0 || (size_t)n >= bytes || (size_t)n == sizeof(answer))
		return false;
	memcpy(value, answer, (size_t)n);
	value[n] = '\0';
	return true;
}

uint32_t xenstore_number(const char *directory, const char *key, uint32_t max, uint32_t otherwise)
{
	char value[16];
	const char *text = value;
	uint64_t n;

	if (!xenstore_read(directory, key, value, sizeof(value)) || !number(&text, 0, max, &n) || *text)
		return otherwise;
	return (uint32_t)n;
}

bool xenstore_write(const char *directory, const char *key, const char *value)
{
	char answer[256];

	return ask_about(XS_WRITE, directory, key, value, strlen(value), answer, sizeof(answer)) >= 0;
}

bool xenstore_write_number(const char *directory, const char *key, uint32_t value)
{
	char digits[11], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return xenstore_write(directory, key, p);
}

bool xenstore_watch(const char *directory, const char *key, unsigned int watch)
{
	const char token[2] = { (char)('0' + watch), '\0' };
	char answer[256];

	return ask_about(XS_WATCH, directory, key, token, sizeof(token), answer, sizeof(answer)) >= 0;
}

uint32_t xenstore_changed(void)
{
	uint32_t all;

	take_events();
	all = changed;
	changed = 0;
	return all;
}

bool xenstore_ready(void)
{
	return !broken && (changed || has_bytes());
}

void xenstore_init(void *page, uint32_t event)
{
	ring = page;
	port = event;
	req_prod = READ_ONCE(ring->req_prod);
	rsp_cons = READ_ONCE(ring->rsp_cons);
	event_listen(port);
}
