/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy_quarantine CTL N ENDPOINT ENDPOINT ENDPOINT
 *
 * a sends to b without a pause, while b is put into quarantine and released N times. Prints {late_us: [..]}: for each
 * time, how long after nfvd's response b received its last frame. A frame counts when it is found, which may be later
 * than it came, so each figure is an upper bound.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "policy.h"

#define WATCH_US	5000	/* after the answer */
#define FLOWS_US	10000000

static atomic_bool stop;

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void *send_all(void *arg)
{
	struct build b;

	build(&b, "test");
	while (!atomic_load(&stop)) {
		endpoint_send(&ends[0], b.f, b.n);
		pause_ms(0);
	}
	return arg;
}

static void note(void *arg, const uint8_t *frame, size_t n)
{
	unsigned int *got = arg;

	*got += n == 60 && frame[11] == ends[0].mac[5];
}

static void quarantine(bool on)
{
	char why[256];
	json_t *result = ask("quarantine.set", json_pack("{s:s, s:b}", "port", "b", "on", on), why, sizeof(why));

	if (!result) {
		fprintf(stderr, "policy_quarantine: %s\n", why);
		exit(2);
	}
	json_decref(result);
}

static void until_it_flows(void)
{
	uint64_t end = now_us() + FLOWS_US;
	struct build b;

	build(&b, "from b to mc test");
	endpoint_send(&ends[1], b.f, b.n);
	for (unsigned int got = 0; got < 100;) {
		endpoint_receive(&ends[1], note, &got);
		if (now_us() > end) {
			fputs("policy_quarantine: nothing arrives\n", stderr);
			exit(2);
		}
	}
}

static uint64_t last_after_answer(void)
{
	uint64_t answer, last = 0;

	quarantine(true);
	answer = now_us();
	while (now_us() < answer + WATCH_US) {
		unsigned int got = 0;

		endpoint_receive(&ends[1], note, &got);
		if (got)
			last = now_us() - answer;
	}
	return last;
}

int main(int argc, char **argv)
{
	unsigned int times = argc == 6 ? (unsigned int)atoi(argv[2]) : 0;
	json_t *late = json_array();
	pthread_t sender;

	if (!times) {
		fputs("usage: policy_quarantine CTL N ENDPOINT ENDPOINT ENDPOINT\n", stderr);
		return 2;
	}
	ctl_open(argv[1]);
	for (unsigned int i = 0; i < PORTS; i++)
		endpoint_open(&ends[i], argv[3 + i]);
	pthread_create(&sender, NULL, send_all, NULL);
	while (times--) {
		until_it_flows();
		json_array_append_new(late, json_integer((json_int_t)last_after_answer()));
		quarantine(false);
	}
	atomic_store(&stop, true);
	pthread_join(sender, NULL);
	json_dumpf(json_pack("{s:o}", "late_us", late), stdout, JSON_COMPACT);
	putchar('\n');
	return 0;
}
