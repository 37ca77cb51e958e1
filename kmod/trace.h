/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints nfv:rx, nfv:tx, nfv:drop. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nfv

#if !defined(NFVK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NFVK_TRACE_H

#include <linux/tracepoint.h>

/* Between these parentheses is no C. */
/* clang-format off */
TRACE_EVENT(rx,
	TP_PROTO(u32 port, u32 queue, u32 pos, u32 len),
	TP_ARGS(port, queue, pos, len),
	TP_STRUCT__entry(
		__field(u32, port)
		__field(u32, queue)
		__field(u32, pos)
		__field(u32, len)
	),
	TP_fast_assign(
		__entry->port = port;
		__entry->queue = queue;
		__entry->pos = pos;
		__entry->len = len;
	),
	TP_printk("port=%u queue=%u pos=%u len=%u", __entry->port, __entry->queue, __entry->pos, __entry->len)
);

TRACE_EVENT(tx,
	TP_PROTO(u32 port, u32 len, int result),
	TP_ARGS(port, len, result),
	TP_STRUCT__entry(
		__field(u32, port)
		__field(u32, len)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->port = port;
		__entry->len = len;
		__entry->result = result;
	),
	TP_printk("port=%u len=%u result=%d", __entry->port, __entry->len, __entry->result)
);

/* why: enum nfv_miss */
TRACE_EVENT(drop,
	TP_PROTO(u32 port, u32 why),
	TP_ARGS(port, why),
	TP_STRUCT__entry(
		__field(u32, port)
		__field(u32, why)
	),
	TP_fast_assign(
		__entry->port = port;
		__entry->why = why;
	),
	TP_printk("port=%u why=%u", __entry->port, __entry->why)
);
/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
