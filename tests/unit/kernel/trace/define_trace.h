/* SPDX-License-Identifier: BSD-3-Clause */
/* Tracepoints are empty functions: linux/tracepoint.h. */
