/* SPDX-License-Identifier: BSD-3-Clause */
/* nfv-netfront.ko's receive path, with a simulated backend: what it can see, and what it may try. */
#include "netfront_checks.h"

static u32 rx_place;			/* of the next answer */
static void *rx_bytes(u32 place)
{
	u32 ref = q->rx.sring->ring[place % NETFRONT_RING].req.gref;

	require(grants[ref].used && !grants[ref].readonly && grants[ref].page);
	return page_address(grants[ref].page);
}

static u8 *delivered[NETFRONT_SLOTS_MAX];	/* the pages of the last frame */
static u32 nr_delivered;

/* The backend writes a frame, in pages from their start on. */
static void deliver(u32 len)
{
	struct xen_netif_rx_sring *s = q->rx.sring;

	nr_delivered = 0;
	for (u32 i = 0; i < len; i++)
		sent[i % sizeof(sent)] = (i * 11 + len) % 0x9f;
	for (u32 at = 0; at < len; rx_place++) {
		u32 n = min(len - at, PAGE_SIZE);
		bool more = at + n < len;

		delivered[nr_delivered] = rx_bytes(rx_place);
		memcpy(delivered[nr_delivered++], sent + at, n);
		s->ring[rx_place % NETFRONT_RING].rsp = (struct xen_netif_rx_response){
			.id = rx_place % NETFRONT_RING, .status = n, .flags = more ? XEN_NETRXF_more_data : 0 };
		at += n;
	}
	s->rsp_prod = rx_place;
}

static void start_rx(void)
{
	rx_place = 0;
	poll_works();
	assert_int_equal(q->rx.sring->req_prod, NETFRONT_RING);
}

/* Check that granted pages contain only zeros. */
static void assert_rx_pages_zero(void)
{
	static const u8 zeros[PAGE_SIZE];

	for (u32 i = 0; i < NETFRONT_RING; i++)
		assert_memory_equal(rx_bytes(i), zeros, PAGE_SIZE);
}

static bool is_granted(const struct page *page)
{
	for (u32 i = 0; i < GRANTS; i++)
		if (grants[i].used && grants[i].page && grants[i].page->head == page->head)
			return true;
	return false;
}

static void rx_pages_are_zeroed(void **state)
{
	make(true, false);
	start_rx();
	assert_rx_pages_zero();
	unmake_all();
	make(false, false);
	start_rx();
	assert_rx_pages_zero();
	unmake_all();
}

/* The backend can no longer write to pages of received frames, and its writes do not change them. */
static void rx_is_private(void)
{
	static const u32 lens[] = { 60, 1514, 1600, 4096, 9014, 65535, 100 };

	start_rx();
	for (unsigned int lap = 0; lap < 30; lap++)
		for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
			struct sk_buff *skb;

			deliver(lens[i]);
			netfront_take_frames(q, BUDGET);
			assert_int_equal(nr_received, 1);
			skb = received[0];
			assert_int_equal(skb->len, lens[i]);
			for (int k = 0; k < skb_shinfo(skb)->nr_frags; k++)
				assert_false(is_granted(skb_shinfo(skb)->frags[k].page));
			assert_false(is_granted(skb->head));
			/* Write by the grants that it still has. */
			for (u32 k = 0; k < nr_delivered; k++)
				if (is_granted(virt_to_page(delivered[k])))
					memset(delivered[k], 0xee, PAGE_SIZE);
			skb_read(skb, got);
			assert_memory_equal(got, sent, lens[i]);
			assert_int_equal(skb_shinfo(skb)->flags & SKBFL_SHARED_FRAG, 0);
			kfree_skb(skb);
			nr_received = 0;
			poll_works();
		}
	assert_int_equal(q->rx_lent, 0);
	unmake_all();
}

static void rx_private_untrusted(void **state) { make(false, false); rx_is_private(); }
static void rx_private_staged(void **state) { make_staged(false); rx_is_private(); }
static void rx_private_plain(void **state) { make(true, false); rx_is_private(); }

/* With lend=1 the backend can write to all but the first bytes, and the stack is told so. */
static void rx_lent(void **state)
{
	struct sk_buff *skb;

	make_staged(true);
	start_rx();
	/* The first searches for replacement pages fail. */
	do {
		deliver(9014);
		netfront_take_frames(q, BUDGET);
		assert_in_range(nr_received, 1, 20);
	} while (!q->rx_lent);
	skb = received[nr_received - 1];
	assert_true(skb_shinfo(skb)->flags & SKBFL_SHARED_FRAG);
	memset(delivered[0], 0xee, PAGE_SIZE);
	skb_read(skb, got);
	assert_memory_equal(got, sent, HEADER);
	assert_int_equal(got[HEADER], 0xee);
	assert_memory_equal(got + PAGE_SIZE, sent + PAGE_SIZE, 9014 - PAGE_SIZE);
	unmake_all();
}

static void put_answer(u32 place, struct xen_netif_rx_response r)
{
	q->rx.sring->ring[place].rsp = r;
	q->rx.sring->rsp_prod = place + 1;
}

static void start_rx_of(bool trusted) { make(trusted, false); start_rx(); }

static void rx_beyond(void **state)
{
	start_rx_of(true);
	q->rx.sring->rsp_prod = NETFRONT_RING + 1;
	poll_breaks("sends more Rx responses than there are requests");
}

static void rx_back(void **state)
{
	start_rx_of(false);
	deliver(60);
	deliver(60);
	poll_works();
	q->rx.sring->rsp_prod = 1;
	poll_breaks("sends more Rx responses than there are requests");
}

static void rx_another_place(void **state)
{
	start_rx_of(true);
	put_answer(0, (struct xen_netif_rx_response){ .id = 1, .status = 60 });
	poll_breaks("sends an Rx response in the wrong place of the ring");
}

static void rx_beyond_the_page(void **state)
{
	static const u32 bad[][2] = { { 0, 4097 }, { 4096, 1 }, { 4095, 2 }, { 65535, 1 }, { 1, 32767 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		start_rx_of(i & 1);
		put_answer(0, (struct xen_netif_rx_response){ .id = 0, .offset = bad[i][0], .status = bad[i][1] });
		poll_breaks("sends an Rx response that exceeds its page");
	}
}

static void rx_ends_within(void **state)
{
	start_rx_of(true);
	put_answer(0, (struct xen_netif_rx_response){ .id = 0, .status = 60, .flags = XEN_NETRXF_more_data });
	poll_breaks("ends the Rx ring within a frame");
	start_rx_of(false);
	put_answer(0, (struct xen_netif_rx_response){ .id = 0, .status = 60, .flags = XEN_NETRXF_extra_info });
	poll_breaks("ends the Rx ring within extra info");
}

static void put_extra(u32 place, u8 type, u8 flags, u16 size, u8 gso_type)
{
	struct xen_netif_extra_info extra = { .type = type, .flags = flags, .u.gso = { .size = size, .type = gso_type } };

	memcpy(&q->rx.sring->ring[place].rsp, &extra, sizeof(extra));
	q->rx.sring->rsp_prod = place + 1;
}

static void rx_extra_info(void **state)
{
	static const struct { u8 type, gso_type; u16 size; bool broken; } bad[] = {
		{ 0, 1, 1448, true }, { XEN_NETIF_EXTRA_TYPE_MAX, 1, 1448, true }, { 255, 1, 1448, true },
		{ XEN_NETIF_EXTRA_TYPE_GSO, 1, 0, false }, { XEN_NETIF_EXTRA_TYPE_GSO, 0, 1448, false }, { XEN_NETIF_EXTRA_TYPE_GSO, 3, 1448, false },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		start_rx_of(i & 1);
		put_answer(0, (struct xen_netif_rx_response){ .id = 0, .status = 60, .flags = XEN_NETRXF_extra_info });
		put_extra(1, bad[i].type, 0, bad[i].size, bad[i].gso_type);
		if (bad[i].broken) {
			poll_breaks("sends extra info of no known type");
			continue;
		}
		poll_works();
		assert_int_equal(nr_received, 0);
		assert_int_equal(q->rx_count.dropped.v, 1);
		assert_false(netfront_is_broken(q));
		unmake_all();
	}
	/* Endless extra info: up to the last response. */
	start_rx_of(true);
	put_answer(0, (struct xen_netif_rx_response){ .id = 0, .status = 60, .flags = XEN_NETRXF_extra_info });
	for (u32 i = 1; i < NETFRONT_RING; i++)
		put_extra(i, XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE, 1448, 1);
	poll_breaks("ends the Rx ring within extra info");
}

/* The frame is dropped and counted; later ones arrive. */
static void rx_dropped(void **state)
{
	for (int status = -2; status <= 13; status++) {
		u32 dropped = status < ETH_HLEN;

		start_rx_of(status & 1);
		put_answer(0, (struct xen_netif_rx_response){ .id = 0, .status = status, .offset = status ? 0 : 65535 });
		rx_place = 1;
		deliver(60);
		poll_works();
		assert_int_equal(nr_received, 1);
		assert_int_equal(q->rx_count.dropped.v, dropped);
		unmake_all();
	}
	/* An empty part, at any offset. */
	for (int trusted = 0; trusted < 2; trusted++) {
		start_rx_of(trusted);
		put_answer(0, (struct xen_netif_rx_response){ .id = 0, .status = 2000, .flags = XEN_NETRXF_more_data });
		put_answer(1, (struct xen_netif_rx_response){ .id = 1, .offset = 65535 });
		poll_works();
		assert_int_equal(nr_received, 0);
		assert_int_equal(q->rx_count.dropped.v, 1);
		unmake_all();
	}
	start_rx_of(true);
	for (u32 i = 0; i < 200; i++)
		put_answer(i, (struct xen_netif_rx_response){ .id = i, .status = 100, .flags = i < 199 ? XEN_NETRXF_more_data : 0 });
	rx_place = 200;
	deliver(60);
	poll_works();
	assert_int_equal(nr_received, 1);
	assert_int_equal(q->rx_count.dropped.v, 1);
	unmake_all();
}

static void rx_page_is_kept(void **state)
{
	make(true, false);
	start_rx();
	deliver(4096);
	u32 ref = q->rx_slot[0].ref;
	grants[ref].held = true;
	grants_deferred = 0;
	netfront_poll(&q->napi, BUDGET);
	assert_true(netfront_is_broken(q));
	assert_int_equal(nr_received, 0);
	unmake();
	/* Xen's code keeps the page now. */
	assert_int_equal(grants_deferred, 1);
	assert_int_equal(pages_in_use, pages_before + 1);
	put_page(grants[ref].page);
	grants[ref].used = grants[ref].held = false;
}

/* Without memory the poll ends and is repeated later; with memory, slots are posted again. */
static void rx_without_memory(void **state)
{
	make(true, false);
	out_of_memory = true;
	for (int i = 0; i < 3; i++) {
		assert_true(netfront_poll(&q->napi, BUDGET) < BUDGET);
		assert_int_equal(refill_delay, HZ / 10);
		assert_int_equal(polls_wanted, i);
		netfront_refill(&q->refill.work);
	}
	out_of_memory = false;
	refill_delay = 0;
	poll_works();
	assert_int_equal(refill_delay, 0);
	assert_int_equal(q->rx.sring->req_prod, NETFRONT_RING);
	unmake_all();
}

/* Without memory for a copy the frame is lost and counted, and its slots are posted again. */
static void rx_no_memory_to_copy(void **state)
{
	make(false, false);
	start_rx();
	deliver(9014);
	out_of_memory = true;
	poll_works();
	assert_int_equal(nr_received, 0);
	assert_int_equal(q->rx_count.dropped.v, 1);
	assert_int_equal(q->rx.sring->req_prod, NETFRONT_RING + 3);
	unmake_all();
}

/* ---- not trusted, and no memory for pages of its own ---- */

static void untrusted_without_memory(void **state)
{
	make(false, false);
	netfront_queue_free(q);
	out_of_memory = true;
	assert_int_equal(netfront_queue_init(q), -ENOMEM);
	out_of_memory = false;
	assert_int_equal(netfront_queue_init(q), 0);
	unmake_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rx_pages_are_zeroed), cmocka_unit_test(rx_private_untrusted),
		cmocka_unit_test(rx_private_staged), cmocka_unit_test(rx_private_plain), cmocka_unit_test(rx_lent),
		cmocka_unit_test(rx_beyond), cmocka_unit_test(rx_back), cmocka_unit_test(rx_another_place),
		cmocka_unit_test(rx_beyond_the_page), cmocka_unit_test(rx_ends_within),
		cmocka_unit_test(rx_extra_info), cmocka_unit_test(rx_dropped), cmocka_unit_test(rx_page_is_kept),
		cmocka_unit_test(rx_without_memory), cmocka_unit_test(rx_no_memory_to_copy),
		cmocka_unit_test(untrusted_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
