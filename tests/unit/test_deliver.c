/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole bursts through the policies and mirrors of a destination, as the port is handed them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "frame/layout.c"
#include "frame/offload.c"
#include "policy/policy.c"
#include "switch/context.c"
#include "switch/deliver.c"
#include "switch/mirror.c"
#include "switch/tap.c"

#define PROBE	3

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
_Atomic(unsigned int) nfvd_ports_end;
static struct nfvd_worker *w;
static struct nfvd_port src, dst, probe;
static struct nfvd_policy from, to;
static struct nfvd_frame frames[NFVD_BURST];

/* What port dst, or the probe, was handed. */
static struct { unsigned int n; uint8_t wire[NFVD_BURST][128]; uint32_t len[NFVD_BURST], at; } got[2];

/* ---- stubs of what delivery calls ---- */

unsigned int nfvd_fetch(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_frame **f, unsigned int n, struct nfvd_ledger *l) { return n; }
bool nfvd_hand_ready(struct nfvd_worker *w, struct nfvd_port *port, const struct nfvd_out *out) { return true; }
void nfvd_hand_count(struct nfvd_worker *w, const struct nfvd_port *port, const struct nfvd_ledger *l, const struct nfvd_ledger *before) { }

/* Use as much stack as a port may. What lies below this frame is overwritten. */
static __attribute__((noinline)) void use_stack(void)
{
	volatile uint8_t below[64 << 10];

	for (unsigned int i = 0; i < sizeof(below); i++)
		below[i] = 0xa5;
}

void nfvd_hand_over(struct nfvd_worker *w, struct nfvd_port *port, struct nfvd_out *out, struct nfvd_ledger *l)
{
	unsigned int k = port == &probe;

	use_stack();
	got[k].n = out->n;
	got[k].at = atomic_load(&w->watched.at);
	for (unsigned int i = 0; i < out->n; i++) {
		got[k].len[i] = out->f[i]->len;
		memcpy(got[k].wire[i], out->f[i]->hdr, sizeof(got[k].wire[i]));
	}
}

/* ---- tests ---- */

static void burst(void)
{
	struct nfvd_out out = { .n = NFVD_BURST };

	memset(got, 0, sizeof(got));
	for (unsigned int i = 0; i < NFVD_BURST; i++) {
		frames[i] = (struct nfvd_frame){ .len = 100, .hdr_len = 100 };
		memset(frames[i].hdr, i + 1, 100);
		memcpy(frames[i].hdr + 12, "\x08\x00", 2);
		out.f[i] = &frames[i];
	}
	nfvd_deliver(w, &src, src.policy, &dst, &out);
}

static int setup(void **state)
{
	w = calloc(1, sizeof(*w));
	w->row[1] = calloc(1, sizeof(*w->row[1]));
	memset(&from, 0, sizeof(from));
	memset(&to, 0, sizeof(to));
	src = (struct nfvd_port){ .id = 1, .name = "src" };
	dst = (struct nfvd_port){ .id = 2, .name = "dst" };
	probe = (struct nfvd_port){ .id = PROBE, .name = "probe" };
	nfvd_ports[1] = &src;
	nfvd_ports[2] = &dst;
	nfvd_ports[PROBE] = &probe;
	return 0;
}

static int teardown(void **state)
{
	free(w->row[1]);
	free(w);
	return 0;
}

static void has(uint16_t vlan, unsigned int k)
{
	unsigned int more = vlan ? 4 : 0;

	assert_int_equal(got[k].n, NFVD_BURST);
	for (unsigned int i = 0; i < NFVD_BURST; i++) {
		assert_int_equal(got[k].len[i], 100 + more);
		assert_memory_equal(got[k].wire[i], frames[i].hdr, 12);
		if (vlan)
			assert_memory_equal(got[k].wire[i] + 12, ((uint8_t[]){ 0x81, 0, vlan >> 8, vlan }), 4);
		assert_memory_equal(got[k].wire[i] + 12 + more, frames[i].hdr + 12, 88);
	}
}

/* From an access port to a trunk each frame gets a tag: the port is handed copies. */
static void whole_burst_is_retagged(void **state)
{
	from.access = true;
	from.native = 10;
	from.vlans[0] = 1ull << 10;
	memset(to.vlans, 0xff, sizeof(to.vlans));
	src.policy = &from;
	burst();
	has(10, 0);
	dst.policy = &to;
	burst();
	has(10, 0);
	dst.mirror_to = 1;
	nfvd_mirrors = &(struct nfvd_mirrors){ .m[0] = { .probe = PROBE } };
	burst();
	has(10, 0);
	has(10, 1);
	nfvd_mirrors = NULL;
}

/* A worker that stands still is at the probe only while that gets its copies. */
static void watched_at_the_receiver(void **state)
{
	dst.mirror_to = 1;
	nfvd_mirrors = &(struct nfvd_mirrors){ .m[0] = { .probe = PROBE } };
	burst();
	has(0, 0);
	has(0, 1);
	assert_int_equal(got[0].at, 1 | 2 << 16);
	assert_int_equal(got[1].at, 1 | PROBE << 16);
	assert_ptr_equal(w->copies.f[NFVD_BURST - 1], &frames[NFVD_BURST - 1]);
	nfvd_mirrors = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole_burst_is_retagged, setup, teardown),
		cmocka_unit_test_setup_teardown(watched_at_the_receiver, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
