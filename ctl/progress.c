// SPDX-License-Identifier: BSD-3-Clause
/*
 * Progress of long work, on standard error: one line that is rewritten on a
 * terminal, else one line per step.
 */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

static struct {
	bool terminal;
	unsigned int step, steps;
	double started, step_started;
	char text[128];
} progress;

double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void progress_start(unsigned int steps)
{
	progress.terminal = isatty(STDERR_FILENO);
	progress.step = 0;
	progress.steps = steps;
	progress.started = now_s();
}

void progress_tick(void)
{
	double elapsed = now_s() - progress.started;
	unsigned int done = progress.step ? progress.step - 1 : 0;

	if (!progress.steps || !progress.terminal)
		return;
	fprintf(stderr, "\r\033[K[%u/%u] %s  %.0f s", progress.step, progress.steps, progress.text, elapsed);
	if (done) {
		double before = progress.step_started - progress.started;
		double left = before / done * progress.steps - elapsed;

		fprintf(stderr, ", about %.0f s left", left > 0 ? left : 0);
	}
	fflush(stderr);
}

void progress_step(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(progress.text, sizeof(progress.text), fmt, ap);
	va_end(ap);
	progress.step++;
	progress.step_started = now_s();
	if (progress.terminal)
		progress_tick();
	else
		fprintf(stderr, "[%u/%u] %s\n", progress.step, progress.steps, progress.text);
}

void progress_end(void)
{
	if (progress.steps && progress.terminal)
		fputs("\r\033[K", stderr);
	progress.steps = 0;
}
