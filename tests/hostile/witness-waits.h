/* SPDX-License-Identifier: BSD-3-Clause */
/* How long the threads of an nfvd, and the witness's own, have waited for a CPU, by the kernel's count. */
#ifndef WITNESS_WAITS_H
#define WITNESS_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#define WORKERS_MAX	16
#define OTHERS_MAX	64

/* The waits of one nfvd. */
struct waits {
	int pid;
	int schedstat[WORKERS_MAX];	/* of the workers, open */
	unsigned int n_workers;
	/* The present silence, if it is long. */
	bool is_long;
	unsigned int n_others;
	struct { int fd; int64_t waited; } other[OTHERS_MAX];
	char asleep[40];		/* where a worker slept when it became long */
};

int waits_of(struct waits *w, int pid);		/* find the workers. Return 0 or -errno */
void waits_close(struct waits *w);
/* Include the calling thread's own count from now on. */
void waits_begin(void);
void waits_end(void);

/* Return the ns until now for which frames may have waited: for the slowest worker, then for this thread. */
int64_t waits_so_far(const struct waits *w);

/* A silence has become long: note what nfvd's other threads do. */
void waits_long_silence(struct waits *w);
/* The silence has ended. Return how long the slowest of the other threads waited in it, in ns. */
int64_t waits_end_silence(struct waits *w);

#endif
