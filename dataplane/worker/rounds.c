/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/rounds.h"

#include <errno.h>
#include <poll.h>
#include <rte_branch_prediction.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "log.h"
#include "worker/call.h"
#include "worker/turn.h"
#include "worker/watch.h"

/*
 * A guest whose kick was lost, or was never sent, waits no longer than this. QEMU before 8.1 emulates a machine with
 * one processor without memory barriers. Its guests then miss, once in some thousand times, that they have to kick.
 */
#define RECHECK_MS 200
#define IDLE_ROUNDS 16
#define COOL_MS 50		/* a queue without frames for so long becomes cold */
#define LOOK_NS 40000		/* between two checks which cold queues have wake-ups */
#define EVENTS 64
#define LATE_NS 100000

/* ---- hot and cold ---- */

/* Take up what control has changed. Return all queues. */
static struct nfvd_queues *follow(struct nfvd_thread *t)
{
	struct nfvd_queues *qs = rcu_dereference(t->queues);

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
static bool ask(struct nfvd_thread *t, struct nfvd_rxq *q, bool on)
{
	const struct nfvd_port *port = q->port;

	nfvd_watch_turn(&t->w.watched, port->id);
	return port->ops->arm && !atomic_load_explicit(&port->held, memory_order_relaxed) && port->ops->arm(q, on);
}

static void heat(struct nfvd_thread *t, struct nfvd_rxq *q)
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
static void look(struct nfvd_thread *t, bool slept)
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
static unsigned int recheck(struct nfvd_thread *t, const struct nfvd_queues *qs, unsigned int n)
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
static void cool(struct nfvd_thread *t)
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
static unsigned int tick(struct nfvd_thread *t, const struct nfvd_queues *qs)
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
static void pass_rounds(struct nfvd_thread *t)
{
	int32_t least = INT32_MAX;

	for (unsigned int i = 0; i < t->n_hot; i++)
		if (t->hot[i]->share.credit <= 0 && nfvd_share_rounds(&t->hot[i]->share) < least)
			least = nfvd_share_rounds(&t->hot[i]->share);
	for (unsigned int i = 0; i < t->n_hot; i++)
		if (t->hot[i]->share.credit <= 0)
			t->hot[i]->share.credit += least * t->hot[i]->share.each;
}

/* Interrupt those for whom it was put off. */
static __attribute__((noinline)) void call_late(struct nfvd_worker *w)
{
	for (unsigned int i = 0; i < w->n_late;) {
		unsigned int id = w->late[i];
		struct nfvd_port *port = rcu_dereference(nfvd_ports[id]);

		/* The id may be another port's by now. */
		if (port && port->ops->call_late && port->ops->call_late(port)) {
			i++;
			continue;
		}
		w->is_late[id] = false;
		w->late[i] = w->late[--w->n_late];
	}
}

/*
 * Do one round over all hot queues. idle: the number of rounds before it without work. Return whether this one had
 * work.
 */
static bool iterate(struct nfvd_thread *t, unsigned int idle)
{
	struct nfvd_queues *qs = follow(t);
	unsigned int n = 0;

	t->w.now_ms = nfvd_now_ms();
	t->w.meter_now = t->last_ns * NFVD_METER_NS;
	t->w.round++;
	t->w.owing = false;
	if (t->n_hot < qs->n && (idle % IDLE_ROUNDS == IDLE_ROUNDS - 1 || t->last_ns - t->look_ns > LOOK_NS))
		look(t, false);
	if (unlikely(t->w.n_late))
		call_late(&t->w);
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
static bool arm(struct nfvd_thread *t, bool on, unsigned int *ms)
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
 * posts buffers, and the time of an interrupt that was put off comes without one.
 */
static uint64_t sleep_ns(const struct nfvd_thread *t, unsigned int ms, uint64_t now_ns)
{
	uint64_t ns = ms * 1000000ull, next_ns = t->w.backlog.next_ns;

	if (unlikely(t->w.n_late))
		ns = LATE_NS;
	if (likely(!t->w.backlog.n_active))
		return ns;
	if (next_ns <= now_ns)
		return 0;
	return next_ns - now_ns < ns ? next_ns - now_ns : ns;
}

static void sleep_until_event(struct nfvd_thread *t)
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

void *nfvd_rounds(void *arg)
{
	struct nfvd_thread *t = arg;
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
		} else if (t->spin_limit_us && ++idle == IDLE_ROUNDS) {
			idle_since = nfvd_now_us();
		} else if (!t->spin_limit_us || (!(idle % IDLE_ROUNDS) && nfvd_now_us() - idle_since > t->spin_limit_us)) {
			sleep_until_event(t);
			t->last_ns = nfvd_now_ns();
			idle = 0;
		}
	}
	rcu_unregister_thread();
	return NULL;
}
