/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue of nfv-netfront.ko on guest_kernel.h; the test acts as its backend. */
#ifndef TEST_NETFRONT_RIG_H
#define TEST_NETFRONT_RIG_H

#include "guest_kernel.h"
#include "netfront/event.c"
#include "netfront/queue.c"
#include "netfront/grant.c"
#include "netfront/tx.c"
#include "netfront/rx.c"
#define answered ctrl_answered
#define interrupt ctrl_interrupt
#include "netfront/ctrl.c"

static struct xenbus_device xb = { .otherend_id = 7 };
static struct net_device dev;
static struct netfront *nf;
static struct netfront_queue *q;
static RING_IDX tx_taken;		/* by the backend, which keeps its own index */
static int pages_before;
static u8 sent[NETFRONT_FRAME_MAX + 1];		/* the bytes of the last frame() */

static void *ring_page(void) { return page_address(alloc_pages(__GFP_ZERO, 0)); }

static void make(bool trusted, bool lends)
{
	struct xen_netif_tx_sring *tx;
	struct xen_netif_rx_sring *rx;
	struct xen_netif_ctrl_sring *control;

	pages_before = pages_in_use;
	nf = calloc(1, sizeof(*nf) + sizeof(*q));
	q = &nf->queue[0];
	dev = (struct net_device){ .priv = nf, .carrier = true };
	nf->xb = &xb;
	nf->dev = &dev;
	nf->nr_queues = nf->max_queues = 1;
	nf->trusted = trusted;
	nf->lends = lends;
	q->nf = nf;
	tx = ring_page();
	XEN_FRONT_RING_INIT(&q->tx, tx, XEN_PAGE_SIZE);
	rx = ring_page();
	XEN_FRONT_RING_INIT(&q->rx, rx, XEN_PAGE_SIZE);
	control = ring_page();
	XEN_FRONT_RING_INIT(&nf->ctrl.ring, control, XEN_PAGE_SIZE);
	tx_taken = 0;
	refill_delay = polls_wanted = 0;
	nr_received = 0;
	require(!netfront_queue_init(q));
}

/* As after an agreement over the control ring. */
static void make_staged(bool lends)
{
	make(true, lends);
	require(!netfront_stage_make(q));
	q->staged = true;
}

static void unmake(void)
{
	at_barrier = NULL;
	out_of_memory = checksum_is_bad = false;
	for (unsigned int i = 0; i < nr_received; i++)
		kfree_skb(received[i]);
	netfront_queue_free(q);
	put_page(virt_to_page(q->tx.sring));
	put_page(virt_to_page(q->rx.sring));
	put_page(virt_to_page(nf->ctrl.ring.sring));
	free(nf);
}

/* Make a frame: linear bytes, then frags of 3000 in pages with other data. No byte is SECRET. NULL: no free page. */
static struct sk_buff *frame(u32 len, u32 linear)
{
	struct sk_buff *skb = skb_make(linear);

	if (!skb)
		return NULL;
	for (u32 i = 0; i < min(len, 0x9f); i++)
		sent[i] = (i * 7 + len) % 0x9f;
	/* It repeats after 0x9f bytes. */
	for (u32 done = 0x9f; done < len; done *= 2)
		memcpy(sent + done, sent, min(done, len - done));
	skb_put_data(skb, sent, linear);
	for (u32 at = linear, n; at < len; at += n) {
		struct page *page = alloc_pages(0, 0);

		if (!page) {
			kfree_skb(skb);
			return NULL;
		}
		n = min(len - at, 3000);
		memcpy((u8 *)page_address(page) + 700, sent + at, n);
		skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, 700, n, PAGE_SIZE);
	}
	return skb;
}

#endif
