/* SPDX-License-Identifier: BSD-3-Clause */
/* The network as the rest sees it. */
#ifndef NET_H
#define NET_H

/* By the command line: nfv.ip=A.B.C.D/N, nfv.gw=A.B.C.D, nfv.mtu=N */
void net_open(const char *cmdline);
struct tcp_pcb;
/* A connection just made may send more at a time than goes into a frame, if the device cuts it. */
void net_allow_super_frames(struct tcp_pcb *pcb);
/* Work as long as there is some, then sleep; for ever. */
void net_run(void) __attribute__((noreturn));

#endif
