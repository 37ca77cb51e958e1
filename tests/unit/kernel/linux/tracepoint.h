/* SPDX-License-Identifier: BSD-3-Clause */
#include "net.h"
#define TP_PROTO(...)	__VA_ARGS__
#define TRACE_EVENT(name, proto, ...) static inline void trace_##name(proto) { }
