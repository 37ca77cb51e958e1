/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for the one driver that runs: what there is of it does not add up over all drivers. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

#define PAGE_BYTES	4096u

/* Whole pages of zeros, for ever. stop()s if there are not as many. */
void *memory_take(size_t bytes);

#endif
