/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: nfv-netfront.ko's queue, with a backend whose responses and indices come from the
 * input. Bits of the first byte: trusted, persistent pages, lent pages. Then steps of one byte each
 * and their arguments. For any input, received frames lie within their own or lent pages, nothing is
 * freed twice or leaked, and an untrusted backend never has a grant of memory that was not zeroed.
 */
#include "netfront_rig.h"

#define STEPS	400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;

static u8 byte(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}
static u16 word(void) { return byte() << 8 | byte(); }

static void stack_lets_go(void)
{
	while (nr_received) {
		struct sk_buff *skb = received[--nr_received];

		require(skb->len >= ETH_HLEN && skb->len <= NETFRONT_FRAME_MAX + ETH_HLEN);
		kfree_skb(skb);
	}
}

static void xmit(void)
{
	u32 len = word();
	struct sk_buff *skb;

	if (out_of_memory || netif_tx_queue_stopped(&dev.txq[0]))
		return;
	len = len < 42 ? 42 : len;
	skb = frame(len, len > 16 * 3000 ? len - 15 * 3000 : min(len, 66));
	if (skb)
		netfront_xmit(skb, &dev);
}

static void answer_tx(void)
{
	struct xen_netif_tx_sring *s = q->tx.sring;

	s->ring[s->rsp_prod++ % NETFRONT_RING].rsp = (struct xen_netif_tx_response){ .id = byte(), .status = (int8_t)byte() };
}

static void answer_rx(void)
{
	struct xen_netif_rx_sring *s = q->rx.sring;
	u16 place = s->rsp_prod++ % NETFRONT_RING;

	s->ring[place].rsp = (struct xen_netif_rx_response){ .id = place, .offset = byte(), .flags = byte() & 15, .status = word() };
}

/* Write any bytes anywhere in the ring, for example extra info. */
static void scribble(void *ring)
{
	u16 at = word() % (PAGE_SIZE - 8);

	for (int i = 0; i < 8; i++)
		((u8 *)ring)[at + i] = byte();
}

static void hold_grant(void)
{
	u32 ref = word() % (grants_end + 1);

	grants[ref].held = grants[ref].used && grants[ref].page;
}

static void step(void)
{
	switch (byte() % 10) {
	case 0: xmit(); break;
	case 1: netfront_poll(&q->napi, 64); break;
	case 2: answer_tx(); break;
	case 3: answer_rx(); break;
	case 4: q->tx.sring->rsp_prod += (int8_t)byte(); break;
	case 5: q->rx.sring->rsp_prod += (int8_t)byte(); break;
	case 6: scribble(q->tx.sring); break;
	case 7: scribble(q->rx.sring); break;
	case 8: stack_lets_go(); break;
	case 9: byte() & 7 ? (void)(out_of_memory = byte() & 1) : hold_grant(); break;
	}
	if (nr_received > ARRAY_SIZE(received) - 64)
		stack_lets_go();
}

/* The backend keeps pages mapped beyond the end: frames keep their pages, Xen's code the others. Then it unmaps. */
static void end(void)
{
	struct sk_buff *kept[NETFRONT_RING];
	unsigned int n = 0;

	for (unsigned int i = 0; i < NETFRONT_RING; i++) {
		struct netfront_tx_slot *slot = &q->tx_slot[i];

		if (!slot->own.page || !grants[slot->own.ref].held)
			continue;
		kept[n++] = slot->skb;
		grants[slot->own.ref].page = NULL;
	}
	unmake();
	while (n)
		kfree_skb(kept[--n]);
	for (u32 i = 0; i < grants_end; i++) {
		require(!grants[i].used || grants[i].held);
		if (grants[i].used && grants[i].page)
			put_page(grants[i].page);
	}
	memset(grants, 0, grants_end * sizeof(grants[0]));
	grants_next = grants_end = 0;
	require(!skbs_in_use && pages_in_use == pages_before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool trusted, stays, lends;
	u8 kind;

	input = data;
	left = size;
	pages_next = 0;		/* the last input's pages: they are still in the processor's caches */
	kind = byte();
	trusted = kind & 1;
	stays = trusted && kind & 2;
	lends = stays && kind & 4;
	if (stays)
		make_staged(lends);
	else
		make(trusted, false);
	for (int i = 0; left && i < STEPS; i++)
		step();
	for (u32 i = 0; i < grants_end && !trusted; i++)
		if (grants[i].used && grants[i].page)
			require(!memchr(page_address(grants[i].page), SECRET, PAGE_SIZE));
	end();
	return 0;
}
