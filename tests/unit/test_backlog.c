/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for a guest that posts few buffers: bursts, buffers posted step by step or never, port changes meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "guest.h"
#include "clock.c"
#include "frame/cut.c"
#include "frame/layout.c"
#include "frame/offload.c"
#include "switch/backlog.c"
#include "worker/call.c"
#include "switch/context.c"
#include "switch/hand.c"
#include "switch/tap.c"
#include "vring/gmem.c"
#include "vring/vring_setup.c"
#include "vring/vring_split.c"
#include "module.h"

#define RING	16
#define FEW	8
#define LEN	200
#define STEP_NS	1000000000ull	/* longer than any wait for the next try */

enum { SRC, DST, OTHER, N_PORTS };

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
_Atomic(unsigned int) nfvd_ports_end;

static struct nfvd_worker *w;
static struct nfvd_port port[N_PORTS];
static struct guest guest;
static uint64_t now_ns;
static unsigned int sent, got;	/* frames: the next one's number */

static void tx(struct nfvd_worker *worker, struct nfvd_port *dst, struct nfvd_frame **frames, unsigned int n, struct nfvd_ledger *l)
{
	enum nfvd_drop results[NFVD_BURST];

	if (nfvd_backlog_has(&worker->backlog, dst->id)) {
		nfvd_backlog_put(worker, dst, frames, n);
		return;
	}
	nfvd_vring_deliver(&guest.vr, frames, n, results, l);
	for (unsigned int i = 0; i < n; i++) {
		if (results[i] == NFVD_DROP_DST_QUEUE) {
			nfvd_backlog_put(worker, dst, frames + i, n - i);
			break;
		}
		if (results[i] != NFVD_PASS)
			nfvd_tx_drop(worker, dst, results[i], &frames[i], 1);
	}
}

static const struct nfvd_port_ops ops = { .tx = tx };

static int setup(void **state)
{
	w = calloc(1, sizeof(*w));
	w->bounce = malloc((size_t)NFVD_BURST * NFVD_FRAME_MAX);
	nfvd_workers[0] = w;
	nfvd_n_workers = 1;
	for (unsigned int i = 0; i < N_PORTS; i++) {
		port[i] = (struct nfvd_port){ .id = i, .serial = 100 + i, .ops = &ops, .state = NFVD_STATE_UP,
					      .accepts = NFVD_ACCEPT_KERNEL };
		nfvd_ports[i] = &port[i];
		assert_int_equal(nfvd_counters_reset(i), 0);
	}
	guest_init(&guest, RING, false, true);
	for (unsigned int i = 0; i < RING; i++)
		guest_desc(&guest, i, GUEST_DATA + i * 4096, 2048, VRING_DESC_F_WRITE, 0);
	sent = got = 0;
	now_ns = STEP_NS;
	return 0;
}

static int teardown(void **state)
{
	for (unsigned int i = 0; i < N_PORTS; i++)
		munmap(w->row[i], sizeof(*w->row[i]));
	free(w->bounce);
	free(w);
	guest_free(&guest);
	nfvd_n_workers = 0;
	return 0;
}

static void post(unsigned int n)
{
	while (n--)
		guest_post(&guest, guest.avail % RING);
}

/* A turn of src: n frames to dst, each with its number in its header and in its last byte; in the kernel, some of them. */
static void burst(unsigned int src, unsigned int dst, unsigned int n, uint32_t len, bool in_kernel)
{
	struct nfvd_ledger *l = nfvd_row_to(w->row[src], dst), before = *l;
	static uint8_t payload[NFVD_BURST][9000];
	struct nfvd_out out = { .n = n };

	for (unsigned int i = 0; i < n; i++, sent++) {
		struct nfvd_frame *f = out.f[i] = &w->frames[i];

		*f = in_kernel ? module_frame(sent, len) : (struct nfvd_frame){ .len = len, .hdr_len = NFVD_HDR_MAX, .iov = &w->pool[i], .iov_n = 1 };
		f->hdr[20] = sent;
		f->hdr[21] = sent >> 8;
		if (in_kernel)
			continue;
		payload[i][len - NFVD_HDR_MAX - 1] = sent + len - 1;
		w->pool[i] = (struct iovec){ payload[i], len - NFVD_HDR_MAX };
	}
	w->src = src;
	w->spread = src;
	w->pair = l;
	w->turn.rx_frames += n;
	nfvd_hand_over(w, &port[dst], &out, l);
	nfvd_hand_count(w, &port[dst], l, &before);
	nfvd_settle(w);
}

/* Look into the buffers that were filled: frames in order. Return how many. */
static unsigned int check_got(uint32_t len)
{
	unsigned int before = got;

	for (; got != guest.vr.used->idx; got++) {
		struct vring_used_elem *e = &guest.vr.used->ring[got % RING];
		const uint8_t *p = guest_at(&guest, GUEST_DATA + e->id * 4096) + 12;

		assert_int_equal(e->len, 12 + len);
		assert_int_equal(p[20] | p[21] << 8, got);
		assert_int_equal(p[len - 1], (uint8_t)(got + len - 1));
	}
	return got - before;
}

static uint64_t waiting(unsigned int src)
{
	struct nfvd_balance b = w->port[src].balance;

	return b.rx_frames + b.replicated - b.delivered - b.lost - b.rx_dropped;
}

static unsigned int try_again(void)
{
	now_ns += STEP_NS;
	return nfvd_backlog_try(w, now_ns);
}

static void in_order_as_buffers_come(void **state)
{
	static const struct { uint32_t len; bool in_kernel; } rows[] = { { LEN, false }, { LEN, true }, { NFVD_HDR_MAX + 1, false } };

	for (unsigned int i = 0; i < 3; i++) {
		teardown(NULL);
		setup(NULL);
		post(FEW);
		burst(SRC, DST, 40, rows[i].len, rows[i].in_kernel);
		assert_int_equal(check_got(rows[i].len), FEW);
		assert_int_equal(waiting(SRC), 40 - FEW);
		/* Later frames are queued behind. */
		post(1);
		burst(SRC, DST, 20, rows[i].len, rows[i].in_kernel);
		assert_int_equal(check_got(rows[i].len), 0);
		for (unsigned int step = 1; got < 60; step = step % FEW + 1) {
			post(step - (step == 1 && got == FEW));
			assert_true(try_again() > 0);
			assert_true(check_got(rows[i].len) > 0);
			assert_int_equal(waiting(SRC), 60 - got);
			assert_int_equal(w->row[SRC]->to[DST].frames, got);
		}
		assert_int_equal(w->backlog.used | w->backlog.n_active, 0);
		assert_int_equal(w->port[SRC].balance.delivered, 60);
		assert_int_equal(w->port[DST].tx_frames, 60);
		/* One copy more for each that waited. */
		assert_int_equal(w->row[SRC]->to[DST].copies, 60 + (rows[i].in_kernel ? 2 : 1) * (60 - FEW));
	}
}

static void never_refilled(void **state)
{
	post(FEW);
	burst(SRC, DST, 40, LEN, false);
	w->now_ms += AGE_MS - 1;
	assert_int_equal(try_again(), 0);
	assert_int_equal(waiting(SRC), 32);
	w->now_ms++;
	assert_int_equal(try_again(), 32);
	assert_int_equal(waiting(SRC), 0);
	assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_QUEUE], 32);
	assert_int_equal(w->port[SRC].balance.lost, 32);
	assert_int_equal(w->row[SRC]->to[DST].dropped, 32);
	assert_int_equal(w->backlog.used | w->backlog.n_active, 0);
}

/* One port gets half of the 2048 slots, another one half of the rest; in the end all are free again. */
static void bounded(void **state)
{
	post(FEW);
	for (unsigned int i = 0; i < 50; i++)
		burst(SRC, DST, NFVD_BURST, LEN, false);
	assert_int_equal(waiting(SRC), NFVD_BACKLOG_SLOTS / 2);
	assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_QUEUE], 50 * NFVD_BURST - FEW - NFVD_BACKLOG_SLOTS / 2);
	for (unsigned int i = 0; i < 50; i++)
		burst(SRC, OTHER, NFVD_BURST, LEN, false);
	assert_int_equal(w->backlog.to[OTHER].n, NFVD_BACKLOG_SLOTS / 4);
	w->now_ms += AGE_MS;
	for (unsigned int i = 0; i < 2 * NFVD_BACKLOG_SLOTS / NFVD_BURST; i++)
		try_again();
	assert_int_equal(w->backlog.used | w->backlog.n_active | waiting(SRC), 0);
	assert_int_equal(w->backlog.fresh, NFVD_BACKLOG_SLOTS * 3 / 4);
	for (unsigned int i = 0; i < 50; i++)
		burst(SRC, DST, NFVD_BURST, LEN, false);
	assert_int_equal(waiting(SRC), NFVD_BACKLOG_SLOTS / 2);
	assert_int_equal(w->backlog.fresh, NFVD_BACKLOG_SLOTS * 3 / 4);
}

/* The longer a port has taken nothing, the more seldom it is tried. */
static void seldom_when_stuck(void **state)
{
	unsigned int tries = 0;

	post(FEW);
	burst(SRC, DST, 40, LEN, false);
	for (uint64_t end = now_ns + AGE_MS * 1000000ull; now_ns < end; now_ns = w->backlog.next_ns, tries++) {
		assert_int_equal(nfvd_backlog_try(w, now_ns), 0);
		assert_true(w->backlog.next_ns > now_ns && w->backlog.next_ns <= now_ns + RETRY_MAX_NS);
	}
	assert_in_range(tries, 25, 100);
	post(1);
	assert_int_equal(nfvd_backlog_try(w, now_ns), 1);
	assert_true(w->backlog.next_ns <= now_ns + RETRY_MIN_NS);
}

/* A port with few buffers gets frames that fit. A frame that needs more buffers than it ever had does not wait. */
static void who_does_not_wait(void **state)
{
	post(2);
	burst(SRC, DST, 1, 5000, false);
	assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_FULL], 1);
	burst(SRC, DST, 1, 3000, false);
	assert_int_equal(guest.vr.used->idx, 2);
	burst(SRC, DST, 1, NFVD_BACKLOG_BYTES + 1, false);
	assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_FULL], 2);
	guest.vr.posted = NFVD_VRING_FEW + 1;
	burst(SRC, DST, 1, LEN, false);
	assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_FULL], 3);
	guest.vr.posted = NFVD_VRING_FEW;
	burst(SRC, DST, 1, NFVD_BACKLOG_BYTES, false);
	assert_int_equal(waiting(SRC), 1);
}

/* 32 frames wait, there are buffers for 8, and something changes. */
static void changes(void **state)
{
	static struct nfvd_policy policy;
	static struct nfvd_port next[2];
	static const struct { const char *what; uint64_t delivered, queue, down, src_down; } rows[] = {
		{ "nothing", 8, 0, 0, 0 },
		{ "the policy of a port, just now", 0, 32, 0, 0 },
		{ "the policy of the other port, and back", 0, 32, 0, 0 },
		{ "the guest's rings", 0, 32, 0, 0 },
		{ "the guest's rings stop", 0, 0, 32, 0 },
		{ "the guest is detached", 0, 0, 0, 32 },
		{ "and another port has its id", 0, 0, 0, 32 },
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		teardown(NULL);
		setup(NULL);
		post(FEW);
		burst(SRC, DST, 40, LEN, false);
		post(FEW);
		next[0] = port[DST];
		next[0].serial++;
		if (i == 1)
			port[DST].policy = &policy;
		else if (i == 2)
			port[SRC].epoch++;
		else if (i == 3)
			port[DST].epoch++;
		else if (i == 4)
			port[DST].state = NFVD_STATE_DOWN;
		else if (i >= 5)
			nfvd_ports[DST] = i == 5 ? NULL : &next[0];
		assert_int_equal(try_again(), i ? 32 : 8);
		assert_int_equal(w->port[SRC].balance.delivered - FEW, rows[i].delivered);
		assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_QUEUE], rows[i].queue);
		assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_DOWN], rows[i].down);
		assert_int_equal(w->port[SRC].drops[NFVD_DROP_DST_DOWN], rows[i].src_down);
		assert_int_equal(waiting(SRC), i ? 0 : 24);
	}
}

/* The sender is being detached while its frames wait. */
static void sender_going(void **state)
{
	post(FEW);
	nfvd_ports[SRC] = NULL;
	burst(SRC, DST, 40, LEN, false);
	assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_QUEUE], 32);
	assert_int_equal(w->port[SRC].balance.lost, 32);
	assert_int_equal(w->backlog.used | w->backlog.n_active, 0);
}

/* The sender is detached, and another port has its id. A capture sees what is lost. */
static void sender_gone(void **state)
{
	static struct nfvd_port next;
	static struct nfvd_tap tap = { .all = true, .in = true, .out = true, .dropped_only = true, .bytes = NFV_CAPTURE_BYTES, .mask = 63 };
	static struct nfvd_tap_set set = { 1, { &tap } };
	const struct nfv_capture_record *r;

	tap.ring[0] = calloc(1, nfv_capture_ring_bytes(tap.mask + 1));
	nfvd_taps = &set;
	post(FEW);
	burst(SRC, DST, 40, LEN, false);
	next = port[SRC];
	next.serial += 10;
	nfvd_ports[SRC] = &next;
	nfvd_counters_reset(SRC);
	w->now_ms += 1;
	assert_int_equal(try_again(), 32);
	assert_int_equal(w->port[DST].drops[NFVD_DROP_DST_QUEUE], 32);
	assert_int_equal(w->port[SRC].balance.lost | waiting(SRC) | w->row[SRC]->to[DST].dropped, 0);
	assert_int_equal(w->backlog.used | w->backlog.n_active, 0);
	nfvd_taps = NULL;
	assert_int_equal(tap.ring[0]->head, 32);
	r = &tap.ring[0]->slot[31].r;
	assert_int_equal(r->kind, NFV_CAPTURE_DROP);
	assert_int_equal(r->reason, NFVD_DROP_DST_QUEUE);
	assert_int_equal(r->from, 0);
	assert_int_equal(r->at, port[DST].serial);
	assert_int_equal(r->data[20], FEW + 31);
	free(tap.ring[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order_as_buffers_come, setup, teardown),
		cmocka_unit_test_setup_teardown(never_refilled, setup, teardown),
		cmocka_unit_test_setup_teardown(bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(seldom_when_stuck, setup, teardown),
		cmocka_unit_test_setup_teardown(who_does_not_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(changes, setup, teardown),
		cmocka_unit_test_setup_teardown(sender_going, setup, teardown),
		cmocka_unit_test_setup_teardown(sender_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
