/* SPDX-License-Identifier: BSD-3-Clause */
/* A FUSE file system with one file, whose server is the test. Needs root and a separate mount namespace. */
#ifndef FUSE_H
#define FUSE_H

#include <stddef.h>
#include <stdint.h>

/* One at a time. The file, of so many bytes, open for reading and writing; or -errno. */
int fuse_start(size_t bytes);
/* From now on requests whose bit (1 << FUSE_...) is set are not answered, for 20 s; 0: all are, and those of before. */
void fuse_withhold(uint64_t opcodes);
void fuse_stop(void);			/* the file is closed */

#endif
