/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups A and B: malformed rings. Unusual but legal ones are in evil-chain.c, changing memory in evil-flip.c. */
#include "evil.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define IND	VRING_DESC_F_INDIRECT

/* One way to break a ring. do_it leaves a chain at descriptor 0, unless it writes the avail ring itself. */
struct breakage {
	const char *reason, *what;
	void (*do_it)(unsigned int q, int64_t arg);
	int64_t arg;
	bool own_avail;		/* do_it has made its harm visible already */
	bool tx_only;
};

static uint64_t gpa_end(void)
{
	return evil.f.region[1].gpa + evil.f.region[1].size;
}

static uint16_t dir(unsigned int q)
{
	return q == RX ? WRITE : 0;
}

static void set_avail_idx(unsigned int q, uint16_t idx)
{
	__atomic_store_n(&evil.f.vq[q].avail->idx, idx, __ATOMIC_RELEASE);
	vuf_kick(&evil.f.vq[q]);
}

static void bad_idx(unsigned int q, int64_t off)
{
	set_avail_idx(q, evil.f.vq[q].used->idx + off);
}

static void bad_head(unsigned int q, int64_t head)
{
	evil.f.vq[q].avail->ring[0] = head;
	set_avail_idx(q, 1);
}

static void bad_next(unsigned int q, int64_t next)
{
	desc(q, 0, gpa_of(evil.big), HDR + MIN, dir(q) | NEXT, next);
}

static void cycle(unsigned int q, int64_t n)
{
	for (uint16_t i = 0; i < n; i++)
		desc(q, i, gpa_of(evil.big), 16, dir(q) | NEXT, (i + 1) % n);
}

/* A loop of empty descriptors, which no byte limit ends. */
static void empty_cycle(unsigned int q, int64_t n)
{
	for (uint16_t i = 0; i < n; i++)
		desc(q, i, gpa_of(evil.big), 0, dir(q) | NEXT, (i + 1) % n);
}

/* A valid descriptor, then an empty one at an unmapped address. */
static void empty_nowhere(unsigned int q, int64_t gpa)
{
	desc(q, 0, gpa_of(evil.big), HDR + MIN, dir(q) | NEXT, 1);
	desc(q, 1, gpa, 0, dir(q), 0);
}

static void empty_nowhere_first(unsigned int q, int64_t gpa)
{
	desc(q, 0, gpa, 0, dir(q) | NEXT, 1);
	desc(q, 1, gpa_of(evil.big), HDR + MIN, dir(q), 0);
}

static void beyond(unsigned int q, int64_t off)
{
	desc(q, 0, gpa_end() + off, HDR + MIN, dir(q), 0);
}

static void absolute(unsigned int q, int64_t gpa)
{
	desc(q, 0, gpa, HDR + MIN, dir(q), 0);
}

static void too_long(unsigned int q, int64_t len)
{
	desc(q, 0, gpa_of(evil.big), len, dir(q), 0);
}

static void wrong_way(unsigned int q, int64_t second)
{
	desc(q, 0, gpa_of(evil.big), HDR, (second ? dir(q) : dir(q) ^ WRITE) | NEXT, 1);
	desc(q, 1, gpa_of(evil.big + HDR), MIN, dir(q) ^ WRITE, 0);
}

/* ---- B ---- */

static struct vring_desc *table(void)
{
	return (struct vring_desc *)evil.ind;
}

/* A table with one valid entry; the descriptor that points to it has the given length. */
static void ind_len(unsigned int q, int64_t len)
{
	table()[0] = (struct vring_desc){ gpa_of(evil.big), HDR + MIN, dir(q), 0 };
	desc(q, 0, gpa_of(evil.ind), len, IND, 0);
}

static void ind_nowhere(unsigned int q, int64_t off)
{
	desc(q, 0, gpa_end() + off, 32, IND, 0);
}

static void ind_absolute(unsigned int q, int64_t gpa)
{
	desc(q, 0, gpa, 32, IND, 0);
}

static void ind_in_ind(unsigned int q, int64_t arg)
{
	table()[0] = (struct vring_desc){ gpa_of(evil.ind + 64), 16, IND, 0 };
	desc(q, 0, gpa_of(evil.ind), 16, IND, 0);
}

static void ind_and_next(unsigned int q, int64_t arg)
{
	ind_len(q, 16);
	evil.f.vq[q].desc[0].flags |= NEXT;
	evil.f.vq[q].desc[0].next = 1;
	desc(q, 1, gpa_of(evil.big), MIN, dir(q), 0);
}

/* Plain descriptors before the table are legal; a table that is not the last is not. */
static void ind_amid_plain(unsigned int q, int64_t arg)
{
	ind_and_next(q, arg);
	evil.f.vq[q].desc[2] = evil.f.vq[q].desc[1];
	evil.f.vq[q].desc[1] = evil.f.vq[q].desc[0];
	evil.f.vq[q].desc[1].next = 2;
	desc(q, 0, gpa_of(evil.big), HDR, dir(q) | NEXT, 1);
}

static void ind_next(unsigned int q, int64_t next)
{
	ind_len(q, 32);
	table()[0].flags |= NEXT;
	table()[0].next = next;
}

static void ind_cycle(unsigned int q, int64_t n)
{
	for (uint16_t i = 0; i < n; i++)
		table()[i] = (struct vring_desc){ gpa_of(evil.big), 16, dir(q) | NEXT, (i + 1) % n };
	desc(q, 0, gpa_of(evil.ind), n * 16, IND, 0);
}

static void ind_wrong_way(unsigned int q, int64_t arg)
{
	ind_len(q, 16);
	table()[0].flags ^= WRITE;
}

static void ind_bad_gpa(unsigned int q, int64_t arg)
{
	ind_len(q, 16);
	table()[0].addr = gpa_end();
}

static const struct breakage breakages[] = {
	{ "bad_avail_idx", "A1 ahead by size + 1", bad_idx, RING + 1, true },
	{ "bad_avail_idx", "A1 ahead by 32768", bad_idx, 32768, true },
	{ "bad_avail_idx", "A1 backwards by 1", bad_idx, -1, true },
	{ "bad_desc_head", "A2 head = size", bad_head, RING, true },
	{ "bad_desc_head", "A2 head = 65535", bad_head, 65535, true },
	{ "bad_desc_next", "A3 next = size", bad_next, RING },
	{ "bad_desc_next", "A3 next = 65535", bad_next, 65535 },
	{ "desc_loop", "A5 self", cycle, 1 },
	{ "desc_loop", "A5 two", cycle, 2 },
	{ "desc_loop", "A5 whole ring", cycle, RING },
	{ "desc_loop", "A5 whole ring of nothing", empty_cycle, RING },
	{ "bad_gpa", "A6 nothing at address 0, last", empty_nowhere, 0 },
	{ "bad_gpa", "A6 nothing at an unmapped address, last", empty_nowhere, 0x7fffffff0000 },
	{ "bad_gpa", "A6 nothing at address 0, first", empty_nowhere_first, 0 },
	{ "bad_gpa", "A9 behind the last region", beyond, 0 },
	{ "bad_gpa", "A9 far outside", beyond, 1 << 30 },
	{ "bad_gpa", "A9 across the end", beyond, -32 },
	{ "bad_gpa", "A9 address 0", absolute, 0 },
	{ "bad_gpa", "A9 wraps", absolute, -16 },
	{ "bad_gpa", "A9 length 0xffffffff", too_long, 0xffffffff },
	{ "desc_perm", "A10 first", wrong_way, 0 },
	{ "desc_perm", "A10 second", wrong_way, 1 },
	{ "bad_indirect", "B1 length 0", ind_len, 0 },
	{ "bad_indirect", "B1 length 15", ind_len, 15 },
	{ "bad_indirect", "B1 length 17", ind_len, 17 },
	{ "bad_indirect", "B1 longer than the ring", ind_len, 16 * (RING + 1) },
	{ "bad_indirect", "B1 length 0xfffffff0", ind_len, 0xfffffff0 },
	{ "bad_indirect", "B1 unmapped table", ind_nowhere, 4096 },
	{ "bad_indirect", "B1 table across the end", ind_nowhere, -8 },
	{ "bad_indirect", "B1 table wraps", ind_absolute, -16 },
	{ "bad_indirect", "B2 indirect in indirect", ind_in_ind, 0 },
	{ "bad_indirect", "B2 indirect and next", ind_and_next, 0 },
	{ "bad_indirect", "B2 indirect between plain descriptors", ind_amid_plain, 0 },
	{ "bad_indirect", "B2 next outside the table", ind_next, 2 },
	{ "desc_loop", "B2 loop in a table", ind_cycle, 4 },
	{ "desc_perm", "B2 wrong direction in a table", ind_wrong_way, 0 },
	{ "bad_gpa", "B2 bad address in a table", ind_bad_gpa, 0 },
};

/* The ways out of a fence. */
static void recover(unsigned int n)
{
	switch (n % 3) {
	case 0:
		guest_reset(&evil, true);
		break;
	case 1:
		guest_again(&evil, true);
		break;
	case 2:
		/* The rings continue at their positions: repair them first. */
		for (unsigned int q = 0; q < 2; q++) {
			struct vuf_vring *r = &evil.f.vq[q];

			r->avail_idx = r->published = r->last_used = r->avail->idx = r->used->idx;
		}
		guest_fill(&evil);
		assert_int_equal(vuf_set_mem_table(&evil.f), 0);
		assert_true(wait_until(port_is(evil.name, "up"), PATIENCE_MS));
		break;
	}
	traffic_flows();
}

static void break_ring(const struct breakage *b, unsigned int q, unsigned int n)
{
	struct vuf_vring *r = &evil.f.vq[q];
	uint8_t frame[MIN];

	guest_reset(&evil, q == TX);
	mark();
	load();
	b->do_it(q, b->arg);
	if (!b->own_avail) {
		vuf_post(r, 0);
		vuf_publish(r);
	}
	if (q == RX) {
		frame_make(frame, sizeof(frame), evil.mac, peer.mac, n);
		guest_send(&peer, NULL, frame, sizeof(frame));
		moved("evil", b->reason, 1, "evil", "dst_fenced", 1, NULL);
	} else {
		moved("evil", b->reason, 1, NULL);
	}
	assert_true(wait_until(port_is("evil", "fenced"), PATIENCE_MS));
	queue_is("evil", q, "fenced", b->reason);
	queue_is("evil", !q, "running", NULL);
	/* Nothing was taken, and nothing will be. */
	assert_int_equal(r->used->idx, 0);
	vuf_kick(r);
	guest_gets_nothing(&peer);
	recover(n);
}

static void break_rings(const char *group)
{
	for (unsigned int i = 0; i < sizeof(breakages) / sizeof(breakages[0]); i++) {
		const struct breakage *b = &breakages[i];

		/* "A1 " is not "A10 ". */
		if (strncmp(b->what, group, strlen(group)) || b->what[strlen(group)] != ' ')
			continue;
		for (unsigned int q = 0; q < 2; q++) {
			print_message("    %s %s\n", q == RX ? "rx" : "tx", b->what);
			break_ring(b, q, 2 * i + q);
		}
	}
	mark();
}

static void a1_avail_index(void **state) { break_rings("A1"); }
static void a2_heads(void **state) { break_rings("A2"); }
static void a3_next(void **state) { break_rings("A3"); }
static void a5_loops(void **state) { break_rings("A5"); }
static void a9_addresses(void **state) { break_rings("A9"); }
static void a10_permissions(void **state) { break_rings("A10"); }
static void b1_indirect_length(void **state) { break_rings("B1"); }
static void b2_indirect_nesting(void **state) { break_rings("B2"); }

/* ---- what concerns one frame, or the session ---- */

static void a6_empty_descriptors(void **state)
{
	uint64_t gpa = gpa_of(evil.big);

	load();
	/* Empty descriptors at a valid address, first, in the middle and last, are ignored. */
	desc(TX, 0, gpa, 0, NEXT, 1);
	desc(TX, 1, gpa, HDR, NEXT, 2);
	desc(TX, 2, gpa, 0, NEXT, 3);
	desc(TX, 3, gpa + HDR, MIN, NEXT, 4);
	desc(TX, 4, gpa, 0, 0, 0);
	guest_send_chain(&evil, 0);
	guest_gets(&peer, evil.big + HDR, MIN);
	moved(NULL, NULL);

	desc(TX, 0, gpa, 0, 0, 0);
	guest_send_chain(&evil, 0);
	desc(TX, 0, gpa, 0, NEXT, 1);
	desc(TX, 1, gpa, 0, 0, 0);
	guest_send_chain(&evil, 0);
	moved("evil", "runt_chain", 2, NULL);
	queue_is("evil", TX, "running", NULL);
	guest_gets_nothing(&peer);

	mark();
	break_rings("A6");
}

static void b5_features(void **state)
{
	const uint64_t mrg = 1ull << VIRTIO_NET_F_MRG_RXBUF, v1 = 1ull << VIRTIO_F_VERSION_1;
	const uint64_t ind = 1ull << VIRTIO_RING_F_INDIRECT_DESC, wanted = evil.f.wanted;
	uint64_t bad;

	/* One bit that is not offered, at a time. */
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (evil.f.offered >> bit & 1)
			continue;
		bad = evil.f.features | 1ull << bit;
		mark();
		assert_int_equal(vuf_tell(&evil.f, VU_SET_FEATURES, &bad, sizeof(bad), NULL, 0), -EREMOTEIO);
		moved("evil", "feature_violation", 1, NULL);
	}
	traffic_flows();

	/* Every length of header. */
	for (unsigned int i = 0; i < 4; i++) {
		evil.f.wanted = (wanted & ~(mrg | v1)) | (i & 1 ? mrg : 0) | (i & 2 ? v1 : 0);
		guest_again(&evil, true);
		assert_int_equal(evil.hdr_len, i ? 12 : 10);
		traffic_flows();
	}

	/* Indirect descriptors, not negotiated. */
	evil.f.wanted = wanted & ~ind;
	guest_again(&evil, true);
	mark();
	load();
	ind_len(TX, 16);
	vuf_post(&evil.f.vq[TX], 0);
	vuf_publish(&evil.f.vq[TX]);
	moved("evil", "bad_indirect", 1, NULL);
	evil.f.wanted = wanted;
	guest_again(&evil, true);
	mark();
}

int ring_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(a1_avail_index),
		evil_test(a2_heads),
		evil_test(a3_next),
		evil_test(a5_loops),
		evil_test(a6_empty_descriptors),
		evil_test(a9_addresses),
		evil_test(a10_permissions),
		evil_test(b1_indirect_length),
		evil_test(b2_indirect_nesting),
		evil_test(b5_features),
	};

	return cmocka_run_group_tests_name("rings", tests, NULL, NULL);
}
