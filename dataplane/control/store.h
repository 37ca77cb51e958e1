/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One JSON document in a folder, in generations: what nfvd_store_write() said is written is
 * there after a crash, whole.
 *
 *	DIR/lock			whose folder it is
 *	DIR/config-0000000017.json	generation 17; the youngest sound one counts
 *	DIR/new				being written: not a generation yet
 *
 * A file that is not sound (cut, foreign, of another user, of a newer version) stays where it is, and
 * the generation before it counts. All functions: control.
 */
#ifndef NFVD_STORE_H
#define NFVD_STORE_H

#include <stdbool.h>
#include <jansson.h>

#define NFVD_STORE_GENERATIONS	10	/* that are kept */
#define NFVD_STORE_BYTES_MAX	(4 << 20)

/* Make dir, or use it, and own it until close. 0 or -errno, with a line in the log. */
int nfvd_store_open(const char *dir);
void nfvd_store_close(void);

/*
 * The youngest document for which sound(doc, reason, size) is true; NULL: there is none. sound says
 * in reason why not. What is not sound is told to bad(), by name and reason.
 */
json_t *nfvd_store_load(bool (*sound)(const json_t *doc, char *reason, size_t size),
			void (*bad)(const char *file, const char *reason));

/* Write a generation. 0; or -errno, and what is there is what was there. */
int nfvd_store_write(const json_t *doc);
unsigned int nfvd_store_generation(void);	/* the last that was loaded or written; 0: none */

#endif
