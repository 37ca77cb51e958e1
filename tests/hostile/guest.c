/* SPDX-License-Identifier: BSD-3-Clause */
#include "evil.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct guest evil, peer;

void guest_init(struct guest *g, const char *name, uint8_t last_byte, uint64_t features)
{
	struct vuf_options o = { .wanted = features, .ring_size = RING, .mem_bytes = 8 << 20, .regions = 2 };

	memset(g, 0, sizeof(*g));
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->mac[0] = 2;
	g->mac[5] = last_byte;
	assert_int_equal(vuf_init(&g->f, &o), 0);
	/* The regions are adjacent for the guest; nfvd maps each one separately. */
	g->f.region[1].gpa = g->f.region[0].gpa + g->f.region[0].size;
	for (unsigned int i = 0; i < RING; i++) {
		g->rx[i] = vuf_alloc(&g->f, SMALL, 64);
		assert_non_null(g->rx[i]);
	}
	g->big = vuf_alloc(&g->f, BIG, 4096);
	g->ind = vuf_alloc(&g->f, 1 << 16, 4096);
	assert_true(g->big && g->ind);
}

void guest_fini(struct guest *g)
{
	vuf_fini(&g->f);
}

void desc(unsigned int q, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	evil.f.vq[q].desc[i] = (struct vring_desc){ .addr = gpa, .len = len, .flags = flags, .next = next };
}

uint64_t gpa_of(const void *p)
{
	return vuf_gpa(&evil.f, p);
}

void guest_fill(struct guest *g)
{
	struct vuf_vring *r = &g->f.vq[RX];

	for (uint16_t i = 0; i < RING; i++) {
		vuf_set_desc(&g->f, r, i, g->rx[i], SMALL, VRING_DESC_F_WRITE);
		vuf_post(r, i);
	}
	vuf_publish(r);
}

static void set_hdr_len(struct guest *g)
{
	uint64_t both = 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_F_VERSION_1;

	g->hdr_len = g->f.features & both ? 12 : 10;
}

void guest_up(struct guest *g, bool fill)
{
	/* The previous connection may not be closed yet. */
	assert_true(wait_until(port_is(g->name, "waiting"), PATIENCE_MS));
	vuf_ring_reset(&g->f.vq[RX]);
	vuf_ring_reset(&g->f.vq[TX]);
	assert_int_equal(vuf_connect(&g->f, g->path), 0);
	if (fill)
		guest_fill(g);
	assert_int_equal(vuf_start(&g->f), 0);
	set_hdr_len(g);
	if (!wait_until(port_is(g->name, "up"), PATIENCE_MS))
		fail_msg("%s does not come up", g->name);
}

void guest_down(struct guest *g)
{
	vuf_disconnect(&g->f);
	assert_true(wait_until(port_is(g->name, "waiting"), PATIENCE_MS));
}

void guest_again(struct guest *g, bool fill)
{
	guest_down(g);
	guest_up(g, fill);
}

void guest_reset(struct guest *g, bool fill)
{
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(vuf_ring_stop(&g->f, i, NULL), 0);
		vuf_ring_reset(&g->f.vq[i]);
	}
	if (fill)
		guest_fill(g);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(vuf_ring_start(&g->f, i), 0);
		assert_int_equal(vuf_ring_enable(&g->f, i, true), 0);
	}
	if (!wait_until(port_is(g->name, "up"), PATIENCE_MS))
		fail_msg("%s does not come up after a reset", g->name);
}

/* ---- frames ---- */

void frame_make(uint8_t *frame, uint32_t len, const uint8_t *dst, const uint8_t *src, unsigned int seed)
{
	uint16_t type = htons(ETHERTYPE);

	for (uint32_t i = 0; i < len; i++)
		frame[i] = seed * 31 + i * 7 + (i >> 8);
	if (len >= 14) {
		memcpy(frame, dst, 6);
		memcpy(frame + 6, src, 6);
		memcpy(frame + 12, &type, 2);
	}
}

void load(void)
{
	memset(evil.big, 0, HDR);
	frame_make(evil.big + HDR, MIN, peer.mac, evil.mac, 1);
}

void guest_sent(struct guest *g, unsigned int n)
{
	struct vuf_vring *r = &g->f.vq[TX];
	uint32_t id, len;

	if (!wait_until(vuf_used_ready(r) >= n, PATIENCE_MS))
		fail_msg("%s: %u of %u Tx entries came back", g->name, vuf_used_ready(r), n);
	while (n--)
		vuf_used(r, &id, &len);
}

void guest_send_chain(struct guest *g, uint16_t head)
{
	vuf_post(&g->f.vq[TX], head);
	vuf_publish(&g->f.vq[TX]);
	guest_sent(g, 1);
}

void guest_send(struct guest *g, const struct virtio_net_hdr *h, const void *frame, uint32_t len)
{
	assert_true(g->hdr_len + len <= BIG);
	memset(g->big, 0, g->hdr_len);
	if (h)
		memcpy(g->big, h, sizeof(*h));
	memmove(g->big + g->hdr_len, frame, len);
	vuf_set_desc(&g->f, &g->f.vq[TX], 0, g->big, g->hdr_len + len, 0);
	guest_send_chain(g, 0);
}

int guest_recv(struct guest *g, struct virtio_net_hdr_mrg_rxbuf *h, void *frame, uint32_t cap, int ms)
{
	struct vuf_vring *r = &g->f.vq[RX];
	struct virtio_net_hdr_mrg_rxbuf own = { .num_buffers = 1 };
	uint32_t id = 0, len = 0, total = 0, skip = g->hdr_len;

	if (!wait_until(vuf_used_ready(r), ms))
		return -1;
	for (unsigned int i = 0; i < own.num_buffers; i++) {
		assert_true(vuf_used(r, &id, &len));
		assert_true(id < RING && len >= skip && len <= r->desc[id].len);
		if (!i)
			memcpy(&own, g->rx[id], g->hdr_len);
		if (!(g->f.features >> VIRTIO_NET_F_MRG_RXBUF & 1))
			own.num_buffers = 1;
		assert_true(total + len - skip <= cap);
		memcpy((uint8_t *)frame + total, g->rx[id] + skip, len - skip);
		total += len - skip;
		skip = 0;
		vuf_post(r, id);
	}
	vuf_publish(r);
	if (h)
		*h = own;
	return total;
}

void guest_gets(struct guest *g, const void *frame, uint32_t len)
{
	static uint8_t got[BIG];
	int n = guest_recv(g, NULL, got, sizeof(got), PATIENCE_MS);

	if (n < 0)
		fail_msg("%s gets no frame", g->name);
	assert_int_equal(n, len);
	assert_memory_equal(got, frame, len);
}

void guest_gets_nothing(struct guest *g)
{
	assert_int_equal(vuf_used_ready(&g->f.vq[RX]), 0);
}

void traffic_flows(void)
{
	static unsigned int seed;
	uint8_t frame[200];

	/* Broadcasts let nfvd learn both addresses at their present ports. */
	for (int round = 0; round < 3; round++) {
		const uint8_t *to_peer = round ? peer.mac : (const uint8_t *)"\xff\xff\xff\xff\xff\xff";
		const uint8_t *to_evil = round ? evil.mac : (const uint8_t *)"\xff\xff\xff\xff\xff\xff";

		frame_make(frame, sizeof(frame), to_peer, evil.mac, ++seed);
		guest_send(&evil, NULL, frame, sizeof(frame));
		guest_gets(&peer, frame, sizeof(frame));
		frame_make(frame, sizeof(frame), to_evil, peer.mac, ++seed);
		guest_send(&peer, NULL, frame, sizeof(frame));
		guest_gets(&evil, frame, sizeof(frame));
	}
}

/* ---- ports ---- */

void port_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s.sock", getenv("NFVD_STATE_DIR"), name);
}

void port_attach(const char *name, const char *mode, int queues)
{
	char path[108];

	port_path(name, path, sizeof(path));
	json_decref(rpc("port.attach", json_pack("{s:s, s:s, s:s, s:s, s:i}", "type", "kvm", "name", name, "mode", mode, "socket", path,
						 "queues", queues)));
}

void port_detach(const char *name)
{
	json_decref(rpc("port.detach", json_pack("{s:s}", "name", name)));
}

void send_again(struct vuf_vring *r)
{
	uint32_t id, len;

	while (vuf_used(r, &id, &len))
		vuf_post(r, id);
	vuf_publish(r);
}
