/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Group P: a guest changes its source addresses and VLANs as fast as it can, at a port whose policy limits them. Frames
 * beyond the limit are dropped for the right reason, tables keep their limits, and others are not affected.
 */
#include "evil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CYCLE_MS	400	/* or EVIL_CYCLE_MS */
#define TRIES		5
#define ADDRESSES	16
#define SLOT		128u	/* bytes of a buffer */

struct bound {
	const char *name, *macs, *word, *value, *reason;
};

static const struct bound bounds[] = {
	{ "macs 16 drop", "16 drop", "weight", "2", "macs" },
	{ "address pin", "16", "address", "pin", "spoofed_mac" },
	{ "vlan trunk 10-20", "16", "vlan", "trunk 10-20", "vlan" },
	{ "vlan trunk 10-2000, macs 16 drop", "16 drop", "vlan", "trunk 10-2000", "macs" },
};

static void attach_bound(const struct bound *b)
{
	guest_down(&evil);
	json_decref(rpc("port.detach", json_pack("{s:s}", "name", "evil")));
	json_decref(rpc("port.attach", json_pack("{s:s, s:s, s:s, s:s}", "type", "kvm", "name", "evil", "macs", b->macs, b->word, b->value)));
	guest_up(&evil, true);
}

/* Put frame n into slot i: each has another source address, every other one another VLAN. */
static void put(unsigned int i, uint32_t n)
{
	uint8_t *p = evil.big + (size_t)i * SLOT + HDR;
	const uint8_t from[6] = { 2, 0xcc, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
	const uint16_t vlan = (uint16_t)(n / 2 % 4094 + 1);
	const uint8_t tag[4] = { 0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan };

	memset(p - HDR, 0, HDR);
	frame_make(p, MIN, peer.mac, from, 1);
	if (n % 2)
		memcpy(p + 12, tag, sizeof(tag));
}

static void cycle(void)
{
	const char *ms = getenv("EVIL_CYCLE_MS");
	struct vuf_vring *r = &evil.f.vq[TX];
	uint32_t id, len, n = 0, free = RING;
	int64_t end;

	for (uint16_t i = 0; i < RING; i++)
		vuf_set_desc(&evil.f, r, i, evil.big + (size_t)i * SLOT, HDR + MIN, 0);
	for (end = now_ms() + (ms ? atoi(ms) : CYCLE_MS); now_ms() < end; nap()) {
		for (; vuf_used(r, &id, &len); free++)
			;
		for (; free; free--) {
			put(r->avail_idx & r->mask, n++);
			vuf_post(r, r->avail_idx & r->mask);
		}
		vuf_publish(r);
	}
	for (; free < RING && wait_until(vuf_used_ready(r), PATIENCE_MS); free++)
		vuf_used(r, &id, &len);
	assert_int_equal(free, RING);
}

static json_int_t learnt(void)
{
	json_t *port = port_of("evil");
	json_int_t n = json_integer_value(json_object_get(port, "macs"));

	json_decref(port);
	return n;
}

/* Run the case, and return the witness's complaint, or NULL. */
static const char *cycled(const struct bound *b)
{
	const char *wrong;

	attach_bound(b);
	mark();
	witness_begin();
	cycle();
	wrong = witness_end(b->name);
	assert_true(moved_by("evil", b->reason) > 100);
	assert_in_range(learnt(), 0, ADDRESSES);
	sums_add_up();
	return wrong;
}

static void p1_cycles_addresses_and_vlans(void **state)
{
	for (unsigned int i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		const char *wrong = "";

		/* A witness without CPU time may lose a frame; a fault of nfvd happens every time. */
		for (unsigned int t = 0; t < TRIES && wrong; t++)
			wrong = cycled(&bounds[i]);
		if (wrong)
			fail_msg("%s, %u times: %s", bounds[i].name, TRIES, wrong);
	}
	guest_again(&peer, true);	/* without what was flooded to it */
	attach_anew(state);
	mark();
	witness_begin();
}

int policy_tests(void)
{
	const struct CMUnitTest tests[] = {
		evil_test(p1_cycles_addresses_and_vlans),
	};

	return cmocka_run_group_tests_name("policies", tests, NULL, NULL);
}
