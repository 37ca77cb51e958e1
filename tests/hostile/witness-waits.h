/* SPDX-License-Identifier: BSD-3-Clause */
/* How long the threads of an nfvd, and the witness's own, have waited for a processor, as the kernel counts it. */
#ifndef WITNESS_WAITS_H
#define WITNESS_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#define WORKERS_MAX	16
#define OTHERS_MAX	64

/* Of one nfvd. */
struct waits {
	int pid;
	int schedstat[WORKERS_MAX];	/* of the workers, open */
	unsigned int n_workers;
	/* Of a silence that is long by now. */
	bool is_long;
	unsigned int n_others;
	struct { int fd; int64_t waited; } other[OTHERS_MAX];
	char asleep[40];		/* where a worker slept when it became long */
};

int waits_of(struct waits *w, int pid);		/* finds the workers; 0 or -errno */
void waits_close(struct waits *w);
/* The calling thread's own count, too, from now on. */
void waits_begin(void);
void waits_end(void);

/* ns until now: frames may have waited for the slowest of the workers, then for us. */
int64_t waits_so_far(const struct waits *w);

/* A silence is long by now: note what nfvd's other threads do. */
void waits_long_silence(struct waits *w);
/* It has ended: how long the slowest of the others waited in it, in ns. */
int64_t waits_end_silence(struct waits *w);

#endif
