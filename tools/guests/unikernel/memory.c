// SPDX-License-Identifier: BSD-3-Clause
/*
 * Memory for drivers.
 */
#include <stdint.h>
#include "console.h"
#include "memory.h"

#define PAGES	528u

static uint8_t pages[PAGES][PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
static size_t taken;

void *memory_take(size_t bytes)
{
	size_t n = (bytes + PAGE_BYTES - 1) / PAGE_BYTES, first = taken;

	if (n > PAGES - taken)
		stop("a driver wants more than %u pages", PAGES);
	taken += n;
	return pages[first];
}
