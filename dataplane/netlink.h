/* SPDX-License-Identifier: BSD-3-Clause */
/* Network devices: looking at them, and hearing of changes (rtnetlink, through libmnl). */
#ifndef NFVD_NETLINK_H
#define NFVD_NETLINK_H

#include <sys/socket.h>
#include <linux/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct nfvd_link {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[16];		/* IFLA_INFO_KIND: "veth", "tun", ...; empty: none */
	unsigned int flags;	/* IFF_* */
	unsigned short type;	/* ARPHRD_* */
	uint32_t mtu;
	int peer;		/* IFLA_LINK; 0: none */
	bool peer_elsewhere;	/* the peer is in another network namespace */
	int master;		/* 0: none */
	bool carrier;
};

/* Look up a device by name (or by index if name is NULL) in netns (-1: nfvd's own). 0 or -errno. */
int nfvd_link_get(int netns, const char *name, int ifindex, struct nfvd_link *link);

/* Set a device of nfvd's own namespace up or down. 0 or -errno. */
int nfvd_link_set_up(int ifindex, bool up);

/* Put a device of nfvd's own namespace into a bridge. 0 or -errno. */
int nfvd_link_set_master(int ifindex, int master);

/* Open a network namespace: a name under /run/netns, an absolute path, or (name NULL) a pid. fd or -errno. */
int nfvd_netns_open(const char *name, int pid);

/* Hear of devices in nfvd's own namespace; calls nfvd_netdev_link_changed() (netdev.c). */
int nfvd_netlink_start(sd_event *event);
void nfvd_netlink_stop(void);

void nfvd_netdev_link_changed(int ifindex);

#endif
