// SPDX-License-Identifier: GPL-2.0
/*
 * nfv-netfront.ko: a queue and its interrupts. See netfront.h.
 *
 * Responses are copied, then checked. After a malformed one no ring of the device is read again until the backend
 * reconnects.
 */
#include "netfront.h"

#define REFILL_TIME	(HZ / 10)

static_assert(PAGE_SIZE == XEN_PAGE_SIZE);

/* ---- interrupts ---- */

static void end_interrupts(struct netfront_queue *q)
{
	int more, eoi;

	RING_FINAL_CHECK_FOR_RESPONSES(&q->rx, more);
	if (more) {
		napi_schedule(&q->napi);
		return;
	}
	eoi = atomic_xchg(&q->eoi, 0);
	if (eoi & NETFRONT_EOI_TX)
		xen_irq_lateeoi(q->tx_irq, 0);
	if (eoi & NETFRONT_EOI_RX)
		xen_irq_lateeoi(q->rx_irq, 0);
}

int netfront_poll(struct napi_struct *napi, int budget)
{
	struct netfront_queue *q = container_of(napi, struct netfront_queue, napi);
	int n = 0;

	if (!netfront_is_broken(q))
		netfront_clean_tx(q);
	if (!netfront_is_broken(q))
		n = netfront_take_frames(q, budget);
	/* Without memory, try again later: an immediate retry would most likely fail, too. */
	if (!netfront_is_broken(q) && !netfront_fill(q))
		schedule_delayed_work(&q->refill, REFILL_TIME);
	if (n == budget)
		return budget;
	/* If the device is broken, interrupts are not ended, so there are no further ones. */
	if (napi_complete_done(napi, n) && !netfront_is_broken(q))
		end_interrupts(q);
	return n;
}

void netfront_kick(struct netfront_queue *q)
{
	local_bh_disable();
	napi_schedule(&q->napi);
	local_bh_enable();
}

void netfront_refill(struct work_struct *refill)
{
	netfront_kick(container_of(to_delayed_work(refill), struct netfront_queue, refill));
}

/* Return whether there are responses that are new since the last interrupt, or not yet consumed. */
static bool news(RING_IDX prod, RING_IDX cons, u32 *seen)
{
	bool is_news = prod != *seen || prod != cons;

	*seen = prod;
	return is_news;
}

static bool tx_news(struct netfront_queue *q)
{
	return news(READ_ONCE(q->tx.sring->rsp_prod), READ_ONCE(q->tx.rsp_cons), &q->tx_seen);
}

static bool rx_news(struct netfront_queue *q)
{
	return news(READ_ONCE(q->rx.sring->rsp_prod), READ_ONCE(q->rx.rsp_cons), &q->rx_seen);
}

static irqreturn_t interrupted(struct netfront_queue *q, int irq, int eoi, bool work)
{
	if (netfront_is_broken(q))
		return IRQ_HANDLED;
	if (!work) {
		xen_irq_lateeoi(irq, XEN_EOI_FLAG_SPURIOUS);
		return IRQ_HANDLED;
	}
	atomic_or(eoi, &q->eoi);
	napi_schedule(&q->napi);
	return IRQ_HANDLED;
}

irqreturn_t netfront_tx_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NETFRONT_EOI_TX, tx_news(q));
}

irqreturn_t netfront_rx_interrupt(int irq, void *q)
{
	return interrupted(q, irq, NETFRONT_EOI_RX, rx_news(q));
}

irqreturn_t netfront_interrupt(int irq, void *q)
{
	bool tx = tx_news(q), rx = rx_news(q);

	return interrupted(q, irq, NETFRONT_EOI_TX, tx || rx);
}

/* ---- a queue ---- */

int netfront_queue_init(struct netfront_queue *q)
{
	int err;

	for (unsigned int i = 0; i < NETFRONT_RING; i++) {
		q->tx_slot[i] = (struct netfront_tx_slot){ .next_free = i + 1 };
		q->rx_slot[i] = (struct netfront_page){ 0 };
	}
	q->tx_free = q->tx_busy = q->tx_held = 0;
	q->tx_seen = q->rx_seen = 0;
	atomic_set(&q->eoi, 0);
	err = gnttab_alloc_grant_references(NETFRONT_RING, &q->tx_grants);
	if (err)
		return err;
	err = gnttab_alloc_grant_references(NETFRONT_RING, &q->rx_grants);
	if (err)
		goto no_rx;
	/* An untrusted backend needs the persistent pages before the first frame, others when they ask. */
	err = q->nf->trusted ? 0 : netfront_stage_make(q);
	if (err)
		goto no_stage;
	q->staged = !q->nf->trusted;
	return 0;
no_stage:
	gnttab_free_grant_references(q->rx_grants);
no_rx:
	gnttab_free_grant_references(q->tx_grants);
	return err;
}

void netfront_queue_free(struct netfront_queue *q)
{
	netfront_tx_free(q);
	for (unsigned int i = 0; i < NETFRONT_RING; i++) {
		if (q->rx_slot[i].page)
			gnttab_end_foreign_access(q->rx_slot[i].ref, q->rx_slot[i].page);
		q->rx_slot[i].page = NULL;
	}
	gnttab_free_grant_references(q->tx_grants);
	gnttab_free_grant_references(q->rx_grants);
	netfront_stage_free(q);
}
