/* SPDX-License-Identifier: BSD-3-Clause */
/* The moves that involve frames in the kernel; see move.h. */
#include "switch/move.h"

#include "frame/nfv_batch.h"
#include "switch/context.h"

bool nfvd_copies_add(struct nfvd_copies *c, const struct nfvd_frame *f, const struct nfvd_cursor *at)
{
	struct iovec *iov = c->iov + c->iov_n;
	size_t left = f->len - f->hdr_len, off = at->off;
	unsigned int n = 0;

	if (c->n == NFVD_BURST || c->iov_n + NFVD_IOV_MAX > NFVD_COPIES_IOV)
		return false;
	for (const struct iovec *to = at->iov; left; to++) {
		size_t room = to->iov_len - off;

		if (room > left)
			room = left;
		if (room)
			iov[n++] = (struct iovec){ (uint8_t *)to->iov_base + off, room };
		left -= room;
		off = 0;
	}
	c->op[c->n++] = (struct nfv_op){
		.code = NFV_OP_COPY, .flags = f->flooded ? 0 : NFV_OP_LAST, .handle = f->handle,
		.offset = f->hdr_len, .iov = (uintptr_t)iov, .iov_n = n,
	};
	c->iov_n += n;
	return true;
}

void nfvd_copies_run(struct nfvd_copies *c, struct nfvd_ledger *l)
{
	if (!c->n)
		return;
	nfvd_kernel_batch(c->op, c->n);
	l->syscalls++;
}

void nfvd_move_to_private(struct nfvd_worker *w, struct nfvd_frame **frames, unsigned int n, struct nfvd_ledger *l)
{
	struct nfvd_copies c;
	struct nfvd_frame *pending[NFVD_BURST];

	while (n && !nfvd_in_kernel(*frames)) {
		frames++;
		n--;
	}
	if (!n)
		return;
	c.n = c.iov_n = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct nfvd_frame *f = frames[i];
		size_t slot = f - w->frames;
		/* A burst of kernel frames does not use the pool otherwise. */
		struct iovec *iov = &w->pool[slot];

		if (!nfvd_in_kernel(f))
			continue;
		*iov = (struct iovec){ w->bounce + slot * NFVD_FRAME_MAX, f->len - f->hdr_len };
		pending[c.n] = f;
		nfvd_copies_add(&c, f, &(struct nfvd_cursor){ iov, 0 });
	}
	nfvd_copies_run(&c, l);
	for (unsigned int i = 0; i < c.n; i++) {
		/* pending[] is filled as far as op[]; the analyser cannot know. NOLINTNEXTLINE(clang-analyzer-core.*) */
		size_t slot = pending[i] - w->frames;

		if (c.op[i].result < 0)
			continue;
		pending[i]->iov = &w->pool[slot];
		pending[i]->iov_n = 1;
		pending[i]->origin_copies = c.op[i].copies;
	}
}

bool nfvd_make_private(struct nfvd_worker *w, struct nfvd_frame *f, struct nfvd_ledger *l)
{
	uint8_t *to = w->bounce + (size_t)(f - w->frames) * NFVD_FRAME_MAX;
	struct iovec *own;
	size_t n = 0;

	if (nfvd_in_kernel(f)) {
		/* The module must keep the frame, because further receivers are not known yet. */
		f->flooded = true;
		nfvd_move_to_private(w, &f, 1, l);
		return !nfvd_in_kernel(f);
	}
	if (f->origin_copies || !f->iov_n)
		return true;
	for (unsigned int i = 0; i < f->iov_n; i++) {
		memcpy(to + n, f->iov[i].iov_base, f->iov[i].iov_len);
		n += f->iov[i].iov_len;
	}
	/* A guest's frame has its vectors there. */
	own = &w->pool[f->iov - w->pool];
	*own = (struct iovec){ to, n };
	f->iov_n = 1;
	f->origin_copies = 1;
	return true;
}
