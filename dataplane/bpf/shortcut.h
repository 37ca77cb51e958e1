/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the shortcut's programs and nfvd share: keys and values of the maps. */
#ifndef NFVD_BPF_SHORTCUT_H
#define NFVD_BPF_SHORTCUT_H

#define SHORTCUT_ADDRESSES	65536
#define SHORTCUT_PORTS		256
#define SHORTCUT_PAIRS		16384

struct shortcut_address {	/* key of addresses */
	__u8 mac[6];
	__u16 vlan;
};

struct shortcut_where {
	__u32 port;		/* id of the port where the address was learnt */
	__u32 ifindex;		/* host end to redirect to; 0: not by the shortcut */
	__u32 mtu;		/* of that device */
	__u32 pad;
	__u64 seen_ns;		/* CLOCK_MONOTONIC; written by the program as a source passes */
};

struct shortcut_port {		/* value of ports, by ifindex */
	__u32 port;
	__u32 on;
	__u32 mtu;
	__u32 aside;		/* the device is another's for now: take nothing, hinder nothing */
	__u64 cookie;		/* of nfvd's packet socket there; 0: it has none */
	__u32 stolen;		/* set by the program: frames left to tc did not arrive there */
	__u32 pad;
};

struct shortcut_pair {		/* key of counters */
	__u32 src, dst;
};

struct shortcut_count {
	__u64 frames, bytes;
	__u64 stolen;		/* left to tc, where another program took them */
};

#endif
