/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network devices: looking at them, and hearing of changes (rtnetlink, through libmnl).
 * All functions: control thread.
 *
 * A device's index means something within its network namespace only. nfvd's own namespace
 * knows others by an id (nsid), which the kernel gives: where a peer is, is told as one.
 */
#ifndef NFVD_NETLINK_H
#define NFVD_NETLINK_H

#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define NFVD_NETNS_HERE		(-1)	/* nfvd's own namespace */
#define NFVD_NETNS_NONE		(-2)	/* one that nfvd's has no id for: no device here has its peer there */

struct nfvd_link {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[16];		/* IFLA_INFO_KIND: "veth", "tun", ...; empty: none */
	unsigned int flags;	/* IFF_* */
	unsigned short type;	/* ARPHRD_* */
	uint32_t mtu;
	uint8_t address[6];	/* zero where it has another length */
	char qdisc[16];		/* the root one, by its kind */
	bool xdp;		/* a program sees its frames first */
	int peer;		/* IFLA_LINK: the other end of a veth, what a macvlan or VLAN is on; 0: none */
	int peer_netns;		/* where that is: NFVD_NETNS_*, or an id of nfvd's namespace */
	int master;		/* 0: none */
	bool carrier;
};

/* What an RTM_NEWLINK says. */
void nfvd_link_parse(const struct nlmsghdr *nlh, struct nfvd_link *link);

/* Look up a device by name (or by index if name is NULL) in netns (-1: nfvd's own). 0 or -errno. */
int nfvd_link_get(int netns, const char *name, int ifindex, struct nfvd_link *link);

/* Look up the peer that link, a device of nfvd's own namespace, has. 0 or -errno. */
int nfvd_link_get_peer(const struct nfvd_link *link, struct nfvd_link *peer);

/* Set a device of nfvd's own namespace up or down. 0 or -errno. */
int nfvd_link_set_up(int ifindex, bool up);

/* Put a device of nfvd's own namespace into a bridge. 0 or -errno. */
int nfvd_link_set_master(int ifindex, int master);

/*
 * Open a network namespace: a name under /run/netns, an absolute path, or (name NULL) a pid. fd or
 * -errno; -EBADF: there is a file, but it is no network namespace.
 */
int nfvd_netns_open(const char *name, int pid);

/* What nfvd's namespace calls the one that fd has open: NFVD_NETNS_*, or its id. */
int nfvd_netns_id(int fd);

/* Send a request and hand each message of its response to cb (NULL: an error or none). 0 or -errno. */
int nfvd_netlink_talk(struct nlmsghdr *nlh, mnl_cb_t cb, void *arg);
/* The same on a bound socket of the caller's. */
int nfvd_netlink_talk_on(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg);

/* A bound socket in the network namespace that the descriptor netns has open. NULL with errno. */
struct mnl_socket *nfvd_netlink_open_in(int netns);

/* Hear of devices in nfvd's own namespace, and of what tc does there: changed is called for each. 0 or -errno. */
int nfvd_netlink_start(sd_event *event, void (*changed)(int ifindex));
void nfvd_netlink_stop(void);

#endif
