/* SPDX-License-Identifier: BSD-3-Clause */
/* The watch, with threads that block as a worker might. The watch's thread and clocks are real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#define COMPUTING_US 250000	/* also with a sanitizer */
#include "worker/watch.c"

struct nfvd_worker *nfvd_workers[NFVD_WORKERS_MAX];
unsigned int nfvd_n_workers;
struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
static struct nfvd_worker worker;
static struct nfvd_port port[4];
static atomic_uint events;
static atomic_bool over, woken;
static int pipe_fd[2];

void nfvd_event(const char *name, const char *fmt, ...)
{
}

void nfvd_event_of(enum nfvd_event_kind kind, const char *name, const char *fmt, ...)
{
	atomic_fetch_add(&events, 1);
}

void nfvd_fault(struct nfvd_port *p, enum nfvd_drop what, unsigned int n)
{
	atomic_fetch_add(&p->faults[what], n);
}

uint64_t nfvd_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static void nap_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	while (nanosleep(&ts, &ts))
		;
}

static bool comes_true(atomic_bool *what)
{
	for (unsigned int i = 0; i < 6000 && !atomic_load(what); i++)
		nap_ms(10);
	return atomic_load(what);
}

/* The thread that acts as the worker; act() is its turn. */
static void *play(void *act)
{
	worker.watched.tid = gettid();
	((void (*)(void))act)();
	return NULL;
}

static void watch_one(void (*act)(void))
{
	nfvd_n_workers = 1;
	nfvd_workers[0] = &worker;
	memset(&worker.watched, 0, sizeof(worker.watched));
	memset(port, 0, sizeof(port));
	for (unsigned int i = 0; i < 4; i++) {
		port[i].id = i;
		nfvd_ports[i] = &port[i];
	}
	suspects.dst = NULL;
	suspects.src = NFVD_NOWHERE;
	atomic_store(&events, 0);
	atomic_store(&over, false);
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(pthread_create(&worker.watched.thread, NULL, play, (void *)act), 0);
	assert_int_equal(nfvd_watch_start(), 0);
}

static void end(void)
{
	nfvd_watch_stop();
	atomic_store(&over, true);
	close(pipe_fd[1]);
	pthread_join(worker.watched.thread, NULL);
	close(pipe_fd[0]);
}

static void go_on(unsigned int src)
{
	while (!atomic_load(&over)) {
		nfvd_watch_turn(&worker.watched, src);
		nap_ms(1);
	}
}

/* A wait, which signals end, during a delivery from port 1 to port 2. */
static void wait_in_delivery(void)
{
	char c;

	nfvd_watch_turn(&worker.watched, 1);
	nfvd_watch_delivery(&worker.watched, 1, 2);
	if (read(pipe_fd[0], &c, 1) < 0 && errno == EINTR)
		go_on(3);
}

static void receiver_is_fenced(void **state)
{
	watch_one(wait_in_delivery);
	assert_true(comes_true(&port[2].held));
	assert_int_equal(port[2].faults[NFVD_DROP_WORKER_HELD], 1);
	assert_int_equal(events, 1);
	/* The signal has ended the wait: the worker continues, and no other port is fenced. */
	nap_ms(500);
	assert_int_equal(events, 1);
	assert_false(port[0].held || port[1].held || port[3].held);
	nfvd_port_unfence(&port[2]);
	assert_false(port[2].held);
	end();
}

static void wait_with_each(void)
{
	char c;

	for (unsigned int dst = 2; dst < 4; dst++) {
		nfvd_watch_turn(&worker.watched, 1);
		nfvd_watch_delivery(&worker.watched, 1, dst);
		if (read(pipe_fd[0], &c, 1) >= 0)
			return;
	}
	go_on(0);
}

static void sender_is_found(void **state)
{
	watch_one(wait_with_each);
	assert_true(comes_true(&port[1].held));
	for (unsigned int i = 0; i < 200 && port[2].held; i++)
		nap_ms(10);
	assert_false(port[2].held || port[3].held || port[0].held);
	end();
}

/* A worker that computes all the time, in a turn of port 3. */
static void compute(void)
{
	nfvd_watch_turn(&worker.watched, 3);
	while (!atomic_load(&port[3].held) && !atomic_load(&over))
		;
	go_on(0);
}

static void sender_that_takes_long_is_fenced(void **state)
{
	watch_one(compute);
	assert_true(comes_true(&port[3].held));
	end();
	assert_int_equal(events, 1);
}

/* The worker sleeps, and so does the watch; then the worker wakes and blocks. */
static void sleep_then_wait(void)
{
	char c;

	nfvd_watch_sleep(&worker.watched, true);
	while (!atomic_load(&woken))
		nap_ms(5);
	nfvd_watch_sleep(&worker.watched, false);
	nfvd_watch_turn(&worker.watched, 2);
	if (read(pipe_fd[0], &c, 1) < 0)
		go_on(2);
}

static void sleep_is_no_wait(void **state)
{
	watch_one(sleep_then_wait);
	for (unsigned int i = 0; i < 2000 && !atomic_load(&parked); i++)
		nap_ms(5);
	assert_true(atomic_load(&parked));
	assert_int_equal(events, 0);
	atomic_store(&woken, true);
	assert_true(comes_true(&port[2].held));
	end();
}

/* Fork a process that runs act() as worker under watch for ms milliseconds; its status is 0 if no port was fenced. */
static pid_t child(void (*act)(void), unsigned int ms)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	watch_one(act);
	nap_ms(ms);
	_exit(atomic_load(&events) ? 1 : 0);
}

static void never_move(void)
{
	char c;

	nfvd_watch_turn(&worker.watched, 1);
	while (read(pipe_fd[0], &c, 1) < 0)
		;
}

static void the_end(void **state)
{
	int status;

	assert_int_equal(waitpid(child(never_move, 60000), &status, 0) > 0, 1);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), NFVD_EXIT_HELD);
}

/* A stopped process has not waited for any port, wherever it was. */
static void computes_in_turns(void)
{
	for (;;) {
		nfvd_watch_turn(&worker.watched, 1);
		for (volatile unsigned int i = 0; i < 1000000; i++)
			;
	}
}

static void stopped_is_no_wait(void **state)
{
	pid_t pid = child(computes_in_turns, 3000);
	int status;

	for (unsigned int i = 0; i < 5; i++) {
		nap_ms(100);
		kill(pid, SIGSTOP);
		nap_ms(300);
		kill(pid, SIGCONT);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- holes ---- */

#define LARGE	(64ul << 20)	/* punching this takes 20 ms on an idle machine */

static uint8_t *shared;
static int shared_fd;
static atomic_bool stop_punching;

static void *punch(void *unused)
{
	while (!atomic_load(&stop_punching)) {
		memset(shared, 1, LARGE);
		if (fallocate(shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LARGE))
			abort();
	}
	return unused;
}

static void watch_while_punched(void (*act)(void), unsigned int id)
{
	pthread_t t;

	shared_fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(shared_fd, LARGE), 0);
	shared = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	atomic_store(&stop_punching, false);
	assert_int_equal(pthread_create(&t, NULL, punch, NULL), 0);
	watch_one(act);
	assert_true(comes_true(&port[id].held));
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(port[i].held, i == id);
	assert_int_equal(port[id].faults[NFVD_DROP_WORKER_HELD], 1);
	atomic_store(&stop_punching, true);
	pthread_join(t, NULL);
	end();
	munmap(shared, LARGE);
	close(shared_fd);
}

static bool somebody_is_held(void)
{
	return port[1].held || port[2].held || atomic_load(&over);
}

static volatile uint8_t *some_page(void)
{
	return shared + random() % (LARGE / PAGE) * PAGE;
}

/* The port's ring is in that memory. */
static void take_from_holes(void)
{
	while (!somebody_is_held()) {
		nfvd_watch_turn(&worker.watched, 1);
		(void)*some_page();
	}
	go_on(3);
}

static void deliver(bool from_holes)
{
	static uint8_t elsewhere[PAGE];
	struct iovec iov = { .iov_len = PAGE };
	struct nfvd_frame f = { .iov = &iov, .iov_n = 1 };

	/* A page that was never written is not present. */
	memset(elsewhere, 1, sizeof(elsewhere));
	while (!somebody_is_held()) {
		volatile uint8_t *page = some_page();

		nfvd_watch_turn(&worker.watched, 1);
		iov.iov_base = from_holes ? (uint8_t *)page : elsewhere;
		worker.out[2].f[0] = &f;
		worker.out[2].n = 1;
		nfvd_watch_delivery(&worker.watched, 1, 2);
		if (from_holes)
			elsewhere[0] = *page;
		else
			*page = 1;
		worker.out[2].n = 0;
	}
	go_on(3);
}

static void deliver_from_holes(void) { deliver(true); }
static void deliver_into_holes(void) { deliver(false); }

static void who_punches_holes_is_fenced(void **state)
{
	watch_while_punched(take_from_holes, 1);
}

static void receiver_is_innocent_of_senders_holes(void **state)
{
	watch_while_punched(deliver_from_holes, 1);
}

static void sender_is_innocent_of_receivers_holes(void **state)
{
	watch_while_punched(deliver_into_holes, 2);
}

/* Wait as long and as often, but not for a hole. */
static void wait_elsewhere(void)
{
	for (;;) {
		nfvd_watch_turn(&worker.watched, 1);
		nap_ms(30);
	}
}

static void other_waits_are_no_holes(void **state)
{
	int status;

	assert_true(waitpid(child(wait_elsewhere, 2000), &status, 0) > 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void ago(struct nfvd_port *p, uint64_t us)
{
	atomic_store(&p->held_us, nfvd_now_us() - us);
	nfvd_watch_release(p);
}

/* It was an accident, or it was not. */
static void fenced_for_a_while(void **state)
{
	struct nfvd_port *p = &port[2];

	memset(p, 0, sizeof(*p));
	nfvd_watch_release(p);
	for (unsigned int times = 1; times < NFVD_HELD_MAX; times++) {
		fence(p);
		ago(p, 50000000);
		assert_true(atomic_load(&p->held));
		assert_in_range(nfvd_watch_release_s(p), 1, 11);
		ago(p, 61000000);
		assert_false(atomic_load(&p->held));
		assert_int_equal(nfvd_watch_release_s(p), 0);
	}
	fence(p);
	ago(p, 3590000000);
	assert_true(atomic_load(&p->held));
	ago(p, 3601000000);
	assert_false(atomic_load(&p->held));
	fence(p);
	ago(p, 61000000);
	assert_false(atomic_load(&p->held));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receiver_is_fenced),
		cmocka_unit_test(sender_is_found),
		cmocka_unit_test(sender_that_takes_long_is_fenced),
		cmocka_unit_test(sleep_is_no_wait),
		cmocka_unit_test(the_end),
		cmocka_unit_test(stopped_is_no_wait),
		cmocka_unit_test(who_punches_holes_is_fenced),
		cmocka_unit_test(receiver_is_innocent_of_senders_holes),
		cmocka_unit_test(sender_is_innocent_of_receivers_holes),
		cmocka_unit_test(other_waits_are_no_holes),
		cmocka_unit_test(fenced_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
