/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: a guest's split ring, as Tx and as Rx queue, for one turn or two. The
 * input is the guest's memory: options (1 byte), then descriptors, avail ring, data;
 * the rest overwrites parts of it between the turns.
 *
 * For any input, resulting frames are whole and readable, no more buffers are taken
 * than were offered, and nfvd and the module write only the used ring and the buffers
 * of writable descriptors.
 */
#include "../unit/guest.h"
#include "frame/cut.h"
#include "vring/vring_setup.c"
#include "vring/vring_split.c"
#include "vring/gmem.c"
#include "worker/call.c"
#include "../unit/module.h"

#define SIZE		16
#define DESC_BYTES	(SIZE * sizeof(struct vring_desc))
#define AVAIL_BYTES	(4 + 2 * SIZE + 2)
#define USED_BYTES	(4 + 8 * SIZE + 2)
#define AVAIL_AT	0x200
#define USED_AT		0x300
#define DATA_AT		0x400
#define LOW		0x1000		/* bytes of the first region, which has the ring */
#define HIGH		0x400		/* of the second, adjacent only in guest physical addresses */
#define CHECKSUM_MAX	4096		/* longer frames get no checksum, which is slow */
#define RANGES_MAX	(SIZE + 256)

enum option {
	EVENT_IDX = 1,
	MERGEABLE = 2,
	INDIRECT = 4,
	SHORT_HDR = 8,
	DELIVER = 16,
	FROM_KERNEL = 32,	/* the second of three frames; else one alone */
	PART = 32,		/* half of the taken buffers are put back as if not taken */
	NEAR = 64,		/* indices are moved close to valid values */
	AGAIN = 128,		/* a second turn */
};

static uint8_t low[LOW] __attribute__((aligned(4096))), high[HIGH] __attribute__((aligned(4096)));
static uint8_t low_was[LOW], high_was[HIGH];
static struct nfvd_gmem gmem = { .n = 2, .r = {
	{ GUEST_GPA, LOW, low, low, LOW }, { GUEST_GPA + LOW, HIGH, high, high, HIGH } } };
static struct vring_desc *const desc = (struct vring_desc *)low;
static struct vring_avail *const avail = (struct vring_avail *)(low + AVAIL_AT);

static struct nfvd_frame frames[NFVD_BURST];
static struct iovec pool[4096];
static uint8_t payload[4096];
static struct { uint64_t gpa, len; } ranges[RANGES_MAX];
static unsigned int n_ranges;
static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* ---- the input ---- */

static size_t part(void *to, size_t n, const uint8_t **data, size_t *size)
{
	if (n > *size)
		n = *size;
	memcpy(to, *data, n);
	*data += n;
	*size -= n;
	return n;
}

/* Move most addresses into guest memory or to its edges; otherwise the first check would refuse all. */
static uint64_t near(uint64_t addr)
{
	return addr >> 63 ? addr : GUEST_GPA + addr % (LOW + HIGH + 64);
}

static void load(uint8_t options, const uint8_t **data, size_t *size)
{
	memset(low, 0, sizeof(low));
	memset(high, 0, sizeof(high));
	part(low, DESC_BYTES, data, size);
	part(low + AVAIL_AT, AVAIL_BYTES, data, size);
	part(low + DATA_AT, 2048, data, size);
	for (unsigned int i = 0; i < SIZE; i++)
		desc[i].addr = near(desc[i].addr);
	if (!(options & NEAR))
		return;
	for (unsigned int i = 0; i < SIZE; i++) {
		desc[i].next %= SIZE + 1;
		avail->ring[i] %= SIZE + 1;
	}
	/* The ring has been in use: its index may be about to wrap. */
	avail->idx = avail->ring[SIZE] + avail->idx % (SIZE + 2);
}

/* The guest writes: two bytes of position, two of value each. */
static void scribble(const uint8_t *data, size_t size)
{
	uint16_t at, value;

	for (; size >= 4; data += 4, size -= 4) {
		memcpy(&at, data, 2);
		memcpy(&value, data + 2, 2);
		at %= DATA_AT + 1024;
		memcpy(low + at, &value, 2);
	}
}

/* ---- what was written ---- */

static void may_write(const struct vring_desc *d)
{
	if (d->flags & VRING_DESC_F_WRITE && n_ranges < RANGES_MAX) {
		ranges[n_ranges].gpa = d->addr;
		ranges[n_ranges++].len = d->len;
	}
}

/* Note the buffers of all writable descriptors, used or not. */
static void note_writable(const struct nfvd_vring *vr)
{
	struct vring_desc d;

	n_ranges = 0;
	for (unsigned int i = 0; i < SIZE; i++) {
		may_write(&desc[i]);
		if (!vr->indirect || !(desc[i].flags & VRING_DESC_F_INDIRECT))
			continue;
		for (uint32_t k = 0; k < desc[i].len / sizeof(d) && k < SIZE; k++) {
			gread_begin();
			if (read_indirect(vr, desc[i].addr, k, &d) == NFVD_PASS)
				may_write(&d);
		}
	}
}

static bool in_range(uint64_t gpa)
{
	if (gpa - GUEST_GPA - USED_AT < USED_BYTES)
		return true;
	for (unsigned int i = 0; i < n_ranges; i++)
		if (gpa - ranges[i].gpa < ranges[i].len)
			return true;
	return false;
}

static void check_written(const uint8_t *now, const uint8_t *was, size_t n, uint64_t gpa)
{
	for (size_t at = 0; at < n; at += 64) {
		if (!memcmp(now + at, was + at, 64))
			continue;
		for (size_t i = at; i < at + 64; i++)
			require(now[i] == was[i] || in_range(gpa + i));
	}
}

static void remember(void)
{
	memcpy(low_was, low, sizeof(low));
	memcpy(high_was, high, sizeof(high));
}

static void check_all_written(void)
{
	check_written(low, low_was, LOW, GUEST_GPA);
	check_written(high, high_was, HIGH, GUEST_GPA + LOW);
}

/* ---- turns ---- */

static void look_at(struct nfvd_frame *f)
{
	static struct nfvd_frame segs[NFVD_BURST];
	static struct iovec whole[NFVD_CUT_IOVS(NFVD_IOV_MAX)], parts[NFVD_CUT_IOVS(NFVD_IOV_MAX) + 2 * NFVD_BURST];
	static struct nfvd_sum_room room;
	uint64_t bytes = f->hdr_len;
	static struct nfvd_cut cut;
	unsigned int n;

	for (unsigned int i = 0; i < f->iov_n; bytes += f->iov[i++].iov_len) {
		const uint8_t *p = f->iov[i].iov_base;

		/* Each vector lies within one region: read both its ends. */
		sink = p[0];
		sink = p[f->iov[i].iov_len - 1];
		require((p >= low && p + f->iov[i].iov_len <= low + LOW) || (p >= high && p + f->iov[i].iov_len <= high + HIGH));
	}
	require(bytes == f->len);
	if (nfvd_offload_check(f) != NFVD_PASS || f->len > CHECKSUM_MAX ||
	    !(f->vnet.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return;
	if (!f->vnet.hdr.gso_type) {
		nfvd_offload_checksum(f, &room);
		return;
	}
	if (!nfvd_cut_start(&cut, f, 0, whole)) {
		/* This is visible only in headers beyond the private ones. */
		require(f->needs & NFVD_ACCEPT_NEVER);
		return;
	}
	while ((n = nfvd_cut_next(&cut, segs, NFVD_BURST, parts, NFVD_CUT_IOVS(f->iov_n) + 2 * NFVD_BURST)))
		for (unsigned int i = 0; i < n; i++) {
			uint64_t sum = segs[i].hdr_len;

			for (unsigned int k = 0; k < segs[i].iov_n; k++)
				sum += segs[i].iov[k].iov_len;
			require(sum == segs[i].len);
		}
	require(cut.sent == cut.payload);
	require(cut.n == nfvd_offload_segments(f) || f->needs & NFVD_ACCEPT_NEVER);
}

static void take(struct nfvd_vring *vr, uint8_t options)
{
	uint16_t from = vr->last_avail, offered = avail->idx - from;
	struct nfvd_take_drops drops;
	unsigned int n;

	remember();
	n_ranges = 0;
	n = nfvd_vring_take(vr, frames, NFVD_BURST, pool, 4096, &drops);
	for (unsigned int i = 0; i < n; i++)
		look_at(&frames[i]);
	require(n + drops.n <= SIZE && (uint16_t)(vr->last_avail - from) <= offered);
	nfvd_vring_take_done(vr, options & PART ? n / 2 : n);
	require(vr->used_idx == vr->last_avail);
	check_all_written();
}

static void deliver(struct nfvd_vring *vr, uint8_t options)
{
	static const uint32_t lengths[] = { 60, 900, 3000, 1514 };
	uint32_t len = lengths[avail->flags >> 8 & 3];
	unsigned int n = options & FROM_KERNEL ? 3 : 1;
	uint16_t from = vr->last_avail, offered = avail->idx - from;
	struct iovec iov = { payload, len - (len < NFVD_HDR_MAX ? len : NFVD_HDR_MAX) };
	struct nfvd_frame f = { .len = len, .hdr_len = len - iov.iov_len, .iov = &iov, .iov_n = !!iov.iov_len };
	struct nfvd_frame held = module_frame(7, len), *list[3] = { &f, &held, &f };
	struct nfvd_ledger l = { 0 };
	enum nfvd_drop results[3];

	remember();
	note_writable(vr);
	nfvd_vring_deliver(vr, list, n, results, &l);
	for (unsigned int i = 0; i < n; i++)
		require(results[i] < NFVD_N_REASONS);
	require((uint16_t)(vr->last_avail - from) <= offered && vr->used_idx == vr->last_avail);
	/* With several frames, one may have overwritten the descriptors of the next. */
	if (n == 1)
		check_all_written();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nfvd_call_pace pace = { 0 };
	struct nfvd_vring vr = {
		.desc = desc, .avail = avail, .used = (struct vring_used *)(low + USED_AT), .mem = &gmem,
		.size = SIZE, .mask = SIZE - 1, .hdr_len = 12, .call = NFVD_CALL_NONE, .fault = NFVD_PASS,
		.pace = &pace,
	};
	uint8_t options;

	if (!size)
		return 0;
	options = *data++;
	size--;
	load(options, &data, &size);
	vr.event_idx = options & EVENT_IDX;
	vr.mergeable = options & MERGEABLE;
	vr.indirect = options & INDIRECT;
	if (options & SHORT_HDR)
		vr.hdr_len = 10;
	if (options & NEAR)
		vr.last_avail = vr.used_idx = vr.signalled = avail->ring[SIZE];
	rte_spinlock_init(&vr.lock);
	for (int turns = options & AGAIN ? 2 : 1; turns; turns--) {
		if (options & DELIVER)
			deliver(&vr, options);
		else
			take(&vr, options);
		nfvd_vring_arm(&vr, turns & 1);
		scribble(data, size);
	}
	return 0;
}
