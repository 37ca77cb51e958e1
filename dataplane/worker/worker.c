/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <errno.h>
#include <numa.h>
#include <poll.h>
#include <pthread.h>
#include <rte_branch_prediction.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "log.h"
#include "worker/call.h"
#include "worker/turn.h"
#include "worker/watch.h"

#define QUEUES_MAX (NFVD_PORTS_MAX * NFVD_RXQS_MAX)
/*
 * A guest whose kick was lost, or was never sent, waits no longer than this. QEMU before 8.1 emulates a machine with
 * one processor without memory barriers. Its guests then miss, once in some thousand times, that they have to kick.
 */
#define RECHECK_MS 200
#define IDLE_ROUNDS 16
#define COOL_MS 50		/* a queue without frames for so long becomes cold */
#define LOOK_NS 40000		/* between two checks which cold queues have wake-ups */
#define EVENTS 64

/*
 * A worker's queues, replaced as a whole. There is room for the most queues there can be, so adding one needs no
 * memory.
 */
struct queues {
	uint64_t generation;
	unsigned int n;
	struct nfvd_rxq *q[QUEUES_MAX];
};

/* What only this file needs of a worker. */
struct thread {
	struct nfvd_worker w;
	struct queues *queues;		/* RCU: one of both[]; the other is changed, then they swap */
	struct queues both[2];
	uint64_t generation;		/* that hot is of */
	unsigned int n_hot;
	struct nfvd_rxq *hot[QUEUES_MAX];
	unsigned int rechecked;		/* counts up: the next queue to recheck, modulo their number */
	uint32_t tick_ms;
	uint64_t last_ns, look_ns;	/* when the last round ended; when the worker last looked who called */
	pthread_t tid;
	int epoll, wake;
	bool nobody_called;		/* it polls by itself, after RECHECK_MS without an event */
	atomic_bool stop;
	sem_t started, go;
};

static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int spin_limit_us;

static struct thread *thread_of(struct nfvd_worker *w)
{
	return caa_container_of(w, struct thread, w);
}

/* ---- hot and cold ---- */

/* Take up what control has changed. Return all queues. */
static struct queues *follow(struct thread *t)
{
	struct queues *qs = rcu_dereference(t->queues);

	if (likely(qs->generation == t->generation))
		return qs;
	t->generation = qs->generation;
	t->n_hot = 0;
	for (unsigned int i = 0; i < qs->n; i++)
		if (qs->q[i]->hot)
			t->hot[t->n_hot++] = qs->q[i];
	return qs;
}

/* Ask the queue's endpoint for a wake-up, or stop asking. Return true if it has frames already. */
static bool ask(struct thread *t, struct nfvd_rxq *q, bool on)
{
	const struct nfvd_port *port = q->port;

	nfvd_watch_turn(&t->w.watched, port->id);
	return port->ops->arm && !atomic_load_explicit(&port->held, memory_order_relaxed) && port->ops->arm(q, on);
}

static void heat(struct thread *t, struct nfvd_rxq *q)
{
	if (q->hot)
		return;
	ask(t, q, false);
	q->hot = true;
	q->busy_ms = t->w.now_ms;
	t->hot[t->n_hot++] = q;
}

/*
 * Find the queues whose descriptors are readable. Their events are edge-triggered, so the descriptors need no read;
 * the worker's own descriptor is level-triggered. A deleted queue has no further events. If it had one just before,
 * it still exists until the next quiescent state.
 */
static void look(struct thread *t, bool slept)
{
	struct epoll_event ev[EVENTS];
	uint64_t drain;
	int n = epoll_wait(t->epoll, ev, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct nfvd_rxq *q = ev[i].data.ptr;

		if (!q) {
			if (read(t->wake, &drain, sizeof(drain)) < 0)
				nfvd_log(LOG_ERR, "worker %u: wake eventfd: %m", t->w.index);
			continue;
		}
		if (slept || !q->hot)
			q->woken = true;
		heat(t, q);
	}
	t->look_ns = t->last_ns;
}

/* Poll n of the cold queues, whose wake-ups may have been lost. */
static unsigned int recheck(struct thread *t, const struct queues *qs, unsigned int n)
{
	unsigned int frames = 0;

	for (; n; n--) {
		struct nfvd_rxq *q = qs->q[t->rechecked++ % qs->n];
		unsigned int got = q->hot ? 0 : nfvd_turns(&t->w, q, t->nobody_called);

		if (got)
			heat(t, q);
		frames += got;
	}
	return frames;
}

/* Make idle queues cold. A queue that waits for a limit, or cannot wake the worker, stays hot. */
static void cool(struct thread *t)
{
	for (unsigned int i = 0; i < t->n_hot;) {
		struct nfvd_rxq *q = t->hot[i];

		if (q->fd < 0 || nfvd_elapsed_ms(t->w.now_ms, q->busy_ms) < COOL_MS || q->share.credit <= 0 ||
		    nfvd_paused_ms(q->port) || ask(t, q, true)) {
			i++;
			continue;
		}
		q->hot = false;
		t->hot[i] = t->hot[--t->n_hot];
	}
}

/* Do what is due each time the coarse clock has moved: recheck cold queues, and make idle ones cold. */
static unsigned int tick(struct thread *t, const struct queues *qs)
{
	uint32_t passed = nfvd_elapsed_ms(t->w.now_ms, t->tick_ms);
	unsigned int cold = qs->n - t->n_hot, n = 0;

	t->tick_ms = t->w.now_ms;
	if (cold)
		n = recheck(t, qs, t->nobody_called || passed >= RECHECK_MS ? qs->n : (qs->n * passed + RECHECK_MS - 1) / RECHECK_MS);
	t->nobody_called = false;
	cool(t);
	return n;
}

/* Only queues in debt have frames: skip as many rounds as the first of them has to sit out. */
static void pass_rounds(struct thread *t)
{
	int32_t least = INT32_MAX;

	for (unsigned int i = 0; i < t->n_hot; i++)
		if (t->hot[i]->share.credit <= 0 && nfvd_share_rounds(&t->hot[i]->share) < least)
			least = nfvd_share_rounds(&t->hot[i]->share);
	for (unsigned int i = 0; i < t->n_hot; i++)
		if (t->hot[i]->share.credit <= 0)
			t->hot[i]->share.credit += least * t->hot[i]->share.each;
}

/*
 * Do one round over all hot queues. idle: the number of rounds before it without work. Return whether this one had
 * work.
 */
static bool iterate(struct thread *t, unsigned int idle)
{
	struct queues *qs = follow(t);
	unsigned int n = 0;

	t->w.now_ms = nfvd_now_ms();
	t->w.round++;
	t->w.owing = false;
	if (t->n_hot < qs->n && (idle % IDLE_ROUNDS == IDLE_ROUNDS - 1 || t->last_ns - t->look_ns > LOOK_NS))
		look(t, false);
	if (unlikely(t->w.backlog.n_active))
		n += nfvd_backlog_try(&t->w, t->last_ns);
	for (unsigned int i = 0; i < t->n_hot; i++)
		n += nfvd_turns(&t->w, t->hot[i], t->nobody_called);
	if (unlikely(t->w.now_ms != t->tick_ms))
		n += tick(t, qs);
	if (unlikely(t->w.owing) && !n)
		pass_rounds(t);
	return n || t->w.owing;
}

/*
 * Ask every hot endpoint for a wake-up (or stop asking), except those that have reached their limit. Return whether
 * one has frames already. Lower *ms to the time when the first one at its limit may go on.
 */
static bool arm(struct thread *t, bool on, unsigned int *ms)
{
	bool pending = false;

	for (unsigned int i = 0; i < t->n_hot; i++) {
		unsigned int paused = on ? nfvd_paused_ms(t->hot[i]->port) : 0;

		if (unlikely(paused))
			*ms = paused < *ms ? paused : *ms;
		else
			pending |= ask(t, t->hot[i], on);
	}
	return pending;
}

/*
 * Return how long to wait for an event at most. A receiver whose frames wait in the backlog causes no event when it
 * posts buffers.
 */
static uint64_t sleep_ns(const struct thread *t, unsigned int ms, uint64_t now_ns)
{
	uint64_t ns = ms * 1000000ull, next_ns = t->w.backlog.next_ns;

	if (likely(!t->w.backlog.n_active))
		return ns;
	if (next_ns <= now_ns)
		return 0;
	return next_ns - now_ns < ns ? next_ns - now_ns : ns;
}

static void sleep_until_event(struct thread *t)
{
	struct pollfd events = { t->epoll, POLLIN, 0 };
	unsigned int ms = RECHECK_MS;

	if (!arm(t, true, &ms)) {
		uint64_t start_ns = nfvd_now_ns(), ns = sleep_ns(t, ms, start_ns);
		struct timespec limit = { .tv_nsec = ns };

		t->w.sleeps++;
		rcu_thread_offline();
		nfvd_watch_sleep(&t->w.watched, true);
		t->nobody_called = ppoll(&events, 1, &limit, NULL) == 0 && ns == RECHECK_MS * 1000000;
		nfvd_watch_sleep(&t->w.watched, false);
		rcu_thread_online();
		t->w.asleep_ns += nfvd_now_ns() - start_ns;
		/* Who was deleted meanwhile is not touched. */
		follow(t);
		look(t, true);
	}
	arm(t, false, &ms);
}

/* A µs is 1024 ns here. */
static void note_round(struct nfvd_worker *w, uint64_t ns)
{
	unsigned int bin = ns >> 10 ? 64 - __builtin_clzll(ns >> 10) : 0;

	w->busy_ns += ns;
	w->rounds[bin < NFVD_ROUND_BINS ? bin : NFVD_ROUND_BINS - 1]++;
}

static void *run(void *arg)
{
	struct thread *t = arg;
	uint64_t idle_since = 0, now_ns;
	unsigned int idle = 0;	/* rounds without a frame */

	t->last_ns = nfvd_now_ns();
	t->w.watched.tid = gettid();
	sem_post(&t->started);
	while (sem_wait(&t->go) && errno == EINTR)
		;
	rcu_register_thread();
	nfvd_call_use(t->w.index);
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		bool busy = iterate(t, idle);

		rcu_quiescent_state();
		now_ns = nfvd_now_ns();
		if (busy)
			note_round(&t->w, now_ns - t->last_ns);
		t->last_ns = now_ns;
		/* Read the clock only now and then, because frames that come meanwhile would have to wait for it. */
		if (busy) {
			idle = 0;
		} else if (spin_limit_us && ++idle == IDLE_ROUNDS) {
			idle_since = nfvd_now_us();
		} else if (!spin_limit_us || (!(idle % IDLE_ROUNDS) && nfvd_now_us() - idle_since > spin_limit_us)) {
			sleep_until_event(t);
			t->last_ns = nfvd_now_ns();
			idle = 0;
		}
	}
	rcu_unregister_thread();
	return NULL;
}

static void wake(struct thread *t)
{
	uint64_t one = 1;

	if (write(t->wake, &one, sizeof(one)) < 0)
		nfvd_log(LOG_ERR, "worker %u: wake eventfd: %m", t->w.index);
}

static void pin(struct thread *t, pthread_attr_t *attr)
{
	cpu_set_t set;

	if (t->w.cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(t->w.cpu, &set);
	pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

static int start_one(unsigned int index, int cpu)
{
	/* All zeros. Of the arrays with an element for each port, only the parts in use take memory. */
	struct thread *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_attr_t attr;
	int err;

	if (t == MAP_FAILED)
		return -ENOMEM;
	t->w.index = index;
	t->w.tap.worker = index;
	t->w.tap.id = (uint64_t)index << 56;
	t->w.cpu = cpu;
	sem_init(&t->started, 0, 0);
	sem_init(&t->go, 0, 0);
	t->queues = &t->both[0];
	/* The larger the frames from the kernel are, the more of its pages are used. */
	t->w.bounce = malloc((size_t)NFVD_BURST * NFVD_FRAME_MAX);
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!t->w.bounce || t->epoll < 0 || t->wake < 0 || epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->wake, &ev))
		return -ENOMEM;
	pthread_attr_init(&attr);
	pin(t, &attr);
	err = pthread_create(&t->tid, &attr, run, t);
	pthread_attr_destroy(&attr);
	if (err)
		return -err;
	pthread_setname_np(t->tid, "nfvd-worker");
	t->w.watched.thread = t->tid;
	while (sem_wait(&t->started))
		;
	nfvd_workers[index] = &t->w;
	return 0;
}

int nfvd_workers_start(unsigned int n, const int *cpus, unsigned int spin_us)
{
	spin_limit_us = spin_us;
	for (; nfvd_n_workers < n; nfvd_n_workers++) {
		int err = start_one(nfvd_n_workers, cpus[nfvd_n_workers]);

		if (err)
			return err;
	}
	return 0;
}

void nfvd_workers_go(void)
{
	for (unsigned int i = 0; i < nfvd_n_workers; i++)
		sem_post(&thread_of(nfvd_workers[i])->go);
}

void nfvd_workers_stop(void)
{
	for (unsigned int i = 0; i < nfvd_n_workers; i++) {
		struct thread *t = thread_of(nfvd_workers[i]);

		atomic_store(&t->stop, true);
		sem_post(&t->go);
		wake(t);
		pthread_join(t->tid, NULL);
		for (unsigned int id = 0; id < NFVD_PORTS_MAX; id++)
			if (t->w.row[id])
				munmap(t->w.row[id], sizeof(*t->w.row[id]));
		free(t->w.bounce);
		close(t->epoll);
		close(t->wake);
		munmap(t, sizeof(*t));
	}
	nfvd_n_workers = 0;
}

void nfvd_quiesce(void)
{
	synchronize_rcu();
}

/* The worker with the fewest queues, preferring those on the queue's NUMA node. */
static struct thread *choose(const struct nfvd_rxq *q)
{
	struct thread *best = NULL;
	unsigned int best_cost = ~0u;

	for (unsigned int i = 0; i < nfvd_n_workers; i++) {
		struct thread *t = thread_of(nfvd_workers[i]);
		unsigned int cost = t->queues->n;

		if (q->node >= 0 && t->w.cpu >= 0 && numa_available() == 0 &&
		    numa_node_of_cpu(t->w.cpu) != q->node)
			cost += 1000;
		if (cost < best_cost) {
			best = t;
			best_cost = cost;
		}
	}
	return best;
}

/* The set of queues that no worker uses. */
static struct queues *spare(struct thread *t)
{
	return &t->both[t->queues == &t->both[0]];
}

static void publish(struct thread *t)
{
	spare(t)->generation = t->queues->generation + 1;
	rcu_assign_pointer(t->queues, spare(t));
	wake(t);
	synchronize_rcu();
}

int nfvd_worker_add(struct nfvd_rxq *q)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = q };
	struct thread *t;
	struct queues *qs;
	int err = 0;

	pthread_mutex_lock(&queues_lock);
	t = choose(q);
	/* If the queue cannot wake the worker, its frames would wait until something else does. */
	if (q->fd >= 0 && epoll_ctl(t->epoll, EPOLL_CTL_ADD, q->fd, &ev)) {
		err = -errno;
		goto out;
	}
	qs = spare(t);
	memcpy(qs->q, t->queues->q, t->queues->n * sizeof(qs->q[0]));
	qs->q[t->queues->n] = q;
	qs->n = t->queues->n + 1;
	q->worker = &t->w;
	q->flooded.next = 0;
	q->hot = true;
	q->busy_ms = nfvd_now_ms();
	q->share = (struct nfvd_share){ 0 };
	publish(t);
out:
	pthread_mutex_unlock(&queues_lock);
	return err;
}

void nfvd_worker_del(struct nfvd_rxq *q)
{
	struct thread *t;
	struct queues *qs;

	pthread_mutex_lock(&queues_lock);
	if (!q->worker)
		goto out;
	t = thread_of(q->worker);
	qs = spare(t);
	qs->n = 0;
	for (unsigned int i = 0; i < t->queues->n; i++)
		if (t->queues->q[i] != q)
			qs->q[qs->n++] = t->queues->q[i];
	if (q->fd >= 0 && epoll_ctl(t->epoll, EPOLL_CTL_DEL, q->fd, NULL))
		nfvd_log(LOG_ERR, "worker %u: epoll: %m", t->w.index);
	publish(t);
	q->worker = NULL;
out:
	pthread_mutex_unlock(&queues_lock);
}
