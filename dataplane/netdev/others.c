/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev/others.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "log.h"
#include "shortcut/shortcut.h"
#include "shortcut/tc.h"

/* ---- the host's own use ---- */

struct devices {
	struct nfvd_use *use;
	unsigned int n;
};

static struct nfvd_use *use_of(const struct devices *d, int ifindex)
{
	for (unsigned int i = 0; i < d->n; i++)
		if (d->use[i].link->ifindex == ifindex)
			return &d->use[i];
	return NULL;
}

static void found(struct nfvd_use *u, const char *kind, const char *name)
{
	if (!u->what[0])
		snprintf(u->what, sizeof(u->what), "%s%s%s", kind, name ? " " : "", name ? name : "");
}

/* Attributes that the three kinds of messages below are asked for. */
struct wanted {
	uint16_t type[3];
	const struct nlattr *attr[3];
};

static int pick(const struct nlattr *attr, void *arg)
{
	struct wanted *w = arg;

	for (unsigned int i = 0; i < 3; i++)
		if (mnl_attr_get_type(attr) == w->type[i])
			w->attr[i] = attr;
	return MNL_CB_OK;
}

/* An address as text; false if the attribute is none of the family. */
static bool address_text(int family, const struct nlattr *attr, char text[INET6_ADDRSTRLEN])
{
	size_t len = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;

	return attr && len && mnl_attr_get_payload_len(attr) == len &&
	       inet_ntop(family, mnl_attr_get_payload(attr), text, INET6_ADDRSTRLEN);
}

/* Link-local ones of IPv6 are on every device. */
static int on_address(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct wanted w = { .type = { IFA_LOCAL, IFA_ADDRESS } };
	char text[INET6_ADDRSTRLEN], with_length[INET6_ADDRSTRLEN + 8];
	struct nfvd_use *u = use_of(arg, (int)ifa->ifa_index);

	if (!u || (ifa->ifa_family == AF_INET6 && ifa->ifa_scope == RT_SCOPE_LINK))
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*ifa), pick, &w);
	if (!address_text(ifa->ifa_family, w.attr[0] ? w.attr[0] : w.attr[1], text))
		return MNL_CB_OK;
	snprintf(with_length, sizeof(with_length), "%s/%u", text, ifa->ifa_prefixlen);
	found(u, "has the address", with_length);
	return MNL_CB_OK;
}

/* If one device was asked for, newer kernels list only its routes, older ones all. */
static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *r = mnl_nlmsg_get_payload(nlh);
	struct wanted w = { .type = { RTA_DST, RTA_OIF } };
	char text[INET6_ADDRSTRLEN], with_length[INET6_ADDRSTRLEN + 8];
	struct nfvd_use *u;

	mnl_attr_parse(nlh, sizeof(*r), pick, &w);
	u = w.attr[1] ? use_of(arg, (int)mnl_attr_get_u32(w.attr[1])) : NULL;
	if (!u || r->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	if (!r->rtm_dst_len) {
		found(u, "has the default route", NULL);
	} else if (address_text(r->rtm_family, w.attr[0], text) && strncmp(text, "fe80:", 5)) {
		snprintf(with_length, sizeof(with_length), "%s/%u", text, r->rtm_dst_len);
		found(u, "has the route", with_length);
	}
	return MNL_CB_OK;
}

/* A VLAN, macvlan or the like names the device below it. A veth names its peer in the same way. */
static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	struct nfvd_link upper;
	struct nfvd_use *u;

	nfvd_link_parse(nlh, &upper);
	u = use_of(arg, upper.peer);
	if (u && upper.peer_netns == NFVD_NETNS_HERE && strcmp(upper.kind, "veth") &&
	    upper.ifindex != u->link->ifindex)
		found(u, "carries the device", upper.name);
	return MNL_CB_OK;
}

/* A macvlan in another namespace is seen by the address that it receives for. */
static int on_neighbour(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *n = mnl_nlmsg_get_payload(nlh);
	struct wanted w = { .type = { NDA_LLADDR, NDA_MASTER } };
	struct nfvd_use *u = use_of(arg, n->ndm_ifindex);
	const uint8_t *mac;
	char text[18];

	mnl_attr_parse(nlh, sizeof(*n), pick, &w);
	if (!u || !(n->ndm_flags & NTF_SELF) || w.attr[1] || !w.attr[0] ||
	    mnl_attr_get_payload_len(w.attr[0]) != 6)
		return MNL_CB_OK;
	mac = mnl_attr_get_payload(w.attr[0]);
	if (mac[0] & 1 || !memcmp(mac, u->link->address, 6))
		return MNL_CB_OK;
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	found(u, "receives for another device (a macvlan?),", text);
	return MNL_CB_OK;
}

/* All messages of a kind; once more if what is listed changed meanwhile. */
static void dump(int type, const void *header, size_t len, uint16_t attr, mnl_cb_t cb, struct devices *d)
{
	for (unsigned int i = 0; i < 3; i++) {
		char buf[256];
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

		nlh->nlmsg_type = type;
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		memcpy(mnl_nlmsg_put_extra_header(nlh, len), header, len);
		if (attr && d->n == 1)
			mnl_attr_put_u32(nlh, attr, d->use[0].link->ifindex);
		if (nfvd_netlink_talk(nlh, cb, d) != -EINTR)
			return;
	}
}

void nfvd_netdev_uses(struct nfvd_use *uses, unsigned int n)
{
	int one = n == 1 ? uses[0].link->ifindex : 0;
	const struct ifaddrmsg address = { .ifa_index = one };
	const struct ndmsg neighbour = { .ndm_family = PF_BRIDGE, .ndm_ifindex = one };
	const struct ifinfomsg any = { .ifi_family = AF_UNSPEC };
	struct devices d = { .use = uses, .n = n };

	for (unsigned int i = 0; i < n; i++)
		uses[i].what[0] = 0;
	if (!n)
		return;
	dump(RTM_GETADDR, &address, sizeof(address), 0, on_address, &d);
	for (unsigned int i = 0; i < 2; i++) {
		const struct rtmsg route = { .rtm_family = i ? AF_INET6 : AF_INET };

		dump(RTM_GETROUTE, &route, sizeof(route), RTA_OIF, on_route, &d);
	}
	dump(RTM_GETLINK, &any, sizeof(any), 0, on_link, &d);
	dump(RTM_GETNEIGH, &neighbour, sizeof(neighbour), 0, on_neighbour, &d);
}

/* ---- what the shortcut would pass by ---- */

bool nfvd_netdev_not_plain(const struct nfvd_port *port, const struct nfvd_link *link, struct nfvd_link *peer,
			   char why[NFVD_OTHER_MAX])
{
	char other[NFVD_OTHER_MAX / 2];

	*peer = (struct nfvd_link){ 0 };
	if (link->peer_netns == NFVD_NETNS_HERE)
		snprintf(why, NFVD_OTHER_MAX, "both ends of the veth are in nfvd's network namespace");
	else if (nfvd_link_get_peer(link, peer))
		snprintf(why, NFVD_OTHER_MAX, "the container's end cannot be looked at");
	else if (peer->xdp)
		snprintf(why, NFVD_OTHER_MAX, "an XDP program is on the container's end");
	else if (peer->mtu != link->mtu)
		snprintf(why, NFVD_OTHER_MAX, "the container's end has MTU %u, '%s' %u", peer->mtu, link->name, link->mtu);
	else if (link->qdisc[0] && strcmp(link->qdisc, "noqueue") && strcmp(link->qdisc, "noop"))
		snprintf(why, NFVD_OTHER_MAX, "queueing discipline '%s' is on '%s'", link->qdisc, link->name);
	else if (nfvd_shortcut_other(port, link->ifindex, other, sizeof(other)))
		snprintf(why, NFVD_OTHER_MAX, "%s is at ingress of '%s'", other, link->name);
	else if (nfvd_shortcut_other_egress(port, link->ifindex, other, sizeof(other)))
		snprintf(why, NFVD_OTHER_MAX, "%s is at egress of '%s'", other, link->name);
	else
		return false;
	return true;
}

/* ---- another nfvd ---- */

/* Abstract names are the network namespace's, as device numbers are. */
static socklen_t claim_address(int ifindex, struct sockaddr_un *addr)
{
	int n;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(addr->sun_path + 1, sizeof(addr->sun_path) - 1, "nfvd/device/%d", ifindex);
	return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

/* Anybody may bind such a name: only what root or our own user holds is an nfvd's. */
static bool held_by_nfvd(const struct sockaddr_un *addr, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred who = { .uid = -1 };
	socklen_t who_len = sizeof(who);
	bool yes;

	if (fd < 0)
		return true;
	if (connect(fd, (const struct sockaddr *)addr, len))
		yes = errno == EAGAIN;	/* its backlog is full */
	else
		yes = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_len) || who.uid == 0 || who.uid == geteuid();
	close(fd);
	return yes;
}

int nfvd_netdev_claim(int ifindex)
{
	struct sockaddr_un addr;
	socklen_t len = claim_address(ifindex, &addr);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&addr, len) && !listen(fd, 1))
		return fd;
	if (errno != EADDRINUSE || !held_by_nfvd(&addr, len)) {
		nfvd_log(LOG_WARNING, "cannot mark device %d as this nfvd's: %m", ifindex);
		return fd;
	}
	close(fd);
	return -EBUSY;
}

void nfvd_netdev_clean(void)
{
	int ifindexes[NFVD_PORTS_MAX];
	unsigned int n = nfvd_tc_leftovers(ifindexes, sizeof(ifindexes) / sizeof(ifindexes[0]));

	for (unsigned int i = 0; i < n; i++) {
		struct nfvd_link link;
		int claim = nfvd_netdev_claim(ifindexes[i]);

		if (claim < 0)
			continue;
		if (!nfvd_link_get(-1, NULL, ifindexes[i], &link))
			nfvd_event(NULL, "%s: removed the tc programs that an nfvd left there", link.name);
		nfvd_tc_clean(ifindexes[i]);
		close(claim);
	}
}
