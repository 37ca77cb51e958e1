/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_io - ways to read and write AF_PACKET sockets with super-frames.
 *
 *	packet_io MODE DEV1 DEV2 [memory] [bypass]
 *
 * Forwards between two devices in one thread until SIGTERM, then prints one line
 * of JSON: frames, bytes, system calls, copies made by this thread, its CPU time
 * spent on frames (not on polling), frames that arrived too fast.
 *
 * MODE, how frames are received:
 *	recvmmsg	32 at a time into the program's buffers
 *	v2		TPACKET_V2 ring; the sender's CPU copies into it
 *	v3		TPACKET_V3 ring, blocks retired after 1 ms
 *	peek		one recvmsg(MSG_PEEK) of 128 bytes to decide, one recvmsg of
 *			the frame straight to where it belongs
 * memory: the payload is copied to other memory ("the guest's") and sent
 * from there, as in the direction container -> guest. bypass:
 * PACKET_QDISC_BYPASS. Frames are written with sendmmsg.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>

#define BURST		32
#define HDR		128		/* bytes that are read to decide */
#define SLOT		(17 * 4096)	/* a super-frame and its metadata */
#define SLOTS		64
#define V3_BLOCK	(1 << 20)
#define V3_BLOCKS	8
#define GUEST_SLOTS	256		/* as many buffers as a virtqueue has */
#define SPIN_NS		50000

#define VNET sizeof(struct virtio_net_hdr)

struct dev {
	int fd;
	uint8_t *ring;		/* v2, v3 */
	unsigned int next;	/* slot or block to look at */
	uint8_t *bounce;	/* recvmmsg: BURST slots */
	/* v3: where we are in the block */
	struct tpacket3_hdr *at;
	unsigned int left;
};

/* One frame with its virtio_net_hdr before it. */
struct frame {
	uint8_t *data;
	uint32_t len;
	uint8_t *slot;		/* ring slot to give back */
};

struct mode {
	const char *name;
	int version;		/* of the ring; 0: none */
	unsigned int (*rx)(struct dev *d, struct frame *f);
	void (*done)(struct dev *d, struct frame *f, unsigned int n);
};

static volatile sig_atomic_t stop;
static bool to_memory;
static uint8_t *guest;
static unsigned int guest_next;
static uint64_t frames, bytes, syscalls, copies, errors, busy_ns;

static void on_term(int sig)
{
	stop = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint8_t *guest_buffer(void)
{
	return guest + (size_t)(guest_next++ % GUEST_SLOTS) * SLOT;
}

static unsigned int rx_recvmmsg(struct dev *d, struct frame *f)
{
	struct mmsghdr msgs[BURST];
	struct iovec iov[BURST];
	int n;

	memset(msgs, 0, sizeof(msgs));
	for (int i = 0; i < BURST; i++) {
		iov[i] = (struct iovec){ d->bounce + (size_t)i * SLOT, SLOT };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(d->fd, msgs, BURST, MSG_DONTWAIT, NULL);
	syscalls++;
	if (n <= 0)
		return 0;
	copies += n;
	for (int i = 0; i < n; i++)
		f[i] = (struct frame){ iov[i].iov_base, msgs[i].msg_len };
	return n;
}

static unsigned int rx_peek(struct dev *d, struct frame *f)
{
	unsigned int n = 0;

	while (n < BURST) {
		uint8_t head[VNET + HDR];
		uint8_t *dst = to_memory ? guest_buffer() : d->bounce + (size_t)n * SLOT;
		ssize_t len = recv(d->fd, head, sizeof(head), MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

		syscalls++;
		if (len <= 0)
			break;
		/* A switch would decide by head[] here. */
		len = recv(d->fd, dst, SLOT, MSG_DONTWAIT);
		syscalls++;
		copies++;
		f[n++] = (struct frame){ dst, len };
	}
	return n;
}

static unsigned int rx_v2(struct dev *d, struct frame *f)
{
	unsigned int n = 0;

	while (n < BURST) {
		uint8_t *slot = d->ring + (size_t)d->next * SLOT;
		struct tpacket2_hdr *h = (struct tpacket2_hdr *)slot;

		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		f[n++] = (struct frame){ slot + h->tp_mac - VNET, h->tp_snaplen + VNET, slot };
		d->next = (d->next + 1) % SLOTS;
	}
	return n;
}

static void done_v2(struct dev *d, struct frame *f, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		__atomic_store_n(&((struct tpacket2_hdr *)f[i].slot)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

static unsigned int rx_v3(struct dev *d, struct frame *f)
{
	struct tpacket_block_desc *b = (struct tpacket_block_desc *)(d->ring + (size_t)d->next * V3_BLOCK);
	unsigned int n = 0;

	if (!d->at) {
		if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return 0;
		d->left = b->hdr.bh1.num_pkts;
		d->at = (void *)((uint8_t *)b + b->hdr.bh1.offset_to_first_pkt);
	}
	while (n < BURST && d->left) {
		f[n++] = (struct frame){ (uint8_t *)d->at + d->at->tp_mac - VNET, d->at->tp_snaplen + VNET };
		d->at = (void *)((uint8_t *)d->at + d->at->tp_next_offset);
		d->left--;
	}
	return n;
}

static void done_v3(struct dev *d, struct frame *f, unsigned int n)
{
	struct tpacket_block_desc *b = (struct tpacket_block_desc *)(d->ring + (size_t)d->next * V3_BLOCK);

	if (!d->at || d->left)
		return;
	__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	d->next = (d->next + 1) % V3_BLOCKS;
	d->at = NULL;
}

static const struct mode modes[] = {
	{ "recvmmsg", 0, rx_recvmmsg },
	{ "v2", TPACKET_V2, rx_v2, done_v2 },
	{ "v3", TPACKET_V3, rx_v3, done_v3 },
	{ "peek", 0, rx_peek },
};

static void tx(struct dev *d, struct frame *f, unsigned int n)
{
	struct mmsghdr msgs[BURST];
	struct iovec iov[BURST];
	unsigned int sent = 0;

	memset(msgs, 0, sizeof(msgs));
	for (unsigned int i = 0; i < n; i++) {
		iov[i] = (struct iovec){ f[i].data, f[i].len };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		bytes += f[i].len - VNET;
	}
	frames += n;
	copies += n;
	while (sent < n) {
		int k = sendmmsg(d->fd, msgs + sent, n - sent, MSG_DONTWAIT);

		syscalls++;
		if (k > 0) {
			sent += k;
		} else {
			errors++;
			sent++;
		}
	}
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static unsigned int forward(const struct mode *m, struct dev *from, struct dev *to)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID), calls = syscalls;
	struct frame f[BURST];
	unsigned int n = m->rx(from, f);

	if (!n) {
		syscalls = calls;
		return 0;
	}
	if (to_memory && m->rx != rx_peek)
		for (unsigned int i = 0; i < n; i++) {
			uint8_t *dst = guest_buffer();

			memcpy(dst, f[i].data, f[i].len);
			f[i].data = dst;
			copies++;
		}
	tx(to, f, n);
	if (m->done)
		m->done(from, f, n);
	busy_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	return n;
}

static void set(int fd, int name, int value, const char *what)
{
	if (setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)))
		die(what);
}

static void map_ring(struct dev *d, int version)
{
	struct tpacket_req3 req = { .tp_frame_size = SLOT, .tp_retire_blk_tov = 1 };
	size_t size;

	set(d->fd, PACKET_VERSION, version, "PACKET_VERSION");
	if (version == TPACKET_V3) {
		req.tp_block_size = V3_BLOCK;
		req.tp_block_nr = V3_BLOCKS;
		req.tp_frame_size = 1 << 17;
	} else {
		req.tp_block_size = SLOT;
		req.tp_block_nr = SLOTS;
	}
	req.tp_frame_nr = req.tp_block_size / req.tp_frame_size * req.tp_block_nr;
	if (setsockopt(d->fd, SOL_PACKET, PACKET_RX_RING, &req,
		       version == TPACKET_V3 ? sizeof(req) : sizeof(struct tpacket_req)))
		die("PACKET_RX_RING");
	size = (size_t)req.tp_block_size * req.tp_block_nr;
	d->ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, d->fd, 0);
	if (d->ring == MAP_FAILED)
		die("mmap");
}

static void open_dev(struct dev *d, const char *name, int version, bool bypass)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq promisc = { .mr_type = PACKET_MR_PROMISC };
	int size = 16 << 20;

	sll.sll_ifindex = promisc.mr_ifindex = if_nametoindex(name);
	d->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	if (d->fd < 0 || !sll.sll_ifindex)
		die(name);
	set(d->fd, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
	set(d->fd, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
	if (bypass)
		set(d->fd, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
	setsockopt(d->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(d->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (setsockopt(d->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)))
		die("promisc");
	if (version)
		map_ring(d, version);
	d->bounce = mmap(NULL, (size_t)BURST * SLOT, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (bind(d->fd, (struct sockaddr *)&sll, sizeof(sll)))
		die("bind");
}

static unsigned int kernel_drops(struct dev *d)
{
	struct tpacket_stats_v3 s = { 0 };
	socklen_t len = sizeof(s);

	getsockopt(d->fd, SOL_PACKET, PACKET_STATISTICS, &s, &len);
	return s.tp_drops;
}

static void report(const char *mode, struct dev *d)
{
	printf("{\"mode\": \"%s\", \"frames\": %lu, \"bytes\": %lu, \"syscalls\": %lu, \"copies\": %lu, "
	       "\"errors\": %lu, \"late\": %u, \"busy_s\": %.3f}\n",
	       mode, frames, bytes, syscalls, copies, errors, kernel_drops(&d[0]) + kernel_drops(&d[1]), busy_ns / 1e9);
}

int main(int argc, char **argv)
{
	const struct mode *m = NULL;
	struct dev d[2] = { 0 };
	struct pollfd p[2];
	bool bypass = false;
	uint64_t idle = 0;

	for (size_t i = 0; argc > 3 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			m = &modes[i];
	for (int i = 4; i < argc; i++) {
		to_memory |= !strcmp(argv[i], "memory");
		bypass |= !strcmp(argv[i], "bypass");
	}
	if (!m) {
		fprintf(stderr, "usage: packet_io recvmmsg|v2|v3|peek DEV1 DEV2 [memory] [bypass]\n");
		return 2;
	}
	signal(SIGTERM, on_term);
	guest = mmap(NULL, (size_t)GUEST_SLOTS * SLOT, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	for (int i = 0; i < 2; i++) {
		open_dev(&d[i], argv[2 + i], m->version, bypass);
		p[i] = (struct pollfd){ d[i].fd, POLLIN };
	}
	while (!stop) {
		if (forward(m, &d[0], &d[1]) + forward(m, &d[1], &d[0])) {
			idle = 0;
		} else if (!idle) {
			idle = clock_ns(CLOCK_MONOTONIC);
		} else if (clock_ns(CLOCK_MONOTONIC) - idle > SPIN_NS) {
			poll(p, 2, 1000);
			idle = 0;
		}
	}
	report(m->name, d);
	return 0;
}
