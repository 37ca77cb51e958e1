/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The witness: two well-behaved guests that exchange numbered frames all along, at half of
 * what they can, through the nfvd that is being harmed; and, on the same thread, two more
 * through an nfvd that nobody harms: the control. What the machine does to both is not
 * nfvd's fault. Nor is the wait of its threads for a processor, which the kernel counts for them.
 *
 * A silence is a time without a frame. Of one case, judged: no frame lost, and no silence
 * that is longer by WITNESS_SILENCE_MS than the control's longest.
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
 * With a sanitizer, and reads of guest memory that are tracked, nfvd is up to a hundred times slower, and its memory
 * a few times larger: on a loaded machine it has been silent for 3.6 s. There it may not stand still for good; how
 * long it may be silent, the plain build tells.
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

/* Until frames pass. 0, or a negative errno, and *what failed. */
int witness_start(const struct witness_nfvd *harmed, const struct witness_nfvd *control, const char **what);
void witness_stop(void);

/* From here on is another case. */
void witness_begin(void);
/* Since then: prints a line. NULL, or what was wrong, until the next call. */
const char *witness_end(const char *name);

uint64_t witness_count(void);		/* frames up to now */
bool witness_pause(bool on);		/* on: returns when nothing is under way; false: something does not arrive */

#endif
