/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int ctl;

struct endpoint ends[PORTS] = {
	{ .name = "a", .mac = { 2, 0, 0, 0, 0, 0xa } }, { .name = "b", .mac = { 2, 0, 0, 0, 0, 0xb } },
	{ .name = "c", .mac = { 2, 0, 0, 0, 0, 0xc } },
};

void die(const char *what)
{
	fprintf(stderr, "policy: %s: %s\n", what, strerror(errno));
	exit(2);
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void pause_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* ---- control ---- */

void ctl_open(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	ctl = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (ctl < 0 || connect(ctl, (struct sockaddr *)&addr, sizeof(addr)))
		die(path);
}

json_t *ask(const char *method, json_t *params, char *refusal, size_t size)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method", method, "params", params), *answer, *result;
	char *line = json_dumps(request, JSON_COMPACT);
	static char buf[1 << 20];
	size_t n = 0;
	ssize_t got;

	if (dprintf(ctl, "%s\n", line) < 0)
		die("control socket");
	while (!n || buf[n - 1] != '\n') {
		got = read(ctl, buf + n, sizeof(buf) - n - 1);
		if (got <= 0)
			die("control socket");
		n += (size_t)got;
	}
	free(line);
	json_decref(request);
	answer = json_loadb(buf, n, 0, NULL);
	result = json_incref(json_object_get(answer, "result"));
	if (!result)
		snprintf(refusal, size, "%s", json_string_value(json_object_get(json_object_get(answer, "error"), "message")));
	json_decref(answer);
	return result;
}

/*
 * How many frames were lost before nfvd could take them; port_is: of port.list. The module tells apart those that it lost
 * later, which count as taken: on their way to nfvd's decision (expired), or to the port (rx_).
 */
static json_int_t lost_before(const json_t *port_is)
{
	json_t *by = json_object_get(port_is, "missed_by"), *count;
	const char *reason;
	json_int_t n = 0;

	if (!by)
		return json_integer_value(json_object_get(port_is, "missed"));
	json_object_foreach(by, reason, count)
		if (strcmp(reason, "expired") && strncmp(reason, "rx_", 3))
			n += json_integer_value(count);
	return n;
}

json_int_t taken_from(const char *port)
{
	char why[256];
	json_t *stats = ask("stats.get", json_pack("{s:s}", "port", port), why, sizeof(why)), *list;
	json_int_t n = json_integer_value(json_object_get(json_array_get(json_object_get(stats, "ports"), 0), "rx_frames"));

	json_decref(stats);
	list = ask("port.list", json_pack("{s:s}", "name", port), why, sizeof(why));
	n += lost_before(json_array_get(json_object_get(list, "ports"), 0));
	json_decref(list);
	return n;
}

/* ---- endpoints ---- */

static int packet_socket(const char *dev)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(dev) };
	struct packet_mreq promisc = { .mr_type = PACKET_MR_PROMISC, .mr_ifindex = addr.sll_ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0 || !addr.sll_ifindex || setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(dev);
	return fd;
}

static void open_container(struct endpoint *e, const char *netns)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), ns;
	char path[128];

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0 || ns < 0 || setns(ns, CLONE_NEWNET))
		die(path);
	e->dev = packet_socket("eth0");
	if (setns(home, CLONE_NEWNET))
		die("home");
	close(ns);
	close(home);
}

static void open_guest(struct endpoint *e, const char *path)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES };

	e->kvm = true;
	if (vuf_init(&e->vuf, &o) || vuf_make_buffers(&e->vuf, &e->vuf.vq[VUF_RX(0)], 2048) ||
	    vuf_make_buffers(&e->vuf, &e->vuf.vq[VUF_TX(0)], 2048) || vuf_connect(&e->vuf, path) || vuf_start(&e->vuf))
		die(path);
	vuf_rx_fill(&e->vuf.vq[VUF_RX(0)]);
	vuf_publish(&e->vuf.vq[VUF_RX(0)]);
}

#define FULL_MS	5000	/* nfvd may not have the processor */

void endpoint_open(struct endpoint *e, const char *what)
{
	errno = EINVAL;
	if (!strncmp(what, "kvm:", 4))
		open_guest(e, what + 4);
	else if (!strncmp(what, "dev:", 4))
		open_container(e, what + 4);
	else
		die(what);
}

void endpoint_send(struct endpoint *e, const uint8_t *frame, size_t n)
{
	struct vuf_vring *tx = &e->vuf.vq[VUF_TX(0)];

	if (e->kvm) {
		uint64_t end = now_ms() + FULL_MS;

		for (vuf_tx_reap(tx); vuf_tx_post(tx, NULL, 12, frame, n); vuf_tx_reap(tx))
			if (now_ms() > end)
				die("guest's Tx ring");
		vuf_publish(tx);
		return;
	}
	if (send(e->dev, frame, n, 0) < 0)
		die("send");
}

struct taker {
	void (*fn)(void *arg, const uint8_t *frame, size_t n);
	void *arg;
};

static void from_guest(void *arg, const uint8_t *buf, uint32_t bytes)
{
	const struct taker *t = arg;

	if (bytes > 12)
		t->fn(t->arg, buf + 12, bytes - 12);
}

static void from_container(int fd, const struct taker *t)
{
	uint8_t frame[FRAME_MAX + 8];
	char control[256];
	struct iovec iov = { frame + 4, FRAME_MAX };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n;

	while ((n = recvmsg(fd, &m, 0)) > 0) {
		const uint8_t *f = frame + 4;

		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			const struct tpacket_auxdata *aux = (const struct tpacket_auxdata *)CMSG_DATA(c);

			if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA || !(aux->tp_status & TP_STATUS_VLAN_VALID))
				continue;
			memmove(frame, frame + 4, 12);
			frame[12] = (uint8_t)(aux->tp_vlan_tpid >> 8);
			frame[13] = (uint8_t)aux->tp_vlan_tpid;
			frame[14] = (uint8_t)(aux->tp_vlan_tci >> 8);
			frame[15] = (uint8_t)aux->tp_vlan_tci;
			f = frame;
			n += 4;
		}
		t->fn(t->arg, f, (size_t)n);
		m.msg_controllen = sizeof(control);
	}
}

void endpoint_receive(struct endpoint *e, void (*fn)(void *arg, const uint8_t *frame, size_t n), void *arg)
{
	struct vuf_vring *rx = &e->vuf.vq[VUF_RX(0)];
	struct taker t = { fn, arg };

	if (!e->kvm)
		from_container(e->dev, &t);
	else if (vuf_rx_reap(rx, from_guest, &t))
		vuf_publish(rx);
}
