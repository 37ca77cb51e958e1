// SPDX-License-Identifier: BSD-3-Clause
/*
 * The order of bench draft: instantiation in rounds, each technology and each way
 * in turn; then one guest after the other, that stays for all else. The result is
 * saved after each sample, and samples that are there already are not taken again.
 */
#include <string.h>
#include <time.h>
#include "draft/draft.h"

static void set_error(json_t *tech, const char *measure, const struct ctl_err *err)
{
	json_t *errors = json_object_get(tech, "errors"), *text = json_string(err->text);

	if (!errors) {
		errors = json_object();
		json_object_set_new(tech, "errors", errors);
	}
	json_object_set_new(errors, measure, text ? text : json_string("failed"));
}

static size_t samples_of(json_t *samples, const char *way)
{
	json_t *sample;
	size_t i, n = 0;

	json_array_foreach(samples, i, sample) {
		const char *its_way = json_string_value(json_object_get(sample, "way"));

		n += !way || (its_way && !strcmp(way, its_way));
	}
	return n;
}

/* One round: each technology, each way. What failed once is not tried again. */
static int instantiate(struct draft_bench *b, size_t run, struct ctl_err *err)
{
	for (size_t i = 0; i < b->n; i++) {
		struct draft_subject *s = &b->subjects[i];
		json_t *samples = result_samples(s->tech, "instantiation");

		for (enum draft_how how = 0; how < HOWS; how++) {
			struct ctl_err failed = { 0 };

			progress_step("%s: instantiation %zu, %s", s->row->name, run + 1, draft_how_names[how]);
			/* Of a Xen guest the interface comes into being with the guest. */
			if ((how >= HOW_NFVD_AHEAD && s->guest.kind == KIND_XEN) || samples_of(samples, draft_how_names[how]) > run ||
			    json_object_get(json_object_get(s->tech, "errors"), "instantiation"))
				continue;
			if (measure_instantiation(&s->guest, s->tech, how, samples, &failed))
				set_error(s->tech, "instantiation", &failed);
			if (result_save(b->result, err))
				return CTL_FAILED;
		}
	}
	return CTL_OK;
}

/* As many samples as are still missing, from a guest that runs. */
static int sample(struct draft_bench *b, struct draft_subject *s, int measure, struct ctl_err *err)
{
	json_t *samples = result_samples(s->tech, draft_measures[measure]);
	struct ctl_err failed = { 0 };
	int rc = CTL_OK;

	while (!rc && b->measures[measure] && json_array_size(samples) < b->runs) {
		if (measure == THROUGHPUT)
			rc = measure_throughput(&s->guest, s->tech, b->seconds, samples, &failed);
		else if (measure == RTT)
			rc = measure_rtt(&s->guest, samples, &failed);
		else
			rc = measure_memory(&s->guest, samples, &failed);
		if (rc)
			set_error(s->tech, draft_measures[measure], &failed);
		if (result_save(b->result, err))
			return CTL_FAILED;
	}
	return CTL_OK;
}

static bool wanting(const struct draft_bench *b, json_t *tech, int measure)
{
	return b->measures[measure] && json_array_size(result_samples(tech, draft_measures[measure])) < b->runs;
}

/* When its network is up, a guest with services has not started all of them. */
static void settle(double boot_s)
{
	const struct timespec rest = { (time_t)(boot_s / 4), 0 };

	nanosleep(&rest, NULL);
}

/* Memory first: before traffic has made it grow. */
static int measure_running(struct draft_bench *b, struct draft_subject *s, struct ctl_err *err)
{
	static const int order[] = { MEMORY, RTT, THROUGHPUT };
	struct ctl_err failed = { 0 };
	double start = now_s();
	int rc = CTL_OK;

	if (!wanting(b, s->tech, MEMORY) && !wanting(b, s->tech, RTT) && !wanting(b, s->tech, THROUGHPUT))
		return CTL_OK;
	if (guest_prepare(&s->guest, s->tech, WAY_NFVD, s->guest.memory_mib, 0, &failed) ||
	    guest_start(&s->guest, NULL, &failed)) {
		for (size_t i = 0; i < 3; i++)
			if (b->measures[order[i]])
				set_error(s->tech, draft_measures[order[i]], &failed);
		return result_save(b->result, err);
	}
	settle(now_s() - start);
	for (size_t i = 0; !rc && i < 3; i++)
		rc = sample(b, s, order[i], err);
	guest_stop(&s->guest);
	return rc;
}

static int measure_least(struct draft_bench *b, struct draft_subject *s, struct ctl_err *err)
{
	json_t *samples = result_samples(s->tech, "need");
	struct ctl_err failed = { 0 };

	if (!b->measures[MEMORY] || s->guest.kind == KIND_CONTAINER || json_array_size(samples))
		return CTL_OK;
	if (measure_need(&s->guest, s->tech, samples, &failed))
		set_error(s->tech, "memory", &failed);
	return result_save(b->result, err);
}

int rounds_run(struct draft_bench *b, struct ctl_err *err)
{
	bool running = b->measures[MEMORY] || b->measures[RTT] || b->measures[THROUGHPUT];
	size_t rounds = b->measures[INSTANTIATION] ? b->runs : 0;
	int rc = CTL_OK;

	progress_start((unsigned int)(b->n * (rounds * HOWS + running + b->measures[MEMORY])));
	for (size_t run = 0; !rc && run < rounds; run++)
		rc = instantiate(b, run, err);
	for (size_t i = 0; !rc && i < b->n; i++) {
		struct draft_subject *s = &b->subjects[i];

		if (running) {
			progress_step("%s: while it runs", s->row->name);
			rc = measure_running(b, s, err);
		}
		if (!rc && b->measures[MEMORY]) {
			progress_step("%s: the memory it needs", s->row->name);
			rc = measure_least(b, s, err);
		}
	}
	progress_end();
	return rc;
}
