/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for the driver in use. All drivers share one pool, because only one of them runs. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

#define PAGE_BYTES	4096u

/* Return zeroed whole pages, which are never freed. stop() if there are too few. */
void *memory_take(size_t bytes);

#endif
