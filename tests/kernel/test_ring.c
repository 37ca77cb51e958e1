/* SPDX-License-Identifier: BSD-3-Clause */
/* nfv.ko: frames in the ring, and operations on them. Group E of the hostile cases. */
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include "two_ports.h"

static void whole_and_held(void **state)
{
	struct iovec iov[3] = { { got, 100 }, { got + 100, 900 }, { got + 1000, 5000 } };
	const struct nfv_entry *e;
	struct nfv_op op;

	send_c0(60, 1);
	e = entry(&a, 0);
	assert_int_equal(e->len, 60);
	assert_int_equal(e->hdr_len, 60);
	assert_memory_equal(e->hdr, frame, 60);
	send_c0(1400, 2);
	e = entry(&a, 1);
	assert_int_equal(e->pos, 1);
	assert_int_equal(e->len, 1400);
	assert_int_equal(e->hdr_len, NFV_HDR_MAX);
	assert_memory_equal(e->hdr, frame, NFV_HDR_MAX);
	op = op_copy(handle(&a, e), NFV_HDR_MAX, iov, 3);
	assert_int_equal(op_run(session, &op), 1400 - NFV_HDR_MAX);
	assert_memory_equal(got, frame + NFV_HDR_MAX, 1400 - NFV_HDR_MAX);
	op = op_copy(handle(&a, e), 1000, iov, 1);
	assert_int_equal(op_run(session, &op), -EMSGSIZE);
	op = op_copy(handle(&a, e), 1350, iov, 1);
	assert_int_equal(op_run(session, &op), 50);
	assert_memory_equal(got, frame + 1350, 50);
	assert_int_equal(stats_of(&a).rx_frames, 2);
	assert_int_equal(stats_of(&a).copies, 2);
}

static void send_and_forward(void **state)
{
	struct iovec iov[2] = { { frame, 500 }, { frame + 500, 900 } };
	const struct nfv_entry *e;
	struct nfv_op op;

	make_frame(frame, 1400, 5);
	op = op_send(&b, iov, 2);
	assert_int_equal(op_run(session, &op), 1400);
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 1400);
	assert_memory_equal(got, frame, 1400);

	send_c0(1300, 6);
	e = entry(&a, 0);
	op = op_forward(handle(&a, e), &b, 0);
	assert_int_equal(op_run(session, &op), 1300);
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 1300);
	assert_memory_equal(got, frame, 1300);
	op = op_forward(handle(&a, e), &b, NFV_OP_LAST);
	assert_int_equal(op_run(session, &op), 1300);
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 1300);
	assert_memory_equal(got, frame, 1300);
	assert_int_equal(op_run(session, &op), -ESTALE);
	assert_int_equal(stats_of(&b).tx_frames, 3);
	assert_int_equal(stats_of(&b).copies, 1);
	assert_int_equal(stats_of(&a).held, 0);
}

/* A tag that the kernel keeps in skb->vlan_tci is shown where it was on the wire. */
static void vlan_tag(void **state)
{
	struct iovec iov = { got, sizeof(got) };
	const struct nfv_entry *e;
	struct nfv_op op;

	make_frame(frame, 1000, 1);
	frame[12] = 0x81;
	frame[13] = 0x00;
	frame[14] = 0x00;
	frame[15] = 0x07;
	raw_send(c0, "c0", frame, 1000);
	e = entry(&a, 0);
	assert_int_equal(e->len, 1000);
	assert_int_equal(e->hdr_len, NFV_HDR_MAX);
	assert_memory_equal(e->hdr, frame, NFV_HDR_MAX);
	op = op_copy(handle(&a, e), NFV_HDR_MAX, &iov, 1);
	assert_int_equal(op_run(session, &op), 1000 - NFV_HDR_MAX);
	assert_memory_equal(got, frame + NFV_HDR_MAX, 1000 - NFV_HDR_MAX);
	op = op_forward(handle(&a, e), &b, NFV_OP_LAST);
	assert_int_equal(op_run(session, &op), 1000);
	/* At the receiver the tag is outside the bytes again: 4 bytes less, the rest unchanged. */
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 996);
	assert_memory_equal(got, frame, 12);
	assert_memory_equal(got + 12, frame + 16, 984);
}

/* E1: an index out of range breaks only that ring; after detaching and attaching, it works again. */
static void mad_consumer_index(void **state)
{
	static const uint32_t outside[] = { 1, 65, 0x80000000, 0xffffffff };
	struct pollfd p = { .fd = session, .events = POLLIN };
	struct nfv_stats s;

	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(poll(&p, 1, 0), 0);
		nfv_ring_pass(&a.consumer->cons, outside[i]);
		send_c0(60, 1);
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_equal(p.revents, POLLERR);
		send_c0(60, 1);
		s = stats_of(&a);
		assert_true(s.state & NFV_STATE_BROKEN);
		assert_int_equal(s.held, 0);
		assert_true(s.missed[NFV_MISS_RING_BROKEN] >= 1);
		/* The other port. */
		make_frame(frame, 100, 3);
		raw_send(c1, "c1", frame, 100);
		assert_int_equal(entry(&b, 0)->len, 100);
		pass(&b, 1);
		port_close(&a);
		assert_int_equal(port_open(&a, session, "h0", ENTRIES), 0);
		send_c0(60, 1);
		entry(&a, 0);
		pass(&a, 1);
		port_close(&a);
		assert_int_equal(port_open(&a, session, "h0", ENTRIES), 0);
	}
}

/* E2: valid and invalid operations in one batch; each has its own result. */
static void bad_operations(void **state)
{
	struct iovec ok = { got, sizeof(got) }, bad = { (void *)8, 4096 }, kernel = { (void *)~0xfffull, 4096 };
	struct iovec huge[2] = { { got, ~0ull >> 1 }, { got, ~0ull >> 1 } }, out = { frame, 100 };
	struct nfv_op ops[16];
	struct nfv_batch batch = { .ops = (uintptr_t)ops };
	int want[16], n = 0;
	uint64_t h;

	send_c0(1400, 9);
	h = handle(&a, entry(&a, 0));
#define OP(op, result) do { ops[n] = op; want[n++] = result; } while (0)
	OP(op_copy(h, NFV_HDR_MAX, &bad, 1), -EFAULT);
	OP(op_copy(h, NFV_HDR_MAX, &kernel, 1), -EFAULT);
	OP(op_copy(h, NFV_HDR_MAX, huge, 2), -EFAULT);
	OP(op_copy(h, NFV_HDR_MAX, (void *)8, 1), -EFAULT);
	OP(op_copy(h, NFV_HDR_MAX - 1, &ok, 1), -EINVAL);
	OP(op_copy(h, 1401, &ok, 1), -EINVAL);
	OP(op_copy(h, 0xffffffff, &ok, 1), -EINVAL);
	OP(op_copy(h + 1, NFV_HDR_MAX, &ok, 1), -ESTALE);
	OP(op_copy(h - 1, NFV_HDR_MAX, &ok, 1), h ? -ESTALE : -EINVAL);
	OP(op_copy(h + (7ull << 40), NFV_HDR_MAX, &ok, 1), -ENOENT);
	OP(op_copy(h | 1ull << 63, NFV_HDR_MAX, &ok, 1), -EINVAL);
	OP(op_send(&b, &bad, 1), -EFAULT);
	OP(((struct nfv_op){ .code = 99 }), -EINVAL);
	OP(((struct nfv_op){ .code = NFV_OP_SEND, .port = 200, .iov = (uintptr_t)&out, .iov_n = 1 }), -ENOENT);
	OP(op_copy(h, NFV_HDR_MAX, &ok, 1), 1400 - NFV_HDR_MAX);
	OP(op_send(&b, &out, 1), 100);
	batch.n = n;
	assert_int_equal(ioctl(session, NFV_IOC_BATCH, &batch), 0);
	for (int i = 0; i < n; i++)
		if (ops[i].result != want[i])
			fail_msg("operation %d: %d, not %d", i, ops[i].result, want[i]);
	assert_memory_equal(got, frame + NFV_HDR_MAX, 1400 - NFV_HDR_MAX);
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 100);
}

/* I3: offloads that contradict the frame are refused before a device gets it. */
static void bad_offloads(void **state)
{
	static const struct nfv_vnet_hdr bad[] = {
		{ .flags = 1, .csum_start = 0xffff, .csum_offset = 0 },
		{ .flags = 1, .csum_start = 34, .csum_offset = 0xffff },
		{ .gso_type = 1, .gso_size = 1000, .hdr_len = 54 },
		{ .flags = 1, .gso_type = 77, .gso_size = 1000, .csum_start = 34, .csum_offset = 16 },
		{ .flags = 1, .gso_type = 1, .gso_size = 0, .csum_start = 34, .csum_offset = 16 },
	};
	struct iovec iov = { frame, 1400 }, tiny = { frame, 13 }, many[2] = { { frame, 65000 }, { frame, 600 } };
	struct nfv_op op;

	make_frame(frame, 1400, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		op = op_send(&b, &iov, 1);
		op.vnet = bad[i];
		if (op_run(session, &op) != -EINVAL)
			fail_msg("request %zu: %d", i, op.result);
	}
	op = op_send(&b, &tiny, 1);
	assert_int_equal(op_run(session, &op), -EINVAL);
	op = op_send(&b, many, 2);
	assert_int_equal(op_run(session, &op), -EMSGSIZE);
	iov.iov_len = 1515;
	op = op_send(&b, &iov, 1);
	assert_int_equal(op_run(session, &op), -EMSGSIZE);
	iov.iov_len = 1514;
	op = op_send(&b, &iov, 1);
	assert_int_equal(op_run(session, &op), 1514);
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 1514);
	sh("ip link set c1 down");
	assert_int_equal(op_run(session, &op), -ENETDOWN);
}

/* E3: a frame that was freed cannot be used again. */
static void stale_handles(void **state)
{
	struct iovec iov = { got, sizeof(got) };
	struct nfv_op op, drop = { .code = NFV_OP_DROP };
	uint64_t h;

	send_c0(1400, 1);
	h = drop.handle = handle(&a, entry(&a, 0));
	assert_int_equal(op_run(session, &drop), 0);
	assert_int_equal(op_run(session, &drop), -ESTALE);
	op = op_copy(h, NFV_HDR_MAX, &iov, 1);
	assert_int_equal(op_run(session, &op), -ESTALE);
	pass(&a, 1);
	/* After a whole lap of the ring, the same slot holds another frame. */
	for (unsigned int i = 0; i < ENTRIES; i++) {
		send_c0(1400, i);
		entry(&a, 0);
		pass(&a, 1);
	}
	assert_int_equal(op_run(session, &op), -ESTALE);
}

/* E9: the daemon takes no frames; then it does. */
static void full_and_back(void **state)
{
	struct nfv_stats s;

	for (unsigned int i = 0; i < 3 * ENTRIES; i++)
		send_c0(1000, i);
	entry(&a, ENTRIES - 1);
	s = stats_of(&a);
	assert_int_equal(s.rx_frames, ENTRIES);
	assert_int_equal(s.missed[NFV_MISS_RING_FULL], 2 * ENTRIES);
	pass(&a, ENTRIES);
	for (unsigned int i = 0; i < 2 * ENTRIES; i++) {
		send_c0(1000, i);
		assert_memory_equal(entry(&a, 0)->hdr, frame, NFV_HDR_MAX);
		pass(&a, 1);
	}
	assert_int_equal(stats_of(&a).missed[NFV_MISS_RING_FULL], 2 * ENTRIES);
}

/* A daemon that sleeps: held frames are freed by age. */
static void held_too_long(void **state)
{
	struct iovec iov = { got, sizeof(got) };
	struct nfv_op op;
	uint64_t h;

	send_c0(1400, 1);
	h = handle(&a, entry(&a, 0));
	assert_int_equal(stats_of(&a).held, 1);
	for (int i = 0; i < 100 && stats_of(&a).held; i++)
		usleep(100000);
	assert_int_equal(stats_of(&a).held, 0);
	assert_int_equal(stats_of(&a).held_kib, 0);
	assert_int_equal(stats_of(&a).missed[NFV_MISS_EXPIRED], 1);
	op = op_copy(h, NFV_HDR_MAX, &iov, 1);
	assert_int_equal(op_run(session, &op), -ESTALE);
	pass(&a, 1);
	send_c0(1400, 2);
	op = op_copy(handle(&a, entry(&a, 0)), NFV_HDR_MAX, &iov, 1);
	assert_int_equal(op_run(session, &op), 1400 - NFV_HDR_MAX);
}

/*
 * E5: a sender with a transmit ring overwrites its frame after it was shown to the daemon.
 * The forwarded frame is the one that was shown.
 */
static void shown_is_sent(void **state)
{
	const struct tpacket_req req = { .tp_block_size = 8192, .tp_block_nr = 1, .tp_frame_size = 4096, .tp_frame_nr = 2 };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0800), .sll_ifindex = ifindex("c0") };
	const int version = TPACKET_V2;
	int sock = socket(AF_PACKET, SOCK_RAW, 0);
	const struct nfv_entry *e;
	struct tpacket2_hdr *h;
	uint8_t *data;
	struct nfv_op op;

	assert_int_equal(setsockopt(sock, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	assert_int_equal(setsockopt(sock, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)), 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&to, sizeof(to)), 0);
	h = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, sock, 0);
	assert_true(h != MAP_FAILED);
	data = (uint8_t *)h + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
	make_frame(data, 1000, 1);
	h->tp_len = 1000;
	__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	assert_int_equal(send(sock, NULL, 0, MSG_DONTWAIT), 1000);
	e = entry(&a, 0);
	make_frame(frame, 1000, 1);
	assert_memory_equal(e->hdr, frame, NFV_HDR_MAX);
	memset(data, 0xee, 1000);
	op = op_forward(handle(&a, e), &b, NFV_OP_LAST);
	assert_int_equal(op_run(session, &op), 1000);
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 1000);
	assert_memory_equal(got, frame, NFV_HDR_MAX);
	munmap(h, 8192);
	close(sock);
}

/* E6: a process that holds frames may be killed at any moment. */
static void killed_with_frames(void **state)
{
	port_close(&a);
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			struct kport p;

			close(session);
			session = session_open();
			if (port_open(&p, session, "h0", ENTRIES))
				_exit(1);
			for (unsigned int n = 0; n < 20; n++)
				send_c0(1400, n);
			raise(SIGKILL);
		}
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
	}
	assert_int_equal(port_open(&a, session, "h0", ENTRIES), 0);
	send_c0(60, 1);
	entry(&a, 0);
}

/* E7, E8: numbered frames from another CPU as fast as possible; the daemon sleeps whenever the ring is empty. */
#define NUMBERED 20000u

static void *send_numbered(void *arg)
{
	uint8_t mine[200];
	int sock = raw_open("c0");
	cpu_set_t one;

	/* Frames from two CPUs would have no order. */
	CPU_ZERO(&one);
	CPU_SET(1, &one);
	sched_setaffinity(0, sizeof(one), &one);

	for (uint32_t i = 0; i < NUMBERED; i++) {
		make_frame(mine, sizeof(mine), i);
		memcpy(mine + 14, &i, 4);
		/* Stay within the ring's size. */
		while (i - *(volatile uint32_t *)arg > ENTRIES / 2)
			sched_yield();
		raw_send(sock, "c0", mine, sizeof(mine));
	}
	close(sock);
	return NULL;
}

static void numbered_with_sleeps(void **state)
{
	struct pollfd p = { .fd = a.wake, .events = POLLIN };
	volatile uint32_t next = 0;
	uint32_t sleeps = 0;
	pthread_t sender;

	assert_int_equal(pthread_create(&sender, NULL, send_numbered, (void *)&next), 0);
	while (next < NUMBERED) {
		const struct nfv_entry *e = &a.entries[a.cons & a.mask];
		eventfd_t v;

		if (nfv_ring_filled(&a.producer->prod, a.cons)) {
			uint32_t seq;

			memcpy(&seq, e->hdr + 14, 4);
			assert_int_equal(seq, next);
			assert_int_equal(e->pos, a.cons);
			for (unsigned int i = 18; i < NFV_HDR_MAX; i++)
				assert_int_equal(e->hdr[i], (uint8_t)(seq + i));
			next++;
			pass(&a, 1);
			continue;
		}
		nfv_ring_sleep(&a.consumer->need_wakeup, true);
		if (!nfv_ring_filled(&a.producer->prod, a.cons)) {
			sleeps++;
			if (poll(&p, 1, 10000) == 0)
				fail_msg("a wake-up was lost at frame %u", next);
			eventfd_read(a.wake, &v);
		}
		nfv_ring_sleep(&a.consumer->need_wakeup, false);
	}
	pthread_join(sender, NULL);
	assert_int_equal(stats_of(&a).missed[NFV_MISS_RING_FULL], 0);
	print_message("# slept %u times\n", sleeps);
}

/* J4: packet sockets listen on the devices, too. */
static void with_listeners(void **state)
{
	int host = raw_open("h0");

	send_c0(1400, 4);
	assert_memory_equal(entry(&a, 0)->hdr, frame, NFV_HDR_MAX);
	struct nfv_op op = op_forward(handle(&a, entry(&a, 0)), &b, NFV_OP_LAST);

	assert_int_equal(op_run(session, &op), 1400);
	assert_int_equal(raw_recv(c1, got, sizeof(got)), 1400);
	assert_memory_equal(got, frame, 1400);
	assert_int_equal(raw_recv(host, got, sizeof(got)), 1400);
	assert_memory_equal(got, frame, 1400);
	close(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(whole_and_held), T(send_and_forward), T(vlan_tag), T(mad_consumer_index), T(bad_operations),
		T(bad_offloads), T(stale_handles), T(full_and_back), T(held_too_long), T(shown_is_sent),
		T(killed_with_frames), T(numbered_with_sleeps), T(with_listeners),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
