/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include "clock.h"
#include "log.h"
#include "worker/rounds.h"

static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;

static struct nfvd_thread *thread_of(struct nfvd_worker *w)
{
	return caa_container_of(w, struct nfvd_thread, w);
}

static void wake(struct nfvd_thread *t)
{
	uint64_t one = 1;

	if (write(t->wake, &one, sizeof(one)) < 0)
		nfvd_log(LOG_ERR, "worker %u: wake eventfd: %m", t->w.index);
}

static void pin(struct nfvd_thread *t, pthread_attr_t *attr)
{
	cpu_set_t set;

	if (t->w.cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(t->w.cpu, &set);
	pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

static int start_one(unsigned int index, int cpu, unsigned int spin_us)
{
	/* All zeros. Of the arrays with an element for each port, only the parts in use take memory. */
	struct nfvd_thread *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_attr_t attr;
	int err;

	if (t == MAP_FAILED)
		return -ENOMEM;
	t->w.index = index;
	t->w.tap.worker = index;
	t->w.tap.id = (uint64_t)index << 56;
	t->w.cpu = cpu;
	t->spin_limit_us = spin_us;
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
	err = pthread_create(&t->tid, &attr, nfvd_rounds, t);
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
	for (; nfvd_n_workers < n; nfvd_n_workers++) {
		int err = start_one(nfvd_n_workers, cpus[nfvd_n_workers], spin_us);

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
		struct nfvd_thread *t = thread_of(nfvd_workers[i]);

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
static struct nfvd_thread *choose(const struct nfvd_rxq *q)
{
	struct nfvd_thread *best = NULL;
	unsigned int best_cost = ~0u;

	for (unsigned int i = 0; i < nfvd_n_workers; i++) {
		struct nfvd_thread *t = thread_of(nfvd_workers[i]);
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
static struct nfvd_queues *spare(struct nfvd_thread *t)
{
	return &t->both[t->queues == &t->both[0]];
}

static void publish(struct nfvd_thread *t)
{
	spare(t)->generation = t->queues->generation + 1;
	rcu_assign_pointer(t->queues, spare(t));
	wake(t);
	synchronize_rcu();
}

int nfvd_worker_add(struct nfvd_rxq *q)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = q };
	struct nfvd_thread *t;
	struct nfvd_queues *qs;
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
	struct nfvd_thread *t;
	struct nfvd_queues *qs;

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
