/* SPDX-License-Identifier: BSD-3-Clause */
/* Definitions that lwIP needs from a platform. */
#ifndef ARCH_CC_H
#define ARCH_CC_H

#include "console.h"

#define LWIP_PLATFORM_DIAG(x)		print x
#define LWIP_PLATFORM_ASSERT(text)	stop("lwIP: %s", text)
#define LWIP_RAND()			net_random()

unsigned int net_random(void);

#endif
