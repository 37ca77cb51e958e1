/* SPDX-License-Identifier: BSD-3-Clause */
/* A FUSE file system with one file, whose server is the test. Needs root and a separate mount namespace. */
#ifndef FUSE_H
#define FUSE_H

#include <stddef.h>
#include <stdint.h>

/* Mount it, once at a time. Return its file, of so many bytes, open for reading and writing, or -errno. */
int fuse_start(size_t bytes);
/* Withhold responses to requests whose bit (1 << FUSE_...) is set, for 20 s; 0: respond to all, earlier ones too. */
void fuse_withhold(uint64_t opcodes);
void fuse_stop(void);			/* the file is closed */

#endif
