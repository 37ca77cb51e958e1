/* SPDX-License-Identifier: BSD-3-Clause */
/* Group D: memory tables, and memory that vanishes. */
#include "evil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WRITE		VRING_DESC_F_WRITE
#define TABLE_MAX	16

struct table {
	uint32_t n, padding;
	struct nfvd_vu_region r[TABLE_MAX];
};

/* Send a table with n_fds descriptors. It must be refused and counted, and the old one stays in use. */
static void refused(const char *what, const struct table *t, unsigned int n, const int *fds, unsigned int n_fds,
		    const char *reason)
{
	print_message("    %s\n", what);
	mark();
	assert_int_equal(vuf_tell(&evil.f, VU_SET_MEM_TABLE, t, 8 + n * sizeof(t->r[0]), fds, n_fds), -EREMOTEIO);
	moved("evil", reason, 1, NULL);
	queue_is("evil", RX, "running", NULL);
	queue_is("evil", TX, "running", NULL);
	traffic_flows();
}

static struct table sound(unsigned int n)
{
	struct table t = { .n = n };

	for (unsigned int i = 0; i < n; i++)
		t.r[i] = (struct nfvd_vu_region){ .gpa = (1 + i) << 20, .size = 1 << 16, .uva = (1ull << 40) + (i << 20) };
	return t;
}

static void d1_tables(void **state)
{
	int fds[TABLE_MAX];
	unsigned int before = nfvd_fds();
	struct table t;

	for (unsigned int i = 0; i < TABLE_MAX; i++)
		fds[i] = evil.f.memfd;
	t = sound(0);
	/* What QEMU sends when no memory is shared. */
	refused("no region", &t, 0, NULL, 0, "mem_unshared");
	t = sound(9);
	refused("9 regions", &t, 9, fds, 8, "vu_bad_mem");
	refused("9 regions and descriptors", &t, 9, fds, 9, "vu_bad_mem");
	t.n = 0xffffffff;
	refused("4 billion regions", &t, 8, fds, 8, "vu_bad_mem");
	t = sound(2);
	t.r[1] = t.r[0];
	refused("a duplicate", &t, 2, fds, 2, "vu_bad_mem");
	t = sound(3);
	t.r[2].gpa = t.r[0].gpa + t.r[0].size - 1;
	refused("an overlap", &t, 3, fds, 3, "vu_bad_mem");
	t = sound(2);
	t.r[1].uva = t.r[0].uva + 4096;
	refused("an overlap of user addresses", &t, 2, fds, 2, "vu_bad_mem");
	t = sound(2);
	t.r[1].size = 0;
	refused("size 0", &t, 2, fds, 2, "vu_bad_mem");
	t = sound(1);
	t.r[0].gpa = -4096ull;
	refused("wrapping address", &t, 1, fds, 1, "vu_bad_mem");
	t = sound(1);
	t.r[0].uva = -4096ull;
	refused("wrapping user address", &t, 1, fds, 1, "vu_bad_mem");
	t = sound(1);
	t.r[0].mmap_offset = -4096ull;
	refused("wrapping offset", &t, 1, fds, 1, "vu_bad_mem");
	t = sound(1);
	t.r[0].size = -1ull;
	refused("size 2^64 - 1", &t, 1, fds, 1, "vu_bad_mem");
	t = sound(2);
	for (unsigned int i = 0; i < 2; i++)
		t.r[i] = (struct nfvd_vu_region){ .gpa = i * (1ull << 44), .size = 3ull << 40, .uva = (1 + i) * (1ull << 44) };
	refused("more than 4 TiB in all", &t, 2, fds, 2, "vu_bad_mem");
	t = sound(2);
	refused("a descriptor missing", &t, 2, fds, 1, "vu_bad_fds");
	refused("a descriptor too many", &t, 2, fds, 3, "vu_bad_fds");
	t.n = 3;
	refused("message too short", &t, 2, fds, 3, "vu_bad_msg");
	assert_true(wait_until(nfvd_fds() <= before, PATIENCE_MS));
	mark();
}

static void d2_short_files(void **state)
{
	unsigned int before = nfvd_fds();
	struct table t = sound(1);
	char path[64];
	int fd = memfd_create("short", MFD_CLOEXEC), ro;

	assert_true(fd >= 0 && !ftruncate(fd, (1 << 16) - 1));
	refused("file one byte short", &t, 1, &fd, 1, "mem_fd_short");
	t.r[0].mmap_offset = 1 << 20;
	refused("offset behind the file", &t, 1, &fd, 1, "mem_fd_short");
	t.r[0].mmap_offset = 0;
	assert_int_equal(ftruncate(fd, 0), 0);
	refused("empty file", &t, 1, &fd, 1, "mem_fd_short");
	assert_int_equal(ftruncate(fd, 1 << 16), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	refused("read-only descriptor", &t, 1, &ro, 1, "mem_fd_short");
	close(ro);
	close(fd);
	assert_true(wait_until(nfvd_fds() <= before, PATIENCE_MS));
	mark();
}

/* Place a buffer in the second region, which will vanish; the test must not access its own mapping then. */
static void *vanishing(void)
{
	return evil.f.mem + evil.f.region[1].mmap_offset + (1 << 20);
}

static void d3_truncated(unsigned int q)
{
	struct vuf_vring *r = &evil.f.vq[q];
	uint64_t half = evil.f.region[1].mmap_offset;
	uint8_t frame[1000];
	uint16_t used;

	print_message("    %s\n", q == RX ? "rx" : "tx");
	guest_again(&evil, false);
	mark();
	desc(q, 0, gpa_of(vanishing()), SMALL, q == RX ? WRITE : 0, 0);
	if (q == TX) {
		memset(vanishing(), 0, HDR);
		frame_make((uint8_t *)vanishing() + HDR, SMALL - HDR, peer.mac, evil.mac, 3);
	}
	assert_int_equal(ftruncate(evil.f.memfd, half), 0);
	vuf_post(r, 0);
	vuf_publish(r);
	if (q == RX) {
		vuf_kick(r);
		frame_make(frame, sizeof(frame), evil.mac, peer.mac, 3);
		guest_send(&peer, NULL, frame, sizeof(frame));
	}
	assert_true(wait_until(port_is("evil", "fenced"), PATIENCE_MS));
	/* Whichever ring found it: both queues are fenced. */
	queue_is("evil", TX, "fenced", "mem_sigbus");
	assert_in_range(moved_by("evil", "mem_sigbus"), 1, 2);
	/* Its addresses are forgotten: frames to them are flooded, but not to this port. */
	used = evil.f.vq[RX].used->idx;
	frame_make(frame, sizeof(frame), evil.mac, peer.mac, 4);
	for (unsigned int i = 0; i < 3; i++)
		guest_send(&peer, NULL, frame, sizeof(frame));
	assert_int_equal(evil.f.vq[RX].used->idx, used);
	/* The file has its size again, but nfvd's mapping is still replaced: only a new table helps. */
	assert_int_equal(ftruncate(evil.f.memfd, evil.f.mem_bytes), 0);
	guest_again(&evil, true);
	traffic_flows();
	witness_check(q == RX ? "truncated rx" : "truncated tx");
}

static void d3_truncation(void **state)
{
	struct vuf_vring *r = &evil.f.vq[TX];

	d3_truncated(TX);
	d3_truncated(RX);

	/* During traffic, repeatedly. */
	for (unsigned int i = 0; i < 20; i++) {
		memset(vanishing(), 0, SMALL);
		for (uint16_t k = 0; k < RING; k++) {
			desc(TX, k, gpa_of(vanishing()), SMALL, 0, 0);
			vuf_post(r, k);
		}
		vuf_publish(r);
		assert_int_equal(ftruncate(evil.f.memfd, evil.f.region[1].mmap_offset), 0);
		wait_until(port_is("evil", "fenced"), 20);
		assert_int_equal(ftruncate(evil.f.memfd, evil.f.mem_bytes), 0);
		guest_again(&evil, true);
	}
	traffic_flows();
}

static void d4_punched_holes(void **state)
{
	struct vuf_vring *r = &evil.f.vq[TX];
	uint64_t at = evil.f.region[1].mmap_offset + (1 << 20);
	unsigned int holes = 0;
	uint32_t id, len;

	for (unsigned int round = 0; round < 50; round++) {
		memset(vanishing(), 0, HDR);
		frame_make((uint8_t *)vanishing() + HDR, 1000, evil.mac, evil.mac, round);
		for (uint16_t k = 0; k < RING; k++) {
			desc(TX, k, gpa_of(vanishing()), HDR + 1000, 0, 0);
			vuf_post(r, k);
		}
		vuf_publish(r);
		assert_int_equal(fallocate(evil.f.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 1 << 16), 0);
		assert_true(wait_until(vuf_used_ready(r) == RING, PATIENCE_MS));
		while (vuf_used(r, &id, &len))
			holes++;
	}
	/* A frame in a hole has a zero source address; otherwise it is the guest's. */
	assert_int_equal(moved_by("evil", "bad_src_mac") + moved_by("evil", "same_port"), holes);
	assert_true(moved_by("evil", "bad_src_mac") > 0);
	queue_is("evil", TX, "running", NULL);
	guest_reset(&evil, true);
	traffic_flows();
	mark();
}

int mem_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(d1_tables),
		evil_test(d2_short_files),
		evil_test(d3_truncation),
		evil_test(d4_punched_holes),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
