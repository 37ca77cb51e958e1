/* SPDX-License-Identifier: BSD-3-Clause */
/* The receive ring of packet sockets: slots to frames, VLAN tags, order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "netdev/packet_ring.c"

#define MAC_AT	80	/* where the kernel puts the frame in a slot */

static struct nfvd_packet_ring ring;
static int queue;	/* what is written here waits at ring.sock, as long frames do at a packet socket */

static int setup(void **state)
{
	const int bytes = 16 << 20;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	queue = pair[0];
	ring = (struct nfvd_packet_ring){ .sock = pair[1], .mem = calloc(1, RING_BYTES), .room = malloc(ROOM_BYTES) };
	return !ring.mem || !ring.room;
}

static int teardown(void **state)
{
	close(queue);
	close(ring.sock);
	free(ring.mem);
	free(ring.room);
	return 0;
}

/* Put a frame of len bytes into a slot, as the kernel does; its tag is not among them. */
static uint8_t *fill(unsigned int i, uint32_t len, uint32_t status, uint16_t tpid, uint16_t tci)
{
	uint8_t *slot = slot_of(&ring, i);
	struct tpacket2_hdr *h = (struct tpacket2_hdr *)slot;

	h->tp_len = h->tp_snaplen = len;
	h->tp_mac = MAC_AT;
	h->tp_vlan_tpid = tpid;
	h->tp_vlan_tci = tci;
	memset(slot + MAC_AT - VNET_LEN, 0, VNET_LEN);
	for (uint32_t n = 0; n < len; n++)
		slot[MAC_AT + n] = n * 7 + i;
	h->tp_status = TP_STATUS_USER | status;
	return slot;
}

static struct virtio_net_hdr *vnet_of(uint8_t *slot)
{
	return (struct virtio_net_hdr *)(slot + MAC_AT - VNET_LEN);
}

/* Return byte n of the frame, from the header or a vector. */
static uint8_t byte(const struct nfvd_frame *f, uint32_t n)
{
	return n < f->hdr_len ? f->hdr[n] : ((uint8_t *)f->iov[0].iov_base)[n - f->hdr_len];
}

static void assert_whole(const struct nfvd_frame *f)
{
	assert_int_equal(f->iov_n, f->len > f->hdr_len);
	assert_int_equal(f->hdr_len + (f->iov_n ? f->iov[0].iov_len : 0), f->len);
	assert_int_equal(f->origin_copies, 1);
}

static void untagged(void **state)
{
	static const uint32_t sizes[] = { 14, 60, 127, 128, 129, 1514, 65549 };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint8_t *slot = fill(0, sizes[s], 0, 0, 0);
		struct nfvd_frame f;
		struct iovec rest;

		assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_PASS);
		assert_int_equal(f.len, sizes[s]);
		assert_whole(&f);
		for (uint32_t n = 0; n < f.len; n++)
			assert_int_equal(byte(&f, n), (uint8_t)(n * 7));
	}
}

static void tag_is_put_back(void **state)
{
	static const uint32_t sizes[] = { 14, 60, 123, 124, 125, 128, 1514, 65549 };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint8_t *slot = fill(0, sizes[s], TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID, ETH_P_8021AD, 0xa123);
		static const uint8_t tag[4] = { 0x88, 0xa8, 0xa1, 0x23 };
		struct nfvd_frame f;
		struct iovec rest;

		assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_PASS);
		assert_int_equal(f.len, sizes[s] + 4);
		assert_whole(&f);
		for (uint32_t n = 0; n < 12; n++)
			assert_int_equal(byte(&f, n), (uint8_t)(n * 7));
		for (uint32_t n = 0; n < 4; n++)
			assert_int_equal(byte(&f, 12 + n), tag[n]);
		for (uint32_t n = 12; n < sizes[s]; n++)
			assert_int_equal(byte(&f, n + 4), (uint8_t)(n * 7));
	}
}

/* Kernels that do not say which kind of tag it was mean 802.1Q. A tag of 0 is a tag. */
static void tag_without_tpid(void **state)
{
	uint8_t *slot = fill(0, 60, TP_STATUS_VLAN_VALID, 0, 0);
	static const uint8_t tag[4] = { 0x81, 0, 0, 0 };
	struct nfvd_frame f;
	struct iovec rest;

	assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_PASS);
	assert_memory_equal(f.hdr + 12, tag, 4);
}

/* The checksum's place is told from the frame's start: a tag shifts it. */
static void tag_shifts_checksum(void **state)
{
	uint8_t *slot = fill(0, 1514, 0, 0, 5);
	struct virtio_net_hdr *vnet = vnet_of(slot);
	struct tpacket2_hdr *h = (struct tpacket2_hdr *)slot;
	struct nfvd_frame f;
	struct iovec rest;

	vnet->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet->csum_start = 34;
	vnet->csum_offset = 16;
	assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_PASS);
	assert_int_equal(f.vnet.hdr.csum_start, 34);
	h->tp_status |= TP_STATUS_VLAN_VALID;
	assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_PASS);
	assert_int_equal(f.vnet.hdr.csum_start, 38);
	assert_int_equal(f.vnet.hdr.csum_offset, 16);
	/* Without a request there is no place to shift. */
	vnet->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	vnet->csum_start = 0;
	assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_PASS);
	assert_int_equal(f.vnet.hdr.csum_start, 0);
}

static void refused(void **state)
{
	uint8_t *slot = fill(0, 13, 0, 0, 0);
	struct tpacket2_hdr *h = (struct tpacket2_hdr *)slot;
	struct nfvd_frame f;
	struct iovec rest;

	assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_DROP_RUNT);
	slot = fill(0, 60000, 0, 0, 0);
	h->tp_len = 60001;
	assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_DROP_RX_FULL);
	h->tp_len = 180000;
	assert_int_equal(nfvd_ring_frame(slot, &f, &rest), NFVD_DROP_OVERSIZE);
}

/* Whether the kernel has a free slot, and which: if it drops frames with a free slot, the ring is stuck. */
static void waiting(void **state)
{
	struct nfvd_frame f;
	enum nfvd_drop why;

	assert_int_equal(nfvd_ring_waiting(&ring), 0);
	fill(0, 60, 0, 0, 0);
	assert_int_equal(nfvd_ring_waiting(&ring), NFVD_RING_SLOTS);
	assert_true(nfvd_ring_take(&ring, &f, &why));
	nfvd_ring_done(&ring, 1);
	assert_int_equal(nfvd_ring_waiting(&ring), 1);
}

/* Several laps: each frame comes once, in order, also after a bad one; slots that are not returned come again. */
static void around(void **state)
{
	unsigned int filled = 0, seen = 0;

	for (unsigned int round = 0; round < 200; round++) {
		enum nfvd_drop why;
		struct nfvd_frame f;
		unsigned int n = round * 13 % 70;

		for (unsigned int i = 0; i < n; i++, filled++)
			fill(filled % NFVD_RING_SLOTS, filled % 10 == 3 ? 5 : 64 + filled % 100, 0, 0, 0);
		while (nfvd_ring_take(&ring, &f, &why)) {
			assert_int_equal(why, seen % 10 == 3 ? NFVD_DROP_RUNT : NFVD_PASS);
			if (why == NFVD_PASS)
				assert_int_equal(f.len, 64 + seen % 100);
			seen++;
		}
		assert_in_range(ring.taken, 0, NFVD_BURST);
		seen -= ring.taken - ring.taken / 3;
		nfvd_ring_done(&ring, ring.taken / 3);
		while (nfvd_ring_take(&ring, &f, &why)) {
			if (why == NFVD_PASS)
				assert_int_equal(f.len, 64 + seen % 100);
			seen++;
		}
		nfvd_ring_done(&ring, ring.taken);
		while (nfvd_ring_take(&ring, &f, &why))
			seen++;
		nfvd_ring_done(&ring, ring.taken);
		assert_int_equal(seen, filled);
		for (unsigned int i = 0; i < NFVD_RING_SLOTS; i++)
			assert_int_equal(((struct tpacket2_hdr *)slot_of(&ring, i))->tp_status, TP_STATUS_KERNEL);
	}
}

/* Queue a frame that does not fit a slot, as the kernel does; number identifies it. */
static void fill_long(unsigned int i, uint32_t len, uint32_t number)
{
	uint8_t *slot = fill(i, 1000, TP_STATUS_COPY, 0, 0);
	static uint8_t buf[VNET_LEN + NFVD_FRAME_MAX];

	((struct tpacket2_hdr *)slot)->tp_len = len;
	memcpy(buf + VNET_LEN + 200, &number, sizeof(number));
	assert_int_equal(send(queue, buf, VNET_LEN + len, 0), VNET_LEN + len);
}

/* Long and short frames: each comes once and in order, whichever part of a burst is returned. */
static void long_frames(void **state)
{
	uint32_t filled = 0, seen = 0;

	for (unsigned int round = 0; round < 400; round++) {
		enum nfvd_drop why;
		struct nfvd_frame f;
		uint32_t n = round * 7 % 40, bytes = 0, part;

		for (uint32_t i = 0; i < n; i++, filled++)
			if (filled % 3)
				fill(filled % NFVD_RING_SLOTS, 64 + filled % 100, 0, 0, 0);
			else
				fill_long(filled % NFVD_RING_SLOTS, 2000 + filled * 977 % 63000, filled);
		for (unsigned int turn = 0; seen < filled; turn++) {
			unsigned int taken = 0;

			while (bytes < NFVD_BURST_BYTES && nfvd_ring_take(&ring, &f, &why)) {
				uint32_t at = seen + taken++, number;

				assert_int_equal(why, NFVD_PASS);
				assert_int_equal(f.len, at % 3 ? 64 + at % 100 : 2000 + at * 977 % 63000);
				assert_whole(&f);
				bytes += f.len;
				if (at % 3)
					continue;
				memcpy(&number, (uint8_t *)f.iov[0].iov_base + 200 - f.hdr_len, sizeof(number));
				assert_int_equal(number, at);
			}
			assert_true(taken);
			part = turn % 3 == 0 ? taken / 3 : turn % 3 == 1 ? 0 : taken;
			nfvd_ring_done(&ring, part);
			seen += part;
			bytes = 0;
		}
		assert_int_equal(ring.read, 0);
		assert_int_equal(ring.used, 0);
	}
}

/* A long frame is announced but missing: it is counted, and the others come. */
static void long_frame_is_lost(void **state)
{
	enum nfvd_drop why;
	struct nfvd_frame f;

	fill(0, 1000, TP_STATUS_COPY, 0, 0);
	fill(1, 60, 0, 0, 0);
	assert_true(nfvd_ring_take(&ring, &f, &why));
	assert_int_equal(why, NFVD_DROP_RX_FULL);
	assert_true(nfvd_ring_take(&ring, &f, &why));
	assert_int_equal(why, NFVD_PASS);
	nfvd_ring_done(&ring, 2);
	fill_long(2, 5000, 7);
	assert_true(nfvd_ring_take(&ring, &f, &why));
	assert_int_equal(why, NFVD_PASS);
	assert_int_equal(f.len, 5000);
	nfvd_ring_done(&ring, 1);
}

/* ---- a ring that the next nfvd adopts ---- */

static uint32_t position;

/* A memfd replaces the socket, because it can be mapped twice, too. */
static int setup_kept(void **state)
{
	int fd = memfd_create("ring", 0);
	const uint8_t *mem;

	if (fd < 0 || ftruncate(fd, RING_BYTES))
		return -1;
	position = 0;
	ring = (struct nfvd_packet_ring){ .sock = fd, .position = &position, .room = malloc(ROOM_BYTES) };
	mem = ring.mem = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return mem == MAP_FAILED || !ring.room;
}

static int teardown_kept(void **state)
{
	close(ring.sock);
	nfvd_ring_unmap(&ring);
	return 0;
}

static unsigned int take(struct nfvd_packet_ring *r, unsigned int max)
{
	enum nfvd_drop why;
	struct nfvd_frame f;
	unsigned int n = 0;

	while (n < max && nfvd_ring_take(r, &f, &why))
		n++;
	return n;
}

/*
 * Wherever nfvd ends: returned slots do not come again, the others do, and no frame is skipped. For those that come
 * again, the number that had been taken is known.
 */
static void adopted(void **state)
{
	unsigned int filled = 0, given = 0, taken;

	for (unsigned int round = 0; round < 300; round++) {
		struct nfvd_packet_ring next = { 0 };

		for (unsigned int n = round * 13 % 90; n; n--, filled++)
			fill(filled % NFVD_RING_SLOTS, 64, 0, 0, 0);
		given += take(&ring, round % 50);
		nfvd_ring_done(&ring, ring.taken);
		taken = take(&ring, NFVD_BURST);
		nfvd_ring_note(&ring);
		if (round % 3 == 0 && taken) {
			nfvd_ring_done(&ring, 1);
			given++;
			taken--;
		}
		assert_int_equal(nfvd_ring_adopt(&next, ring.sock, &position), taken);
		assert_int_equal(next.next, given % NFVD_RING_SLOTS);
		assert_int_equal(nfvd_ring_queued(&next), filled - given);
		munmap(ring.mem, RING_BYTES);
		free(ring.room);
		ring = next;
		while (filled - given > 1000) {
			given += take(&ring, NFVD_BURST);
			nfvd_ring_done(&ring, ring.taken);
		}
	}
}

/* Frames are counted from the next slot on, past slots that other CPUs are filling yet, and around the ring's end. */
static void counted_from_next(void **state)
{
	assert_int_equal(nfvd_ring_queued_next(&ring), 0);
	for (unsigned int i = 0; i < 40; i++)
		fill(i, 64, 0, 0, 0);
	assert_int_equal(nfvd_ring_queued_next(&ring), 40);
	header(&ring, 3)->tp_status = header(&ring, 4)->tp_status = TP_STATUS_KERNEL;
	assert_int_equal(nfvd_ring_queued_next(&ring), 38);
	ring.next = NFVD_RING_SLOTS - 10;
	assert_int_equal(nfvd_ring_queued_next(&ring), 38);
	for (unsigned int i = 0; i < NFVD_RING_SLOTS; i++)
		fill(i, 64, 0, 0, 0);
	assert_int_equal(nfvd_ring_queued_next(&ring), NFVD_RING_SLOTS);
}

/* The end comes between the first slot that is given back and the last. */
static void half_given_back(void **state)
{
	struct nfvd_packet_ring next = { 0 };

	for (unsigned int i = 0; i < 20; i++)
		fill(i, 64, 0, 0, 0);
	position = 10 | 10 << 16 | 5 << 24;
	for (unsigned int i = 0; i < 4; i++)
		header(&ring, i)->tp_status = TP_STATUS_KERNEL;
	assert_int_equal(nfvd_ring_adopt(&next, ring.sock, &position), 5);
	assert_int_equal(position, 10 | 5 << 24);
	assert_int_equal(nfvd_ring_queued(&next), 10);
	assert_int_equal(take(&next, NFVD_BURST), 10);
	nfvd_ring_done(&next, 10);
	assert_int_equal(position, 20);
	nfvd_ring_unmap(&next);
}

/* A full ring has no free slot that marks its begin. */
static void full(void **state)
{
	struct nfvd_packet_ring next = { 0 };

	for (unsigned int i = 0; i < NFVD_RING_SLOTS; i++)
		fill(i, 64, 0, 0, 0);
	position = 77;
	assert_int_equal(nfvd_ring_adopt(&next, ring.sock, &position), 0);
	assert_int_equal(next.next, 77);
	nfvd_ring_unmap(&next);
}

static void not_adopted(void **state)
{
	struct nfvd_packet_ring next = { 0 };

	for (unsigned int i = 0; i < 3; i++)
		fill(i, 64, 0, 0, 0);
	position = 1;
	assert_int_equal(nfvd_ring_adopt(&next, ring.sock, &position), -EINVAL);
	position = NFVD_RING_SLOTS;
	assert_int_equal(nfvd_ring_adopt(&next, ring.sock, &position), -EINVAL);
	position = (NFVD_BURST + 1) << 16;
	assert_int_equal(nfvd_ring_adopt(&next, ring.sock, &position), -EINVAL);
	position = (NFVD_BURST + 1u) << 24;
	assert_int_equal(nfvd_ring_adopt(&next, ring.sock, &position), -EINVAL);
	position = 0;
	assert_true(nfvd_ring_adopt(&next, queue = open("/dev/null", O_RDWR), &position) < 0);
	close(queue);
	assert_null(next.mem);
}

/* Slots neither overlap nor leave their block. */
static void layout(void **state)
{
	for (unsigned int i = 0; i < NFVD_RING_SLOTS; i++) {
		size_t at = slot_of(&ring, i) - ring.mem;

		assert_true(at / NFVD_RING_BLOCK == (at + NFVD_RING_SLOT - 1) / NFVD_RING_BLOCK);
		assert_true(!i || slot_of(&ring, i) - slot_of(&ring, i - 1) >= NFVD_RING_SLOT);
		assert_true(at + NFVD_RING_SLOT <= RING_BYTES);
	}
	/* An Ethernet frame of the usual MTU with two tags. */
	assert_true(MAC_AT + 1522 <= NFVD_RING_SLOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(untagged, setup, teardown),
		cmocka_unit_test_setup_teardown(tag_is_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(tag_without_tpid, setup, teardown),
		cmocka_unit_test_setup_teardown(tag_shifts_checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(around, setup, teardown),
		cmocka_unit_test_setup_teardown(long_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(long_frame_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(adopted, setup_kept, teardown_kept),
		cmocka_unit_test_setup_teardown(counted_from_next, setup_kept, teardown_kept),
		cmocka_unit_test_setup_teardown(half_given_back, setup_kept, teardown_kept),
		cmocka_unit_test_setup_teardown(full, setup_kept, teardown_kept),
		cmocka_unit_test_setup_teardown(not_adopted, setup_kept, teardown_kept),
		cmocka_unit_test_setup_teardown(layout, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
