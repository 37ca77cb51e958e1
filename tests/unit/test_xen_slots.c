/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames gathered from a Xen guest's Tx ring: kmod/xen/slots.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "xen/slots.h"

static union nfvk_xen_slot ring[NFVK_XEN_RING];
static struct nfvk_xen_frame f;

static void slot(uint32_t pos, uint16_t offset, uint16_t size, uint16_t flags)
{
	ring[pos % NFVK_XEN_RING].tx = (struct nfvk_xen_tx){ 1000 + pos, offset, flags, pos, size };
}

static void extra(uint32_t pos, uint8_t type, uint8_t flags, uint16_t size, uint8_t gso_type)
{
	ring[pos % NFVK_XEN_RING].extra = (struct nfvk_xen_extra){ type, flags, { size & 255, size >> 8, gso_type } };
}

static void one_slot(void **state)
{
	slot(0, 100, 60, NFVK_XEN_TXF_CSUM_BLANK);
	assert_int_equal(nfvk_xen_gather(ring, 0, 1, &f), NFVK_XEN_FRAME);
	assert_int_equal(f.len, 60);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.extras, 0);
	assert_int_equal(f.slot[0].gref, 1000);
	assert_int_equal(f.slot[0].size, 60);
	assert_int_equal(f.flags, NFVK_XEN_TXF_CSUM_BLANK);
}

/* Over the end of the ring, too. */
static void several(void **state)
{
	for (uint32_t at = 250; at < 260; at++) {
		slot(at, 0, 9000, NFVK_XEN_TXF_EXTRA_INFO | NFVK_XEN_TXF_MORE_DATA);
		extra(at + 1, NFVK_XEN_EXTRA_GSO, 0, 1448, 1);
		slot(at + 2, 0, 4096, NFVK_XEN_TXF_MORE_DATA);
		slot(at + 3, 96, 4000, 0);
		assert_int_equal(nfvk_xen_gather(ring, at, 4, &f), NFVK_XEN_FRAME);
		assert_int_equal(f.len, 9000);
		assert_int_equal(f.n, 3);
		assert_int_equal(f.extras, 1);
		assert_int_equal(f.gso_size, 1448);
		assert_int_equal(f.slot[0].size, 9000 - 8096);
		assert_int_equal(f.slot[2].id, (at + 3));
	}
}

/* All numbers of pieces, with empty ones; their sizes are summed up. */
static void pieces(void **state)
{
	for (unsigned int n = 1; n <= NFVK_XEN_SLOTS_BAD + 2; n++)
		for (unsigned int bytes = 0; bytes <= 200; bytes++) {
			uint32_t sum = 0;

			slot(0, 0, 14 + bytes * (n - 1), n > 1 ? NFVK_XEN_TXF_MORE_DATA : 0);
			for (unsigned int i = 1; i < n; i++)
				slot(i, 4096 - bytes, bytes, i + 1 < n ? NFVK_XEN_TXF_MORE_DATA : 0);
			switch (nfvk_xen_gather(ring, 0, n, &f)) {
			case NFVK_XEN_FRAME:
				assert_true(n <= NFVK_XEN_SLOTS_MAX);
				for (unsigned int i = 0; i < f.n; i++)
					sum += f.slot[i].size;
				assert_int_equal(sum, f.len);
				break;
			case NFVK_XEN_DROP:
				assert_true(n > NFVK_XEN_SLOTS_MAX && n <= NFVK_XEN_SLOTS_BAD);
				break;
			default:
				assert_true(n > NFVK_XEN_SLOTS_BAD);
			}
		}
}

static void bad(void **state)
{
	/* Too short, or empty. */
	slot(0, 0, 13, 0);
	assert_int_equal(nfvk_xen_gather(ring, 0, 1, &f), NFVK_XEN_DROP);
	slot(0, 0, 0, 0);
	assert_int_equal(nfvk_xen_gather(ring, 0, 1, &f), NFVK_XEN_DROP);
	/* Past the page: first and later ones. */
	slot(0, 4000, 97, 0);
	assert_int_equal(nfvk_xen_gather(ring, 0, 1, &f), NFVK_XEN_BAD_SLOT);
	slot(0, 65535, 65535, 0);
	assert_int_equal(nfvk_xen_gather(ring, 0, 1, &f), NFVK_XEN_BAD_SLOT);
	slot(0, 0, 300, NFVK_XEN_TXF_MORE_DATA);
	slot(1, 4000, 97, 0);
	assert_int_equal(nfvk_xen_gather(ring, 0, 2, &f), NFVK_XEN_BAD_SLOT);
	/* The flags announce more slots than are posted. */
	assert_int_equal(nfvk_xen_gather(ring, 0, 1, &f), NFVK_XEN_BAD_SLOT);
	slot(0, 0, 300, NFVK_XEN_TXF_EXTRA_INFO);
	assert_int_equal(nfvk_xen_gather(ring, 0, 1, &f), NFVK_XEN_BAD_EXTRA);
	/* A piece is larger than the frame; the ids are valid. */
	slot(0, 0, 300, NFVK_XEN_TXF_MORE_DATA);
	slot(1, 0, 301, 0);
	assert_int_equal(nfvk_xen_gather(ring, 0, 2, &f), NFVK_XEN_DROP);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.slot[1].id, 1);
}

/* Try all relevant producer indices: if one is accepted, the posted requests fit the ring. */
static void producer_indices(void **state)
{
	static const uint32_t starts[] = { 0, 1, 255, 256, 0x7fffffff, 0xffffff00, 0xffffffff };

	for (unsigned int s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
		for (uint32_t held = 0; held <= NFVK_XEN_RING; held++) {
			uint32_t answered = starts[s], cons = answered + held, n;

			for (int32_t ahead = -2 * (int)NFVK_XEN_RING; ahead <= 2 * (int)NFVK_XEN_RING; ahead++) {
				bool ok = nfvk_xen_posted(cons + ahead, cons, answered, NFVK_XEN_RING, &n);

				/* An index between responses and taken requests is out of range, too. */
				assert_int_equal(ok, ahead >= 0 && (uint32_t)ahead <= NFVK_XEN_RING - held);
				if (ok)
					assert_int_equal(n, ahead);
			}
			for (unsigned int bit = 10; bit < 32; bit++)
				assert_false(nfvk_xen_posted(cons + (1u << bit), cons, answered, NFVK_XEN_RING, &n));
		}
	/* A ring of another size. */
	assert_true(nfvk_xen_posted(100, 40, 36, 64, &(uint32_t){ 0 }));
	assert_false(nfvk_xen_posted(101, 40, 36, 64, &(uint32_t){ 0 }));
	assert_false(nfvk_xen_posted(39, 40, 36, 64, &(uint32_t){ 0 }));
}

/* Parsing a frame ends, whatever the number of available requests. */
static void mad_available(void **state)
{
	static const uint32_t avail[] = { NFVK_XEN_RING + 1, 65536, 0x80000000, 0xfffffffe, 0xffffffff };

	for (unsigned int i = 0; i < sizeof(avail) / sizeof(avail[0]); i++) {
		/* One pattern is extra info with more to come, and the first slot of a frame. */
		for (uint32_t pos = 0; pos < NFVK_XEN_RING; pos++)
			ring[pos].tx = (struct nfvk_xen_tx){ 0x104, 0, NFVK_XEN_TXF_EXTRA_INFO, 0x104, 200 };
		assert_int_equal(nfvk_xen_gather(ring, 7, avail[i], &f), NFVK_XEN_BAD_EXTRA);
		assert_true(f.extras < NFVK_XEN_EXTRA_MAX);
		for (uint32_t pos = 0; pos < NFVK_XEN_RING; pos++)
			slot(pos, 0, 1, NFVK_XEN_TXF_MORE_DATA);
		assert_int_equal(nfvk_xen_gather(ring, 7, avail[i], &f), NFVK_XEN_BAD_SLOT);
		assert_int_equal(f.n, NFVK_XEN_SLOTS_BAD);
	}
}

static enum nfvk_xen_verdict with_extra(uint8_t type, uint16_t size, uint8_t gso_type)
{
	slot(0, 0, 300, NFVK_XEN_TXF_EXTRA_INFO);
	extra(1, type, 0, size, gso_type);
	return nfvk_xen_gather(ring, 0, 2, &f);
}

static void extras(void **state)
{
	assert_int_equal(with_extra(NFVK_XEN_EXTRA_GSO, 1448, 1), NFVK_XEN_FRAME);
	assert_int_equal(with_extra(NFVK_XEN_EXTRA_GSO, 1448, 2), NFVK_XEN_FRAME);
	assert_int_equal(with_extra(NFVK_XEN_EXTRA_GSO, 0, 1), NFVK_XEN_BAD_EXTRA);
	assert_int_equal(with_extra(NFVK_XEN_EXTRA_GSO, 1448, 0), NFVK_XEN_BAD_EXTRA);
	assert_int_equal(with_extra(NFVK_XEN_EXTRA_GSO, 1448, 3), NFVK_XEN_BAD_EXTRA);
	assert_int_equal(with_extra(0, 0, 0), NFVK_XEN_BAD_EXTRA);
	assert_int_equal(with_extra(6, 0, 0), NFVK_XEN_BAD_EXTRA);
	assert_int_equal(with_extra(255, 0, 0), NFVK_XEN_BAD_EXTRA);
	assert_int_equal(with_extra(4, 0, 0), NFVK_XEN_FRAME);
	assert_int_equal(with_extra(NFVK_XEN_EXTRA_MCAST_ADD, 0x0102, 3), NFVK_XEN_DROP);
	assert_int_equal(f.mcast, NFVK_XEN_EXTRA_MCAST_ADD);
	assert_memory_equal(f.mcast_addr, "\x02\x01\x03", 3);
	/* Endless. */
	slot(0, 0, 300, NFVK_XEN_TXF_EXTRA_INFO);
	for (unsigned int i = 1; i < NFVK_XEN_RING; i++)
		extra(i, 4, NFVK_XEN_EXTRA_MORE, 0, 0);
	assert_int_equal(nfvk_xen_gather(ring, 0, NFVK_XEN_RING, &f), NFVK_XEN_BAD_EXTRA);
	/* One of each type at most. */
	for (unsigned int n = 1; n <= NFVK_XEN_EXTRA_MAX; n++) {
		for (unsigned int i = 1; i <= n; i++)
			extra(i, 4, i < n ? NFVK_XEN_EXTRA_MORE : 0, 0, 0);
		assert_int_equal(nfvk_xen_gather(ring, 0, n + 1, &f), n < NFVK_XEN_EXTRA_MAX ? NFVK_XEN_FRAME : NFVK_XEN_BAD_EXTRA);
	}
}

/* An Ethernet frame: proto, then bytes. */
static const uint8_t *frame(uint16_t proto, const uint8_t *bytes, size_t n)
{
	static uint8_t h[128];

	memset(h, 0, sizeof(h));
	h[12] = proto >> 8;
	h[13] = proto;
	memcpy(h + 14, bytes, n);
	return h;
}

static void checksums(void **state)
{
	static const uint8_t tcp4[20] = { 0x45, [9] = 6 }, udp4[20] = { 0x46, [9] = 17 }, icmp4[20] = { 0x45, [9] = 1 };
	static const uint8_t part[20] = { 0x45, [6] = 0x20, [9] = 6 }, short_ihl[20] = { 0x44, [9] = 6 };
	static const uint8_t tcp6[40] = { 0x60, [6] = 6 }, hop6[48] = { 0x60, [6] = 0, [40] = 6, [41] = 0 };
	static const uint8_t far6[48] = { 0x60, [6] = 60, [40] = 6, [41] = 255 };
	static const uint8_t tagged[24] = { 0, 5, 8, 0, 0x45, [13] = 6 };
	uint16_t start = 0, offset = 0;

	assert_true(nfvk_xen_csum_place(frame(0x0800, tcp4, 20), 128, &start, &offset));
	assert_int_equal(start, 34);
	assert_int_equal(offset, 16);
	assert_true(nfvk_xen_csum_place(frame(0x0800, udp4, 20), 128, &start, &offset));
	assert_int_equal(start, 38);
	assert_int_equal(offset, 6);
	assert_true(nfvk_xen_csum_place(frame(0x86dd, tcp6, 40), 128, &start, &offset));
	assert_int_equal(start, 54);
	assert_true(nfvk_xen_csum_place(frame(0x86dd, hop6, 48), 128, &start, &offset));
	assert_int_equal(start, 62);
	assert_true(nfvk_xen_csum_place(frame(0x8100, tagged, 24), 128, &start, &offset));
	assert_int_equal(start, 38);
	assert_false(nfvk_xen_csum_place(frame(0x0800, icmp4, 20), 128, &start, &offset));
	assert_false(nfvk_xen_csum_place(frame(0x0800, part, 20), 128, &start, &offset));
	assert_false(nfvk_xen_csum_place(frame(0x0800, short_ihl, 20), 128, &start, &offset));
	assert_false(nfvk_xen_csum_place(frame(0x86dd, far6, 48), 128, &start, &offset));
	assert_false(nfvk_xen_csum_place(frame(0x0806, tcp4, 20), 128, &start, &offset));
	for (unsigned int n = 0; n < 34 + 18; n++)
		assert_false(nfvk_xen_csum_place(frame(0x0800, tcp4, 20), n, &start, &offset));
	assert_true(nfvk_xen_csum_place(frame(0x0800, tcp4, 20), 34 + 18, &start, &offset));
}

static unsigned int whole_of(unsigned int header, const uint16_t *size, unsigned int n)
{
	struct nfvk_xen_tx slots[NFVK_XEN_SLOTS_MAX] = { 0 };

	for (unsigned int i = 0; i < n; i++)
		slots[i].size = size[i];
	return nfvk_xen_slots_whole(slots, n, header);
}

static void whole(void **state)
{
	uint16_t size[NFVK_XEN_SLOTS_MAX] = { 66, 1000 };

	assert_int_equal(whole_of(60, (uint16_t[]){ 60 }, 1), 1);
	assert_int_equal(whole_of(128, (uint16_t[]){ 4096 }, 1), 1);
	assert_int_equal(whole_of(128, (uint16_t[]){ 66, 62, 4096 }, 3), 2);
	assert_int_equal(whole_of(128, (uint16_t[]){ 66, 4096 }, 2), 2);	/* its 4034 have no room after 128 */
	assert_int_equal(whole_of(128, (uint16_t[]){ 0, 66, 0, 4030, 0 }, 5), 1);
	assert_int_equal(whole_of(128, (uint16_t[]){ 128, 3000, 3000, 1096, 1 }, 5), 3);
	for (unsigned int n = 2; n < NFVK_XEN_SLOTS_MAX; n++) {
		size[n] = 4096;
		assert_int_equal(whole_of(128, size, n + 1), n);
	}
	/* Not fewer than the bytes need, and not more than there are pieces. */
	for (unsigned int step = 1; step < 4096; step += 7) {
		unsigned int bytes = 0, n;

		for (unsigned int i = 0; i < NFVK_XEN_SLOTS_MAX; i++)
			bytes += size[i] = (i * step) % 4096 + 1;
		n = whole_of(128, size, NFVK_XEN_SLOTS_MAX);
		assert_true(n >= (bytes + 4095) / 4096 && n <= NFVK_XEN_SLOTS_MAX + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_slot), cmocka_unit_test(several), cmocka_unit_test(pieces), cmocka_unit_test(bad),
		cmocka_unit_test(producer_indices), cmocka_unit_test(mad_available),
		cmocka_unit_test(extras), cmocka_unit_test(checksums), cmocka_unit_test(whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
