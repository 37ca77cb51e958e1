/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fair share: deficit round robin over the queues of a worker, by the work that they cause.
 *
 * Each round gives a queue credit, in proportion to the weight of its port. A turn is charged against the credit, and
 * may cost more than is left. The queue then sits out until its debt is paid. A turn of small frames costs no more
 * than one round gives; only queues that send super-frames or flood get into debt. If only queues in debt have
 * frames, rounds are skipped until the first of them may go on, so no share is left unused.
 *
 * Work is counted in bytes copied. Other work for a frame counts as the number of bytes that could be copied in the
 * same time.
 */
#ifndef NFVD_SHARE_H
#define NFVD_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define NFVD_SHARE_ROUND	(64 << 10)	/* bytes of work: a turn of 64 small frames between guests */
#define NFVD_SHARE_FRAME	256u		/* work of taking one frame, in bytes, delivered or not */
#define NFVD_WEIGHT_MAX		64

struct nfvd_share {
	int32_t credit;		/* 0 or less: it sits out */
	int32_t each;		/* what a round gives */
};

/* The number of queues of a port that have frames at one worker. They share what a round gives the port. */
struct nfvd_busy {
	uint32_t round;
	uint16_t before, now;
};

/*
 * Record that a queue had its turn in this round, with frames or without. Return how many queues had frames in the
 * round before.
 */
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
