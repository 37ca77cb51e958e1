/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network devices, made and set by rtnetlink in the current network namespace.
 * All return 0 or -errno. No name is a command line to anybody.
 */
#ifndef CTL_LINK_H
#define CTL_LINK_H

int link_add_bridge(const char *name);
/* A pair; the other end is in network namespace netns, with this MAC address unless NULL. */
int link_add_veth(const char *name, const char *peer, int netns, const char *mac);
int link_add_tap(const char *name);	/* it stays when nobody has it open */
int link_del(const char *name);
int link_up(const char *name, const char *master);	/* in that bridge unless NULL */
int link_add_address(const char *name, const char *addr, unsigned char prefix);
/* For good: nobody is asked for it. */
int link_add_neighbour(const char *name, const char *addr, const char *mac);

#endif
