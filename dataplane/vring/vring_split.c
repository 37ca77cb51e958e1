/* SPDX-License-Identifier: BSD-3-Clause */
#include "vring/vring_split.h"

#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>
#include <time.h>
#include "switch/move.h"
#include "vring/chain.h"
#include "worker/call.h"

#define CALL_DEAR_NS	20000	/* an interrupt takes 1000 */
#define CALL_PAUSE	8	/* after a dear one: so many times its duration, ... */
#define CALL_PAUSE_NS	100000000	/* and not longer, as an accident may have made it seem long */
#define CALL_EXACT_NS	10000000000ull
#define CALL_SLOW_NS	5000000
#define CALL_SLOW_WEIGHT 16
#define CALL_SLOW_MAX	160	/* eleven slow ones in a row, or more than one of 17 */
#define PREFETCH_BYTES	2048	/* more evicts what was fetched before it is used: 9216 costs a fifth at 8000 B */

static enum nfvd_drop fence(struct nfvd_vring *vr, enum nfvd_drop why)
{
	atomic_store_explicit(&vr->fault, why, memory_order_relaxed);
	return why;
}

static inline bool fenced(struct nfvd_vring *vr)
{
	if (unlikely(atomic_load_explicit(&vr->mem->broken, memory_order_relaxed)))
		fence(vr, NFVD_DROP_MEM_SIGBUS);
	return atomic_load_explicit(&vr->fault, memory_order_relaxed) != NFVD_PASS;
}

/* Return how many heads the guest has made available since last_avail, bounded. Fence an index that is out of range. */
static inline uint16_t available(struct nfvd_vring *vr)
{
	uint16_t n;

	gread_begin();
	n = gread16(&vr->avail->idx) - vr->last_avail;
	/* Pairs with the guest's release of avail->idx: entries are read after it. */
	atomic_thread_fence(memory_order_acquire);
	if (unlikely(n > vr->size)) {
		fence(vr, NFVD_DROP_BAD_AVAIL_IDX);
		return 0;
	}
	return n;
}

static inline enum nfvd_drop head_at(struct nfvd_vring *vr, uint16_t pos, uint16_t *head)
{
	*head = gread16(&vr->avail->ring[pos & vr->mask]);
	return likely(*head < vr->size) ? NFVD_PASS : fence(vr, NFVD_DROP_BAD_DESC_HEAD);
}

/* Turn a walked Tx chain into a frame: private header first, the rest stays where it is. */
static inline enum nfvd_drop make_frame(const struct nfvd_vring *vr, struct chain *c, struct nfvd_frame *f)
{
	if (unlikely(c->bytes < vr->hdr_len))
		return NFVD_DROP_RUNT_CHAIN;
	if (unlikely(c->bytes - vr->hdr_len < NFVD_FRAME_MIN))
		return NFVD_DROP_RUNT;
	if (unlikely(c->bytes - vr->hdr_len > NFVD_FRAME_MAX))
		return NFVD_DROP_OVERSIZE;
	f->len = c->bytes - vr->hdr_len;
	f->hdr_len = f->len < NFVD_HDR_MAX ? f->len : NFVD_HDR_MAX;
	f->origin_copies = 0;
	f->held = f->flooded = false;
	if (likely(vr->hdr_len == sizeof(f->vnet) && c->seg->iov_len >= sizeof(f->vnet) + f->hdr_len)) {
		gather(c, &f->vnet, sizeof(f->vnet) + f->hdr_len);
	} else {
		gather(c, &f->vnet, vr->hdr_len);
		gather(c, f->hdr, f->hdr_len);
	}
	f->vnet.num_buffers = 0;
	f->iov = c->seg;
	f->iov_n = c->n;
	return NFVD_PASS;
}

unsigned int nfvd_vring_take(struct nfvd_vring *vr, struct nfvd_frame *frames, unsigned int max,
			     struct iovec *pool, unsigned int pool_n, struct nfvd_take_drops *drops)
{
	struct chain chains[NFVD_BURST];
	enum nfvd_drop why[NFVD_BURST];
	unsigned int n, taken = 0, out = 0, steps = 0;
	uint64_t bytes = 0;

	vr->n_heads = vr->n_bad = 0;
	drops->n = 0;
	if (unlikely(fenced(vr)))
		return 0;
	n = available(vr);
	if (n > max)
		n = max;
	for (unsigned int i = 0; i < n; i++) {
		if (unlikely(head_at(vr, vr->last_avail + i, &vr->heads[i]) != NFVD_PASS)) {
			n = i;
			break;
		}
		rte_prefetch0(&vr->desc[vr->heads[i]]);
	}
	for (; taken < n && pool_n >= NFVD_IOV_MAX && steps < NFVD_WALK_MAX && bytes < NFVD_BURST_BYTES; taken++) {
		struct chain *c = &chains[taken];

		*c = (struct chain){ .seg = pool };
		why[taken] = walk(vr, vr->heads[taken], 0, c, CHAIN_SEGS_MAX);
		if (unlikely(why[taken] != NFVD_PASS && why[taken] != NFVD_DROP_TOO_MANY_SEGS)) {
			fence(vr, why[taken]);
			break;
		}
		pool += c->n;
		pool_n -= c->n;
		steps += c->steps;
		bytes += c->bytes;
		if (likely(c->n)) {
			rte_prefetch0(c->seg->iov_base);
			rte_prefetch0((uint8_t *)c->seg->iov_base + 64);
			rte_prefetch0(c->seg[c->n - 1].iov_base);
		}
	}
	for (unsigned int i = 0; i < taken; i++) {
		gread_begin();
		if (likely(why[i] == NFVD_PASS))
			why[i] = make_frame(vr, &chains[i], &frames[out]);
		if (likely(why[i] == NFVD_PASS)) {
			out++;
			continue;
		}
		if (out)
			break;
		drops->why[drops->n++] = why[i];
	}
	vr->n_bad = drops->n;
	vr->n_heads = drops->n + out;
	vr->last_avail += vr->n_heads;
	return out;
}

/* Return the time; if exact, the processor time of this thread, which leaves out the time in which it did not run. */
static uint64_t call_clock_ns(bool exact)
{
	struct timespec ts;

	clock_gettime(unlikely(exact) ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* An interrupt took long, by the time that was measured. */
static __attribute__((noinline)) void note_dear(struct nfvd_vring *vr, uint64_t took_ns, bool exact)
{
	struct nfvd_call_pace *pace = vr->pace;
	uint64_t now = call_clock_ns(false);
	unsigned int slow = pace->slow;

	pace->exact_ns = now + CALL_EXACT_NS;
	/* This thread may just not have run. */
	if (!exact)
		return;
	pace->next_ns = now + (CALL_PAUSE * took_ns < CALL_PAUSE_NS ? CALL_PAUSE * took_ns : CALL_PAUSE_NS);
	if (took_ns <= CALL_SLOW_NS)
		return;
	slow += CALL_SLOW_WEIGHT;
	/* So a ring that is started again is fenced by its next one. */
	pace->slow = slow <= CALL_SLOW_MAX ? slow : CALL_SLOW_MAX;
	if (slow > CALL_SLOW_MAX)
		fence(vr, NFVD_DROP_CALL_SLOW);
}

static __attribute__((noinline)) int note_call(struct nfvd_vring *vr)
{
	vr->owed = true;
	vr->pace->owed = true;
	return 0;
}

/* Interrupt the guest, or note that it is to be interrupted. Return the system calls made for it. */
static int call_guest(struct nfvd_vring *vr)
{
	int call = atomic_load_explicit(&vr->call, memory_order_acquire);
	struct nfvd_call_pace *pace = vr->pace;
	uint64_t now, start, took_ns;
	bool exact;

	if (call == NFVD_CALL_NONE)
		return 0;
	now = call_clock_ns(false);
	if (unlikely(now < atomic_load_explicit(&pace->next_ns, memory_order_relaxed)))
		return note_call(vr);
	exact = now < atomic_load_explicit(&pace->exact_ns, memory_order_relaxed);
	start = unlikely(exact) ? call_clock_ns(true) : now;
	if (nfvd_call(call))
		atomic_fetch_add_explicit(&vr->calls, 1, memory_order_relaxed);
	took_ns = call_clock_ns(exact) - start;
	if (unlikely(exact) && took_ns <= CALL_SLOW_NS && pace->slow)
		pace->slow--;
	if (unlikely(took_ns > CALL_DEAR_NS))
		note_dear(vr, took_ns, exact);
	return 1;
}

bool nfvd_vring_call_owed(struct nfvd_vring *vr)
{
	return atomic_load(&vr->owed) && call_clock_ns(false) >= vr->pace->next_ns && atomic_exchange(&vr->owed, false) &&
	       call_guest(vr);
}

/* Publish used entries up to used_idx, and interrupt if the guest wants it. Returns system calls. */
static unsigned int publish(struct nfvd_vring *vr, uint16_t n)
{
	uint16_t old = vr->signalled, new = vr->used_idx + n;
	bool want;

	if (!n)
		return 0;
	/* Pairs with the guest's acquire of used->idx: entries and payload are written before it. */
	atomic_thread_fence(memory_order_release);
	gwrite16(&vr->used->idx, new);
	vr->used_idx = new;
	/* Full barrier: the index must be visible before the suppression field is read. Pairs with the guest's. */
	atomic_thread_fence(memory_order_seq_cst);
	gread_begin();
	if (vr->event_idx) {
		uint16_t event = gread16(&vr->avail->ring[vr->size]);

		want = !vr->signalled_valid || vring_need_event(event, new, old);
		vr->signalled = new;
		vr->signalled_valid = true;
	} else {
		want = !(gread16(&vr->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	}
	want |= unlikely(atomic_load_explicit(&vr->owed, memory_order_relaxed)) && atomic_exchange(&vr->owed, false);
	return want ? call_guest(vr) : 0;
}

static inline void put_used(struct nfvd_vring *vr, uint16_t pos, uint16_t head, uint32_t len)
{
	struct vring_used_elem *e = &vr->used->ring[(uint16_t)(vr->used_idx + pos) & vr->mask];
	struct vring_used_elem v = { head, len };

	memcpy(e, &v, sizeof(v));
}

static inline void put_used_len(struct nfvd_vring *vr, uint16_t pos, uint32_t len)
{
	memcpy(&vr->used->ring[(uint16_t)(vr->used_idx + pos) & vr->mask].len, &len, sizeof(len));
}

unsigned int nfvd_vring_take_done(struct nfvd_vring *vr, unsigned int n)
{
	n += vr->n_bad;
	for (unsigned int i = 0; i < n; i++)
		put_used(vr, i, vr->heads[i], 0);
	vr->last_avail -= vr->n_heads - n;
	vr->n_heads = vr->n_bad = 0;
	return publish(vr, n);
}

/* Buffers reserved for one frame. */
struct reserved {
	uint16_t pos;		/* of the first, counted from the batch's first */
	unsigned int chains;
	uint16_t head[NFVD_RX_CHAINS_MAX];
	uint32_t len[NFVD_RX_CHAINS_MAX];
	struct iovec seg[NFVD_IOV_MAX];
};

/*
 * Reserve buffers for need bytes at the next avail heads. With mergeable buffers all but the last are filled
 * completely; without them one chain has to hold the frame. On failure no buffer is consumed. *steps always counts
 * the descriptors read; the whole batch has NFVD_WALK_MAX of them.
 */
static enum nfvd_drop reserve(struct nfvd_vring *vr, uint16_t pos, uint16_t avail, uint64_t need,
			      struct reserved *res, unsigned int *steps)
{
	struct chain c = { .seg = res->seg };
	enum nfvd_drop why = NFVD_PASS;

	res->pos = pos;
	res->chains = 0;
	while (c.bytes < need) {
		uint64_t before = c.bytes;
		uint16_t at = pos + res->chains, *head = &res->head[res->chains];

		if (res->chains == (vr->mergeable ? NFVD_RX_CHAINS_MAX : 1) || unlikely(*steps >= NFVD_WALK_MAX))
			return NFVD_DROP_RX_BUF_SHORT;
		if (at == avail)
			return vr->posted <= NFVD_VRING_FEW && res->chains < vr->posted ? NFVD_DROP_DST_QUEUE : NFVD_DROP_DST_FULL;
		if (likely(at < vr->n_heads))
			*head = vr->heads[at];
		else
			why = head_at(vr, vr->last_avail + at, head);
		c.steps = 0;
		if (likely(why == NFVD_PASS))
			why = walk(vr, *head, VRING_DESC_F_WRITE, &c, CHAIN_SEGS_MAX);
		*steps += c.steps;
		if (unlikely(why == NFVD_DROP_TOO_MANY_SEGS))
			return NFVD_DROP_RX_BUF_SHORT;
		if (unlikely(why != NFVD_PASS)) {
			fence(vr, why);
			return NFVD_DROP_DST_FENCED;
		}
		res->len[res->chains++] = (c.bytes < need ? c.bytes : need) - before;
	}
	return NFVD_PASS;
}

static inline void prefetch_write(const struct iovec *iov, size_t n)
{
	for (; n; iov++) {
		/* Reserved are n bytes or more; the analyser cannot know. NOLINTNEXTLINE(clang-analyzer-core.*) */
		size_t part = iov->iov_len < n ? iov->iov_len : n;

		for (size_t off = 0; off < part; off += 64)
			__builtin_prefetch((uint8_t *)iov->iov_base + off, 1);
		n -= part;
	}
}

/* The copy of one frame waits for memory while the lines of the next are on their way. */
static inline void prefetch_move(const struct nfvd_frame *f, const struct nfvd_vring *vr, const struct reserved *res)
{
	size_t n = f->iov_n ? f->iov[0].iov_len : 0;

	if (n > PREFETCH_BYTES)
		n = PREFETCH_BYTES;
	prefetch_write(res->seg, n + vr->hdr_len + f->hdr_len);
	for (size_t off = 0; off < n; off += 64)
		__builtin_prefetch((const uint8_t *)f->iov[0].iov_base + off);
}

static inline void move_one(struct nfvd_vring *vr, struct nfvd_frame *f, const struct reserved *res)
{
	f->vnet.num_buffers = res->chains;
	nfvd_move_to_memory(f, vr->hdr_len, res->seg);
	for (unsigned int i = 0; i < res->chains; i++)
		put_used(vr, res->pos + i, res->head[i], res->len[i]);
}

/* Frames of one delivery whose payload the kernel is still to copy into reserved buffers. */
struct pending {
	struct nfvd_copies copies;
	struct { uint16_t frame, pos, chains; } at[NFVD_BURST];
};

/*
 * Let the kernel copy. Where a copy fails, the guest gets its buffers back empty (a length of 0, which drivers skip).
 */
static void finish_pending(struct nfvd_vring *vr, struct pending *pending, struct nfvd_frame **frames, enum nfvd_drop *results,
			   struct nfvd_ledger *l)
{
	nfvd_copies_run(&pending->copies, l);
	for (unsigned int i = 0; i < pending->copies.n; i++) {
		unsigned int frame = pending->at[i].frame;
		int result = pending->copies.op[i].result;

		if (likely(result >= 0)) {
			nfvd_moved_by_kernel(l, frames[frame], pending->copies.op[i].copies);
			continue;
		}
		results[frame] = nfvd_kernel_reason(result);
		/* The guest's memory is gone. Copying it here would have raised SIGBUS. */
		if (result == -EFAULT) {
			fence(vr, NFVD_DROP_MEM_SIGBUS);
			results[frame] = NFVD_DROP_DST_FENCED;
		}
		for (unsigned int k = 0; k < pending->at[i].chains; k++)
			put_used_len(vr, pending->at[i].pos + k, 0);
	}
	pending->copies.n = pending->copies.iov_n = 0;
}

static void move_later(struct nfvd_vring *vr, struct pending *pending, struct nfvd_frame **frames, unsigned int frame,
		       const struct reserved *res, enum nfvd_drop *results, struct nfvd_ledger *l)
{
	struct nfvd_frame *f = frames[frame];
	struct nfvd_cursor rest;

	f->vnet.num_buffers = res->chains;
	nfvd_move_header(f, vr->hdr_len, res->seg, &rest);
	for (unsigned int i = 0; i < res->chains; i++)
		put_used(vr, res->pos + i, res->head[i], res->len[i]);
	if (!nfvd_copies_add(&pending->copies, f, &rest)) {
		finish_pending(vr, pending, frames, results, l);
		nfvd_copies_add(&pending->copies, f, &rest);
	}
	pending->at[pending->copies.n - 1].frame = frame;
	pending->at[pending->copies.n - 1].pos = res->pos;
	pending->at[pending->copies.n - 1].chains = res->chains;
}

void nfvd_vring_deliver(struct nfvd_vring *vr, struct nfvd_frame **frames, unsigned int n,
			enum nfvd_drop *results, struct nfvd_ledger *l)
{
	struct reserved two[2];
	struct pending pending;
	uint16_t filled = 0, avail;
	unsigned int steps = 0;

	pending.copies.n = pending.copies.iov_n = 0;
	rte_spinlock_lock(&vr->lock);
	avail = fenced(vr) ? 0 : available(vr);
	if (unlikely(avail > vr->posted))
		vr->posted = avail;
	/* Heads of the batch (more where frames take several buffers), descriptors on their way. */
	for (vr->n_heads = 0; vr->n_heads < n && vr->n_heads < avail; vr->n_heads++) {
		if (unlikely(head_at(vr, vr->last_avail + vr->n_heads, &vr->heads[vr->n_heads]) != NFVD_PASS))
			break;
		rte_prefetch0(&vr->desc[vr->heads[vr->n_heads]]);
	}
	/* One frame ahead: reserve for frame i, then move frame i - 1. */
	for (unsigned int i = 0; i <= n; i++) {
		struct reserved *res = &two[i & 1];

		if (i < n) {
			results[i] = i && unlikely(results[i - 1] == NFVD_DROP_DST_QUEUE) ? NFVD_DROP_DST_QUEUE :
				     unlikely(fenced(vr)) ? NFVD_DROP_DST_FENCED :
				     reserve(vr, filled, avail, (uint64_t)vr->hdr_len + frames[i]->len, res, &steps);
			if (likely(results[i] == NFVD_PASS)) {
				filled += res->chains;
				prefetch_move(frames[i], vr, res);
			}
		}
		if (i && unlikely(nfvd_in_kernel(frames[i - 1]))) {
			if (results[i - 1] == NFVD_PASS)
				move_later(vr, &pending, frames, i - 1, &two[(i - 1) & 1], results, l);
		} else if (i && likely(results[i - 1] == NFVD_PASS)) {
			move_one(vr, frames[i - 1], &two[(i - 1) & 1]);
			nfvd_moved(l, frames[i - 1]);
		}
	}
	finish_pending(vr, &pending, frames, results, l);
	vr->last_avail += filled;
	vr->n_heads = 0;
	l->syscalls += publish(vr, filled);
	rte_spinlock_unlock(&vr->lock);
}

bool nfvd_vring_arm(struct nfvd_vring *vr, bool on)
{
	if (unlikely(fenced(vr)))
		return false;
	if (vr->event_idx) {
		/*
		 * To stop asking, leave the event index behind avail->idx. The guest passes it once in 65536 kicks.
		 */
		if (on)
			gwrite16(&vr->used->ring[vr->size], vr->last_avail);
	} else if (on != vr->armed) {
		gwrite16(&vr->used->flags, on ? 0 : VRING_USED_F_NO_NOTIFY);
	}
	vr->armed = on;
	/* Full barrier: the request must be visible before avail->idx is read again. Pairs with the guest's. */
	atomic_thread_fence(memory_order_seq_cst);
	return on && available(vr);
}
