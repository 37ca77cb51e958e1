// SPDX-License-Identifier: GPL-2.0
/* Port type xen: a queue's interrupts and poll; starting and stopping it. See vif.h. */
#include <linux/slab.h>
#include <xen/events.h>
#include "backend.h"

#define HEADER_PAGES	(NFVK_XEN_BURST * NFV_HDR_MAX >> PAGE_SHIFT)

static_assert(!(PAGE_SIZE % NFV_HDR_MAX) && PAGE_SIZE == XEN_PAGE_SIZE);

static enum hrtimer_restart resume(struct hrtimer *timer)
{
	napi_schedule(&container_of(timer, struct nfvk_xen_queue, resume)->napi);
	return HRTIMER_NORESTART;
}

/* Return whether the guest has used up its rate. Then its requests wait in the ring until the timer, without events. */
static bool paused(struct nfvk_xen_queue *q)
{
	const struct nfvk_xen_rate *rate = &q->vif->rate;
	u64 now = rate->usec ? ktime_get_ns() : 0;

	if (nfvk_xen_may_send(rate, now))
		return false;
	hrtimer_start(&q->resume, ns_to_ktime(atomic64_read(&rate->paid) - now), HRTIMER_MODE_REL);
	return true;
}

static void end_interrupts(struct nfvk_xen_queue *q)
{
	int eoi = atomic_xchg(&q->eoi, 0);

	if (eoi & NFVK_EOI_TX)
		xen_irq_lateeoi(q->tx_irq, 0);
	if (eoi & NFVK_EOI_RX && q->rx_irq != q->tx_irq)
		xen_irq_lateeoi(q->rx_irq, 0);
}

static int poll(struct napi_struct *napi, int budget)
{
	struct nfvk_xen_queue *q = container_of(napi, struct nfvk_xen_queue, napi);
	unsigned int max = min_t(unsigned int, budget, NFVK_XEN_BURST), seen = 0;
	int more = 0;

	if (!READ_ONCE(q->broken))
		nfvk_xen_deliver(q);
	if (!READ_ONCE(q->broken))
		seen = nfvk_xen_take(q, max);
	if (seen == max && !READ_ONCE(q->broken))
		return budget;
	/*
	 * Ask for an event while no other CPU can poll: one that had polled further in between would get its event index set
	 * back, and the frontend would send no event any more.
	 */
	if (!READ_ONCE(q->broken) && !paused(q))
		RING_FINAL_CHECK_FOR_REQUESTS(&q->tx, more);
	if (more)
		return budget;
	/* If the queue is fenced, its interrupts are not ended, so there are no further ones. */
	if (napi_complete_done(napi, seen) && !READ_ONCE(q->broken))
		end_interrupts(q);
	return seen;
}

/*
 * Return whether the event had a reason. New slots are one even if an earlier poll has taken them already: otherwise
 * their event would count as spurious, and delay the next one.
 */
static bool tx_work(struct nfvk_xen_queue *q)
{
	u32 prod = READ_ONCE(q->tx.sring->req_prod);
	bool news = prod != q->tx_seen;

	q->tx_seen = prod;
	return news || prod != READ_ONCE(q->tx.req_cons);
}

static bool rx_work(struct nfvk_xen_queue *q)
{
	u32 prod = READ_ONCE(q->rx.sring->req_prod);
	bool news = prod != q->rx_seen;

	q->rx_seen = prod;
	return news || !skb_queue_empty_lockless(&q->waiting);
}

static irqreturn_t interrupted(struct nfvk_xen_queue *q, int irq, int eoi, bool work)
{
	if (READ_ONCE(q->broken))
		return IRQ_HANDLED;
	if (!work) {
		xen_irq_lateeoi(irq, XEN_EOI_FLAG_SPURIOUS);
		return IRQ_HANDLED;
	}
	atomic_or(eoi, &q->eoi);
	napi_schedule(&q->napi);
	return IRQ_HANDLED;
}

irqreturn_t nfvk_xen_tx_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NFVK_EOI_TX, tx_work(q));
}

irqreturn_t nfvk_xen_rx_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NFVK_EOI_RX, rx_work(q));
}

irqreturn_t nfvk_xen_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NFVK_EOI_TX | NFVK_EOI_RX, tx_work(q) || rx_work(q));
}

/* ---- a queue's life ---- */

int nfvk_xen_queue_init(struct nfvk_xen_queue *q)
{
	q->fetch.ops = q->deliver.ops = &q->vif->grants.ops;
	hrtimer_init(&q->resume, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	q->resume.function = resume;
	spin_lock_init(&q->rx_lock);
	__skb_queue_head_init(&q->waiting);
	__skb_queue_head_init(&q->copying);
	q->source = kzalloc(sizeof(*q->source), GFP_KERNEL);
	if (!q->source)
		return -ENOMEM;
	spin_lock_init(&q->source->lock);
	INIT_LIST_HEAD(&q->source->held);
	q->source->queue = q;
	q->header = alloc_pages_exact(HEADER_PAGES << PAGE_SHIFT, GFP_KERNEL);
	if (!q->header)
		return -ENOMEM;
	netif_napi_add(q->vif->dev, &q->napi, poll);
	return 0;
}

/*
 * The previous backend may have left requests in the rings, and may have written its last responses without an event.
 * So poll the rings, and send the guest an event.
 */
void nfvk_xen_queue_start(struct nfvk_xen_queue *q)
{
	notify_remote_via_irq(q->tx_irq);
	if (q->rx_irq != q->tx_irq)
		notify_remote_via_irq(q->rx_irq);
	/* Not earlier: an event may arrive as soon as it is bound, before tx_irq and rx_irq are set. */
	napi_enable(&q->napi);
	local_bh_disable();
	napi_schedule(&q->napi);
	local_bh_enable();
}

void nfvk_xen_queue_stop(struct nfvk_xen_queue *q)
{
	napi_disable(&q->napi);
	hrtimer_cancel(&q->resume);
	nfvk_xen_purge(q);
	nfvk_xen_leave(q);
	/* Send held-back events now: the next backend does not know of them. */
	if (q->tx_irq > 0)
		notify_remote_via_irq(q->tx_irq);
}

void nfvk_xen_queue_end(struct nfvk_xen_queue *q)
{
	/* netif_napi_del() would wait for a grace period for each queue. */
	if (q->header)
		__netif_napi_del(&q->napi);
}

void nfvk_xen_queue_free(struct nfvk_xen_queue *q)
{
	nfvk_xen_leave(q);
	if (q->header)
		free_pages_exact(q->header, HEADER_PAGES << PAGE_SHIFT);
}
