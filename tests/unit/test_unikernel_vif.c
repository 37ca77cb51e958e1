/* SPDX-License-Identifier: BSD-3-Clause */
/* The unikernel's netfront against a backend that is hostile in the xenstore and the control ring. */
#include "fake_backend.h"

/* --- the control ring --- */

static void answer_ctrl(uint16_t id, uint32_t status, uint32_t data)
{
	struct xen_netif_ctrl_sring *c = ctrl_ring();

	c->ring[c->rsp_prod++ % 64].rsp = (struct xen_netif_ctrl_response){ .id = id, .status = status, .data = data };
	netfront.poll(64);
}

static struct xen_netif_ctrl_request last_asked(void)
{
	struct xen_netif_ctrl_sring *c = ctrl_ring();

	assert_true(c->req_prod > 0);
	return c->ring[(c->req_prod - 1) % 64].req;
}

static void test_named(void **state)
{
	struct xen_netif_ctrl_request r = last_asked();
	const struct xen_netif_gref *list;

	(void)state;
	assert_int_equal(r.type, XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE);
	answer_ctrl(r.id, XEN_NETIF_CTRL_STATUS_SUCCESS, UINT32_MAX);
	r = last_asked();
	assert_int_equal(r.type, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
	assert_int_equal(r.data[0], 0);
	assert_int_equal(r.data[2], NETFRONT_PAGES);
	list = granted[r.data[1]];
	for (unsigned int i = 0; i < NETFRONT_PAGES; i++)
		assert_int_equal(list[i].flags == XEN_NETIF_CTRLF_GREF_readonly, granted_readonly[list[i].ref]);
	answer_ctrl(r.id, XEN_NETIF_CTRL_STATUS_SUCCESS, 0);
	assert_int_equal(lines, 1);
	/* Another backend takes over: it may have the names, or not. */
	backend_is(XenbusStateInitWait);
	r = last_asked();
	answer_ctrl(r.id, XEN_NETIF_CTRL_STATUS_SUCCESS, 100);
	r = last_asked();
	assert_int_equal(r.type, XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING);
	assert_int_equal(r.data[2], NETFRONT_PAGES);
	answer_ctrl(r.id, XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER, 0);
	answer_ctrl(last_asked().id, XEN_NETIF_CTRL_STATUS_SUCCESS, 100);
	r = last_asked();
	assert_int_equal(r.type, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
	assert_int_equal(r.data[2], 100);
	assert_true(running);
}

static void test_not_named(void **state)
{
	struct xen_netif_ctrl_sring *c = ctrl_ring();
	uint32_t asked_for = c->req_prod;

	(void)state;
	answer_ctrl(last_asked().id + 1, XEN_NETIF_CTRL_STATUS_SUCCESS, 100);
	assert_int_equal(c->req_prod, asked_for);
	backend_is(XenbusStateConnected);
	assert_int_equal(c->req_prod, asked_for + 1);
	answer_ctrl(last_asked().id, XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED, 100);
	assert_int_equal(c->req_prod, asked_for + 1);
	assert_true(running);
	assert_int_equal(lines, 0);
}

/* The backend never responds. */
static void test_never_named(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		backend_is(XenbusStateConnected);
	assert_in_range(ctrl_ring()->req_prod, 1, 256);
	assert_true(running);
}

static void test_ctrl_prod_too_far(void **state)
{
	(void)state;
	ctrl_ring()->rsp_prod = ctrl_ring()->req_prod + 1;
	assert_stopped();
}

/* --- its life --- */

static void test_opened(void **state)
{
	static const uint8_t mac[6] = { 0, 0x16, 0x3e, 0, 0, 0xff };

	(void)state;
	assert_true(info.has_mac && info.tx_csum && info.tx_gso);
	assert_memory_equal(info.mac, mac, 6);
	assert_int_equal(we_are(), XenbusStateConnected);
	assert_ptr_equal(ring_of("tx-ring-ref"), tx_shared);
	assert_ptr_equal(ring_of("rx-ring-ref"), rx_shared);
	assert_int_equal(xenstore_number(OURS, "event-channel", 1 << 30, 0), rx_port);
	assert_int_equal(xenstore_number(OURS, "event-channel-tx", 1 << 30, 0), tx_port);
	assert_int_equal(xenstore_number(OURS, "event-channel-rx", 1 << 30, 0), rx_port);
	assert_int_equal(xenstore_number(OURS, "request-rx-copy", 1, 0), 1);
}

static void test_without_mac(void **state)
{
	static const char *const macs[] = { "", "00:16:3e:00:00", "00:16:3e:00:00:f", "00:16:3e:00:00:fg", "00-16-3e-00-00-ff" };

	for (unsigned int i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
		setup(state);
		memory_taken = n_granted = 0;
		set(ours, "mac", macs[i]);
		set(theirs, "state", "2");
		set(ours, "state", "1");
		follows = true;
		netfront.open("", &info);
		follows = false;
		assert_false(info.has_mac);
	}
}

/* The backend closes, and a new one comes. */
static void test_comes_again(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	backend_is(XenbusStateClosing);
	assert_int_equal(we_are(), XenbusStateClosed);
	assert_false(netfront.send(&small, &nothing));
	backend_is(XenbusStateClosed);
	assert_int_equal(we_are(), XenbusStateInitialising);
	assert_false(netfront.ready());
	room = 0;
	backend_is(XenbusStateInitWait);
	assert_int_equal(we_are(), XenbusStateConnected);
	assert_int_equal(tx_shared->req_prod, 0);
	netfront.flush();
	assert_int_equal(rx_shared->req_prod, 0);
	assert_int_equal(room, 1);
	backend_is(XenbusStateConnected);
	assert_int_equal(rx_shared->req_prod, NETFRONT_RING);
	assert_true(netfront.send(&small, &nothing));
	next_rx(0, 0, 60);
	netfront.poll(64);
	assert_int_equal(frames, 1);
	assert_int_equal(lines, 0);
}

static void test_one_event_channel(void **state)
{
	(void)state;
	backend_is(XenbusStateClosed);
	set(theirs, "feature-split-event-channels", "0");
	backend_is(XenbusStateInitWait);
	assert_int_equal(xenstore_number(OURS, "event-channel-tx", 1 << 30, 0), rx_port);
	last_event = 0;
	netfront.send(&small, &nothing);
	netfront.flush();
	assert_int_equal(last_event, rx_port);
}

static void test_goes(void **state)
{
	(void)state;
	set(theirs, "online", "0");
	backend_is(XenbusStateClosed);
	assert_int_equal(we_are(), XenbusStateClosed);
	assert_false(netfront.send(&small, &nothing));
}

static void test_taken_over(void **state)
{
	(void)state;
	netfront.send(&small, &nothing);
	netfront.flush();
	events = 0;
	backend_is(XenbusStateInitWait);
	assert_int_equal(we_are(), XenbusStateConnected);
	assert_int_equal(tx_shared->req_prod, 1);
	assert_true(events > 0);
	assert_true(running);
}

/* After malformed input it may start anew, after Closed. */
static void test_better_again(void **state)
{
	(void)state;
	next_rx(PAGE_BYTES, 0, 60);
	assert_stopped();
	backend_is(XenbusStateConnected);
	backend_is(XenbusStateInitWait);
	assert_false(running);
	backend_is(XenbusStateClosed);
	backend_is(XenbusStateInitWait);
	assert_true(running);
	backend_is(XenbusStateConnected);
	next_rx(0, 0, 60);
	netfront.poll(64);
	assert_int_equal(frames, 1);
}

static void test_offers_less(void **state)
{
	(void)state;
	backend_is(XenbusStateClosed);
	set(theirs, "feature-gso-tcpv4", "0");
	backend_is(XenbusStateInitWait);
	assert_stopped();
	assert_int_equal(we_are(), XenbusStateInitialising);
}

static void test_no_rx_copy(void **state)
{
	(void)state;
	backend_is(XenbusStateClosed);
	set(theirs, "feature-rx-copy", "2");
	backend_is(XenbusStateInitWait);
	assert_stopped();
}

static void test_no_ctrl_ring(void **state)
{
	uint32_t asked_for = ctrl_ring()->req_prod;

	(void)state;
	backend_is(XenbusStateClosed);
	set(theirs, "feature-ctrl-ring", "0");
	backend_is(XenbusStateInitWait);
	backend_is(XenbusStateConnected);
	assert_int_equal(ctrl_ring()->req_prod, asked_for);
	assert_true(running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_named, setup),
		cmocka_unit_test_setup(test_not_named, setup),
		cmocka_unit_test_setup(test_never_named, setup),
		cmocka_unit_test_setup(test_ctrl_prod_too_far, setup),
		cmocka_unit_test_setup(test_opened, setup),
		cmocka_unit_test_setup(test_without_mac, setup),
		cmocka_unit_test_setup(test_comes_again, setup),
		cmocka_unit_test_setup(test_one_event_channel, setup),
		cmocka_unit_test_setup(test_goes, setup),
		cmocka_unit_test_setup(test_taken_over, setup),
		cmocka_unit_test_setup(test_better_again, setup),
		cmocka_unit_test_setup(test_offers_less, setup),
		cmocka_unit_test_setup(test_no_rx_copy, setup),
		cmocka_unit_test_setup(test_no_ctrl_ring, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
