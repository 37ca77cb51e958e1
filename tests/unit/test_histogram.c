// SPDX-License-Identifier: BSD-3-Clause
/*
 * The histogram of nfvctl's round-trip times, against sorted values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../ctl/bench/histogram.h"

#define N	20000

static struct histogram h;

static void test_buckets_meet(void **state)
{
	for (unsigned int i = 0; i + 1 < HISTOGRAM_MAX; i++) {
		uint64_t bound = histogram_bound(i);

		assert_int_equal(histogram_bucket(bound), i);
		assert_int_equal(histogram_bucket(bound + 1), i + 1);
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_MAX - 1);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_quantiles(void **state)
{
	static const double q[] = { 0.0001, 0.5, 0.9, 0.99, 0.999, 1 };
	static uint64_t values[N];

	memset(&h, 0, sizeof(h));
	srandom(1);
	for (int i = 0; i < N; i++) {
		values[i] = (uint64_t)random() >> (random() % 31);
		histogram_add(&h, values[i]);
	}
	qsort(values, N, sizeof(values[0]), compare);
	assert_int_equal(h.count, N);
	assert_int_equal(h.min, values[0]);
	assert_int_equal(h.max, values[N - 1]);
	for (size_t i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
		double exact = (double)values[(size_t)(q[i] * N + 0.5) - 1], got = histogram_quantile(&h, q[i]);

		assert_true(got >= exact * (1 - 1.0 / HISTOGRAM_SUB) - 1);
		assert_true(got <= exact * (1 + 1.0 / HISTOGRAM_SUB));
	}
}

static void test_one_value(void **state)
{
	memset(&h, 0, sizeof(h));
	histogram_add(&h, 1000003);
	assert_true(histogram_quantile(&h, 0.5) == 1000003);
	assert_true(histogram_quantile(&h, 0.999) == 1000003);
}

/* Values that differ by less than a bucket stay distinct, because results are interpolated between buckets. */
static void test_no_quantum(void **state)
{
	double medians[2];

	for (int shift = 0; shift < 2; shift++) {
		memset(&h, 0, sizeof(h));
		for (int i = 0; i < N; i++)
			histogram_add(&h, 7552 + (uint64_t)(i % 64) + (uint64_t)shift * 3);
		medians[shift] = histogram_quantile(&h, 0.5);
		assert_true(medians[shift] > 7552 + 30 + shift * 3 && medians[shift] < 7552 + 33 + shift * 3);
	}
	assert_true(medians[1] > medians[0] + 2 && medians[1] < medians[0] + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_meet),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_one_value),
		cmocka_unit_test(test_no_quantum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
