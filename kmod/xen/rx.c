// SPDX-License-Identifier: GPL-2.0
/*
 * What a Xen guest receives: a frame waits for slots in the guest's ring. Then it is copied into them by grant, from
 * another guest's slots or from this domain's memory. See vif.h.
 *
 * Waiting frames are bounded in bytes, memory and age. A guest that posts no slots for that time is stalled: no frame
 * is queued for it until it posts some.
 */
#include <linux/etherdevice.h>
#include <xen/events.h>
#include "nfvk.h"
#include "copy.h"

static_assert(sizeof(struct xen_netif_rx_response) == sizeof(struct xen_netif_extra_info));

#define WAITING_MAX	(1 << 20)	/* bytes of frames that wait for one queue's slots */
#define MEMORY_MAX	(4 << 20)	/* bytes of memory that they may take, for all queues of a vif ... */
#define MEMORY_SHARES	2		/* ... in equal shares; one queue gets no more than half */
#define SLOTS_WHOLE_MAX	17		/* the most slots of a dense frame, which every frontend accepts */

/* ---- its slots: under rx_lock ---- */

/* Return whether n slots are posted. If not, ask the frontend for an event when it posts the next one. */
static bool has_slots(struct nfvk_xen_queue *q, u32 n)
{
	struct xen_netif_rx_sring *ring = q->rx.sring;
	u32 prod, posted;

	do {
		prod = READ_ONCE(ring->req_prod);
		if (!nfvk_xen_posted(prod, q->rx.req_cons, q->rx.rsp_prod_pvt, NFVK_XEN_RING, &posted)) {
			nfvk_xen_fence(q, NFV_MISS_BAD_PROD);
			return false;
		}
		if (posted >= n) {
			virt_rmb();	/* the index, then the requests; pairs with the frontend's */
			return true;
		}
		ring->req_event = prod + 1;
		virt_mb();		/* the request for an event, then the index again; pairs with the frontend's */
	} while (READ_ONCE(ring->req_prod) != prod);
	return false;
}

/* Return how many slots the frame needs if each one is filled to its end. */
static u32 slots_dense(const struct sk_buff *skb)
{
	return DIV_ROUND_UP(skb->len, XEN_PAGE_SIZE) + skb_is_gso(skb);
}

/*
 * Return how many slots the frame needs if no slot of the sender is cut: for the hypervisor, two copies of half a page
 * cost much more than one of a page. Return 0 if some frontends do not accept so many, or the frame is not in a guest's
 * memory.
 */
static u32 slots_whole(const struct sk_buff *skb)
{
	u32 n;

	if (!nfvk_in_guest(skb))
		return 0;
	n = nfvk_xen_slots_whole(nfvk_xen_held(skb)->slot, nfvk_xen_held(skb)->n, skb_headlen(skb));
	return n <= SLOTS_WHOLE_MAX ? n + skb_is_gso(skb) : 0;
}

static u16 first_flags(const struct sk_buff *skb)
{
	u16 flags = skb_is_gso(skb) ? XEN_NETRXF_extra_info : 0;

	if (skb->ip_summed == CHECKSUM_PARTIAL)
		flags |= XEN_NETRXF_csum_blank | XEN_NETRXF_data_validated;
	else if (skb->ip_summed == CHECKSUM_UNNECESSARY)
		flags |= XEN_NETRXF_data_validated;
	return flags;
}

static void add_gso(struct nfvk_xen_answer *a, const struct sk_buff *skb, unsigned int owner)
{
	bool v4 = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4;

	a->frame = owner;
	a->is_extra = true;
	a->extra = (struct xen_netif_extra_info){
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.u.gso = {
			.size = skb_shinfo(skb)->gso_size,
			.type = v4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6,
		},
	};
}

/* Fill slots to their ends or, with whole, without cutting the sender's slots. Out of line: it needs all registers. */
static noinline void fill_slots(struct nfvk_xen_queue *q, const struct sk_buff *skb, bool whole, unsigned int owner)
{
	struct nfvk_xen_answer *a = &q->response[q->n_responses];
	const union xen_netif_rx_sring_entry *ring = q->rx.sring->ring;
	u32 left = skb->len, n, cons = q->rx.req_cons;
	struct nfvk_xen_cursor c;
	struct nfvk_xen_guest guest;
	struct nfvk_xen_end to;
	u16 flags = first_flags(skb);

	nfvk_xen_guest_of(&guest, q);
	for (nfvk_xen_cursor_start(&c, skb); left; left -= n) {
		const volatile struct xen_netif_rx_request *request = &ring[cons++ % NFVK_XEN_RING].req;

		a->frame = owner;
		a->is_extra = false;
		a->r.id = request->id;
		a->r.offset = 0;
		nfvk_xen_granted(&to, &guest, request->gref, 0, XEN_PAGE_SIZE, true);
		n = nfvk_xen_copy(&q->deliver, owner, &c, &to, whole);
		if (WARN_ON_ONCE(!n)) {		/* the frame is shorter than skb->len */
			__set_bit(owner, q->deliver.failed);
			left = n = 0;
		}
		a->r.status = n;
		a->r.flags = flags | (left > n ? XEN_NETRXF_more_data : 0);
		a++;
		/* Extra info takes up a request, too. */
		if (flags & XEN_NETRXF_extra_info) {
			add_gso(a++, skb, owner);
			cons++;
		}
		flags = 0;
	}
	q->rx.req_cons = cons;
	q->n_responses = a - q->response;
}

/* What one delivery has sent to the guest. */
struct sent {
	u32 frames;
	u64 bytes;
};

/* Count the frames with failed copies as lost, not as sent. */
static void count_failed(struct nfvk_xen_queue *q, struct sent *sent)
{
	const struct sk_buff *skb;
	unsigned int owner = 0, n = 0;

	skb_queue_walk(&q->copying, skb) {
		if (test_bit(owner, q->deliver.failed)) {
			sent->frames--;
			sent->bytes -= skb->len;
			n++;
		}
		owner++;
	}
	nfvk_xen_miss(q, NFV_MISS_RX_GRANT, n);
	bitmap_zero(q->deliver.failed, NFVK_XEN_BURST);
}

/* Carry out the copies, give the slots to the guest, and move the frames to done. */
static void finish(struct nfvk_xen_queue *q, struct sk_buff_head *done, struct sent *sent)
{
	union xen_netif_rx_sring_entry *ring;
	struct nfvk_xen_answer *a;
	bool notify;
	u32 prod;

	if (!q->n_responses)
		return;
	nfvk_xen_copies_run(&q->deliver);
	ring = q->rx.sring->ring;
	prod = q->rx.rsp_prod_pvt;
	for (a = q->response; a < q->response + q->n_responses; a++) {
		if (!a->is_extra && test_bit(a->frame, q->deliver.failed))
			a->r.status = XEN_NETIF_RSP_ERROR;
		ring[prod++ % NFVK_XEN_RING].rsp = a->r;
	}
	q->rx.rsp_prod_pvt = prod;
	if (unlikely(!bitmap_empty(q->deliver.failed, NFVK_XEN_BURST)))
		count_failed(q, sent);
	q->n_responses = 0;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&q->rx, notify);
	if (notify)
		notify_remote_via_irq(q->rx_irq);
	skb_queue_splice_tail_init(&q->copying, done);
}

/* Remove skb from the waiting frames. Context: rx_lock held. */
static void unlink_waiting(struct nfvk_xen_queue *q, struct sk_buff *skb)
{
	__skb_unlink(skb, &q->waiting);
	q->waiting_bytes -= skb->len;
	nfvk_uncharge(&q->memory, skb->truesize);
}

/* Return the first waiting frame whose sender's memory is still present; drop those before it. */
static struct sk_buff *first_waiting(struct nfvk_xen_queue *q, struct sk_buff_head *done)
{
	struct sk_buff *skb;

	while ((skb = skb_peek(&q->waiting)) && nfvk_in_guest(skb) && unlikely(!nfvk_xen_there(skb))) {
		unlink_waiting(q, skb);
		nfvk_xen_miss(q, NFV_MISS_RX_GRANT, 1);
		__skb_queue_tail(done, skb);
	}
	return skb;
}

static void count_tx(struct nfvk_xen_queue *q, const struct sent *sent)
{
	struct nfvk_port *port;
	struct nfvk_counters *c;

	rcu_read_lock();
	port = rcu_dereference(q->vif->port);
	if (port) {
		c = this_cpu_ptr(port->counters);
		u64_stats_update_begin(&c->syncp);
		u64_stats_add(&c->tx_frames, sent->frames);
		u64_stats_add(&c->tx_bytes, sent->bytes);
		u64_stats_add(&c->copies, sent->frames);
		u64_stats_add(&c->copied_bytes, sent->bytes);
		u64_stats_update_end(&c->syncp);
	}
	rcu_read_unlock();
}

static void free_frames(struct sk_buff_head *list)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(list)))
		consume_skb(skb);
}

void nfvk_xen_deliver(struct nfvk_xen_queue *q)
{
	struct sk_buff_head done;
	struct sk_buff *skb;
	struct sent sent = { 0 };
	u32 owner = 0;

	__skb_queue_head_init(&done);
	rcu_read_lock();
	spin_lock(&q->rx_lock);
	if (q->stalled && !q->broken && has_slots(q, 1))
		q->stalled = false;
	while ((skb = first_waiting(q, &done)) && !q->broken) {
		u32 whole = slots_whole(skb), n = whole ?: slots_dense(skb);

		if (!has_slots(q, n)) {
			/* The guest may never post more than a dense frame needs. */
			n = slots_dense(skb);
			if (!whole || !has_slots(q, n))
				break;
			whole = 0;
		}
		if (owner == NFVK_XEN_BURST || q->n_responses + n > NFVK_XEN_RING) {
			finish(q, &done, &sent);
			owner = 0;
		}
		unlink_waiting(q, skb);
		fill_slots(q, skb, whole, owner++);
		__skb_queue_tail(&q->copying, skb);
		sent.frames++;
		sent.bytes += skb->len;
	}
	finish(q, &done, &sent);
	spin_unlock(&q->rx_lock);
	rcu_read_unlock();
	if (sent.frames)
		count_tx(q, &sent);
	while ((skb = __skb_dequeue(&done)))
		napi_consume_skb(skb, 1);
}

/* ---- waiting frames ---- */

/* Bound bytes and memory: a small frame takes much more memory than its bytes, one in a guest's memory much less. */
static bool has_room(struct nfvk_xen_queue *q, struct nfvk_session *s, const struct sk_buff *skb)
{
	return q->waiting_bytes + skb->len <= WAITING_MAX &&
	       q->memory.bytes + skb->truesize <= MEMORY_MAX / max_t(u32, q->vif->nr_queues, MEMORY_SHARES) &&
	       nfvk_charge(&q->memory, s, skb->truesize);
}

int nfvk_xen_enqueue(struct nfvk_xen_queue *q, struct nfvk_session *s, struct sk_buff *skb)
{
	int err = 0;

	spin_lock(&q->rx_lock);
	if (q->broken)
		err = -ENETDOWN;
	else if (q->stalled || !has_room(q, s, skb))
		err = -ENOBUFS;
	if (!err) {
		*(unsigned long *)skb->cb = jiffies;
		q->waiting_bytes += skb->len;
		__skb_queue_tail(&q->waiting, skb);
	}
	spin_unlock(&q->rx_lock);
	return err;
}

void nfvk_xen_purge(struct nfvk_xen_queue *q)
{
	struct sk_buff_head gone;

	__skb_queue_head_init(&gone);
	spin_lock_bh(&q->rx_lock);
	skb_queue_splice_tail_init(&q->waiting, &gone);
	q->waiting_bytes = 0;
	nfvk_account_clear(&q->memory);
	spin_unlock_bh(&q->rx_lock);
	nfvk_xen_miss(q, NFV_MISS_RX_EXPIRED, skb_queue_len(&gone));
	free_frames(&gone);
}

void nfvk_xen_expire(struct nfvk_xen_queue *q)
{
	unsigned long limit = msecs_to_jiffies(nfvk_held_ms);
	struct sk_buff_head old;
	struct sk_buff *skb;

	__skb_queue_head_init(&old);
	spin_lock(&q->rx_lock);
	while ((skb = skb_peek(&q->waiting)) && time_after_eq(jiffies, *(unsigned long *)skb->cb + limit)) {
		unlink_waiting(q, skb);
		q->stalled = true;
		__skb_queue_tail(&old, skb);
	}
	if (!q->memory.bytes)
		nfvk_account_clear(&q->memory);
	spin_unlock(&q->rx_lock);
	nfvk_xen_miss(q, NFV_MISS_RX_EXPIRED, skb_queue_len(&old));
	free_frames(&old);
}
