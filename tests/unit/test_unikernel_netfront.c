/* SPDX-License-Identifier: BSD-3-Clause */
/* The unikernel's netfront against a backend that is hostile in the rings of frames. */
#include "fake_backend.h"

/* --- received --- */

static void test_frame(void **state)
{
	(void)state;
	assert_int_equal(rx_shared->req_prod, NETFRONT_RING);
	assert_ptr_equal(granted[rx_shared->ring[5].req.gref], rx_pages[5]);
	assert_false(netfront.ready());
	next_rx(100, NETRXF_data_validated, 60);
	assert_true(netfront.ready());
	assert_int_equal(netfront.poll(64), 1);
	netfront.flush();
	assert_int_equal(last_tot_len, 60);
	assert_true(last_csum_ok);
	assert_int_equal(rx_shared->req_prod, NETFRONT_RING + 1);
	assert_false(netfront.ready());
}

static void test_parts(void **state)
{
	(void)state;
	next_rx(0, NETRXF_more_data | NETRXF_extra_info, PAGE_BYTES);
	extra_rx(XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE);
	extra_rx(XEN_NETIF_EXTRA_TYPE_GSO, 0);
	next_rx(0, NETRXF_more_data, PAGE_BYTES);
	next_rx(1, 0, 100);
	assert_int_equal(netfront.poll(64), 1);
	assert_int_equal(last_tot_len, 2 * PAGE_BYTES + 100);
	assert_false(last_csum_ok);
	netfront.flush();
	assert_int_equal(rx_shared->req_prod, NETFRONT_RING + 5);
}

static void test_dropped(void **state)
{
	(void)state;
	next_rx(0, 0, -1);
	next_rx(0, 0, 13);
	next_rx(0, 0, 0);
	/* Too long, in too many parts, */
	for (unsigned int i = 0; i < 16; i++)
		next_rx(0, i < 15 ? NETRXF_more_data : 0, PAGE_BYTES);
	for (unsigned int i = 0; i < 40; i++)
		next_rx(0, i < 39 ? NETRXF_more_data : 0, 60);
	/* and one with an error later. */
	next_rx(0, NETRXF_more_data, 60);
	next_rx(0, 0, INT16_MIN);
	netfront.poll(64);
	assert_true(running);
	assert_int_equal(frames, 0);
	no_memory = true;
	next_rx(0, 0, 60);
	netfront.poll(64);
	assert_int_equal(frames, 0);
	no_memory = false;
	next_rx(0, 0, 60);
	netfront.poll(64);
	assert_int_equal(frames, 1);
}

static void test_rx_prod_too_far(void **state)
{
	(void)state;
	rx_shared->rsp_prod = NETFRONT_RING + 1;
	assert_stopped();
}

static void test_rx_prod_back(void **state)
{
	(void)state;
	rx_shared->rsp_prod--;
	assert_stopped();
}

static void test_rx_other_place(void **state)
{
	(void)state;
	answer_rx(1, 0, 0, 60);
	assert_stopped();
}

static void test_rx_id_huge(void **state)
{
	(void)state;
	answer_rx(UINT16_MAX, 0, 0, 60);
	assert_stopped();
}

static void test_rx_beyond_page(void **state)
{
	(void)state;
	next_rx(PAGE_BYTES - 59, 0, 60);
	assert_stopped();
}

static void test_rx_offset_huge(void **state)
{
	(void)state;
	next_rx(UINT16_MAX, 0, 1);
	assert_stopped();
}

static void test_rx_frame_without_end(void **state)
{
	(void)state;
	next_rx(0, NETRXF_more_data, 60);
	assert_stopped();
}

static void test_rx_extra_missing(void **state)
{
	(void)state;
	next_rx(0, NETRXF_extra_info, 60);
	assert_stopped();
}

static void test_rx_extra_without_end(void **state)
{
	(void)state;
	next_rx(0, NETRXF_extra_info, 60);
	for (unsigned int i = 1; i < NETFRONT_RING; i++)
		extra_rx(XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE);
	assert_stopped();
}

static void test_rx_extra_unknown(void **state)
{
	(void)state;
	next_rx(0, NETRXF_extra_info, 60);
	extra_rx(XEN_NETIF_EXTRA_TYPE_MAX, 0);
	assert_stopped();
}

/* --- sent --- */

static void test_send(void **state)
{
	static uint8_t data[PAGE_BYTES + 100];
	struct pbuf frame = { .payload = data, .len = sizeof(data), .tot_len = sizeof(data), .ref = 1 };
	struct netif_extra_info extra;
	struct netif_tx_request r;

	(void)state;
	data[0] = 1;
	data[PAGE_BYTES] = 2;
	assert_true(netfront.send(&frame, &super));
	netfront.flush();
	assert_int_equal(tx_shared->req_prod, 3);
	r = tx_request(0);
	assert_int_equal(r.size, sizeof(data));
	assert_int_equal(r.offset, 0);
	assert_int_equal(r.flags, NETTXF_csum_blank | NETTXF_data_validated | NETTXF_more_data | NETTXF_extra_info);
	assert_int_equal(*(const uint8_t *)granted[r.gref], 1);
	assert_true(granted_readonly[r.gref]);
	memcpy(&extra, &tx_shared->ring[1], sizeof(extra));
	assert_int_equal(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
	assert_int_equal(extra.u.gso.size, 1460);
	r = tx_request(2);
	assert_int_equal(r.size, 100);
	assert_int_equal(r.flags, 0);
	assert_int_equal(*(const uint8_t *)granted[r.gref], 2);
	answer_tx(r.id, NETIF_RSP_OKAY);
	answer_tx(0, NETIF_RSP_NULL);
	answer_tx(tx_request(0).id, NETIF_RSP_ERROR);
	netfront.poll(64);
	assert_true(running);
	assert_int_equal(RING_FREE_REQUESTS(&tx), NETFRONT_RING);
}

static void test_full(void **state)
{
	unsigned int n = 0;

	(void)state;
	while (netfront.send(&small, &nothing))
		n++;
	assert_int_equal(n, NETFRONT_RING);
	netfront.flush();
	assert_false(netfront.ready());
	assert_int_equal(tx_shared->rsp_event, NETFRONT_RING / 2 + 1);
	for (unsigned int i = 0; i < NETFRONT_RING / 2; i++)
		answer_tx(tx_request(i).id, NETIF_RSP_OKAY);
	assert_true(netfront.ready());
	assert_int_equal(room, 0);
	netfront.poll(64);
	assert_int_equal(room, 1);
	assert_true(netfront.send(&small, &nothing));
	assert_true(running);
}

static void test_tx_prod_too_far(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	tx_shared->rsp_prod = 2;
	assert_stopped();
}

/* A response that is written, but not published yet. */
static void test_tx_too_early(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	answer_tx(0, NETIF_RSP_OKAY);
	assert_stopped();
}

static void test_tx_twice(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.send(&small, &nothing);
	netfront.flush();
	answer_tx(tx_request(0).id, NETIF_RSP_OKAY);
	answer_tx(tx_request(0).id, NETIF_RSP_OKAY);
	assert_stopped();
}

static void test_tx_id_huge(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	answer_tx(NETFRONT_RING, NETIF_RSP_OKAY);
	assert_stopped();
}

static void test_tx_no_extra(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	answer_tx(tx_request(0).id, NETIF_RSP_NULL);
	assert_stopped();
}

/* --- mostly plausible values: others would end the driver early --- */

static void random_rx(void)
{
	uint16_t flags = (uint16_t)(rand() % 10 ? 0 : rand() % 16);

	if (rand() % 50)
		next_rx((uint16_t)(rand() % 100), flags, (int16_t)(rand() % 1500));
	else
		answer_rx((uint16_t)(rand() % 300), (uint16_t)rand(), flags, (int16_t)rand());
}

static void test_random(void **state)
{
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		for (unsigned int n = (unsigned int)rand() % 6; n; n--)
			random_rx();
		if (!(rand() % 500))
			rx_shared->rsp_prod = (uint32_t)rand();
		if (!(rand() % 2))
			netfront.send(&small, rand() % 2 ? &super : &nothing);
		if (!(rand() % 100))
			backend_is((unsigned int)rand() % 9);
		if (tx_shared->rsp_prod != tx_shared->req_prod)
			answer_tx(rand() % 100 ? tx_request(tx_shared->rsp_prod % NETFRONT_RING).id : (uint16_t)rand(),
				  (int16_t)(rand() % 2));
		netfront.poll(1 + (unsigned int)rand() % 8);
		netfront.flush();
		netfront.ready();
		assert_int_equal(copies_alive, 0);
		if (!running)
			setup(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_frame, setup),
		cmocka_unit_test_setup(test_parts, setup),
		cmocka_unit_test_setup(test_dropped, setup),
		cmocka_unit_test_setup(test_rx_prod_too_far, setup),
		cmocka_unit_test_setup(test_rx_prod_back, setup),
		cmocka_unit_test_setup(test_rx_other_place, setup),
		cmocka_unit_test_setup(test_rx_id_huge, setup),
		cmocka_unit_test_setup(test_rx_beyond_page, setup),
		cmocka_unit_test_setup(test_rx_offset_huge, setup),
		cmocka_unit_test_setup(test_rx_frame_without_end, setup),
		cmocka_unit_test_setup(test_rx_extra_missing, setup),
		cmocka_unit_test_setup(test_rx_extra_without_end, setup),
		cmocka_unit_test_setup(test_rx_extra_unknown, setup),
		cmocka_unit_test_setup(test_send, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test_setup(test_tx_prod_too_far, setup),
		cmocka_unit_test_setup(test_tx_too_early, setup),
		cmocka_unit_test_setup(test_tx_twice, setup),
		cmocka_unit_test_setup(test_tx_id_huge, setup),
		cmocka_unit_test_setup(test_tx_no_extra, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
