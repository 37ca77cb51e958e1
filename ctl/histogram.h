/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram of times with a bounded relative error: each power of two is
 * divided into 64 equal buckets, so a quantile is at most 1.6 % above the truth.
 */
#ifndef CTL_HISTOGRAM_H
#define CTL_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB	64
#define HISTOGRAM_MAX	((64 - 6 + 1) * HISTOGRAM_SUB)

struct histogram {
	uint64_t count, min, max, sum;
	uint64_t buckets[HISTOGRAM_MAX];
};

static inline unsigned int histogram_bucket(uint64_t value)
{
	unsigned int shift = value < 2 * HISTOGRAM_SUB ? 0 : 57 - (unsigned int)__builtin_clzll(value);

	return shift * HISTOGRAM_SUB + (unsigned int)(value >> shift);
}

/* The largest value of a bucket. */
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

/* The smallest bound that at least the fraction q of the values do not exceed. */
static inline double histogram_quantile(const struct histogram *h, double q)
{
	double want = q * (double)h->count;
	uint64_t seen = 0;

	for (unsigned int i = 0; i < HISTOGRAM_MAX; i++) {
		seen += h->buckets[i];
		if (h->buckets[i] && (double)seen >= want) {
			uint64_t bound = histogram_bound(i);

			return (double)(bound < h->max ? bound : h->max);
		}
	}
	return (double)h->max;
}

#endif
