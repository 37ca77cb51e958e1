/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_changes CTL N ENDPOINT ENDPOINT ENDPOINT
 *
 * a sends numbered frames to b without a pause, while policies change N times between allowing and forbidding them. No
 * frame that was sent after nfvd's response may be treated by the previous policy. Before frames are allowed again,
 * nfvd must have taken all sent ones, because a frame in the ring is judged by the policy when it is taken.
 * Prints its counts; exits with 1 if a frame was treated so, or if none arrived while frames were allowed.
 */
#include <nfv/params.h>
#include <nfv/rpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "policy.h"

#define PASSES_MS	3	/* for how long frames may not pass; and may, at least */
#define ARRIVES_MS	500	/* at most until one arrives, which takes longer in an emulated machine */
#define PACE_US		20
#define SEEN_MAX	(1u << 24)

static _Atomic(uint32_t) sent;		/* number of the frame that was sent last */
static atomic_bool stop, hold;
static uint8_t *seen;			/* [number] */
static _Atomic(uint32_t) newest;	/* of those seen */

static void *send_all(void *arg)
{
	struct build b;

	build(&b, "test");
	while (!atomic_load(&stop)) {
		uint32_t n;

		if (atomic_load(&hold)) {
			usleep(PACE_US);
			continue;
		}
		n = atomic_fetch_add(&sent, 1) + 1;
		memcpy(b.f + b.n - 4, &n, 4);
		endpoint_send(&ends[0], b.f, b.n);
		usleep(PACE_US);
	}
	return arg;
}

static void note(void *arg, const uint8_t *frame, size_t n)
{
	uint32_t number;

	memcpy(&number, frame + n - 4, 4);
	if (n == 60 && !memcmp(frame + 6, ends[0].mac, 6) && number < SEEN_MAX) {
		seen[number] = 1;
		atomic_store(&newest, number);
	}
	(void)arg;
}

static void *receive_all(void *arg)
{
	struct build b;

	/* b sends a frame, so that frames to it may use the shortcut. */
	build(&b, "from b to mc test");
	while (!atomic_load(&stop)) {
		endpoint_send(&ends[1], b.f, b.n);
		endpoint_receive(&ends[1], note, NULL);
		pause_ms(1);
	}
	return arg;
}

static void set(unsigned int port, const char *key, const char *value)
{
	char why[256];
	json_t *result = ask("policy.set", json_pack("{s:s, s:s}", "port", ends[port].name, key, value), why, sizeof(why));

	if (!result) {
		fprintf(stderr, "policy_changes: %s\n", why);
		exit(2);
	}
	json_decref(result);
}

/* Set the port's policy as after attaching. */
static void reset(unsigned int port)
{
#define X(word, otherwise, args, help) if (strcmp(#word, "quarantine")) set(port, #word, otherwise);
	NFV_POLICY_WORDS(X)
#undef X
}

static void quarantine(bool on)
{
	char why[256];

	json_decref(ask("quarantine.set", json_pack("{s:s, s:b}", "port", "b", "on", on), why, sizeof(why)));
}

/* Allow or forbid frames from a to b, in one of several ways. */
static void change(unsigned int way, bool pass)
{
	switch (way) {
	case 0:
		set(0, "zone", pass ? "default" : "other");
		break;
	case 1:
		set(1, "vlan", pass ? "trunk all" : "10");
		break;
	case 2:
		set(0, "address", pass ? "any" : "02:00:00:00:00:66");
		break;
	case 3:
		quarantine(!pass);
		break;
	default:
		set(0, "isolated", pass ? "off" : "on");
		set(1, "isolated", pass ? "off" : "on");
		break;
	}
}

static void wait_until_taken(json_int_t base)
{
	uint64_t end = now_ms() + 10000;

	atomic_store(&hold, true);
	/* Wait for the frame that is being sent. */
	pause_ms(5);
	while (taken_from("a") - base < (json_int_t)atomic_load(&sent))
		if (now_ms() > end) {
			fprintf(stderr, "policy_changes: nfvd has taken %lld frames of %u\n", (long long)(taken_from("a") - base), atomic_load(&sent));
			exit(2);
		}
}

/* Wait until a frame with that number, or a later one, has arrived. */
static void wait_for_one(uint32_t from)
{
	for (uint64_t end = now_ms() + ARRIVES_MS; atomic_load(&newest) < from && now_ms() < end;)
		pause_ms(1);
}

static unsigned int count(uint32_t from, uint32_t to)
{
	unsigned int n = 0;

	for (; from < to && from < SEEN_MAX; from++)
		n += seen[from];
	return n;
}

int main(int argc, char **argv)
{
	unsigned int changes = argc == 6 ? (unsigned int)atoi(argv[2]) : 0, late = 0, passed = 0, silent = 0;
	struct {
		uint32_t from, to;	/* numbers of the frames sent after one response and before the next request */
		bool pass;
	} *periods = calloc(changes + 1, sizeof(*periods));
	pthread_t sender, receiver;
	json_int_t base;

	if (!changes) {
		fputs("usage: policy_changes CTL N ENDPOINT ENDPOINT ENDPOINT\n", stderr);
		return 2;
	}
	seen = calloc(SEEN_MAX, 1);
	ctl_open(argv[1]);
	for (unsigned int i = 0; i < PORTS; i++)
		endpoint_open(&ends[i], argv[3 + i]);
	for (unsigned int i = 0; i < PORTS; i++)
		reset(i);
	base = taken_from("a");
	pthread_create(&receiver, NULL, receive_all, NULL);
	pthread_create(&sender, NULL, send_all, NULL);
	for (unsigned int i = 0; i < changes; i++) {
		bool pass = i % 2;

		if (pass)
			wait_until_taken(base);
		change(i / 2 % 5, pass);
		atomic_store(&hold, false);
		periods[i].from = atomic_load(&sent) + 1;
		periods[i].pass = pass;
		pause_ms(PASSES_MS);
		if (pass)
			wait_for_one(periods[i].from);
		periods[i].to = atomic_load(&sent);
	}
	pause_ms(100);
	atomic_store(&stop, true);
	pthread_join(sender, NULL);
	pthread_join(receiver, NULL);
	for (unsigned int i = 0; i < changes; i++) {
		unsigned int n = count(periods[i].from, periods[i].to);

		if (!periods[i].pass && n)
			printf("change %u: %u frames of %u passed by the old policy\n", i, n, periods[i].to - periods[i].from);
		late += periods[i].pass ? 0 : n;
		passed += periods[i].pass ? n : 0;
		silent += periods[i].pass && !n;
	}
	printf("%u changes, %u frames sent, %u passed as they might, %u by an old policy; in %u periods nothing passed\n", changes,
	       atomic_load(&sent), passed, late, silent);
	return late || !passed || silent > changes / 4;
}
