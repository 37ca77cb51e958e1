// SPDX-License-Identifier: BSD-3-Clause
/*
 * Progress of long work, on standard error: one line that is rewritten on a
 * terminal, else one line per step.
 */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "ctl.h"

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
	char left[48] = "", line[256];

	if (!progress.steps || !progress.terminal)
		return;
	if (done) {
		double before = progress.step_started - progress.started;
		double rest = before / done * progress.steps - elapsed;

		snprintf(left, sizeof(left), ", about %.0f s left", rest > 0 ? rest : 0);
	}
	snprintf(line, sizeof(line), "[%u/%u] %s  %.0f s%s", progress.step, progress.steps, progress.text, elapsed, left);
	out_status(line);
}

void progress_step(const char *fmt, ...)
{
	char line[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(progress.text, sizeof(progress.text), fmt, ap);
	va_end(ap);
	progress.step++;
	progress.step_started = now_s();
	snprintf(line, sizeof(line), "[%u/%u] %s", progress.step, progress.steps, progress.text);
	if (progress.terminal)
		progress_tick();
	else
		out_status(line);
}

void progress_end(void)
{
	if (progress.steps)
		out_status(NULL);
	progress.steps = 0;
}
