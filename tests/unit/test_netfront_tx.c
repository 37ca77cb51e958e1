/* SPDX-License-Identifier: BSD-3-Clause */
/* nfv-netfront.ko's transmit path and control ring, with a simulated backend: what it can see, and what it may try. */
#include "netfront_checks.h"

/* Take one frame as the backend, from the granted pages, without a response. Return its length. */
static u32 take(u16 ids[], unsigned int *n)
{
	u32 len = 0, total = 0;
	bool more = true;

	for (*n = 0; more; tx_taken++) {
		struct xen_netif_tx_request r = q->tx.sring->ring[tx_taken % NETFRONT_RING].req;
		u32 size = r.size;

		assert_true(tx_taken != q->tx.sring->req_prod);
		assert_true(grants[r.gref].used && grants[r.gref].readonly);
		if (!*n) {
			total = r.size;
			/* The first slot has the frame's length; its own part is what the other slots leave. */
			for (RING_IDX i = tx_taken; q->tx.sring->ring[i % NETFRONT_RING].req.flags & XEN_NETTXF_more_data; i++)
				size -= q->tx.sring->ring[(i + 1) % NETFRONT_RING].req.size;
		}
		assert_true(r.offset + size <= PAGE_SIZE);
		memcpy(got + len, (u8 *)page_address(grants[r.gref].page) + r.offset, size);
		len += size;
		ids[(*n)++] = r.id;
		more = r.flags & XEN_NETTXF_more_data;
	}
	assert_int_equal(len, total);
	return len;
}

static void answer(u16 id, int status)
{
	struct xen_netif_tx_sring *s = q->tx.sring;

	s->ring[s->rsp_prod++ % NETFRONT_RING].rsp = (struct xen_netif_tx_response){ .id = id, .status = status };
}

static void carry(u32 len, u32 linear)
{
	u16 ids[NETFRONT_RING];
	unsigned int n;

	assert_int_equal(netfront_xmit(frame(len, linear), &dev), NETDEV_TX_OK);
	assert_int_equal(take(ids, &n), len);
	assert_memory_equal(got, sent, len);
	while (n)
		answer(ids[--n], 0);
}

/* Return whether a granted page contains data that is not part of a frame. */
static bool secret_is_seen(void)
{
	for (u32 i = 0; i < GRANTS; i++)
		if (grants[i].used && grants[i].page && memchr(page_address(grants[i].page), SECRET, PAGE_SIZE))
			return true;
	return false;
}

static const u32 shapes[][2] = { { 60, 60 }, { 1514, 100 }, { 4096, 4096 }, { 9014, 66 }, { 42, 42 }, { 45000, 256 }, { 100, 50 }, { 61, 61 } };

static void tx_untrusted(void **state)
{
	make(false, false);
	for (unsigned int lap = 0; lap < 100; lap++)
		for (unsigned int i = 0; i < ARRAY_SIZE(shapes); i++) {
			struct sk_buff *skb = frame(shapes[i][0], shapes[i][1]);
			u16 ids[NETFRONT_RING];
			unsigned int n;

			netfront_xmit(skb, &dev);
			assert_false(secret_is_seen());
			assert_int_equal(take(ids, &n), shapes[i][0]);
			assert_memory_equal(got, sent, shapes[i][0]);
			while (n)
				answer(ids[--n], 0);
			poll_works();
			assert_false(secret_is_seen());
		}
	unmake_all();
}

/* In plain mode the data that the test above looks for is visible. */
static void tx_plain(void **state)
{
	make(true, false);
	for (unsigned int i = 0; i < ARRAY_SIZE(shapes); i++) {
		carry(shapes[i][0], shapes[i][1]);
		assert_true(secret_is_seen());
		poll_works();
		assert_false(secret_is_seen());
	}
	unmake_all();
}

static void tx_beyond(void **state)
{
	make(false, false);
	netfront_xmit(frame(60, 60), &dev);
	q->tx.sring->rsp_prod = 2;
	poll_breaks("sends more Tx responses than there are requests");
}

static void tx_back(void **state)
{
	make(true, false);
	carry(60, 60);
	carry(60, 60);
	poll_works();
	netfront_xmit(frame(60, 60), &dev);
	q->tx.sring->rsp_prod = 1;
	poll_breaks("sends more Tx responses than there are requests");
}

/* The index alternates for ever: each read differs, and no response follows. */
static unsigned int looks;
static void to_and_fro(void)
{
	require(++looks < 2000);
	q->tx.sring->rsp_prod = q->tx.rsp_cons + (looks & 1);
}
static void tx_to_and_fro(void **state)
{
	make(true, false);
	for (unsigned int i = 0; i < 100; i++)
		netfront_xmit(frame(60, 60), &dev);
	looks = 0;
	at_barrier = to_and_fro;
	netfront_poll(&q->napi, BUDGET);
	/* At most one read per request, and the first one. */
	assert_in_range(looks, 1, 101);
	at_barrier = NULL;
	unmake();
}

static void tx_no_such_id(void **state)
{
	make(true, false);
	netfront_xmit(frame(60, 60), &dev);
	answer(NETFRONT_RING, 0);
	poll_breaks("sends a Tx response without a request");
	make(true, false);
	netfront_xmit(frame(60, 60), &dev);
	answer(5, 0);
	poll_breaks("sends a Tx response without a request");
}

static void tx_twice(void **state)
{
	u16 ids[NETFRONT_RING];
	unsigned int n;

	make(false, false);
	netfront_xmit(frame(60, 60), &dev);
	netfront_xmit(frame(60, 60), &dev);
	take(ids, &n);
	answer(ids[0], 0);
	answer(ids[0], 0);
	poll_breaks("sends a Tx response without a request");
}

static void tx_no_extra_info(void **state)
{
	make(true, false);
	netfront_xmit(frame(60, 60), &dev);
	answer(0, XEN_NETIF_RSP_NULL);
	poll_breaks("sends more responses to extra info than there are");
}

static u32 grant_of(RING_IDX i) { return q->tx.sring->ring[i % NETFRONT_RING].req.gref; }

static void tx_page_is_kept(void **state)
{
	int kept = skbs_in_use, pages_kept;
	struct sk_buff *first;
	u32 ref;

	make(true, false);
	first = frame(60, 60);
	netfront_xmit(first, &dev);
	netfront_xmit(frame(60, 60), &dev);
	ref = grant_of(0);
	grants[ref].held = true;
	answer(q->tx.sring->ring[0].req.id, 0);
	netfront_poll(&q->napi, BUDGET);
	assert_true(netfront_is_broken(q));
	unmake();
	/* That frame and its memory stay; the other one is freed. */
	assert_int_equal(dev.warnings, 1);
	assert_int_equal(skbs_in_use, kept + 1);
	pages_kept = pages_in_use - pages_before;
	assert_int_equal(pages_kept, 1);
	assert_true(grants[ref].used && grants[ref].page->refs == 1);
	grants[ref].used = grants[ref].held = false;
	kfree_skb(first);
	assert_int_equal(skbs_in_use, kept);
	assert_int_equal(pages_in_use, pages_before);
}

static void tx_too_many_pieces(void **state)
{
	struct sk_buff *skb;
	u16 ids[NETFRONT_RING];
	unsigned int n;

	make(true, false);
	skb = frame(45000, 45000 - 15 * 3000);
	/* Linear and frags that each straddle nothing: 16 slots. With a page border in the linear part, and more frags, 19. */
	netfront_xmit(skb, &dev);
	assert_int_equal(take(ids, &n), 45000);
	assert_in_range(n, 15, NETFRONT_SLOTS_MAX);
	while (n)
		answer(ids[--n], 0);
	poll_works();
	netfront_xmit(frame(60000, 60000 - 17 * 3000), &dev);
	assert_int_equal(take(ids, &n), 60000);
	assert_memory_equal(got, sent, 60000);
	assert_in_range(n, 15, NETFRONT_SLOTS_MAX);
	unmake_all();
}

/* ---- the control ring ---- */

static struct { u32 status, data; int beyond; bool silent, to_and_fro; unsigned int looks; } ctrl;
static void control(void)
{
	struct xen_netif_ctrl_sring *s = nf->ctrl.ring.sring;

	require(++ctrl.looks < 10000);
	if (ctrl.to_and_fro)
		s->rsp_prod = nf->ctrl.ring.rsp_cons + (ctrl.looks & 1);
	if (ctrl.silent || ctrl.to_and_fro || s->rsp_prod == s->req_prod)
		return;
	struct xen_netif_ctrl_request r = s->ring[s->rsp_prod % 64].req;

	s->ring[s->rsp_prod % 64].rsp = (struct xen_netif_ctrl_response){ .id = r.id, .type = r.type, .status = ctrl.status,
		.data = r.type == NFVK_XEN_CTRL_GET_GREF_MAPPING_SIZE ? ctrl.data : 0 };
	s->rsp_prod += 1 + ctrl.beyond;
}

static void name_with(bool trusted, bool persistent)
{
	make(trusted, false);
	nf->ctrl.irq = 1;
	ctrl.looks = 0;
	at_barrier = control;
	netfront_name_pages(nf);
	at_barrier = NULL;
	assert_int_equal(q->persistent, persistent);
	assert_int_equal(q->staged, persistent || !trusted);
	unmake_all();
}

static void control_ring(void **state)
{
	for (int trusted = 0; trusted < 2; trusted++) {
		memset(&ctrl, 0, sizeof(ctrl));
		ctrl.data = 1024;
		name_with(trusted, true);
		ctrl.data = 0xffffffff;
		name_with(trusted, true);
		ctrl.data = 0;
		name_with(trusted, false);
		ctrl.data = 1024;
		ctrl.status = 1;
		name_with(trusted, false);
		ctrl.status = 0xffffffff;
		name_with(trusted, false);
		ctrl.status = 0;
		ctrl.beyond = 1;
		name_with(trusted, false);
		ctrl.beyond = -2;
		name_with(trusted, false);
		ctrl.beyond = 0;
		ctrl.silent = true;
		name_with(trusted, false);
		ctrl.silent = false;
		ctrl.to_and_fro = true;
		name_with(trusted, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tx_untrusted), cmocka_unit_test(tx_plain), cmocka_unit_test(tx_beyond),
		cmocka_unit_test(tx_back), cmocka_unit_test(tx_to_and_fro), cmocka_unit_test(tx_no_such_id),
		cmocka_unit_test(tx_twice), cmocka_unit_test(tx_no_extra_info), cmocka_unit_test(tx_page_is_kept),
		cmocka_unit_test(tx_too_many_pieces), cmocka_unit_test(control_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
