// SPDX-License-Identifier: BSD-3-Clause
/*
 * What bench draft makes of the bytes that it sends and of iperf 2's output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <cmocka.h>
#include "../../ctl/draft/measure.c"

#define RECEIVER_BYTES	65536

struct tcp {
	int sender, receiver;
	long long got;
};

static void connect_both(struct tcp *tcp)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), size = RECEIVER_BYTES;
	socklen_t len = sizeof(sin);

	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof(sin)) || listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	tcp->sender = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(tcp->sender, (struct sockaddr *)&sin, sizeof(sin)), 0);
	tcp->receiver = accept(listener, NULL, NULL);
	assert_true(tcp->receiver >= 0);
	close(listener);
}

static void *receive(void *arg)
{
	struct tcp *tcp = arg;
	char buf[RECEIVER_BYTES];
	ssize_t n;

	while ((n = recv(tcp->receiver, buf, sizeof(buf), 0)) > 0)
		tcp->got += n;
	return NULL;
}

/* What waits in the sender's buffer has not arrived. */
static void test_only_what_arrives(void **state)
{
	struct tcp tcp = { 0 };
	double gbps;
	int size = 8 * RECEIVER_BYTES;

	connect_both(&tcp);
	assert_int_equal(setsockopt(tcp.sender, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	gbps = send_gbps(tcp.sender, 0, 0.5);
	assert_true(gbps > 0 && gbps * 1e9 / 8 * 0.5 <= 2 * RECEIVER_BYTES);
	/* The receiver still does not read: nothing more arrives. */
	assert_true(send_gbps(tcp.sender, 0.1, 0.2) == 0);
	close(tcp.receiver);
	assert_true(send_gbps(tcp.sender, 0, 0.2) < 0);
	close(tcp.sender);
}

/* What a receiver gets before the omitted time ends does not count; what it gets afterwards does. */
static void test_omitted(void **state)
{
	struct tcp tcp = { 0 };
	double gbps, start = now_s(), took;
	pthread_t thread;

	connect_both(&tcp);
	assert_int_equal(pthread_create(&thread, NULL, receive, &tcp), 0);
	gbps = send_gbps(tcp.sender, 0.4, 0.4);
	took = now_s() - start;
	close(tcp.sender);
	pthread_join(thread, NULL);
	close(tcp.receiver);
	assert_true(took >= 0.8);
	assert_true(gbps > 0 && gbps * 1e9 / 8 * 0.4 < (double)tcp.got);
}

static void test_csv(void **state)
{
	/* The start is left out, as is the line for all. */
	static const char text[] = "1,a,1,b,2,3,0.0-1.0,9000000000,0\n1,a,1,b,2,3,1.0-2.0,9000000000,0\n"
		"1,a,1,b,2,3,2.0-3.0,1000000000,0\n1,a,1,b,2,3,3.0-4.0,500000000,0\n1,a,1,b,2,3,0.0-4.0,19500000000,0\n";

	assert_true(csv_gbps(text) > 5.99 && csv_gbps(text) < 6.01);
	assert_true(csv_gbps("") == 0 && csv_gbps("no iperf\n") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_arrives),
		cmocka_unit_test(test_omitted),
		cmocka_unit_test(test_csv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
