/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Port types and the parameters of port.attach, one row each. nfvctl's grammar, help, completion and manual page are
 * made from these rows, and so is nfvd's check.
 */
#ifndef NFV_PARAMS_H
#define NFV_PARAMS_H

#include <stddef.h>

/* X(enumerator, name, help) */
#define NFV_PORT_TYPES(X)									\
	X(KVM, kvm, "a KVM guest, through a vhost-user socket")					\
	X(VETH, veth, "a container, by either end of its veth pair")				\
	X(NETDEV, netdev, "any other Linux network device (tap, vxlan, bond, physical)")	\
	X(XEN, xen, "a Xen guest's network interface, taken from xen-netback if needed")

enum {
#define X(e, name, help) NFV_BIT_##e,
	NFV_PORT_TYPES(X)
#undef X
	NFV_N_PORT_TYPES
};

/* The port types and methods that accept a parameter: a set of these bits. */
enum {
#define X(e, name, help) NFV_##e = 1 << NFV_BIT_##e,
	NFV_PORT_TYPES(X)
#undef X
	NFV_ANY = (1 << NFV_N_PORT_TYPES) - 1,	/* each port type */
	NFV_SET = 1 << NFV_N_PORT_TYPES,	/* policy.set */
};

enum nfv_kind {
	NFV_NUMBER,	/* an integer from least to most */
	NFV_LIMIT,	/* the same, or a text "N", "N drop" or "N flood": what happens beyond N */
	NFV_CHOICE,	/* one of the words of values, separated by '|' */
	NFV_TEXT,	/* a text of least to most bytes */
	NFV_NETNS,	/* a text of least to most bytes: a name or an absolute path */
	NFV_PATH,	/* an absolute path of at most `most` bytes */
	NFV_USER,	/* a user's number; nfvctl accepts a name, too */
	NFV_GROUP,	/* the same for a group */
	NFV_OCTAL,	/* an octal number of at most 4 digits, as a text, from least to most */
	NFV_WORDS,	/* one or several words, as a text: part of a policy. The key determines which are valid */
};

/*
 * X(key, who takes it, kind, least, most, role, values, fallback, help)
 *	role		the role that may set it: OPERATE, as for the attach itself, or ADMIN
 *	values		what follows the key in the usage text
 *	fallback	the default; NULL: the parameter is mandatory. nfvd uses the defaults of numbers and choices; the
 *			others are text for people
 */
#define NFV_ATTACH_PARAMS(X)										\
	X(socket, NFV_KVM, NFV_PATH, 1, 107, ADMIN, "PATH", "NAME.sock where nfvd's state is", "the vhost-user socket") \
	X(mode, NFV_KVM, NFV_CHOICE, 0, 0, OPERATE, "server|client", "server", "whether nfvd makes the socket, or connects to it") \
	X(queues, NFV_KVM, NFV_NUMBER, 1, NFV_PAIRS_MAX, OPERATE, "N", "1", "queue pairs")	\
	X(owner, NFV_KVM, NFV_USER, 0, 4294967294, OPERATE, "USER", "nfvd's", "owner of the socket")	\
	X(group, NFV_KVM, NFV_GROUP, 0, 4294967294, OPERATE, "GROUP", "nfvd's", "group whose members may connect") \
	X(permissions, NFV_KVM, NFV_OCTAL, 0, 0777, OPERATE, "OCTAL", "umask, plus the group", "socket permissions, such as 0660") \
	X(dev, NFV_VETH | NFV_NETDEV, NFV_TEXT, 1, 15, OPERATE, "IFNAME", NULL, "the device")		\
	X(netns, NFV_VETH, NFV_NETNS, 1, 199, OPERATE, "NAME|PATH", "nfvd's own", "network namespace that has the device") \
	X(pid, NFV_VETH, NFV_NUMBER, 1, 4194304, OPERATE, "PID", "none", "a process in that namespace, in place of netns") \
	X(started, NFV_VETH, NFV_NUMBER, 1, 9007199254740991, OPERATE, "TICKS", "when it did", "its start in /proc/PID/stat: refuse another") \
	X(mode, NFV_VETH, NFV_CHOICE, 0, 0, OPERATE, "module|packet", "module if loaded", "through nfv.ko, or a packet socket") \
	X(force, NFV_VETH | NFV_NETDEV, NFV_CHOICE, 0, 0, ADMIN, "no|yes", "no", "take it even if the host or others use it") \
	X(domid, NFV_XEN, NFV_NUMBER, 1, 0x7fef, OPERATE, "N", NULL, "number of the guest")		\
	X(devid, NFV_XEN, NFV_NUMBER, 0, 65535, OPERATE, "N", "0", "number of its interface")		\
	X(macs, NFV_ANY, NFV_LIMIT, 1, 16384, OPERATE, "N [drop]", "1024", "most addresses learnt from it; drop: frames from others") \
	X(temporary, NFV_ANY, NFV_CHOICE, 0, 0, OPERATE, "no|yes", "no", "yes: gone at the next boot; always with pid, domid") \
	X(wait, NFV_ANY, NFV_CHOICE, 0, 0, OPERATE, "no|yes", "no", "yes: keep it even if it cannot be attached yet (--keep)")

#define NFV_PAIRS_MAX	8	/* queue pairs of a kvm port */

/* X(word, default, arguments, help): a port's policy. policy.set takes all words but quarantine. */
#define NFV_POLICY_WORDS(X)								\
	X(zone, "default", "NAME", "a layer-2 segment of its own: frames never leave it") \
	X(vlan, "trunk all", "N | trunk LIST|all [native N [tagged]]", "an access port of VLAN N, or a trunk and its VLANs") \
	X(isolated, "off", "on|off", "isolated ports reach others, but not each other") \
	X(address, "any", "MAC|IP[/N]... [VRRP] | pin | any", "the addresses that the port may send from") \
	X(guard, "none", "dhcp,ra | none", "dhcp: not a DHCP server; ra: not an IPv6 router")	\
	X(from, "none", "RATE [PPS] | none", "most traffic taken from the endpoint: 1Gbit 200kpps") \
	X(to, "none", "RATE [PPS] | none", "most traffic delivered to the endpoint")	\
	X(weight, "1", "N", "its share of a worker's time, relative to others: 1 to 64")	\
	X(broadcast, "default", "PPS | none | default", "most broadcast frames flooded a second") \
	X(unknown, "default", "PPS | none | default", "most frames to unknown addresses flooded a second") \
	X(multicast, "default", "PPS | none | default", "most multicast frames flooded a second") \
	X(quarantine, "off", "on|off|mirror PORT", "no frame passes from or to the port")

struct nfv_param {
	const char *key;	/* NULL ends the table */
	unsigned int takers;	/* NFV_KVM, ... */
	enum nfv_kind kind;
	long least, most;
	const char *values, *fallback, *help;
};

static const struct nfv_param nfv_params[] = {
#define X(key, takers, kind, least, most, role, values, fallback, help) { #key, takers, kind, least, most, values, fallback, help },
	NFV_ATTACH_PARAMS(X)
#undef X
#define X(key, fallback, values, help) { #key, NFV_ANY | NFV_SET, NFV_WORDS, 0, 0, values, fallback, help },
	NFV_POLICY_WORDS(X)
#undef X
	{ 0 }
};

#define NFV_N_PARAMS (sizeof(nfv_params) / sizeof(nfv_params[0]))	/* with the row that ends it */

#endif
