/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest_kernel.h"
