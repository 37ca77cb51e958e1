/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fair share: deficit round robin over the queues of a worker, by the work that they cause.
 *
 * Each round gives a queue so much credit, times the weight of its port. A turn takes what it cost off that, and may
 * cost more than there is: then the queue sits out until the debt is paid. A turn of small frames costs no more than a
 * round gives, so debts are of those that send super-frames, or flood. If nobody but debtors has frames, the rounds
 * that the nearest of them has to wait pass at once: a share is never left unused.
 *
 * Work is counted in bytes copied; what else a frame costs is as many bytes as are copied meanwhile.
 */
#ifndef NFVD_SHARE_H
#define NFVD_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define NFVD_SHARE_ROUND	(64 << 10)	/* bytes of work: a turn of 64 small frames between guests */
#define NFVD_SHARE_FRAME	256u		/* of taking one frame, whatever becomes of it */
#define NFVD_WEIGHT_MAX		64

struct nfvd_share {
	int32_t credit;		/* 0 or less: it sits out */
	int32_t each;		/* what a round gives */
};

/* How many queues of a port have frames at one worker: these share what a round gives the port. */
struct nfvd_busy {
	uint32_t round;
	uint16_t before, now;
};

/* Note that a queue had its place in this round, with frames or without. Return how many had frames in the one before. */
static inline unsigned int nfvd_busy_in(struct nfvd_busy *b, uint32_t round)
{
	if (b->round != round)
		*b = (struct nfvd_busy){ .round = round, .before = b->now };
	return b->before ? b->before : 1;
}

/* Give s what a round gives. Return whether it may have a turn. */
static inline bool nfvd_share_begin(struct nfvd_share *s, int32_t each)
{
	int32_t credit = s->credit + each;

	s->each = each;
	s->credit = credit < each ? credit : each;
	return s->credit > 0;
}

/* Return how many rounds s has to sit out. */
static inline int32_t nfvd_share_rounds(const struct nfvd_share *s)
{
	return s->credit > 0 || !s->each ? 0 : -s->credit / s->each;
}

#endif
