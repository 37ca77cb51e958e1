/* SPDX-License-Identifier: BSD-3-Clause */
/* Rounds of a worker whose queues always have frames, or never: their shares by weight; which queues are polled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "clock.c"
#include "frame/layout.c"
#include "frame/offload.c"
#include "switch/context.c"
#include "switch/tap.c"
#include "worker/rounds.c"
#include "worker/turn.c"
#include "worker/worker.c"

struct sender {
	struct nfvd_port port;
	struct nfvd_policy policy;
	uint64_t turn;		/* work of one turn; 0: it has no frames */
	uint64_t done;
	unsigned int out, longest;	/* rounds in a row without a turn */
	bool had;
	unsigned int polled;
};

/* ---- stubs of what a worker calls ---- */

void nfvd_log(int level, const char *fmt, ...) { (void)level; (void)fmt; }
void nfvd_fault(struct nfvd_port *port, enum nfvd_drop what, unsigned int n) { (void)port; (void)what; (void)n; }
void nfvd_watch_sleep(struct nfvd_watched *w, bool asleep) { (void)w; (void)asleep; }
void nfvd_call_use(unsigned int i) { (void)i; }

static uint64_t tried_ns;

unsigned int nfvd_backlog_try(struct nfvd_worker *w, uint64_t now_ns)
{
	tried_ns = now_ns;
	w->backlog.n_active = 0;
	return 1;
}

unsigned int nfvd_switch(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int n)
{
	struct sender *s = q->port->priv;

	w->spent = s->turn - n * NFVD_SHARE_FRAME;
	s->done += s->turn;
	s->had = true;
	(void)frames;
	return n;
}

static unsigned int rx(struct nfvd_worker *w, struct nfvd_rxq *q, struct nfvd_frame *frames, unsigned int max)
{
	struct sender *s = q->port->priv;

	(void)w; (void)frames;
	s->polled++;
	return s->turn ? max : 0;
}

static void rx_done(struct nfvd_worker *w, struct nfvd_rxq *q, unsigned int n) { (void)w; (void)q; (void)n; }

static const struct nfvd_port_ops ops = { .rx = rx, .rx_done = rx_done };

/* ---- tests ---- */

_Atomic(unsigned int) nfvd_ports_end;
struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
static struct nfvd_thread *t;
static struct sender s[3];

static void sender(unsigned int i, unsigned int weight, unsigned int queues, uint64_t turn)
{
	struct nfvd_port *port = &s[i].port;

	s[i] = (struct sender){ .policy = { .weight = weight }, .turn = turn };
	*port = (struct nfvd_port){ .id = i, .ops = &ops, .priv = &s[i], .policy = &s[i].policy, .nr_rxq = queues };
	for (unsigned int k = 0; k < queues; k++) {
		port->rxq[k] = (struct nfvd_rxq){ .port = port, .index = k, .fd = -1, .hot = true };
		t->queues->q[t->queues->n++] = &port->rxq[k];
		t->queues->generation++;
	}
}

static int setup(void **state)
{
	t = calloc(1, sizeof(*t));
	t->queues = &t->both[0];
	return !t;
}

static int teardown(void **state)
{
	free(t);
	return 0;
}

static void rounds(unsigned int n)
{
	while (n--) {
		assert_true(iterate(t, 0));
		for (unsigned int i = 0; i < 3; i++) {
			s[i].out = s[i].had ? 0 : s[i].out + 1;
			s[i].longest = s[i].out > s[i].longest ? s[i].out : s[i].longest;
			s[i].had = false;
		}
	}
}

static void by_weight(void **state)
{
	sender(0, 0, 1, 2 << 20);
	sender(1, 2, 1, 2 << 20);
	sender(2, 5, 1, 300000);
	rounds(10000);
	assert_in_range(s[1].done * 100 / s[0].done, 195, 205);
	assert_in_range(s[2].done * 100 / s[0].done, 490, 510);
}

static void small_turns_by_weight(void **state)
{
	sender(0, 1, 1, 53248);
	sender(1, 3, 1, 53248);
	sender(2, 1, 1, 20000);
	rounds(10000);
	assert_in_range(s[1].done * 100 / s[0].done, 280, 305);
	assert_int_equal(s[2].longest, 0);
}

/* A queue with small turns has one in each round, while the other queue skips rounds. */
static void small_turns_are_never_out(void **state)
{
	sender(0, 1, 1, 2 << 20);
	sender(1, 1, 1, 53248);
	sender(2, 1, 1, 53248);
	rounds(10000);
	assert_int_equal(s[1].longest, 0);
	assert_int_equal(s[2].longest, 0);
	assert_in_range(s[0].longest, 30, 33);
}

/* Alone, a queue skips one round, in which no other queue has frames. */
static void nothing_is_left_unused(void **state)
{
	sender(0, 1, 1, 2 << 20);
	sender(1, 1, 1, 0);
	sender(2, 1, 1, 0);
	rounds(10000);
	assert_int_equal(s[0].longest, 1);
}

static void credit_is_not_saved(void **state)
{
	sender(0, 1, 1, 2 << 20);
	sender(1, 1, 1, 0);
	rounds(1000);
	s[1].turn = 2 << 20;
	s[0].done = s[1].done = 0;
	rounds(1000);
	assert_in_range(s[1].done * 100 / s[0].done, 99, 101);
}

/* The share of a port does not depend on its number of queues, or on which of them have frames. */
static void queues_of_a_port_share(void **state)
{
	sender(0, 1, 8, 300000);
	sender(1, 1, 1, 300000);
	rounds(20000);
	assert_in_range(s[1].done * 100 / s[0].done, 97, 103);
	for (unsigned int k = 0; k < 8; k++)
		assert_true(s[0].port.rxq[k].share.credit <= NFVD_SHARE_ROUND);
}

/* Run rounds until the first queue of s[1] is hot or cold. Return the ms that takes. */
static uint32_t until_hot(bool hot)
{
	uint32_t start = nfvd_now_ms();

	while (s[1].port.rxq[0].hot != hot) {
		t->last_ns = nfvd_now_ns();
		iterate(t, 0);
		assert_in_range(nfvd_elapsed_ms(nfvd_now_ms(), start), 0, 2000);
	}
	return nfvd_elapsed_ms(nfvd_now_ms(), start);
}

static void silent_queues_are_cold(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = &s[1].port.rxq[0] };

	sender(0, 1, 1, 100);
	sender(1, 1, 1, 0);
	s[1].port.rxq[0].fd = fd;
	t->epoll = epoll_create1(0);
	assert_int_equal(epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &ev), 0);
	until_hot(false);
	s[1].polled = s[0].polled = 0;
	rounds(1000);
	assert_int_equal(s[0].polled, 1000);
	assert_in_range(s[1].polled, 0, 20);

	/* Its guest kicks. */
	s[1].turn = 100;
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_in_range(until_hot(true), 0, 10);
	s[1].turn = 0;
	assert_in_range(until_hot(false), COOL_MS / 2, 1000);

	/* Its kick gets lost. */
	s[1].turn = 100;
	assert_in_range(until_hot(true), 0, 2 * RECHECK_MS);
	close(fd);
	close(t->epoll);
}

/* The worker wakes when a port with a backlog is due, and tries it. */
static void sleeps_until_the_next_try(void **state)
{
	assert_int_equal(sleep_ns(t, RECHECK_MS, 1000), RECHECK_MS * 1000000ull);
	t->w.backlog.next_ns = 3500;
	assert_int_equal(sleep_ns(t, RECHECK_MS, 1000), RECHECK_MS * 1000000ull);
	t->w.backlog.n_active = 1;
	assert_int_equal(sleep_ns(t, RECHECK_MS, 1000), 2500);
	assert_int_equal(sleep_ns(t, RECHECK_MS, 3500), 0);
	t->w.backlog.next_ns = UINT64_MAX;
	assert_int_equal(sleep_ns(t, 3, 1000), 3000000);
	t->last_ns = 7;
	assert_true(iterate(t, 0));
	assert_int_equal(tried_ns, 7);
	assert_false(iterate(t, 0));
}

/* ---- interrupts that were put off ---- */

static unsigned int late;	/* so many are still put off */

static bool call_some(struct nfvd_port *port)
{
	(void)port;
	late--;
	return late;
}

static void late_interrupts_are_sent(void **state)
{
	static const struct nfvd_port_ops with = { .rx = rx, .rx_done = rx_done, .call_late = call_some };

	sender(0, 1, 1, 0);
	s[0].port.ops = &with;
	s[0].port.rxq[0].hot = false;	/* also if the port sends nothing */
	nfvd_ports[0] = &s[0].port;
	late = 3;
	nfvd_note_late(&t->w, &s[0].port);
	nfvd_note_late(&t->w, &s[0].port);
	assert_int_equal(t->w.n_late, 1);
	assert_int_equal(sleep_ns(t, RECHECK_MS, 1), LATE_NS);
	for (unsigned int left = 3; left--;) {
		iterate(t, 0);
		assert_int_equal(late, left);
	}
	assert_int_equal(t->w.n_late, 0);
	assert_int_equal(sleep_ns(t, RECHECK_MS, 1), RECHECK_MS * 1000000);
	/* A port that has gone meanwhile. */
	nfvd_note_late(&t->w, &s[0].port);
	nfvd_ports[0] = NULL;
	iterate(t, 0);
	assert_int_equal(t->w.n_late, 0);
}

/* With a limit of 0 µs it sleeps without an idle round. */
static void without_a_spin_it_sleeps_at_once(void **state)
{
	const volatile struct nfvd_worker *w;
	int cpu = -1;
	uint64_t rounds;

	assert_int_equal(nfvd_workers_start(1, &cpu, 0), 0);
	w = nfvd_workers[0];
	nfvd_workers_go();
	while (w->sleeps < 3)
		usleep(1000);
	rounds = w->round;
	assert_in_range(rounds, 1, w->sleeps + 1);
	nfvd_workers_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_weight, setup, teardown),
		cmocka_unit_test_setup_teardown(small_turns_by_weight, setup, teardown),
		cmocka_unit_test_setup_teardown(small_turns_are_never_out, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_left_unused, setup, teardown),
		cmocka_unit_test_setup_teardown(credit_is_not_saved, setup, teardown),
		cmocka_unit_test_setup_teardown(queues_of_a_port_share, setup, teardown),
		cmocka_unit_test_setup_teardown(silent_queues_are_cold, setup, teardown),
		cmocka_unit_test_setup_teardown(sleeps_until_the_next_try, setup, teardown),
		cmocka_unit_test_setup_teardown(late_interrupts_are_sent, setup, teardown),
		cmocka_unit_test(without_a_spin_it_sleeps_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
