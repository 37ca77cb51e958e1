// SPDX-License-Identifier: BSD-3-Clause
/*
 * Network devices by rtnetlink.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netinet/ether.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include "link.h"

#define MESSAGE_MAX	1024

/* The kernel's response to one request: 0 or -errno. */
static int talk(struct nlmsghdr *nlh)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char buf[8192];
	ssize_t n;
	int rc = 0;

	if (!nl)
		return -errno;
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0) {
		rc = -errno;
	} else {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0 || mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0)
			rc = -errno;
	}
	mnl_socket_close(nl);
	return rc;
}

static struct nlmsghdr *request(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return nlh;
}

static struct ifinfomsg *put_link(struct nlmsghdr *nlh, unsigned int ifindex)
{
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return ifi;
}

static bool valid(const char *name)
{
	return name[0] && strlen(name) < IF_NAMESIZE;
}

int link_add_bridge(const char *name)
{
	char buf[MESSAGE_MAX];
	struct nlmsghdr *nlh = request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info;

	if (!valid(name))
		return -EINVAL;
	put_link(nlh, 0);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(nlh, info);
	return talk(nlh);
}

int link_add_veth(const char *name, const char *peer, int netns, const char *mac)
{
	char buf[MESSAGE_MAX];
	struct nlmsghdr *nlh = request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ether_addr *address = mac ? ether_aton(mac) : NULL;
	struct nlattr *info, *data, *other;

	if (!valid(name) || !valid(peer) || (mac && !address))
		return -EINVAL;
	put_link(nlh, 0);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	put_link(nlh, 0);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, peer);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)netns);
	if (mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, ETH_ALEN, address);
	mnl_attr_nest_end(nlh, other);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return talk(nlh);
}

int link_add_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd, rc = 0;

	if (!valid(name))
		return -EINVAL;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETPERSIST, 1))
		rc = -errno;
	close(fd);
	return rc;
}

int link_del(const char *name)
{
	char buf[MESSAGE_MAX];
	struct nlmsghdr *nlh = request(buf, RTM_DELLINK, 0);

	if (!valid(name))
		return -EINVAL;
	put_link(nlh, 0);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return talk(nlh);
}

int link_up(const char *name, const char *master)
{
	char buf[MESSAGE_MAX];
	struct nlmsghdr *nlh = request(buf, RTM_NEWLINK, 0);
	unsigned int ifindex = if_nametoindex(name), bridge = master ? if_nametoindex(master) : 0;
	struct ifinfomsg *ifi;

	if (!ifindex || (master && !bridge))
		return -ENODEV;
	ifi = put_link(nlh, ifindex);
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	if (master)
		mnl_attr_put_u32(nlh, IFLA_MASTER, bridge);
	return talk(nlh);
}

int link_add_address(const char *name, const char *addr, unsigned char prefix)
{
	char buf[MESSAGE_MAX];
	struct nlmsghdr *nlh = request(buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	struct in_addr in;

	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = prefix;
	ifa->ifa_index = if_nametoindex(name);
	if (!ifa->ifa_index)
		return -ENODEV;
	if (inet_pton(AF_INET, addr, &in) != 1)
		return -EINVAL;
	mnl_attr_put_u32(nlh, IFA_LOCAL, in.s_addr);
	mnl_attr_put_u32(nlh, IFA_ADDRESS, in.s_addr);
	return talk(nlh);
}

int link_add_neighbour(const char *name, const char *addr, const char *mac)
{
	char buf[MESSAGE_MAX];
	struct nlmsghdr *nlh = request(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(nlh, sizeof(*nd));
	struct ether_addr *address = ether_aton(mac);
	struct in_addr in;

	nd->ndm_family = AF_INET;
	nd->ndm_state = NUD_PERMANENT;
	nd->ndm_ifindex = (int)if_nametoindex(name);
	if (!nd->ndm_ifindex)
		return -ENODEV;
	if (!address || inet_pton(AF_INET, addr, &in) != 1)
		return -EINVAL;
	mnl_attr_put_u32(nlh, NDA_DST, in.s_addr);
	mnl_attr_put(nlh, NDA_LLADDR, ETH_ALEN, address);
	return talk(nlh);
}
