/* SPDX-License-Identifier: BSD-3-Clause */
/* Learning, limits, moving and ageing of addresses. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "port/fdb.c"

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
static struct nfvd_port a = { .id = 0, .macs_max = 3 }, b = { .id = 1, .macs_max = 3 }, c = { .id = 2, .macs_max = 3 };

#define KEY(n) ((uint64_t)(n) << 8 | 2)

static int setup(void **state)
{
	struct nfvd_port *ports[] = { &a, &b, &c };

	rcu_register_thread();
	for (unsigned int i = 0; i < 3; i++) {
		nfvd_ports[i] = ports[i];
		atomic_store(&ports[i]->state, NFVD_STATE_UP);
		ports[i]->macs = 0;
		ports[i]->macs_max = 3;
	}
	return nfvd_fdb_init();
}

static int teardown(void **state)
{
	nfvd_fdb_fini();
	rcu_unregister_thread();
	return 0;
}

/* Return the port of the address; NFVD_PORTS_MAX: its frames are flooded. */
static uint32_t at(uint64_t key)
{
	struct nfvd_fdb_entry *e = nfvd_fdb_lookup(0, key);

	return e && nfvd_fdb_at(e) < NFVD_PORTS_MAX ? nfvd_fdb_at(e) : NFVD_PORTS_MAX;
}

static void learns_and_finds(void **state)
{
	assert_null(nfvd_fdb_lookup(0, KEY(1)));
	assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(1), 0), NFVD_LEARNT);
	assert_int_equal(at(KEY(1)), 0);
	assert_true(nfvd_fdb_changed());
	assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(1), 5), NFVD_LEARNT);
	assert_false(nfvd_fdb_changed());
	assert_int_equal(nfvd_fdb_lookup(0, KEY(1))->seen_ms, 5);
	/* Two queues of a port are on two workers: the slower worker does not make the address look idle. */
	nfvd_fdb_learn(&a, 0, KEY(1), 1);
	assert_int_equal(nfvd_fdb_lookup(0, KEY(1))->seen_ms, 5);
}

static void vlan_is_part_of_the_key(void **state)
{
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

	assert_int_equal(nfvd_fdb_learn(&a, 0, nfvd_fdb_key(mac, 5), 0), NFVD_LEARNT);
	assert_null(nfvd_fdb_lookup(0, nfvd_fdb_key(mac, 0)));
	assert_null(nfvd_fdb_lookup(0, nfvd_fdb_key(mac, 6)));
	assert_non_null(nfvd_fdb_lookup(0, nfvd_fdb_key(mac, 5)));
}

static void limit_is_per_port(void **state)
{
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(i), 0), i < 3 ? NFVD_LEARNT : NFVD_LEARNT_LIMIT);
	assert_int_equal(a.macs, 3);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(5000), 0), NFVD_LEARNT);
	for (unsigned int i = 0; i < 3; i++)
		assert_non_null(nfvd_fdb_lookup(0, KEY(i)));
}

/* Return whether the descriptor is readable: a moved address requests a check by control. */
static bool moved_fd_readable(void)
{
	struct pollfd p = { .fd = nfvd_fdb_moved_fd(), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void one_move_is_believed(void **state)
{
	uint32_t now = 0xffffff00;	/* the clock wraps in between */

	nfvd_fdb_learn(&a, 0, KEY(1), now);
	nfvd_fdb_changed();
	assert_false(moved_fd_readable());
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), now), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 1);
	assert_int_equal(a.macs, 0);
	assert_int_equal(b.macs, 1);
	assert_true(moved_fd_readable());
	assert_true(nfvd_fdb_changed());
	assert_false(moved_fd_readable());
	/* One more move each second, any number of times. */
	for (unsigned int i = 1; i < 100; i++) {
		struct nfvd_port *to = i % 2 ? &a : &b;

		now += NFVD_FDB_WINDOW_MS / 2;
		assert_int_equal(nfvd_fdb_learn(to, 0, KEY(1), now), NFVD_LEARNT_MOVE);
		assert_int_equal(at(KEY(1)), to->id);
	}
	assert_false(nfvd_fdb_disputed());
}

/* a had it, b takes it, a speaks, b takes it: the third move within a second. */
static void dispute(uint32_t now)
{
	assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(1), now), NFVD_LEARNT);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), now + 1), NFVD_LEARNT_MOVE);
	assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(1), now + 500), NFVD_LEARNT_MOVE);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), now + 1000), NFVD_LEARNT_CONTESTED);
	assert_int_equal(at(KEY(1)), 0);
	assert_int_equal(a.macs, 1);
	assert_int_equal(b.macs, 0);
}

static void third_move_in_a_second_is_a_contest(void **state)
{
	uint32_t now = 0xffffff00;

	dispute(now);
	assert_true(nfvd_fdb_disputed());
	assert_false(nfvd_fdb_disputed());
	assert_int_equal(nfvd_fdb_lookup(0, KEY(1))->rival, b.id + 1);
	/* Others claim it repeatedly; the owner keeps it. */
	for (now += 1000; now != 0xffffff00 + 21000; now += 100) {
		assert_int_equal(nfvd_fdb_learn(now % 200 ? &b : &c, 0, KEY(1), now), NFVD_LEARNT_CONTESTED);
		assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(1), now), NFVD_LEARNT);
		assert_int_equal(at(KEY(1)), 0);
	}
	assert_false(nfvd_fdb_disputed());
	/* 5 s after the last claim it may move again. The owner's own frames are not claims. */
	now += NFVD_FDB_CALM_MS - 101;
	nfvd_fdb_learn(&a, 0, KEY(1), now);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), now), NFVD_LEARNT_CONTESTED);
	now += NFVD_FDB_CALM_MS;
	nfvd_fdb_learn(&a, 0, KEY(1), now);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), now), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 1);
}

/* In a dispute of three ports the first owner wins, although it did not send last. */
static void first_one_wins(void **state)
{
	nfvd_fdb_learn(&a, 0, KEY(1), 0);
	nfvd_fdb_learn(&b, 0, KEY(1), 900);
	nfvd_fdb_learn(&c, 0, KEY(1), 1800);
	nfvd_fdb_learn(&b, 0, KEY(1), 2700);
	assert_int_equal(at(KEY(1)), 1);
	assert_int_equal(nfvd_fdb_learn(&c, 0, KEY(1), 2701), NFVD_LEARNT_CONTESTED);
	assert_int_equal(at(KEY(1)), 0);
	/* If a port returns and is the winner, this counts as a move. */
	nfvd_fdb_learn(&a, 0, KEY(2), 0);
	nfvd_fdb_learn(&b, 0, KEY(2), 1);
	nfvd_fdb_learn(&c, 0, KEY(2), 2);
	assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(2), 3), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(2)), 0);
	assert_int_equal(nfvd_fdb_lookup(0, KEY(2))->rival, c.id + 1);
	assert_int_equal(a.macs, 2);
	assert_int_equal(b.macs + c.macs, 0);
	assert_int_equal(nfvd_fdb_learn(&c, 0, KEY(2), 4), NFVD_LEARNT_CONTESTED);
}

/* Workers whose iterations began before a frame was stamped by another: no time has passed. */
static void clocks_of_two_workers_differ(void **state)
{
	static const uint32_t starts[] = { 1000000, 2, 0xfffffffe };

	for (unsigned int i = 0; i < 3; i++) {
		uint32_t t = starts[i];

		nfvd_fdb_learn(&a, 0, KEY(i), t + 4);
		nfvd_fdb_learn(&b, 0, KEY(i), t);
		nfvd_fdb_learn(&a, 0, KEY(i), t + 4);
		assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(i), t), NFVD_LEARNT_CONTESTED);
		/* The clock of the owner's worker is ahead by a growing amount. */
		for (uint32_t ahead = 0; ahead <= 20000; ahead += 4) {
			nfvd_fdb_learn(&a, 0, KEY(i), t + ahead);
			assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(i), t), NFVD_LEARNT_CONTESTED);
			assert_int_equal(at(KEY(i)), 0);
		}
		/* The claims' last stamp counts, not the one of the worker that is behind. */
		nfvd_fdb_learn(&b, 0, KEY(i), t + 3000);
		nfvd_fdb_learn(&b, 0, KEY(i), t);
		assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(i), t + 3000 + NFVD_FDB_CALM_MS - 1), NFVD_LEARNT_CONTESTED);
	}
	assert_int_equal(a.macs, 3);
	assert_int_equal(b.macs, 0);
}

/* An address at a port that is not up moves to the port that sends, also during a contest. */
static void down_port_owns_nothing(void **state)
{
	dispute(0);
	nfvd_fdb_learn(&a, 0, KEY(2), 1000);
	atomic_store(&a.state, NFVD_STATE_DOWN);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 1001), NFVD_LEARNT_MOVE);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(2), 1001), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 1);
	assert_int_equal(a.macs, 0);
	/* This was not a dispute; three more moves are one. */
	atomic_store(&a.state, NFVD_STATE_UP);
	assert_int_equal(nfvd_fdb_learn(&c, 0, KEY(1), 1002), NFVD_LEARNT_MOVE);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 1003), NFVD_LEARNT_MOVE);
	/* The first owner is down: the contest continues between the others. */
	atomic_store(&b.state, NFVD_STATE_DOWN);
	assert_int_equal(nfvd_fdb_learn(&c, 0, KEY(1), 1004), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 2);
	/* Another port may soon get a detached port's id. */
	nfvd_ports[2] = NULL;
	assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(1), 1005), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 0);
}

/* A port that watch.c has fenced neither wins a contest nor keeps its addresses. */
static void held_port_owns_nothing(void **state)
{
	dispute(0);
	atomic_store(&a.held, true);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 1001), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 1);
	assert_int_equal(a.macs, 0);
	atomic_store(&a.held, false);
}

static void flush_forgets_who_was_first(void **state)
{
	nfvd_fdb_learn(&a, 0, KEY(1), 0);
	nfvd_fdb_learn(&b, 0, KEY(1), 1);
	nfvd_fdb_learn(&c, 0, KEY(1), 2);
	nfvd_fdb_flush(&a);
	rcu_thread_online();
	assert_int_equal(at(KEY(1)), 2);
	/* Now c was first. */
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 3), NFVD_LEARNT_MOVE);
	assert_int_equal(nfvd_fdb_learn(&c, 0, KEY(1), 4), NFVD_LEARNT_MOVE);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 5), NFVD_LEARNT_CONTESTED);
	assert_int_equal(at(KEY(1)), 2);
}

/* The address moved to a port that may not learn it: its old port does not keep it. */
static void moves_to_a_full_port(void **state)
{
	b.macs_max = 1;
	nfvd_fdb_learn(&b, 0, KEY(9), 0);
	nfvd_fdb_learn(&a, 0, KEY(1), 0);
	for (unsigned int i = 0; i < 10; i++) {
		assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 1 + i), NFVD_LEARNT_LIMIT);
		assert_int_equal(at(KEY(1)), NFVD_PORTS_MAX);
	}
	/* It still counts for its old port, so that two ports together do not exceed their limits. */
	assert_int_equal(a.macs, 1);
	assert_int_equal(b.macs, 1);
	assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(1), 100), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 0);
	/* A port at its limit contests, too. */
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 101), NFVD_LEARNT_CONTESTED);
	assert_int_equal(at(KEY(1)), 0);
	assert_int_equal(a.macs, 1);
	/* And a third one with room gets it. */
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 20000), NFVD_LEARNT_LIMIT);
	assert_int_equal(nfvd_fdb_learn(&c, 0, KEY(1), 30000), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 2);
	assert_int_equal(a.macs, 0);
	assert_int_equal(c.macs, 1);
	nfvd_fdb_flush(NULL);
	rcu_thread_online();
	assert_int_equal(a.macs + b.macs + c.macs, 0);
}

/* The winner has reached its limit meanwhile: the address is at no port, and its frames are flooded. */
static void owner_has_filled_its_share(void **state)
{
	a.macs_max = 1;
	nfvd_fdb_learn(&a, 0, KEY(1), 0);
	nfvd_fdb_learn(&b, 0, KEY(1), 1);
	nfvd_fdb_learn(&a, 0, KEY(2), 1);
	nfvd_fdb_learn(&c, 0, KEY(1), 2);
	nfvd_fdb_learn(&b, 0, KEY(1), 3);
	assert_int_equal(at(KEY(1)), NFVD_PORTS_MAX);
	assert_int_equal(a.macs, 1);
	assert_int_equal(nfvd_fdb_learn(&a, 0, KEY(1), 4), NFVD_LEARNT);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 5), NFVD_LEARNT_CONTESTED);
	nfvd_fdb_flush(NULL);
	rcu_thread_online();
	assert_int_equal(a.macs + b.macs + c.macs, 0);
}

/* A worker found an entry, control deletes it, the worker continues with it. */
static void deleted_under_a_mover(void **state)
{
	struct nfvd_fdb_entry *e;

	nfvd_fdb_learn(&a, 0, KEY(1), 0);
	e = nfvd_fdb_lookup(0, KEY(1));
	del(e);
	assert_int_equal(move(e, &b, 100000), NFVD_LEARNT);
	assert_int_equal(a.macs, 0);
	assert_int_equal(b.macs, 0);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), 100000), NFVD_LEARNT);
	assert_int_equal(b.macs, 1);
}

/* A stub: nothing else forwards. */
static uint32_t stamp(struct nfvd_fdb_entry *e)
{
	return atomic_load(&e->seen_ms);
}

/* Age all, in one part: there are few. Return the time until the next entry may expire. */
static uint32_t age(uint32_t now_ms, uint32_t (*seen)(struct nfvd_fdb_entry *e))
{
	uint32_t next_ms = NFVD_FDB_AGEING_S * 1000;

	assert_int_equal(nfvd_fdb_age(0, now_ms, seen, &next_ms), NFVD_FDB_END);
	return next_ms;
}

static uint32_t seen_elsewhere(struct nfvd_fdb_entry *e)
{
	return 290000;
}

/* An entry that the module or the shortcut uses is not removed; ageing asks for its last use when it is due. */
static void asks_before_it_forgets(void **state)
{
	nfvd_fdb_learn(&a, 0, KEY(1), 1000);
	assert_int_equal(age(51000, seen_elsewhere), 250000);
	assert_int_equal(age(301001, seen_elsewhere), 290000 + NFVD_FDB_AGEING_S * 1000 - 301001);
	rcu_thread_online();
	assert_non_null(nfvd_fdb_lookup(0, KEY(1)));
	age(290000 + NFVD_FDB_AGEING_S * 1000 + 1, seen_elsewhere);
	rcu_thread_online();
	assert_null(nfvd_fdb_lookup(0, KEY(1)));
	/* A dispute has to be looked after. */
	nfvd_fdb_learn(&a, 0, KEY(2), 1000000);
	nfvd_fdb_learn(&b, 0, KEY(2), 1000001);
	assert_int_equal(age(1000100, stamp), 0);
	rcu_thread_online();
}

static void ages_and_flushes(void **state)
{
	nfvd_fdb_learn(&a, 0, KEY(1), 1000);
	nfvd_fdb_learn(&a, 0, KEY(2), 200000);
	nfvd_fdb_learn(&b, 0, KEY(3), 200000);
	age(1000 + NFVD_FDB_AGEING_S * 1000 + 1, stamp);
	rcu_thread_online();
	assert_null(nfvd_fdb_lookup(0, KEY(1)));
	assert_non_null(nfvd_fdb_lookup(0, KEY(2)));
	/* Stamped by a worker just after control read the clock. */
	age(199990, stamp);
	rcu_thread_online();
	assert_non_null(nfvd_fdb_lookup(0, KEY(2)));
	nfvd_fdb_flush(&a);
	rcu_thread_online();
	assert_null(nfvd_fdb_lookup(0, KEY(2)));
	assert_non_null(nfvd_fdb_lookup(0, KEY(3)));
	assert_int_equal(a.macs, 0);
}

/* The clock of moves wraps: a move 25 days ago does not count as recent. */
static void old_moves_mean_nothing(void **state)
{
	uint32_t now = 5;

	nfvd_fdb_learn(&a, 0, KEY(1), now);
	nfvd_fdb_learn(&b, 0, KEY(1), now + 1);
	nfvd_fdb_learn(&a, 0, KEY(1), now + 2);
	for (unsigned int day = 0; day < 25; day++) {
		now += 86400000;
		nfvd_fdb_learn(&a, 0, KEY(1), now);
		age(now, stamp);
		rcu_thread_online();
	}
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(1), now), NFVD_LEARNT_MOVE);
	assert_int_equal(at(KEY(1)), 1);
}

/* ---- several workers ---- */

/* ThreadSanitizer does not understand liburcu's publication, so these entries exist before the threads start. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:liburcu\nrace:free_entry\n";
}

#define ROUNDS 200000

static atomic_bool over;

static void *speak(void *arg)
{
	struct nfvd_port *port = arg;

	rcu_register_thread();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		nfvd_fdb_learn(port, 0, KEY(i % 4), nfvd_now_ms());
		if (i % 64 == 0)
			rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

static void *flush_ports(void *arg)
{
	rcu_register_thread();
	rcu_thread_offline();
	while (!atomic_load(&over)) {
		nfvd_fdb_flush(&b);
		age(nfvd_now_ms(), stamp);
		sched_yield();
	}
	rcu_unregister_thread();
	return NULL;
}

/* Counts per port stay correct while several workers move and remove addresses. */
static void workers_race(void **state)
{
	struct nfvd_port *ports[] = { &a, &b, &c };
	pthread_t t[3], flusher;
	unsigned int n[3] = { 0 };

#ifdef __SANITIZE_THREAD__
	skip();
#endif
	atomic_store(&over, false);
	rcu_thread_offline();
	pthread_create(&flusher, NULL, flush_ports, NULL);
	for (unsigned int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, speak, ports[i]);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	atomic_store(&over, true);
	pthread_join(flusher, NULL);
	rcu_thread_online();
	for (unsigned int i = 0; i < 4; i++) {
		struct nfvd_fdb_entry *e = nfvd_fdb_lookup(0, KEY(i));

		if (e)
			n[nfvd_fdb_at(e) % NFVD_PORTS_MAX]++;
	}
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(ports[i]->macs, n[i]);
}

/* The owner sends all the time on one worker, a thief on another: the owner keeps the address. */
static void owner_keeps_it_against_a_worker(void **state)
{
	pthread_t t[2];

	a.macs_max = 4;
	for (unsigned int i = 0; i < 4; i++)
		nfvd_fdb_learn(&a, 0, KEY(i), nfvd_now_ms());
	rcu_thread_offline();
	pthread_create(&t[0], NULL, speak, &a);
	pthread_create(&t[1], NULL, speak, &b);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	rcu_thread_online();
	/* If one thread ended before the other began, three moves decide it. */
	nfvd_fdb_learn(&b, 0, KEY(0), nfvd_now_ms());
	nfvd_fdb_learn(&a, 0, KEY(0), nfvd_now_ms());
	nfvd_fdb_learn(&b, 0, KEY(0), nfvd_now_ms());
	nfvd_fdb_learn(&a, 0, KEY(0), nfvd_now_ms());
	assert_int_equal(at(KEY(0)), 0);
	assert_int_equal(nfvd_fdb_learn(&b, 0, KEY(0), nfvd_now_ms()), NFVD_LEARNT_CONTESTED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(learns_and_finds), T(vlan_is_part_of_the_key), T(limit_is_per_port), T(one_move_is_believed),
		T(third_move_in_a_second_is_a_contest), T(first_one_wins), T(clocks_of_two_workers_differ),
		T(down_port_owns_nothing), T(held_port_owns_nothing), T(flush_forgets_who_was_first), T(moves_to_a_full_port),
		T(owner_has_filled_its_share), T(deleted_under_a_mover), T(ages_and_flushes), T(asks_before_it_forgets), T(old_moves_mean_nothing),
		T(workers_race), T(owner_keeps_it_against_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
