/* SPDX-License-Identifier: BSD-3-Clause */
#include "switch/worker.h"

#include <errno.h>
#include <numa.h>
#include <pthread.h>
#include <rte_branch_prediction.h>
#include <rte_pause.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "frame/offload.h"
#include "log.h"
#include "switch/call.h"
#include "switch/switch.h"

#define QUEUES_MAX (NFVD_PORTS_MAX * NFVD_RXQS_MAX)
/*
 * A guest whose call got lost, or was never made, waits no longer than this. QEMU before 8.1
 * emulates a machine of one processor without memory barriers: its guests then miss that they
 * are to call, once in some thousand times.
 */
#define RECHECK_MS 200
#define IDLE_ROUNDS 16

/* A worker's queues, replaced as a whole. Room for all there can be: adding one needs no memory. */
struct queues {
	unsigned int n;
	struct nfvd_rxq *q[QUEUES_MAX];
};

/* What only this file needs of a worker. */
struct thread {
	struct nfvd_worker w;
	struct queues *queues;		/* RCU: one of both; the other is changed, then takes its place */
	struct queues both[2];
	pthread_t tid;
	int epoll, wake;
	bool nobody_called;		/* it looks by itself, after RECHECK_MS */
	bool owing;			/* in this round a queue sits out, see share.h */
	uint32_t round;
	atomic_bool stop;
	sem_t started, go;
};

static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int spin_limit_us;

static struct thread *thread_of(struct nfvd_worker *w)
{
	return caa_container_of(w, struct thread, w);
}

/* All that this turn took is delivered or dropped: let it be seen. */
static void settle(struct nfvd_worker *w)
{
	struct nfvd_counters *c = &w->port[w->src];
	uint64_t seq = atomic_load_explicit(&c->seq, memory_order_relaxed);

	if (!(w->turn.rx_frames | w->turn.replicated))
		return;
	atomic_store_explicit(&c->seq, seq + 1, memory_order_relaxed);
	/* Pairs with the acquire fence of the reader. */
	atomic_thread_fence(memory_order_release);
	nfvd_balance_add(&c->balance, &w->turn);
	atomic_store_explicit(&c->seq, seq + 2, memory_order_release);
	w->turn = (struct nfvd_balance){ 0 };
}

/* ---- limits on what is taken: what is beyond waits where it is ---- */

static bool paced(const struct nfvd_port *port, const struct nfvd_policy *p)
{
	return port->ops->pausable && nfvd_rate_limits(&p->from);
}

/* How many frames may be taken now. */
static __attribute__((noinline)) unsigned int room(struct nfvd_port *port, const struct nfvd_policy *p)
{
	uint64_t now = nfvd_meter_now();

	return nfvd_meter_wait(&port->from, &p->from, now) ? 0 : nfvd_meter_room(&port->from, &p->from, now, NFVD_BURST);
}

static __attribute__((noinline)) void charge(struct nfvd_port *port, const struct nfvd_policy *p, const struct nfvd_frame *f, unsigned int n)
{
	uint64_t bytes = 0, segs = 0;

	for (unsigned int i = 0; i < n; i++) {
		/* Frames with requests that make no sense were dropped; these are as the guest wrote them. */
		bool sane = f[i].vnet.hdr.gso_size;

		bytes += sane ? nfvd_offload_wire_bytes(&f[i]) : f[i].len;
		segs += sane ? nfvd_offload_segments(&f[i]) : 1;
	}
	nfvd_meter_charge(&port->from, &p->from, bytes, segs, nfvd_meter_now());
	if (n)
		atomic_store_explicit(&port->from.typical, bytes / n, memory_order_relaxed);
}

/* For how many ms at least nothing may be taken from the port. */
static unsigned int paused_ms(const struct nfvd_port *port)
{
	const struct nfvd_policy *p = rcu_dereference(port->policy);

	if (likely(!p || !paced(port, p)))
		return 0;
	return (nfvd_meter_wait(&port->from, &p->from, nfvd_meter_now()) + 1000000 * NFVD_METER_NS - 1) / (1000000 * NFVD_METER_NS);
}

/* Nothing is taken in this turn: from when on? */
static __attribute__((noinline)) unsigned int pause_queue(struct nfvd_rxq *q)
{
	if (!q->paused_ns)
		q->paused_ns = nfvd_now_ns();
	return 0;
}

static __attribute__((noinline)) void end_pause(struct nfvd_worker *w, struct nfvd_rxq *q)
{
	w->port[q->port->id].pressure.paused_ns += nfvd_now_ns() - q->paused_ns;
	q->paused_ns = 0;
}

/* A turn took n frames, and has dealt with done of them. */
static void note_pressure(struct nfvd_worker *w, unsigned int n, unsigned int done, unsigned int max)
{
	struct nfvd_pressure *p = &w->port[w->src].pressure;

	p->taken++;
	p->taken_full += n >= max || done < n || w->turn.rx_bytes >= NFVD_BURST_BYTES;
}

/* One turn of a queue. */
static unsigned int turn(struct thread *t, struct nfvd_rxq *q, const struct nfvd_policy *policy)
{
	struct nfvd_worker *w = &t->w;
	const struct nfvd_port_ops *ops = q->port->ops;
	unsigned int n, done = 0, max = NFVD_BURST;

	nfvd_watch_turn(&w->watched, q->port->id);
	if (unlikely(atomic_load_explicit(&q->port->held, memory_order_relaxed)))
		return 0;
	if (unlikely(policy && paced(q->port, policy)) && !(max = room(q->port, policy)))
		return pause_queue(q);
	if (unlikely(q->paused_ns))
		end_pause(w, q);
	w->src = q->port->id;
	w->spread = q->port->id + q->index;
	w->spent = 0;
	n = ops->rx(w, q, w->frames, max);
	if (q->woken) {
		q->woken = false;
		if (!n)
			nfvd_fault(q->port, NFVD_DROP_KICK_SPURIOUS, 1);
	} else if (unlikely(t->nobody_called) && n) {
		nfvd_fault(q->port, NFVD_DROP_KICK_MISSING, 1);
	}
	if (n) {
		done = nfvd_switch(w, q, w->frames, n);
		w->turn.rx_frames += done;
		note_pressure(w, n, done, max);
		if (unlikely(policy && paced(q->port, policy)))
			charge(q->port, policy, w->frames, done);
	}
	nfvd_watch_delivery(&w->watched, w->src, NFVD_NOWHERE);
	q->share.credit -= w->spent + w->turn.rx_frames * NFVD_SHARE_FRAME;
	/* Before the endpoint learns that its frames were dealt with. */
	settle(w);
	ops->rx_done(w, q, done);
	return n;
}

/* A queue's place in a round: as many turns as its port has weight, if it owes nothing. */
static unsigned int poll_queue(struct thread *t, struct nfvd_rxq *q)
{
	const struct nfvd_policy *policy = rcu_dereference(q->port->policy);
	unsigned int weight = nfvd_policy_weight(policy), n = 0, got;
	struct nfvd_busy *busy = likely(q->port->nr_rxq == 1) ? NULL : &q->port->busy[t->w.index];
	int32_t each = weight * NFVD_SHARE_ROUND;

	if (busy)
		each /= nfvd_busy_in(busy, t->round);
	if (unlikely(!nfvd_share_begin(&q->share, each))) {
		t->owing = true;
	} else {
		do {
			got = turn(t, q, policy);
			n += got;
		} while (got && unlikely(--weight) && q->share.credit > 0);
	}
	if (busy && (n || q->share.credit <= 0))
		busy->now++;
	return n;
}

/* All who have frames owe: let the rounds pass that the first of them has to sit out. */
static void pass_rounds(struct queues *qs)
{
	int32_t least = INT32_MAX;

	for (unsigned int i = 0; i < qs->n; i++)
		if (qs->q[i]->share.credit <= 0 && nfvd_share_rounds(&qs->q[i]->share) < least)
			least = nfvd_share_rounds(&qs->q[i]->share);
	for (unsigned int i = 0; i < qs->n; i++)
		if (qs->q[i]->share.credit <= 0)
			qs->q[i]->share.credit += least * qs->q[i]->share.each;
}

/* One round over all queues. Returns whether there was something to do. */
static bool iterate(struct thread *t)
{
	struct queues *qs = rcu_dereference(t->queues);
	unsigned int n = 0;

	t->w.now_ms = nfvd_now_ms();
	t->round++;
	t->owing = false;
	for (unsigned int i = 0; i < qs->n; i++)
		n += poll_queue(t, qs->q[i]);
	t->nobody_called = false;
	if (unlikely(t->owing) && !n)
		pass_rounds(qs);
	return n || t->owing;
}

/*
 * Ask every endpoint for a wake-up (or stop asking). True if one has frames already. *ms: lowered to when one that has
 * reached its limit may go on; it is not asked.
 */
static bool arm(struct thread *t, bool on, unsigned int *ms)
{
	struct queues *qs = rcu_dereference(t->queues);
	bool pending = false;

	for (unsigned int i = 0; i < qs->n; i++) {
		const struct nfvd_port *port = qs->q[i]->port;
		unsigned int paused = on ? paused_ms(port) : 0;

		if (unlikely(paused)) {
			*ms = paused < *ms ? paused : *ms;
			continue;
		}
		nfvd_watch_turn(&t->w.watched, port->id);
		if (port->ops->arm && !atomic_load_explicit(&port->held, memory_order_relaxed))
			pending |= port->ops->arm(qs->q[i], on);
	}
	return pending;
}

/* An event's queue may have been deleted while we slept: look it up before touching it. */
static void note_woken(struct thread *t, const struct nfvd_rxq *q)
{
	struct queues *qs = rcu_dereference(t->queues);

	for (unsigned int i = 0; i < qs->n; i++)
		if (qs->q[i] == q)
			qs->q[i]->woken = true;
}

static void sleep_until_event(struct thread *t)
{
	unsigned int ms = RECHECK_MS;
	struct epoll_event ev[16];
	uint64_t drain;
	int n;

	if (!arm(t, true, &ms)) {
		uint64_t start_ns = nfvd_now_ns();

		t->w.sleeps++;
		rcu_thread_offline();
		nfvd_watch_sleep(&t->w.watched, true);
		n = epoll_wait(t->epoll, ev, 16, ms);
		nfvd_watch_sleep(&t->w.watched, false);
		rcu_thread_online();
		t->w.asleep_ns += nfvd_now_ns() - start_ns;
		t->nobody_called = n == 0 && ms == RECHECK_MS;
		/* Queues are edge-triggered, so their descriptors need no read; our own is level. */
		for (int i = 0; i < n; i++)
			if (ev[i].data.ptr)
				note_woken(t, ev[i].data.ptr);
			else if (read(t->wake, &drain, sizeof(drain)) < 0)
				nfvd_log(LOG_ERR, "worker %u: wake eventfd: %m", t->w.index);
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
	uint64_t idle_since = 0, last_ns = nfvd_now_ns(), now_ns;
	unsigned int idle = 0;	/* rounds without a frame */

	t->w.watched.tid = gettid();
	sem_post(&t->started);
	while (sem_wait(&t->go) && errno == EINTR)
		;
	rcu_register_thread();
	nfvd_call_use(t->w.index);
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		bool busy = iterate(t);

		rcu_quiescent_state();
		now_ns = nfvd_now_ns();
		if (busy)
			note_round(&t->w, now_ns - last_ns);
		last_ns = now_ns;
		/* The clock is looked at now and then: frames that come meanwhile would wait for it. */
		if (busy) {
			idle = 0;
		} else if (++idle == IDLE_ROUNDS) {
			idle_since = nfvd_now_us();
		} else if (!(idle % IDLE_ROUNDS) && nfvd_now_us() - idle_since > spin_limit_us) {
			sleep_until_event(t);
			last_ns = nfvd_now_ns();
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
	struct thread *t = aligned_alloc(64, (sizeof(*t) + 63) / 64 * 64);
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_attr_t attr;
	int err;

	if (!t)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->w.index = index;
	t->w.cpu = cpu;
	sem_init(&t->started, 0, 0);
	sem_init(&t->go, 0, 0);
	t->queues = &t->both[0];
	/* Pages of it are used as frames from the kernel are large. */
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
			free(t->w.row[id]);
		free(t->w.bounce);
		close(t->epoll);
		close(t->wake);
		free(t);
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
	/* Without being woken its frames would wait until something else wakes the worker. */
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
