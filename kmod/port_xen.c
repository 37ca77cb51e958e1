// SPDX-License-Identifier: GPL-2.0
/* Port type xen: its interrupts, a queue's life, and what the session asks of it. See xen.h. */
#include <linux/if_vlan.h>
#include <linux/slab.h>
#include <xen/events.h>
#include "nfvk.h"
#include "xen.h"

#define HEADER_PAGES	(NFVK_XEN_BURST * NFV_HDR_MAX >> PAGE_SHIFT)

static_assert(!(PAGE_SIZE % NFV_HDR_MAX) && PAGE_SIZE == XEN_PAGE_SIZE);

void nfvk_xen_miss(struct nfvk_xen_queue *q, enum nfv_miss why, unsigned int n)
{
	struct nfvk_port *port;

	rcu_read_lock();
	port = rcu_dereference(q->vif->port);
	while (port && n--)
		nfvk_miss(port, why);
	rcu_read_unlock();
}

void nfvk_xen_fence(struct nfvk_xen_queue *q, enum nfv_miss why)
{
	if (q->broken)
		return;
	WRITE_ONCE(q->broken, true);
	nfvk_xen_miss(q, why, 1);
	dev_warn_ratelimited(&q->vif->xb->dev, "queue %u: reason=%d: fenced until it reconnects\n", q->index, why);
}

/* ---- interrupts ---- */

static enum hrtimer_restart resume(struct hrtimer *timer)
{
	napi_schedule(&container_of(timer, struct nfvk_xen_queue, resume)->napi);
	return HRTIMER_NORESTART;
}

/* Has the guest sent all that it may? Then its requests wait in its ring, and nobody need tell us of more. */
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
	int more = 0, eoi;

	if (!paused(q))
		RING_FINAL_CHECK_FOR_REQUESTS(&q->tx, more);
	if (more) {
		napi_schedule(&q->napi);
		return;
	}
	eoi = atomic_xchg(&q->eoi, 0);
	if (eoi & NFVK_EOI_TX)
		xen_irq_lateeoi(q->tx_irq, 0);
	if (eoi & NFVK_EOI_RX && q->rx_irq != q->tx_irq)
		xen_irq_lateeoi(q->rx_irq, 0);
}

static int poll(struct napi_struct *napi, int budget)
{
	struct nfvk_xen_queue *q = container_of(napi, struct nfvk_xen_queue, napi);
	unsigned int max = min_t(unsigned int, budget, NFVK_XEN_BURST), seen = 0;

	if (!READ_ONCE(q->broken)) {
		nfvk_xen_deliver(q);
		seen = nfvk_xen_take(q, max);
	}
	if (seen == max && !READ_ONCE(q->broken))
		return budget;
	/* A fenced one's interrupts are not ended, so no more come. */
	if (napi_complete_done(napi, seen) && !READ_ONCE(q->broken))
		end_interrupts(q);
	return seen;
}

/*
 * New slots are work, if only to take note of: a poll that came for another reason may have
 * seen to them already, and their event would pass for a spurious one, and delay the next.
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
 * Whoever had the rings before may have left requests in them, and may have answered the
 * last ones when it could not notify any more: look, and have the guest look.
 */
void nfvk_xen_queue_start(struct nfvk_xen_queue *q)
{
	notify_remote_via_irq(q->tx_irq);
	if (q->rx_irq != q->tx_irq)
		notify_remote_via_irq(q->rx_irq);
	/* Not before: an event may come as soon as it is bound, before tx_irq and rx_irq are known. */
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
	/* Whoever has the rings next does not know what was not notified. */
	if (q->tx_irq > 0)
		notify_remote_via_irq(q->tx_irq);
}

void nfvk_xen_queue_end(struct nfvk_xen_queue *q)
{
	/* netif_napi_del() would wait for a grace period, for each queue. */
	if (q->header)
		__netif_napi_del(&q->napi);
}

void nfvk_xen_queue_free(struct nfvk_xen_queue *q)
{
	nfvk_xen_leave(q);
	if (q->header)
		free_pages_exact(q->header, HEADER_PAGES << PAGE_SHIFT);
}

/* ---- the port ---- */

/* Under vif->lock. */
static int join(struct nfvk_vif *vif, struct nfvk_port *port)
{
	if (vif->removed)
		return -ENODEV;
	if (rcu_access_pointer(vif->port))
		return -EBUSY;
	port->priv = vif;
	rcu_assign_pointer(port->dev, vif->dev);
	rcu_assign_pointer(vif->port, port);
	return 0;
}

static int attach(struct nfvk_port *port, const struct nfv_attach *args)
{
	struct nfvk_vif *vif = nfvk_vif_get(args->domid, args->devid);
	int err;

	if (!vif)
		return -ENODEV;
	mutex_lock(&vif->lock);
	err = join(vif, port);
	mutex_unlock(&vif->lock);
	if (err)
		nfvk_vif_put(vif);
	return err;
}

/* Under vif->lock. */
static void part(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	RCU_INIT_POINTER(port->dev, NULL);
	RCU_INIT_POINTER(vif->port, NULL);
	synchronize_rcu_expedited();
	for (unsigned int i = 0; vif->connected && i < vif->nr_queues; i++)
		nfvk_xen_purge(vif->queue[i]);
}

static void detach(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	mutex_lock(&vif->lock);
	if (rcu_access_pointer(port->dev))
		part(port);
	mutex_unlock(&vif->lock);
	nfvk_vif_put(vif);
}

void nfvk_xen_port_flush(struct nfvk_vif *vif)
{
	struct nfvk_port *port = rcu_dereference_protected(vif->port, lockdep_is_held(&vif->lock));

	for (unsigned int i = 0; port && i < port->nr_queues; i++)
		nfvk_queue_flush(&port->queue[i]);
}

void nfvk_xen_port_gone(struct nfvk_vif *vif)
{
	struct nfvk_port *port = rcu_dereference_protected(vif->port, lockdep_is_held(&vif->lock));

	if (!port)
		return;
	part(port);
	wake_up_interruptible(&port->session->wait);
}

/*
 * A frontend is told that a checksum is open, not where: it looks for TCP or UDP in IPv4 or IPv6, behind no tag. (So does
 * the stock one; and a super-frame of another kind it takes for that.)
 */
static bool found_by_frontend(const struct sk_buff *skb)
{
	u16 start, offset;

	return !skb_vlan_tag_present(skb) && nfvk_xen_csum_place(skb->data, skb_headlen(skb), &start, &offset) &&
	       !eth_type_vlan(((const struct ethhdr *)skb->data)->h_proto) &&
	       start == skb_checksum_start_offset(skb) && offset == skb->csum_offset;
}

static bool takes_csum(const struct nfvk_vif *vif, const struct sk_buff *skb)
{
	return skb->ip_summed != CHECKSUM_PARTIAL || (vif->accepts & NFV_ACCEPT_CSUM && found_by_frontend(skb));
}

static bool takes_gso(const struct nfvk_vif *vif, const struct sk_buff *skb)
{
	unsigned int type = skb_shinfo(skb)->gso_type;
	u32 needs = type & SKB_GSO_TCPV4 ? NFV_ACCEPT_TSO4 : type & SKB_GSO_TCPV6 ? NFV_ACCEPT_TSO6 : 0;

	return !skb_is_gso(skb) || (needs & vif->accepts && nfvk_gso_plain(skb) && found_by_frontend(skb));
}

/* What is here is finished by xmit(). */
static bool takes(struct nfvk_port *port, const struct sk_buff *skb)
{
	const struct nfvk_vif *vif = port->priv;

	return !nfvk_in_guest(skb) || (takes_csum(vif, skb) && takes_gso(vif, skb));
}

/* A list of skbs is copied as it is (GRO makes them of what it cannot put into one); one of lists, nobody makes. */
static bool has_lists_of_lists(const struct sk_buff *skb)
{
	const struct sk_buff *part;

	if (nfvk_in_guest(skb))
		return false;
	skb_walk_frags(skb, part)
		if (skb_has_frag_list(part))
			return true;
	return false;
}

/* As xmit, of what the frontend takes as it is. */
static int xmit_one(struct nfvk_port *port, struct sk_buff *skb)
{
	struct nfvk_vif *vif = port->priv;
	u32 queue, len = skb->len;
	int err;

	/* As a card's filter: it came there, and was not for it. */
	if (nfvk_xen_filtered(vif, skb)) {
		nfvk_miss(port, NFV_MISS_RX_FILTERED);
		consume_skb(skb);
		return len;
	}
	if (!vif->sg && len > XEN_PAGE_SIZE) {
		err = -EMSGSIZE;
	} else {
		queue = vif->nr_queues > 1 ? reciprocal_scale(skb_get_hash(skb), vif->nr_queues) : 0;
		err = nfvk_xen_enqueue(vif->queue[queue], port->session, skb);
	}
	if (err)
		kfree_skb(skb);
	return err ?: len;
}

static int xmit_finished(struct nfvk_port *port, struct sk_buff *skb, bool gso)
{
	struct sk_buff *next;
	unsigned int lost;
	int sent = 0, err;

	skb = nfvk_finish(skb, gso, 0, &lost);
	err = lost ? -EINVAL : 0;
	skb_list_walk_safe(skb, skb, next) {
		int ret;

		skb_mark_not_on_list(skb);
		ret = xmit_one(port, skb);
		if (ret < 0)
			err = ret;
		else
			sent += ret;
	}
	return err ?: sent;
}

static int xmit(struct nfvk_port *port, struct sk_buff *skb)
{
	struct nfvk_vif *vif = port->priv;
	bool gso, csum;
	int err = 0;

	if (skb_vlan_tag_present(skb)) {
		skb = __vlan_hwaccel_push_inside(skb);
		if (!skb)
			return -ENOMEM;
	}
	if (unlikely(has_lists_of_lists(skb)) && __skb_linearize(skb))
		err = -ENOMEM;
	else if (!smp_load_acquire(&vif->connected))
		err = -ENETDOWN;
	gso = !takes_gso(vif, skb);
	csum = !takes_csum(vif, skb);
	if (!err && likely(!gso && !csum))
		return xmit_one(port, skb);
	/* It was this guest's to take when it was sent on: its offloads have changed since. */
	if (!err && nfvk_in_guest(skb))
		err = -EINVAL;
	if (!err)
		return xmit_finished(port, skb, gso);
	kfree_skb(skb);
	return err;
}

static void flush(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!smp_load_acquire(&vif->connected))
		return;
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		if (!skb_queue_empty_lockless(&vif->queue[i]->waiting))
			nfvk_xen_deliver(vif->queue[i]);
}

static void kick(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!smp_load_acquire(&vif->connected))
		return;
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		if (!skb_queue_empty_lockless(&vif->queue[i]->waiting))
			napi_schedule(&vif->queue[i]->napi);
}
static void expire(struct nfvk_port *port)
{
	struct nfvk_vif *vif = port->priv;

	if (!rcu_access_pointer(port->dev) || !smp_load_acquire(&vif->connected))
		return;
	local_bh_disable();
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		nfvk_xen_deliver(vif->queue[i]);
		nfvk_xen_expire(vif->queue[i]);
	}
	local_bh_enable();
}

static void stats(struct nfvk_port *port, struct nfv_stats *stats)
{
	struct nfvk_vif *vif = port->priv;

	if (!rcu_access_pointer(port->dev))
		return;
	stats->accepts = vif->accepts;
	stats->grant_ops = atomic64_read(&vif->grants.ops);
	stats->grant_maps = atomic64_read(&vif->grants.maps);
	stats->mapped = atomic_read(&vif->grants.mapped);
	if (!smp_load_acquire(&vif->connected)) {
		stats->state |= NFV_STATE_DOWN;
		return;
	}
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		if (READ_ONCE(vif->queue[i]->broken))
			stats->state |= NFV_STATE_FENCED;
		if (READ_ONCE(vif->queue[i]->stalled))
			stats->state |= NFV_STATE_STALLED;
	}
}

const struct nfvk_port_ops nfvk_port_xen = {
	.attach = attach,
	.detach = detach,
	.xmit = xmit,
	.xmit_in_guest = xmit,
	.flush = flush,
	.kick = kick,
	.takes = takes,
	.expire = expire,
	.stats = stats,
	.xen = true,
};
