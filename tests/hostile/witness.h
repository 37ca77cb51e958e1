/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The witness: two well-behaved guests exchange numbered frames all the time, at half of their
 * maximum rate, through the nfvd under attack. On the same thread, two more do so through a second
 * nfvd that is not attacked: the control. Delays that affect both are not nfvd's fault, nor is the
 * time that its threads wait for a CPU, which the kernel counts.
 *
 * A silence is a time without a frame. A case passes if no frame was lost, and no silence was
 * longer than the control's longest one by more than WITNESS_SILENCE_MS.
 */
#ifndef WITNESS_H
#define WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITNESS_SANITIZED	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITNESS_SANITIZED	1
#endif
#endif

/*
 * With a sanitizer and tracked reads of guest memory, nfvd is up to a hundred times slower, and its memory a few times
 * larger: on a loaded machine it has been silent for 3.6 s. There the limit only detects a hang; the plain build tests
 * the real limit.
 */
#ifdef WITNESS_SANITIZED
#define WITNESS_SILENCE_MS	10000
#else
#define WITNESS_SILENCE_MS	20
#endif

/* An nfvd, with ports w0 and w1 that nobody uses yet. */
struct witness_nfvd {
	const char *state_dir;
	int pid;
};

/* Start, and wait until frames pass. Return 0, or -errno with *what failed. */
int witness_start(const struct witness_nfvd *harmed, const struct witness_nfvd *control, const char **what);
void witness_stop(void);

/* Begin a new case. */
void witness_begin(void);
/* End the case, and print a line. Return NULL, or the complaint, valid until the next call. */
const char *witness_end(const char *name);

uint64_t witness_count(void);		/* frames up to now */
bool witness_pause(bool on);		/* on: wait until no frame is on its way; return false if one does not arrive */

#endif
