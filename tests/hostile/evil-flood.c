/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups I and O: one guest floods many others with valid frames as fast as it can. nfvd bounds how many of them pass,
 * and how long others wait meanwhile.
 */
#include "evil.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CROWD_MAX	160
#define FLOOD_MS	400
#define TRIES		5
#define HEADERS		54u	/* Ethernet, IPv4, TCP */

static struct vuf crowd[CROWD_MAX];
static unsigned int n_crowd;
static pthread_t reaper;
static atomic_bool stop;
static _Atomic(uint64_t) got;	/* by the first, from evil */

static void count(void *arg, const uint8_t *buf, uint32_t bytes)
{
	if (arg == &crowd[0] && bytes >= HDR + 14 && !memcmp(buf + HDR + 6, evil.mac, 6))
		atomic_fetch_add(&got, 1);
}

static void *reap(void *unused)
{
	while (!atomic_load(&stop)) {
		for (unsigned int i = 0; i < n_crowd; i++)
			vuf_rx_reap(&crowd[i].vq[RX], count, &crowd[i]);
		nap();
	}
	return unused;
}

/* Attach so many guests, which receive all frames, without offloads. */
static void crowd_to(unsigned int n)
{
	struct vuf_options o = { .wanted = VUF_NET_FEATURES, .ring_size = RING, .mem_bytes = 1 << 20 };
	char name[16], path[108];

	if (n_crowd) {
		atomic_store(&stop, true);
		pthread_join(reaper, NULL);
	}
	for (; n_crowd > n; n_crowd--) {
		snprintf(name, sizeof(name), "c%u", n_crowd - 1);
		vuf_fini(&crowd[n_crowd - 1]);
		json_decref(rpc("port.detach", json_pack("{s:s}", "name", name)));
	}
	for (; n_crowd < n; n_crowd++) {
		struct vuf *f = &crowd[n_crowd];

		snprintf(name, sizeof(name), "c%u", n_crowd);
		snprintf(path, sizeof(path), "%s/%s.sock", getenv("NFVD_STATE_DIR"), name);
		json_decref(rpc("port.attach", json_pack("{s:s, s:s}", "type", "kvm", "name", name)));
		assert_int_equal(vuf_init(f, &o), 0);
		assert_int_equal(vuf_make_buffers(f, &f->vq[RX], SMALL), 0);
		assert_int_equal(vuf_connect(f, path), 0);
		vuf_rx_fill(&f->vq[RX]);
		assert_int_equal(vuf_start(f), 0);
		assert_true(wait_until(port_is(name, "up"), PATIENCE_MS));
	}
	atomic_store(&stop, false);
	if (n)
		assert_int_equal(pthread_create(&reaper, NULL, reap, NULL), 0);
}

struct flood {
	const char *name;
	uint8_t dst[6];
	uint32_t len;			/* bytes of a frame */
	uint16_t gso_size;		/* 0: none */
	uint32_t rate, burst;		/* segments that may pass, per second and at once */
};

static const struct flood floods[] = {
	{ "broadcast", { 255, 255, 255, 255, 255, 255 }, MIN, 0, 10000, 128 },
	{ "unknown unicast", { 2, 9, 9, 9, 9, 9 }, MIN, 0, 10000, 128 },
	{ "multicast", { 1, 0, 0x5e, 1, 2, 3 }, MIN, 0, 50000, 256 },
	{ "64 KiB broadcast", { 255, 255, 255, 255, 255, 255 }, HEADERS + 65000, 1448, 10000, 128 },
	{ "64 KiB multicast", { 1, 0, 0x5e, 1, 2, 3 }, HEADERS + 65000, 536, 50000, 256 },
	{ "MSS 48 broadcast", { 255, 255, 255, 255, 255, 255 }, HEADERS + 6000, 48, 10000, 128 },
	{ "MSS 48 of 64 KiB", { 255, 255, 255, 255, 255, 255 }, HEADERS + 65000, 48, 0, 0 },	/* 1355 at once: none */
};

/* The frame in evil.big, its virtio_net_hdr before it. */
static void make(const struct flood *f)
{
	struct virtio_net_hdr h = { 0 };
	uint8_t *p = evil.big + HDR;

	frame_make(p, f->len, f->dst, evil.mac, 1);
	if (f->gso_size) {
		h = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			.gso_size = f->gso_size, .csum_start = 34, .csum_offset = 16 };
		memset(p + 14, 0, HEADERS - 14);
		p[12] = 8;
		p[13] = 0;
		p[14] = 0x45;
		p[23] = IPPROTO_TCP;
		p[34 + 12] = 5 << 4;
	}
	memset(evil.big, 0, HDR);
	memcpy(evil.big, &h, sizeof(h));
	for (uint16_t i = 0; i < RING; i++)
		vuf_set_desc(&evil.f, &evil.f.vq[TX], i, evil.big, HDR + f->len, 0);
}

static void send_for(unsigned int ms)
{
	struct vuf_vring *r = &evil.f.vq[TX];
	unsigned int under_way = 0;
	uint32_t id, len;
	int64_t end;

	for (end = now_ms() + ms; now_ms() < end; nap()) {
		for (; vuf_used(r, &id, &len); under_way--)
			;
		for (; under_way < RING; under_way++)
			vuf_post(r, r->avail_idx & r->mask);
		vuf_publish(r);
	}
	/* Each frame may cause 160 copies of 64 KiB, on a busy machine. */
	for (; under_way && wait_until(vuf_used_ready(r), PATIENCE_MS); under_way--)
		vuf_used(r, &id, &len);
	assert_int_equal(under_way, 0);
}

/*
 * Return whether the limit has had an effect. On a loaded machine nothing may happen for a while; with many receivers
 * or a sanitizer, nfvd may be too slow to reach the limit.
 */
static bool had_effect(const struct flood *f)
{
	return (!n_crowd || !f->rate || atomic_load(&got)) &&
	       (n_crowd > 5 || WITNESS_SILENCE_MS > 20 || moved_by("evil", "storm") > 0);
}

/* Flood, and return the witness's complaint, or NULL. */
static const char *flood(const struct flood *f, const char *name)
{
	int64_t start = now_ns();
	const char *wrong;

	make(f);
	mark();
	witness_begin();
	atomic_store(&got, 0);
	do
		send_for(FLOOD_MS);
	while (!had_effect(f) && now_ns() - start < PATIENCE_MS * 1000000ll);
	wrong = witness_end(name);
	assert_true(had_effect(f));
	sums_add_up();
	assert_in_range(atomic_load(&got), 0, f->burst + f->rate * ((now_ns() - start) / 1000000 + 1) / 1000);
	return wrong;
}

/*
 * A guest that does not run for some 10 ms gets its ring filled by the 50000 frames a second that are allowed. On a
 * loaded machine this may happen to the witness, too. A fault of nfvd happens every time.
 */
static void flood_harmless(const struct flood *f)
{
	const char *wrong = "";
	char name[64];

	snprintf(name, sizeof(name), "%s to %u", f->name, n_crowd + 3);
	for (unsigned int i = 0; i < TRIES && wrong; i++)
		wrong = flood(f, name);
	if (wrong)
		fail_msg("%s, %u times: %s", name, TRIES, wrong);
}

static void o4_storm(void **state)
{
	static const unsigned int sizes[] = { 0, 5, 61, CROWD_MAX - 3 };	/* others are peer, w0, w1 */

	for (unsigned int s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		crowd_to(sizes[s]);
		for (unsigned int i = 0; i < sizeof(floods) / sizeof(floods[0]); i++)
			flood_harmless(&floods[i]);
	}
	crowd_to(0);
	mark();
	witness_begin();
}

int flood_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(o4_storm),
	};

	return cmocka_run_group_tests_name("floods", tests, NULL, NULL);
}
