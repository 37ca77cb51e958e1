/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Make and configure network devices by rtnetlink, in the current network namespace. All functions return 0 or -errno. A
 * name never becomes part of a command line.
 */
#ifndef CTL_LINK_H
#define CTL_LINK_H

int link_add_bridge(const char *name);
/* Make a veth pair; peer is in network namespace netns, with this MAC address unless NULL. */
int link_add_veth(const char *name, const char *peer, int netns, const char *mac);
int link_add_tap(const char *name);	/* it stays after it is closed */
int link_del(const char *name);
int link_up(const char *name, const char *master);	/* and put it into bridge master unless NULL */
int link_add_address(const char *name, const char *addr, unsigned char prefix);
/* Add a permanent neighbour entry, for which no ARP request is sent. */
int link_add_neighbour(const char *name, const char *addr, const char *mac);

#endif
