// SPDX-License-Identifier: GPL-2.0
/* A session's ports: attaching and detaching them, reading their counters. */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <xen/xen.h>
#include "nfvk.h"

static void publish(struct nfvk_session *s, u32 id, struct nfvk_port *port)
{
	mutex_lock(&s->map_lock);
	rcu_assign_pointer(s->ports[id], port);
	mutex_unlock(&s->map_lock);
}

/* Free a port that is not published, after a grace period. */
static void free_port(struct nfvk_port *port)
{
	for (unsigned int i = 0; i < port->nr_queues; i++)
		nfvk_queue_free(&port->queue[i]);
	if (port->mm) {
		account_locked_vm(port->mm, port->locked_pages, false);
		mmdrop(port->mm);
	}
	free_percpu(port->counters);
	nfvk_pairs_free(port);
	kvfree(port);
}

static int charge(struct nfvk_port *port, u32 entries)
{
	/* For each queue: the entries, the consumer's page, the table of held frames. */
	unsigned long pages = port->nr_queues * ((nfvk_queue_map_bytes(entries) >> PAGE_SHIFT) + 1 +
			      DIV_ROUND_UP(entries * (sizeof(void *) + sizeof(long)), PAGE_SIZE));

	if (account_locked_vm(current->mm, pages, true))
		return -ENOBUFS;
	port->mm = current->mm;
	mmgrab(port->mm);
	port->locked_pages = pages;
	return 0;
}

static int init_queue(struct nfvk_port *port, unsigned int i, const struct nfv_attach *args)
{
	struct nfvk_queue *q = &port->queue[i];
	int err = nfvk_queue_init(q, port, i, args->entries);

	if (err || args->eventfd[i] == -1)
		return err;
	q->wake = eventfd_ctx_fdget(args->eventfd[i]);
	if (IS_ERR(q->wake)) {
		q->wake = NULL;
		return -EBADF;
	}
	return 0;
}

static struct nfvk_port *make_port(struct nfvk_session *s, const struct nfvk_port_ops *ops,
				   const struct nfv_attach *args)
{
	struct nfvk_port *port = kvzalloc(struct_size(port, queue, args->queues), GFP_KERNEL_ACCOUNT);
	int err;

	if (!port)
		return ERR_PTR(-ENOMEM);
	port->session = s;
	port->ops = ops;
	port->nr_queues = args->queues;
	INIT_LIST_HEAD(&port->all);
	port->counters = netdev_alloc_pcpu_stats(struct nfvk_counters);
	err = port->counters ? charge(port, args->entries) : -ENOMEM;
	for (unsigned int i = 0; i < args->queues && !err; i++)
		err = init_queue(port, i, args);
	if (err) {
		free_port(port);
		return ERR_PTR(err);
	}
	return port;
}

/* Give the port an id, attach it and publish it. Context: session->lock held. */
static int add(struct nfvk_session *s, struct nfvk_port *port, struct nfv_attach *args)
{
	int err;

	while (port->id < NFV_PORTS_MAX && nfvk_port_get(s, port->id))
		port->id++;
	if (port->id == NFV_PORTS_MAX)
		return -ENOSPC;
	err = port->ops->attach(port, args);
	if (err)
		return err;
	/* Once it is published and the lock is free, another thread may detach it. */
	args->port = port->id;
	publish(s, port->id, port);
	schedule_delayed_work(&s->expire, msecs_to_jiffies(nfvk_held_ms));
	return 0;
}

static const struct nfvk_port_ops *ops_of(u32 type)
{
	if (type == NFV_PORT_NETDEV)
		return &nfvk_port_netdev;
#if IS_ENABLED(CONFIG_XEN_BACKEND)
	if (type == NFV_PORT_XEN && xen_domain())
		return &nfvk_port_xen;
#endif
	return NULL;
}

int nfvk_port_attach(struct nfvk_session *s, struct nfv_attach *args)
{
	const struct nfvk_port_ops *ops = ops_of(args->type);
	struct nfvk_port *port;
	int err;

	if (!ops)
		return -EOPNOTSUPP;
	port = make_port(s, ops, args);
	if (IS_ERR(port))
		return PTR_ERR(port);
	mutex_lock(&s->lock);
	err = add(s, port, args);
	mutex_unlock(&s->lock);
	if (err) {
		free_port(port);
		return err;
	}
	args->map_bytes = nfvk_queue_map_bytes(args->entries);
	return 0;
}

/* Unpublish and detach port id, but do not free it yet. Return NULL if there is none. Context: session->lock held. */
static struct nfvk_port *take(struct nfvk_session *s, u32 id)
{
	struct nfvk_port *port = nfvk_port_get(s, id);

	if (port) {
		publish(s, id, NULL);
		nfvk_table_leave(s, id);
		port->ops->detach(port);
		/* Free the held frames now: their senders must not wait until the port is freed. */
		for (unsigned int i = 0; i < port->nr_queues; i++)
			nfvk_queue_flush(&port->queue[i]);
	}
	return port;
}

int nfvk_port_detach(struct nfvk_session *s, u32 id)
{
	struct nfvk_port *port;

	mutex_lock(&s->lock);
	port = take(s, id);
	if (port) {
		synchronize_rcu();
		nfvk_pairs_retire(s, id);
	}
	mutex_unlock(&s->lock);
	if (!port)
		return -ENOENT;
	free_port(port);
	/* This port may have been the reason for EPOLLERR or EPOLLHUP, so pollers must look again. */
	wake_up_interruptible(&s->wait);
	return 0;
}

void nfvk_port_detach_all(struct nfvk_session *s)
{
	LIST_HEAD(taken);
	struct nfvk_port *port, *next;

	mutex_lock(&s->lock);
	for (u32 id = 0; id < NFV_PORTS_MAX; id++) {
		port = take(s, id);
		if (port)
			list_add(&port->all, &taken);
	}
	mutex_unlock(&s->lock);
	if (list_empty(&taken))
		return;
	synchronize_rcu();
	list_for_each_entry_safe(port, next, &taken, all)
		free_port(port);
}

static void add_queue(struct nfvk_queue *q, struct nfv_stats *stats, u64 *bytes)
{
	spin_lock_bh(&q->lock);
	for (u32 i = 0; i < q->entries; i++)
		stats->held += !!q->skb[i];
	*bytes += q->held.bytes;
	if (q->broken)
		stats->state |= NFV_STATE_BROKEN;
	spin_unlock_bh(&q->lock);
}

int nfvk_port_stats(struct nfvk_session *s, struct nfv_stats *stats)
{
	struct nfvk_port *port;
	u64 bytes = 0;

	rcu_read_lock();
	port = nfvk_port_get(s, stats->port);
	if (!port) {
		rcu_read_unlock();
		return -ENOENT;
	}
	nfvk_counters_sum(port, stats);
	for (unsigned int i = 0; i < port->nr_queues; i++)
		add_queue(&port->queue[i], stats, &bytes);
	stats->held_kib = bytes >> 10;
	if (!rcu_access_pointer(port->dev))
		stats->state |= NFV_STATE_GONE;
	else if (port->ops->stats)
		port->ops->stats(port, stats);
	rcu_read_unlock();
	return 0;
}
