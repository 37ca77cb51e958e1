/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <rte_branch_prediction.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "log.h"
#include "nfvd.h"
#include "switch/context.h"

#define LOOK_MS		50
#define SHARP_MS	10	/* for a while after a worker was seen to wait for a hole */
#define SHARP_US	60000000
#define IDLE_LOOKS	20	/* after so many looks at sleeping workers the thread sleeps, too */
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
#define HOLES_MAX	3	/* turns that may be seen to wait for a hole of one port, in ... */
#define HOLES_US	3600000000
#define RELEASE_US	60000000	/* a port is fenced for so long, ... */
#define FORGET_US	3600000000	/* ... or for so long after NFVD_HELD_MAX times, which are forgotten then */
#define PAGE		4096u
#define WAKE_SIGNAL	SIGUSR2

/* Of one worker, since its count last moved. */
struct seen {
	bool valid, fenced, in_hole;
	uint32_t beat;
	uint64_t cpu_us, computed_us, blocked_us;
	uint64_t fenced_us;	/* the worker's time when its port was fenced */
};

static struct seen seen[NFVD_WORKERS_MAX];
/* The port that was fenced last, and the source of its frames. Either of them may have held the worker. */
static struct { struct nfvd_port *dst; unsigned int src; uint64_t when_us; } suspects = { NULL, NFVD_NOWHERE, 0 };
/* For each port id: the number of turns that waited for a hole in the memory of the port with this serial. */
static struct { uint64_t serial, first_us; unsigned int n; } holes[NFVD_PORTS_MAX];
static uint64_t last_hole_us;	/* 0: none was seen */
static pthread_t thread;
static sem_t wake;
static atomic_bool parked, stop;

void nfvd_watch_sleep(struct nfvd_watched *w, bool asleep)
{
	/*
	 * Sequentially consistent: either this worker sees that the watch is parked, or the watch sees that the
	 * worker is awake.
	 */
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

/* Return whether the worker waits in the kernel, not for a processor, and not because it was stopped. */
static bool blocked(const struct nfvd_watched *w)
{
	char line[512], *state;

	proc_line(w, "stat", line, sizeof(line));
	state = strrchr(line, ')');
	return state && state[1] && (state[2] == 'S' || state[2] == 'D');
}

static void fence(struct nfvd_port *port)
{
	atomic_store(&port->held_us, nfvd_now_us());
	/* Several workers may stand still at one port, for one reason. */
	if (!atomic_exchange(&port->held, true))
		atomic_fetch_add(&port->held_times, 1);
	nfvd_fault(port, NFVD_DROP_WORKER_HELD, 1);
}

unsigned int nfvd_watch_release_s(const struct nfvd_port *port)
{
	uint64_t since_us = nfvd_now_us() - atomic_load(&port->held_us);
	uint64_t all_us = atomic_load(&port->held_times) < NFVD_HELD_MAX ? RELEASE_US : FORGET_US;

	return atomic_load(&port->held) && since_us < all_us ? (all_us - since_us) / 1000000 + 1 : 0;
}

void nfvd_watch_release(struct nfvd_port *port)
{
	bool held = atomic_load(&port->held);

	if (likely(!atomic_load(&port->held_times)) || nfvd_watch_release_s(port))
		return;
	if (nfvd_now_us() - atomic_load(&port->held_us) >= FORGET_US)
		atomic_store(&port->held_times, 0);
	/* The workers look at the queues of all ports every now and then: nobody has to be woken. */
	if (held && atomic_exchange(&port->held, false))
		nfvd_event_of(NFVD_EVENT_STATE, port->name, "released: it held a worker, and may try again");
}

/* ---- at which port a worker stands still ---- */

/* Return whether all pages of v are present, without waiting for them. */
static bool is_there(const struct iovec *v)
{
	uintptr_t start = (uintptr_t)v->iov_base / PAGE * PAGE;
	uintptr_t end = (uintptr_t)v->iov_base + (v->iov_len < NFVD_FRAME_MAX ? v->iov_len : NFVD_FRAME_MAX);
	unsigned char there[64];

	for (; start < end; start += sizeof(there) * PAGE) {
		size_t n = (end - start + PAGE - 1) / PAGE;

		if (n > sizeof(there))
			n = sizeof(there);
		if (mincore((void *)start, n * PAGE, there))
			return true;
		for (size_t i = 0; i < n; i++)
			if (!(there[i] & 1))
				return false;
	}
	return true;
}

/*
 * Return whether the worker, which stands still, reads memory that is not present for a delivery to dst. It may have
 * gone on meanwhile. Then these are frames of a later turn, and their memory is not freed before this thread is
 * offline.
 */
static bool source_is_away(const struct nfvd_worker *w, unsigned int dst)
{
	const struct nfvd_out *out = w->copying ? &w->copies : &w->out[dst];

	for (unsigned int i = 0; i < NFVD_BURST && i < out->n; i++) {
		const struct nfvd_frame *f = out->f[i];

		for (unsigned int k = 0; k < NFVD_IOV_MAX && k < f->iov_n; k++)
			if (!is_there(&f->iov[k]))
				return true;
	}
	return false;
}

/*
 * Find the sender and the receiver; NULL where there is none. A receiver is left out if the memory of the sender is
 * not present.
 */
static void find(const struct nfvd_worker *w, struct nfvd_port **sender, struct nfvd_port **dst, unsigned int *src)
{
	uint32_t at = atomic_load_explicit(&w->watched.at, memory_order_relaxed);
	unsigned int to = at >> 16;

	*src = at & 0xffff;
	*sender = *src < NFVD_PORTS_MAX ? rcu_dereference(nfvd_ports[*src]) : NULL;
	*dst = to < NFVD_PORTS_MAX ? rcu_dereference(nfvd_ports[to]) : NULL;
	if (*sender && *dst && source_is_away(w, to))
		*dst = NULL;
}

static void fence_at(struct nfvd_port *port, unsigned int worker, const struct nfvd_watched *w, uint64_t us)
{
	char where[64];

	proc_line(w, "wchan", where, sizeof(where));
	fence(port);
	nfvd_event_of(NFVD_EVENT_FENCED, port->name, "fenced: it held worker %u for %u ms, in %s", worker, (unsigned int)(us / 1000),
		   where[0] && strcmp(where, "0") ? where : "user space");
}

/*
 * Fence the port whose memory a copy waits for: the receiver if all the sender's memory is present. If the same
 * sender soon stands still with another receiver, the sender is fenced, and the first receiver is released.
 */
static void fence_holder(unsigned int worker, const struct nfvd_worker *w, uint64_t us)
{
	struct nfvd_port *sender, *dst;
	unsigned int src;

	find(w, &sender, &dst, &src);
	if (dst && suspects.src == src && suspects.dst && suspects.dst != dst && sender &&
	    nfvd_now_us() - suspects.when_us < SUSPECT_US) {
		for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
			if (rcu_dereference(nfvd_ports[id]) == suspects.dst && atomic_exchange(&suspects.dst->held, false))
				atomic_fetch_sub(&suspects.dst->held_times, 1);
		suspects.dst = NULL;
		fence_at(sender, worker, &w->watched, us);
		return;
	}
	suspects.dst = dst;
	suspects.src = dst ? src : NFVD_NOWHERE;
	suspects.when_us = nfvd_now_us();
	if (dst || sender)
		fence_at(dst ? dst : sender, worker, &w->watched, us);
	else
		nfvd_event(NULL, "worker %u has not moved for %u ms, and no port holds it", worker, (unsigned int)(us / 1000));
}

/* ---- holes ---- */

/*
 * Return whether the worker waits for a hole in tmpfs. The kernel waits in shmem_fault() and shmem_falloc_wait() for
 * nothing else.
 */
static bool waits_for_hole(const struct nfvd_watched *w)
{
	char where[64];

	proc_line(w, "wchan", where, sizeof(where));
	return !strncmp(where, "shmem_fa", 8);
}

/*
 * Count a wait for a hole, in the turn that began at beat. Waits are sampled: the longer a worker waits in all, the
 * more often it is seen, whether the waits are few and long or many and short.
 */
static void note_hole(unsigned int worker, const struct nfvd_worker *w, uint32_t beat)
{
	struct nfvd_port *sender, *dst, *port;
	uint64_t now = nfvd_now_us();
	unsigned int src;

	find(w, &sender, &dst, &src);
	port = dst ? dst : sender;
	if (!port || atomic_load_explicit(&w->watched.beat, memory_order_relaxed) != beat)
		return;
	last_hole_us = now;
	if (holes[port->id].serial != port->serial || now - holes[port->id].first_us > HOLES_US) {
		holes[port->id].serial = port->serial;
		holes[port->id].first_us = now;
		holes[port->id].n = 0;
	}
	if (++holes[port->id].n < HOLES_MAX || atomic_load(&port->held))
		return;
	holes[port->id].n = 0;
	fence(port);
	nfvd_event_of(NFVD_EVENT_FENCED, port->name, "fenced: worker %u waited %u times for holes punched into its memory", worker, HOLES_MAX);
}

/* gap_us: since the last look, as far as this thread could know of it. */
static void look(unsigned int i, uint64_t gap_us)
{
	const struct nfvd_worker *worker = nfvd_workers[i];
	const struct nfvd_watched *w = &worker->watched;
	struct seen *s = &seen[i];
	uint32_t beat = atomic_load_explicit(&w->beat, memory_order_relaxed);
	uint64_t cpu = cpu_us(w), used, idle;
	bool busy, anew;

	if (atomic_load(&w->asleep)) {
		s->valid = false;
		return;
	}
	busy = s->valid && cpu - s->cpu_us > gap_us / 10 * 9;
	anew = !s->valid || s->beat != beat;
	if (anew)
		*s = (struct seen){ .valid = true, .beat = beat, .cpu_us = cpu };
	if (!busy && !s->in_hole && waits_for_hole(w)) {
		s->in_hole = true;
		note_hole(i, worker, beat);
	}
	if (anew)
		return;
	/* A clock that cannot be read says nothing. */
	if (cpu < s->cpu_us)
		return;
	used = cpu - s->cpu_us;
	idle = used < gap_us / 10 ? gap_us : 0;
	s->cpu_us = cpu;
	if (idle && blocked(w))
		s->blocked_us += idle;
	/* More than that was taken by others: by an emulator or a hypervisor, which the kernel does not see. */
	s->computed_us += used < gap_us ? used : gap_us;
	if (s->fenced && s->blocked_us + s->computed_us - s->fenced_us > LAST_US) {
		dprintf(STDERR_FILENO, "<%d>nfvd: worker %u does not move, although its port was fenced: the end\n", LOG_CRIT, i);
		_exit(NFVD_EXIT_HELD);
	}
	if (!s->fenced && (s->blocked_us >= BLOCKED_US || s->computed_us >= COMPUTING_US)) {
		s->fenced = true;
		s->fenced_us = s->blocked_us + s->computed_us;
		fence_holder(i, worker, s->fenced_us);
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
		/*
		 * A thread that has seen parked posts the semaphore, so the next park() does not wait. That does no
		 * harm.
		 */
		atomic_store(&parked, false);
		return;
	}
	while (sem_wait(&wake) && errno == EINTR)
		;
}

static void *run(void *unused)
{
	unsigned int idle = 0;
	uint64_t before = nfvd_now_us();

	rcu_register_thread();
	rcu_thread_offline();
	while (!atomic_load(&stop)) {
		bool sharp = last_hole_us && before - last_hole_us < SHARP_US;
		unsigned int ms = sharp ? SHARP_MS : LOOK_MS;
		const struct timespec pause = { 0, ms * 1000000l };
		uint64_t gap;

		nanosleep(&pause, NULL);
		gap = nfvd_now_us() - before;
		before += gap;
		/*
		 * If the gap is longer, this thread did not run either. It cannot tell what a worker did in that
		 * time.
		 */
		if (gap > 2 * ms * 1000)
			gap = ms * 1000;
		rcu_thread_online();
		for (unsigned int i = 0; i < nfvd_n_workers; i++)
			look(i, gap);
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
	memset(holes, 0, sizeof(holes));
	last_hole_us = 0;
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
