/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vucount - send frames between a guest and a container, so that their cost for the host can be counted.
 *
 * The program acts as both: as the guest on vhost-user or on the kernel's vhost-net, without a VM; as the container by
 * a packet socket. Each case sends bursts and waits for all frames of each. The plugin of ../machine/profile.c counts
 * instructions between PROFILE_FROM and PROFILE_TO. This program is static, at 4 MiB, so that its own instructions can
 * be told from the host's; its kernel calls for the guest (kicks, waits) and for the container count.
 *
 * The machine has one CPU. While the program sends, it runs before everything else (SCHED_FIFO), so that a burst is
 * complete before anything processes it. While it waits, it runs after everything else (SCHED_IDLE): all others sleep
 * again before it responds, as if the guest had its own CPU.
 */
#include "profile.h"
#include "vufront.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HDR_BYTES	((uint32_t)sizeof(struct virtio_net_hdr_mrg_rxbuf))
#define ETHERTYPE	0x88b5		/* for local experiments, IEEE 802 */
#define MSS		1448
#define HEADERS		54		/* Ethernet, IPv4, TCP */
#define SMALL_BYTES	60
#define SUPER_BYTES	(HEADERS + 45 * MSS)
#define RX_BUF_BYTES	4096
#define RING		256
#define NAP_NS		5000000		/* between two polls of the guest or the container */
#define PATIENCE	400		/* such naps without a frame: it is lost */
#define OFFLOADS	(1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 | \
			 1ull << VIRTIO_NET_F_HOST_TSO4)
/* Without ANY_LAYOUT: its bit tells vhost-net that the tap makes no headers. */
#define RING_FEATURES	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_RING_F_EVENT_IDX)

enum way { TO_GUEST, FROM_GUEST, ROUND_TRIP };

/* sleeping: both ends wait for an interrupt or in recv(). Otherwise they poll, and the cost of recv() is left out. */
struct one_case {
	const char *name;
	enum way way;
	unsigned int bytes, burst;
	bool sleeping;
};

static const struct one_case cases[] = {
	{ "to-guest-60", TO_GUEST, SMALL_BYTES, 32, false },
	{ "to-guest-64K", TO_GUEST, SUPER_BYTES, 8, false },
	{ "from-guest-60", FROM_GUEST, SMALL_BYTES, 32, false },
	{ "from-guest-64K", FROM_GUEST, SUPER_BYTES, 8, false },
	{ "to-guest-60-sleeping", TO_GUEST, SMALL_BYTES, 32, true },
	{ "to-guest-64K-sleeping", TO_GUEST, SUPER_BYTES, 8, true },
	{ "from-guest-60-sleeping", FROM_GUEST, SMALL_BYTES, 32, true },
	{ "from-guest-64K-sleeping", FROM_GUEST, SUPER_BYTES, 8, true },
	{ "rtt-60", ROUND_TRIP, SMALL_BYTES, 1, true },
	{ "rtt-64K", ROUND_TRIP, SUPER_BYTES, 1, true },
};

struct frame {
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t eth[SUPER_BYTES];
};

struct ends {
	struct vuf f;
	struct vuf_vring *rx, *tx;
	int packet;			/* the container's socket */
	bool alone;			/* no receiver: only the cost of sending is counted */
	uint64_t interrupts;		/* of the guest */
	uint64_t from_ns, ns;
	uint32_t frames, left;		/* received by the guest; buffers to come of the last */
	uint64_t received;		/* bytes */
	struct frame out, in;		/* the container's, the guest's */
};

static void die(const char *what, int err)
{
	fprintf(stderr, "vucount: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void must(const char *what, int result)
{
	if (result < 0)
		die(what, -errno);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void from(struct ends *e)
{
	e->from_ns = now_ns();
	PROFILE_SAY(PROFILE_FROM);
}

static void to(struct ends *e)
{
	PROFILE_SAY(PROFILE_TO);
	e->ns += now_ns() - e->from_ns;
}

/* Run before everything else on the CPU, or after it. */
static void first(bool first)
{
	struct sched_param p = { .sched_priority = first };

	must("sched_setscheduler()", sched_setscheduler(0, first ? SCHED_FIFO : SCHED_IDLE, &p));
}

/* Make a frame from src to dst; the large one is a TCP super-frame with an open checksum. */
static void make_frame(struct frame *f, const uint8_t *dst, const uint8_t *src, unsigned int bytes)
{
	static const uint8_t ip[20] = { 0x45, 0, (SUPER_BYTES - 14) >> 8, (SUPER_BYTES - 14) & 255, 0, 0, 0, 0, 64, 6, 0, 0,
					10, 9, 0, 1, 10, 9, 0, 2 };
	bool super = bytes > SMALL_BYTES;
	uint32_t sum = 0;

	memset(f, 0, sizeof(f->hdr) + bytes);
	memcpy(f->eth, dst, 6);
	memcpy(f->eth + 6, src, 6);
	f->eth[12] = super ? 0x08 : ETHERTYPE >> 8;
	f->eth[13] = super ? 0x00 : ETHERTYPE & 255;
	if (!super)
		return;
	f->hdr.hdr = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					      .hdr_len = HEADERS, .gso_size = MSS, .csum_start = 34, .csum_offset = 16 };
	memcpy(f->eth + 14, ip, sizeof(ip));
	for (unsigned int i = 0; i < sizeof(ip); i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	sum = ~(sum + (sum >> 16));
	f->eth[24] = sum >> 8 & 255;
	f->eth[25] = sum & 255;
	f->eth[46] = 5 << 4;
	f->eth[47] = 0x10;
	f->eth[48] = f->eth[49] = 255;
}

/* --- the guest ---------------------------------------------------------------------------- */

static void count_interrupts(struct ends *e)
{
	uint64_t n;

	if (read(e->rx->callfd, &n, sizeof(n)) == sizeof(n))
		e->interrupts += n;
	if (read(e->tx->callfd, &n, sizeof(n)) == sizeof(n))
		e->interrupts += n;
}

/* Set whether the next used entry of the ring interrupts. */
static void want_interrupt(struct vuf_vring *r, bool want)
{
	r->avail->flags = want ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	r->avail->ring[r->size] = want ? r->last_used : r->last_used - 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void got(void *arg, const uint8_t *buf, uint32_t bytes)
{
	struct ends *e = arg;

	if (!e->left) {
		e->left = ((const struct virtio_net_hdr_mrg_rxbuf *)(const void *)buf)->num_buffers;
		bytes -= HDR_BYTES;
	}
	e->received += bytes;
	e->frames += !--e->left;
}

/* As with NAPI: no interrupts while there is work. */
static void guest_sleep(struct ends *e)
{
	struct pollfd p = { .fd = e->rx->callfd, .events = POLLIN };

	if (!vuf_used_ready(e->rx))
		want_interrupt(e->rx, true);
	if (!vuf_used_ready(e->rx) && poll(&p, 1, 10000) <= 0)
		die("no interrupt of the guest", -ETIMEDOUT);
	count_interrupts(e);
	want_interrupt(e->rx, false);
}

static void guest_send(struct ends *e, unsigned int bytes, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		int err = vuf_tx_post(e->tx, &e->in.hdr, HDR_BYTES, e->in.eth, bytes);

		if (err)
			die("the guest's send queue", err);
	}
	e->tx->avail->ring[e->tx->size] = e->tx->last_used - 1;
	vuf_publish(e->tx);
}

static void ask_vhost(int fd, const char *what, unsigned long request, void *arg)
{
	must(what, ioctl(fd, request, arg));
}

/* The kernel's vhost-net, with the device of a tap behind it. */
static void start_vhost_net(struct ends *e, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	_Alignas(struct vhost_memory) uint8_t room[sizeof(struct vhost_memory) + sizeof(struct vhost_memory_region)] = { 0 };
	struct vhost_memory *table = (struct vhost_memory *)room;
	int hdr = HDR_BYTES;

	must("/dev/net/tun", tap);
	must("/dev/vhost-net", fd);
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	ask_vhost(tap, name, TUNSETIFF, &ifr);
	ask_vhost(tap, "TUNSETVNETHDRSZ", TUNSETVNETHDRSZ, &hdr);
	must("TUNSETOFFLOAD", ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6));
	ask_vhost(fd, "VHOST_SET_OWNER", VHOST_SET_OWNER, NULL);
	ask_vhost(fd, "VHOST_GET_FEATURES", VHOST_GET_FEATURES, &e->f.offered);
	e->f.features = e->f.offered & RING_FEATURES;
	ask_vhost(fd, "VHOST_SET_FEATURES", VHOST_SET_FEATURES, &e->f.features);
	table->nregions = 1;
	table->regions[0] = (struct vhost_memory_region){ .guest_phys_addr = e->f.region[0].gpa, .memory_size = e->f.region[0].size,
							  .userspace_addr = e->f.region[0].uva };
	ask_vhost(fd, "VHOST_SET_MEM_TABLE", VHOST_SET_MEM_TABLE, table);
	for (unsigned int i = 0; i < 2; i++) {
		struct vuf_vring *r = &e->f.vq[i];
		struct vhost_vring_state num = { i, r->size }, base = { i, 0 };
		struct vhost_vring_addr addr = { .index = i, .desc_user_addr = (uintptr_t)r->desc,
						 .avail_user_addr = (uintptr_t)r->avail, .used_user_addr = (uintptr_t)r->used };
		struct vhost_vring_file kick = { i, r->kickfd }, call = { i, r->callfd }, backend = { i, tap };

		r->event_idx = e->f.features & 1ull << VIRTIO_RING_F_EVENT_IDX;
		ask_vhost(fd, "VHOST_SET_VRING_NUM", VHOST_SET_VRING_NUM, &num);
		ask_vhost(fd, "VHOST_SET_VRING_BASE", VHOST_SET_VRING_BASE, &base);
		ask_vhost(fd, "VHOST_SET_VRING_ADDR", VHOST_SET_VRING_ADDR, &addr);
		ask_vhost(fd, "VHOST_SET_VRING_KICK", VHOST_SET_VRING_KICK, &kick);
		ask_vhost(fd, "VHOST_SET_VRING_CALL", VHOST_SET_VRING_CALL, &call);
		ask_vhost(fd, "VHOST_NET_SET_BACKEND", VHOST_NET_SET_BACKEND, &backend);
	}
}

static void start_vhost_user(struct ends *e, const char *path)
{
	int err = vuf_connect(&e->f, path);

	if (!err)
		err = vuf_start(&e->f);
	if (!err && (e->f.features & (RING_FEATURES | OFFLOADS)) != (RING_FEATURES | OFFLOADS))
		err = -ENOTSUP;
	if (err)
		die(path, err);
}

/* --- the container ------------------------------------------------------------------------ */

static void open_container(struct ends *e, const char *netns, const char *device, uint8_t *mac)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htobe16(0x0003) };
	struct ifreq ifr = { 0 };
	int fd = open(netns, O_RDONLY | O_CLOEXEC), on = 1, room = 64 << 20;

	must(netns, fd);
	must(netns, setns(fd, CLONE_NEWNET));
	close(fd);
	e->packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	must("packet socket", e->packet);
	must("PACKET_VNET_HDR", setsockopt(e->packet, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)));
	must("PACKET_IGNORE_OUTGOING", setsockopt(e->packet, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)));
	must("SO_RCVBUFFORCE", setsockopt(e->packet, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)));
	must("SO_SNDBUFFORCE", setsockopt(e->packet, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)));
	strncpy(ifr.ifr_name, device, IFNAMSIZ - 1);
	must(device, ioctl(e->packet, SIOCGIFHWADDR, &ifr));
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	at.sll_ifindex = if_nametoindex(device);
	must(device, bind(e->packet, (struct sockaddr *)&at, sizeof(at)));
}

static void container_send(struct ends *e, unsigned int bytes, unsigned int n)
{
	struct iovec iov[2] = { { &e->out.hdr, sizeof(e->out.hdr.hdr) }, { e->out.eth, bytes } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	for (unsigned int i = 0; i < n; i++)
		must("the container's send()", sendmsg(e->packet, &m, 0));
}

/* Return true for a frame of so many bytes; skip others. */
static bool container_receive(struct ends *e, unsigned int bytes, int flags)
{
	static uint8_t buf[sizeof(struct virtio_net_hdr) + SUPER_BYTES + 64];

	for (;;) {
		ssize_t n = recv(e->packet, buf, sizeof(buf), flags);

		if (n == (ssize_t)(sizeof(struct virtio_net_hdr) + bytes))
			return true;
		if (n < 0 && errno == EAGAIN)
			return false;
		must("the container's recv()", n);
	}
}

/* --- cases -------------------------------------------------------------------------------- */

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
}

static void to_guest(struct ends *e, const struct one_case *c, unsigned int n)
{
	uint32_t end = e->frames + n;

	container_send(e, c->bytes, n);
	if (n > 1)
		first(false);
	if (e->alone) {
		nap();
		return;
	}
	for (unsigned int i = 0; e->frames != end; i++) {
		if (c->sleeping)
			guest_sleep(e);
		else if (i == PATIENCE)
			die("frames to the guest are lost", -ETIMEDOUT);
		else
			nap();
		vuf_rx_reap(e->rx, got, e);
	}
}

static void from_guest(struct ends *e, const struct one_case *c, unsigned int n)
{
	guest_send(e, c->bytes, n);
	if (n > 1)
		first(false);
	while (c->sleeping && n)
		n -= container_receive(e, c->bytes, 0);
	for (unsigned int i = 0; n; i++) {
		if (i == PATIENCE)
			die("frames to the container are lost", -ETIMEDOUT);
		nap();
		to(e);
		while (n && container_receive(e, c->bytes, MSG_DONTWAIT))
			n--;
		from(e);
	}
}

static void bursts(struct ends *e, const struct one_case *c, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		first(c->burst > 1);
		want_interrupt(e->rx, c->sleeping);
		from(e);
		if (c->way != FROM_GUEST)
			to_guest(e, c, c->burst);
		if (c->way != TO_GUEST)
			from_guest(e, c, c->burst);
		to(e);
	}
}

static void measure(struct ends *e, const struct one_case *c, unsigned int n, const uint8_t *guest, const uint8_t *container)
{
	uint64_t kicks;

	make_frame(&e->out, guest, container, c->bytes);
	make_frame(&e->in, container, guest, c->bytes);
	bursts(e, c, n / 4 + 1);
	PROFILE_SAY(PROFILE_WRITE);
	count_interrupts(e);
	kicks = e->rx->kicks + e->tx->kicks;
	e->interrupts = e->ns = e->received = 0;
	bursts(e, c, n);
	PROFILE_SAY(PROFILE_WRITE);
	count_interrupts(e);
	if (c->way != FROM_GUEST && !e->alone && e->received != (uint64_t)n * c->burst * c->bytes)
		die("the guest got other frames", -EPROTO);
	printf("{\"case\":\"%s\",\"frames\":%u,\"bytes\":%u,\"ns\":%lu,\"interrupts\":%lu,\"kicks\":%lu}\n", c->name, n * c->burst,
	       c->bytes, e->ns, e->interrupts, e->rx->kicks + e->tx->kicks - kicks);
	fflush(stdout);
}

/* Let the switch learn both addresses, and discard other frames. */
static void greet(struct ends *e, const uint8_t *guest, const uint8_t *container)
{
	static const uint8_t everyone[6] = { 255, 255, 255, 255, 255, 255 };
	bool heard = false;

	make_frame(&e->out, everyone, container, SMALL_BYTES);
	make_frame(&e->in, everyone, guest, SMALL_BYTES);
	e->frames = 0;
	for (unsigned int i = 0; !heard || !e->frames; i++) {
		if (i == PATIENCE)
			die("no broadcast comes through", -ETIMEDOUT);
		container_send(e, SMALL_BYTES, 1);
		guest_send(e, SMALL_BYTES, 1);
		nap();
		vuf_rx_reap(e->rx, got, e);
		while (container_receive(e, SMALL_BYTES, MSG_DONTWAIT))
			heard = true;
	}
	for (unsigned int i = 0; i < 20; i++) {
		nap();
		vuf_rx_reap(e->rx, got, e);
		while (container_receive(e, SMALL_BYTES, MSG_DONTWAIT))
			;
	}
}

int main(int argc, char **argv)
{
	static const uint8_t guest[6] = { 2, 0, 0, 0, 9, 1 };
	static struct ends e;
	struct vuf_options o = { .wanted = RING_FEATURES | OFFLOADS | 1ull << VUF_F_PROTOCOL, .ring_size = RING,
				 .mem_bytes = 24 << 20, .timeout_ms = 60000 };
	uint8_t container[6];
	int err;

	if (argc != 6 || (strcmp(argv[1], "user") && strcmp(argv[1], "net") && strcmp(argv[1], "none"))) {
		fputs("usage: vucount user SOCKET NETNS DEVICE BURSTS\n       vucount net TAP NETNS DEVICE BURSTS\n"
		      "       vucount none - NETNS DEVICE BURSTS\n"
		      "A JSON object for each case; NETNS is a path. none: the container alone sends.\n", stderr);
		return 2;
	}
	err = vuf_init(&e.f, &o);
	e.rx = &e.f.vq[VUF_RX(0)];
	e.tx = &e.f.vq[VUF_TX(0)];
	if (!err)
		err = vuf_make_buffers(&e.f, e.rx, RX_BUF_BYTES);
	if (!err)
		err = vuf_make_buffers(&e.f, e.tx, HDR_BYTES + SUPER_BYTES);
	if (err)
		die("guest memory", err);
	want_interrupt(e.rx, false);
	want_interrupt(e.tx, false);
	e.alone = !strcmp(argv[1], "none");
	if (!strcmp(argv[1], "user"))
		start_vhost_user(&e, argv[2]);
	else if (!e.alone)
		start_vhost_net(&e, argv[2]);
	open_container(&e, argv[3], argv[4], container);
	vuf_rx_fill(e.rx);
	if (!e.alone)
		greet(&e, guest, container);
	make_frame(&e.out, guest, container, cases[0].bytes);
	bursts(&e, &cases[0], RING / cases[0].burst);	/* each buffer is once used, and there */
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (!e.alone || (cases[i].way == TO_GUEST && !cases[i].sleeping))
			measure(&e, &cases[i], cases[i].burst == 1 ? 8 * atoi(argv[5]) : atoi(argv[5]), guest, container);
	return 0;
}
