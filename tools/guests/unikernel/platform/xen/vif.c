// SPDX-License-Identifier: BSD-3-Clause
/*
 * The network device's life in the xenstore, drawn in netfront.h: device/vif/0.
 */
#include "netfront.h"
#include <string.h>
#include <xen/io/xenbus.h>
#include "console.h"
#include "platform.h"
#include "xenstore.h"

#define US		"device/vif/0"
#define PATH_BYTES	128u
#define CONNECT_US	60000000u
#define SLEEP_US	1000000u

enum { WATCH_BACKEND, WATCH_CONTROL };

static char backend[PATH_BYTES];
static struct netfront_rings rings;
static struct netfront_ctrl ctrl;
static uint32_t state;		/* ours, XenbusState* */
static bool connected;		/* the backend has been Connected at least once, too */
static bool cuts;		/* the backend accepts super-frames */
static bool promised;		/* TCP sends super-frames */

static void set_state(uint32_t to)
{
	state = to;
	xenstore_write_number(US, "state", to);
}

static bool offers(const char *what)
{
	return xenstore_number(backend, what, 1, 0) == 1;
}

static bool publish(bool with_ctrl, bool split)
{
	static const struct {
		const char *key;
		uint32_t value;
	} wants[] = {
		{ "request-rx-copy", 1 },
		{ "feature-rx-notify", 1 },
		{ "feature-sg", 1 },
		{ "feature-gso-tcpv4", 1 },
		/* Backends apply it to IPv4, too; the unikernel has no IPv6. */
		{ "feature-ipv6-csum-offload", 1 },
	};
	bool ok = xenstore_write_number(US, "tx-ring-ref", rings.tx_ref) &&
		  xenstore_write_number(US, "rx-ring-ref", rings.rx_ref) &&
		  xenstore_write_number(US, "event-channel", rings.rx_port) &&
		  xenstore_write_number(US, "event-channel-tx", split ? rings.tx_port : rings.rx_port) &&
		  xenstore_write_number(US, "event-channel-rx", rings.rx_port);
	unsigned int i;

	if (with_ctrl)
		ok = ok && xenstore_write_number(US, "ctrl-ring-ref", ctrl.ref) &&
		     xenstore_write_number(US, "event-channel-ctrl", ctrl.port);
	for (i = 0; ok && i < sizeof(wants) / sizeof(wants[0]); i++)
		ok = xenstore_write_number(US, wants[i].key, wants[i].value);
	return ok;
}

static void connect(void)
{
	bool with_ctrl = offers("feature-ctrl-ring"), split = offers("feature-split-event-channels");

	netfront_stop();
	cuts = offers("feature-sg") && offers("feature-gso-tcpv4");
	if (!offers("feature-rx-copy")) {
		netfront_give_up("does not offer feature-rx-copy");
		return;
	}
	if (promised && !cuts) {
		netfront_give_up("does not cut frames as the one before did");
		return;
	}
	netfront_start(split);
	if (with_ctrl)
		netfront_ctrl_start();
	if (publish(with_ctrl, split))
		set_state(XenbusStateConnected);
}

/* This backend, or the next driver of the rings, is ready. */
static void go_on(void)
{
	connected = true;
	netfront_ctrl_name_pages();
	netfront_kick();
}

static void backend_changed(void)
{
	switch (xenstore_number(backend, "state", XenbusStateReconfigured, XenbusStateUnknown)) {
	case XenbusStateInitWait:
		if (state != XenbusStateConnected)
			connect();
		else if (connected)
			go_on();
		break;
	case XenbusStateConnected:
		if (state == XenbusStateConnected)
			go_on();
		break;
	case XenbusStateClosing:
		netfront_stop();
		connected = false;
		set_state(XenbusStateClosed);
		break;
	case XenbusStateClosed:
		/* While Initialising, this is the state that the previous backend has left. */
		if (state == XenbusStateInitialising)
			break;
		netfront_stop();
		connected = false;
		set_state(offers("online") ? XenbusStateInitialising : XenbusStateClosed);
		break;
	default:
		break;
	}
}

static void look(void)
{
	uint32_t changed;

	if (!xenstore_ready())
		return;
	changed = xenstore_changed();
	if (changed & 1u << WATCH_CONTROL)
		xen_shutdown_asked();
	if (changed & 1u << WATCH_BACKEND)
		backend_changed();
}

/* ---- the device, for net.c ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_mac(uint8_t mac[6])
{
	char text[18];
	unsigned int i;

	if (!xenstore_read(US, "mac", text, sizeof(text)))
		return false;
	for (i = 0; i < 6; i++) {
		const char *p = text + 3 * i;

		if (digit(p[0]) < 0 || digit(p[1]) < 0 || p[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
	}
	return true;
}

static void open(const char *cmdline, struct netdev_info *info)
{
	uint64_t deadline = now_us() + CONNECT_US;
	domid_t domain;

	(void)cmdline;
	if (!xenstore_read(US, "backend", backend, sizeof(backend)))
		stop("no network device: no %s/backend", US);
	domain = (domid_t)xenstore_number(US, "backend-id", DOMID_FIRST_RESERVED - 1, 0);
	netfront_init(domain, &rings);
	netfront_ctrl_init(domain, &ctrl);
	state = XenbusStateInitialising;
	connected = promised = false;
	if (!xenstore_watch(backend, "state", WATCH_BACKEND) || !xenstore_watch("control", "shutdown", WATCH_CONTROL))
		stop("the xenstore cannot be watched");
	for (;;) {
		look();
		if (connected)
			break;
		if (now_us() >= deadline)
			stop("the network device's backend does not connect");
		platform->sleep(SLEEP_US, xenstore_ready);
	}
	promised = cuts;
	*info = (struct netdev_info){
		.mtu = (uint16_t)xenstore_number(US, "mtu", UINT16_MAX, 0),
		.tx_csum = true,
		.tx_gso = promised,
	};
	info->has_mac = read_mac(info->mac);
}

static unsigned int poll(unsigned int budget)
{
	look();
	netfront_ctrl_poll();
	return netfront_poll(budget);
}

/* Call all of them, because each one requests its events. */
static bool ready(void)
{
	bool news = xenstore_ready(), answers = netfront_ctrl_ready(), frames = netfront_ready();

	return news || answers || frames;
}

const struct netdev netfront = {
	.open = open,
	.poll = poll,
	.send = netfront_send,
	.flush = netfront_flush,
	.ready = ready,
};
