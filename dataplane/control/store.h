/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One JSON document in a folder, in generations. A document for which nfvd_store_write() returned 0 is there, whole,
 * after a crash.
 *
 *	DIR/lock			whose folder it is
 *	DIR/config-0000000017.json	generation 17; the youngest sound one counts
 *	DIR/new				being written: not a generation yet
 *
 * A file that is not sound (cut, foreign, of another user, of a newer version) stays where it is, and the generation
 * before it counts.
 *
 * Context: control.
 */
#ifndef NFVD_STORE_H
#define NFVD_STORE_H

#include <stdbool.h>
#include <jansson.h>

#define NFVD_STORE_GENERATIONS	10	/* that are kept */
#define NFVD_STORE_BYTES_MAX	(4 << 20)

/* Open dir, make it if needed, and lock it until close. Return 0, or -errno with a line in the log. */
int nfvd_store_open(const char *dir);
void nfvd_store_close(void);

/*
 * Set *doc to the youngest document for which sound(doc, reason, size) is true, or to NULL. For each document that is
 * not sound, sound() writes why to reason, and bad() is called with the name of its file and that reason. Return 0,
 * or -errno if the folder cannot be read.
 */
int nfvd_store_load(json_t **doc, bool (*sound)(const json_t *doc, char *reason, size_t size),
		    void (*bad)(const char *file, const char *reason));

/* Return one generation if it is there and sound; NULL with the reason. */
json_t *nfvd_store_read(unsigned int generation, bool (*sound)(const json_t *doc, char *reason, size_t size),
			char *reason, size_t size);
/* Return all generations that are kept, youngest first: [{generation, time}], time in ms since 1970. A new reference. */
json_t *nfvd_store_history(void);

/*
 * Write a generation, or (again) write the last one anew if there is one. Return 0, or -errno with the earlier
 * generations unchanged; if only the folder could not be synced, with the last one perhaps written anew.
 */
int nfvd_store_write(const json_t *doc, bool again);
unsigned int nfvd_store_generation(void);	/* the last that was loaded or written; 0: none */

#endif
