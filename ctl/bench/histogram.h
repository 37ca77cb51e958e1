/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram of times with a bounded relative error. Each power of two is divided into 1024 equal buckets, and values are
 * assumed to be spread evenly within a bucket. So a quantile is less than 0.1 % off, and no multiple of a bucket's width.
 */
#ifndef CTL_HISTOGRAM_H
#define CTL_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS	10
#define HISTOGRAM_SUB	(1U << HISTOGRAM_BITS)
#define HISTOGRAM_MAX	((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t count, min, max, sum;
	uint64_t buckets[HISTOGRAM_MAX];
};

static inline unsigned int histogram_bucket(uint64_t value)
{
	unsigned int shift = value < 2 * HISTOGRAM_SUB ? 0 : 63 - HISTOGRAM_BITS - (unsigned int)__builtin_clzll(value);

	return shift * HISTOGRAM_SUB + (unsigned int)(value >> shift);
}

/* Return the largest value of a bucket. */
static inline uint64_t histogram_bound(unsigned int bucket)
{
	unsigned int shift = bucket < 2 * HISTOGRAM_SUB ? 0 : bucket / HISTOGRAM_SUB - 1;

	return (((uint64_t)(bucket - shift * HISTOGRAM_SUB) + 1) << shift) - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	if (!h->count || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->sum += value;
	h->count++;
	h->buckets[histogram_bucket(value)]++;
}

/* Return the value that a fraction q of all values do not exceed. */
static inline double histogram_quantile(const struct histogram *h, double q)
{
	double want = q * (double)h->count, seen = 0, below = -1;

	for (unsigned int i = 0; i < HISTOGRAM_MAX; i++) {
		double n = (double)h->buckets[i], bound = (double)histogram_bound(i);

		if (n > 0 && seen + n >= want) {
			double value = below + (bound - below) * (want - seen) / n;

			return value < (double)h->min ? (double)h->min : value > (double)h->max ? (double)h->max : value;
		}
		seen += n;
		below = bound;
	}
	return (double)h->max;
}

#endif
