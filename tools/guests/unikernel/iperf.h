/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP throughput, as iperf 2 measures it. */
#ifndef IPERF_H
#define IPERF_H

/* A server on port 5001, and a client if the command line has nfv.iperf=A.B.C.D (nfv.time=SECONDS). */
void iperf_open(const char *cmdline);

#endif
