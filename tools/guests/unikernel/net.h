/* SPDX-License-Identifier: BSD-3-Clause */
/* The network, for the rest of the program. */
#ifndef NET_H
#define NET_H

/* Configure the network by nfv.ip=A.B.C.D/N, nfv.gw=A.B.C.D and nfv.mtu=N of the command line. */
void net_open(const char *cmdline);
struct tcp_pcb;
/* Let a new connection send super-frames, if the device segments them. */
void net_allow_super_frames(struct tcp_pcb *pcb);
/* Process all work, then sleep; for ever. */
void net_run(void) __attribute__((noreturn));

#endif
