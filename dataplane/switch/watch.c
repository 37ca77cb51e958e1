/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "log.h"
#include "nfvd.h"
#include "switch/worker.h"

#define LOOK_MS		50
#define IDLE_LOOKS	20	/* all asleep for so long: sleep as well */
#define BLOCKED_US	100000
/* With a sanitizer, and reads of guest memory that are tracked, a turn takes up to a hundred times as long. */
#ifdef COMPUTING_US	/* a test's: it shares the processor with others */
#elif defined(__SANITIZE_ADDRESS__)
#define COMPUTING_US	10000000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COMPUTING_US	10000000
#endif
#endif
#ifndef COMPUTING_US
#define COMPUTING_US	250000
#endif
#define LAST_US		2000000
#define SUSPECT_US	10000000
#define WAKE_SIGNAL	SIGUSR2

/* Of one worker, since its count last moved. */
struct seen {
	bool valid, fenced;
	uint32_t beat;
	uint64_t cpu_us, start_cpu_us, blocked_us;
	uint64_t fenced_us;	/* of its time that had passed when its port was fenced */
};

static struct seen seen[NFVD_WORKERS_MAX];
/* Who was fenced last, and from whom frames came: both had a hand in it. */
static struct { struct nfvd_port *dst; unsigned int src; uint64_t when_us; } suspects = { NULL, NFVD_NOWHERE, 0 };
static pthread_t thread;
static sem_t wake;
static atomic_bool parked, stop;

void nfvd_watch_sleep(struct nfvd_watched *w, bool asleep)
{
	/* Sequentially consistent: either we see that the watch is parked, or it that we are awake. */
	atomic_store(&w->asleep, asleep);
	if (!asleep && atomic_load(&parked) && atomic_exchange(&parked, false))
		sem_post(&wake);
}

static uint64_t cpu_us(const struct nfvd_watched *w)
{
	struct timespec ts = { 0 };
	clockid_t clock;

	if (!pthread_getcpuclockid(w->thread, &clock))
		clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* A file of the worker's in /proc, as one line; empty if it cannot be read. */
static void proc_line(const struct nfvd_watched *w, const char *name, char *line, size_t size)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", w->tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, line, size - 1);
		close(fd);
	}
	line[n > 0 ? n : 0] = 0;
	line[strcspn(line, "\n")] = 0;
}

/* Does it wait in the kernel: not for a processor, nor because it was stopped? */
static bool blocked(const struct nfvd_watched *w)
{
	char line[512], *state;

	proc_line(w, "stat", line, sizeof(line));
	state = strrchr(line, ')');
	return state && state[1] && (state[2] == 'S' || state[2] == 'D');
}

static void fence(struct nfvd_port *port, unsigned int worker, const struct nfvd_watched *w, uint64_t us)
{
	char where[64];

	proc_line(w, "wchan", where, sizeof(where));
	atomic_store(&port->held, true);
	atomic_fetch_add(&port->held_times, 1);
	nfvd_fault(port, NFVD_DROP_WORKER_HELD, 1);
	nfvd_event(port->name, "fenced: it held worker %u for %u ms, in %s", worker, (unsigned int)(us / 1000),
		   where[0] && strcmp(where, "0") ? where : "user space");
}

/*
 * Where a copy stands still, it is the receiver's memory or the sender's. The receiver is fenced; if
 * the same sender is in it again with another, it was the sender, and the receiver is free again.
 */
static void fence_holder(unsigned int worker, const struct nfvd_watched *w, uint64_t us)
{
	uint32_t at = atomic_load_explicit(&w->at, memory_order_relaxed);
	unsigned int src = at & 0xffff, to = at >> 16;
	struct nfvd_port *sender = src < NFVD_PORTS_MAX ? rcu_dereference(nfvd_ports[src]) : NULL;
	struct nfvd_port *dst = to < NFVD_PORTS_MAX ? rcu_dereference(nfvd_ports[to]) : NULL;

	if (dst && suspects.src == src && suspects.dst && suspects.dst != dst && sender &&
	    nfvd_now_us() - suspects.when_us < SUSPECT_US) {
		for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
			if (rcu_dereference(nfvd_ports[id]) == suspects.dst)
				atomic_store(&suspects.dst->held, false);
		suspects.dst = NULL;
		fence(sender, worker, w, us);
		return;
	}
	suspects.dst = dst;
	suspects.src = dst ? src : NFVD_NOWHERE;
	suspects.when_us = nfvd_now_us();
	if (dst || sender)
		fence(dst ? dst : sender, worker, w, us);
	else
		nfvd_event(NULL, "worker %u does not move for %u ms, at no port", worker, (unsigned int)(us / 1000));
}

/* gap_us: since the last look, as far as this thread could know of it. */
static void look(unsigned int i, const struct nfvd_watched *w, uint64_t gap_us)
{
	struct seen *s = &seen[i];
	uint32_t beat = atomic_load_explicit(&w->beat, memory_order_relaxed);
	uint64_t cpu = cpu_us(w), computed, idle;

	if (atomic_load(&w->asleep)) {
		s->valid = false;
		return;
	}
	if (!s->valid || s->beat != beat) {
		*s = (struct seen){ .valid = true, .beat = beat, .cpu_us = cpu, .start_cpu_us = cpu };
		return;
	}
	/* A clock that cannot be read says nothing. */
	if (cpu < s->cpu_us)
		return;
	idle = cpu - s->cpu_us < gap_us / 10 ? gap_us : 0;
	s->cpu_us = cpu;
	if (idle && blocked(w))
		s->blocked_us += idle;
	computed = cpu - s->start_cpu_us;
	if (s->fenced && s->blocked_us + computed - s->fenced_us > LAST_US) {
		dprintf(STDERR_FILENO, "<%d>nfvd: worker %u does not move, although its port was fenced: the end\n", LOG_CRIT, i);
		_exit(NFVD_EXIT_HELD);
	}
	if (!s->fenced && (s->blocked_us >= BLOCKED_US || computed >= COMPUTING_US)) {
		s->fenced = true;
		s->fenced_us = s->blocked_us + computed;
		fence_holder(i, w, s->fenced_us);
	}
	if (s->fenced)
		pthread_kill(w->thread, WAKE_SIGNAL);
}

static bool all_asleep(void)
{
	for (unsigned int i = 0; i < nfvd_n_workers; i++)
		if (!atomic_load(&nfvd_workers[i]->watched.asleep))
			return false;
	return true;
}

static void park(void)
{
	atomic_store(&parked, true);
	if (!all_asleep() || atomic_load(&stop)) {
		/* Whoever has seen it posts, and the next park() does not wait: once too often is no harm. */
		atomic_store(&parked, false);
		return;
	}
	while (sem_wait(&wake) && errno == EINTR)
		;
}

static void *run(void *unused)
{
	const struct timespec pause = { 0, LOOK_MS * 1000000l };
	unsigned int idle = 0;
	uint64_t before = nfvd_now_us();

	rcu_register_thread();
	rcu_thread_offline();
	while (!atomic_load(&stop)) {
		uint64_t gap;

		nanosleep(&pause, NULL);
		gap = nfvd_now_us() - before;
		before += gap;
		/* Longer: we did not run either. What a worker did in that time cannot be told. */
		if (gap > 2 * LOOK_MS * 1000)
			gap = LOOK_MS * 1000;
		rcu_thread_online();
		for (unsigned int i = 0; i < nfvd_n_workers; i++)
			look(i, &nfvd_workers[i]->watched, gap);
		rcu_thread_offline();
		idle = all_asleep() ? idle + 1 : 0;
		if (idle < IDLE_LOOKS)
			continue;
		park();
		idle = 0;
		before = nfvd_now_us();
	}
	rcu_unregister_thread();
	return unused;
}

static void nothing(int sig)
{
}

int nfvd_watch_start(void)
{
	struct sigaction sa = { .sa_handler = nothing };	/* no SA_RESTART: calls return */
	int err;

	if (sigaction(WAKE_SIGNAL, &sa, NULL) || sem_init(&wake, 0, 0))
		return -errno;
	memset(seen, 0, sizeof(seen));
	atomic_store(&stop, false);
	atomic_store(&parked, false);
	err = pthread_create(&thread, NULL, run, NULL);
	if (err)
		return -err;
	pthread_setname_np(thread, "nfvd-watch");
	return 0;
}

void nfvd_watch_stop(void)
{
	atomic_store(&stop, true);
	sem_post(&wake);
	pthread_join(thread, NULL);
	sem_destroy(&wake);
}
