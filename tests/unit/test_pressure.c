/* SPDX-License-Identifier: BSD-3-Clause */
/* Which part is the bottleneck, by the turns of one second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "control/pressure.c"
#include "clock.c"

struct nfvd_port *nfvd_ports[NFVD_PORTS_MAX];
struct nfvd_worker *nfvd_workers[NFVD_WORKERS_MAX];
unsigned int nfvd_n_workers;
void nfvd_pressure_add(struct nfvd_pressure *to, const struct nfvd_pressure *from) { (void)to; (void)from; }

static void verdicts(void **state)
{
	static const struct { struct nfvd_second s; enum nfvd_bound is; } rows[] = {
		{ { .frames = 99, .busy = 1, .p = { .taken = 9, .taken_full = 9 } }, NFVD_BOUND_IDLE },
		/* All its frames are taken at once; or its queue is full because nfvd gets no CPU time. */
		{ { .frames = 1000, .busy = 1, .p = { .taken = 100, .taken_full = 49 } }, NFVD_BOUND_GUEST },
		{ { .frames = 1000, .busy = 0.4, .p = { .taken = 100, .taken_full = 100 } }, NFVD_BOUND_GUEST },
		{ { .frames = 1000, .busy = 0.5, .p = { .taken = 100, .taken_full = 50 } }, NFVD_BOUND_SWITCH },
		{ { .frames = 1000, .p = { .paused_ns = SECOND_NS / 10 } }, NFVD_BOUND_SWITCH },
		/* It has too few buffers; then those that it sends to. */
		{ { .frames = 1000, .busy = 1, .p = { .taken = 9, .taken_full = 9, .given = 10, .given_full = 1, .sent = 9, .sent_full = 9 } },
		  NFVD_BOUND_GUEST },
		{ { .frames = 1000, .busy = 1, .p = { .taken = 9, .taken_full = 9, .given = 20, .given_full = 1, .sent = 10, .sent_full = 1 } },
		  NFVD_BOUND_PEER },
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(nfvd_pressure_judge(&rows[i].s), rows[i].is);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(verdicts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
