/* SPDX-License-Identifier: BSD-3-Clause */
#include "xen_io.h"
