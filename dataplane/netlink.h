/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network devices: reading their state, and learning of changes (rtnetlink, through libmnl).
 *
 * A device's index is valid within its network namespace only. The kernel gives nfvd's own namespace an id (nsid)
 * for each other one. The namespace of a peer is expressed as such an id.
 *
 * Context: all functions are for the control thread.
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
#define NFVD_NETNS_NONE		(-2)	/* without an id in nfvd's: no device here has its peer there */

struct nfvd_link {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[16];		/* IFLA_INFO_KIND: "veth", "tun", ...; empty: none */
	unsigned int flags;	/* IFF_* */
	unsigned short type;	/* ARPHRD_* */
	uint32_t mtu;
	uint8_t address[6];	/* zero where it has another length */
	char qdisc[16];		/* kind of the root qdisc */
	bool xdp;		/* an XDP program is attached, and sees its frames first */
	int peer;		/* IFLA_LINK: the other end of a veth, what a macvlan or VLAN is on; 0: none */
	int peer_netns;		/* where that is: NFVD_NETNS_*, or an id of nfvd's namespace */
	int master;		/* 0: none */
	bool carrier;
};

/* Fill in *link from an RTM_NEWLINK message. */
void nfvd_link_parse(const struct nlmsghdr *nlh, struct nfvd_link *link);

/* Look up a device by name (or by index if name is NULL) in netns (-1: nfvd's own). Return 0 or -errno. */
int nfvd_link_get(int netns, const char *name, int ifindex, struct nfvd_link *link);

/* Look up the peer of link, a device of nfvd's own namespace. Return 0 or -errno. */
int nfvd_link_get_peer(const struct nfvd_link *link, struct nfvd_link *peer);

/* Set a device of nfvd's own namespace up or down. Return 0 or -errno. */
int nfvd_link_set_up(int ifindex, bool up);

/* Put a device of nfvd's own namespace into a bridge. Return 0 or -errno. */
int nfvd_link_set_master(int ifindex, int master);

/*
 * Open a network namespace: a name under /run/netns, an absolute path, or (name NULL) a pid. Return a descriptor
 * or -errno; -EBADF if the file exists but is no network namespace.
 */
int nfvd_netns_open(const char *name, int pid);

/*
 * Return when a process started, in ticks since boot as in /proc/PID/stat; 0 if there is none. The number of a process
 * that has ended may become another's; both together never do.
 */
uint64_t nfvd_process_started(int pid);

/* Return the id that nfvd's namespace has for the open namespace fd, or NFVD_NETNS_*. */
int nfvd_netns_id(int fd);

/* Send a request, and pass each message of its response to cb (NULL: only errors matter). Return 0 or -errno. */
int nfvd_netlink_talk(struct nlmsghdr *nlh, mnl_cb_t cb, void *arg);
/* Do the same on a bound socket of the caller. */
int nfvd_netlink_talk_on(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg);

/* Return a bound socket in the network namespace of descriptor netns, or NULL with errno. */
struct mnl_socket *nfvd_netlink_open_in(int netns);

/*
 * From now on call changed for each change of a device or of tc in nfvd's own namespace. Call it with 0 if
 * notifications were lost. Return 0 or -errno.
 */
int nfvd_netlink_start(sd_event *event, void (*changed)(int ifindex));
void nfvd_netlink_stop(void);

#endif
