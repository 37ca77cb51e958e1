/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the shortcut's programs and nfvd share: keys and values of the maps. */
#ifndef NFVD_BPF_SHORTCUT_H
#define NFVD_BPF_SHORTCUT_H

#define SHORTCUT_ADDRESSES	65536
#define SHORTCUT_PORTS		4096
#define SHORTCUT_PAIRS		16384
#define SHORTCUT_NAME		32

/* Maps outlive nfvd under this number. Change it with each change of their contents, or of what a program records. */
#define SHORTCUT_LAYOUT		"5"

struct shortcut_address {	/* key of addresses */
	__u8 mac[6];
	__u16 vlan;		/* of the frame's tag */
	__u32 group;		/* of the port; only ports of one group reach each other without nfvd */
};

struct shortcut_where {
	__u32 port;		/* id of the port where the address was learnt */
	__u32 ifindex;		/* host end to redirect to; 0: not by the shortcut */
	__u32 mtu;		/* of that device */
	__u32 pad;
	__u64 from_ns;		/* CLOCK_MONOTONIC: until then frames go there through nfvd, see below */
	__u64 seen_ns;		/* CLOCK_MONOTONIC; written by the program as a source passes */
};

struct shortcut_port {		/* value of ports, by ifindex */
	__u32 port;
	__u32 on;
	__u32 mtu;
	__u32 aside;		/* a master uses the device now: take no frame, drop none */
	__u64 cookie;		/* of nfvd's packet socket there; 0: it has none */
	__u32 stolen;		/* set by the program: frames left to tc did not arrive there */
	__u32 group;		/* ports whose policies are the same; 0: without any */
	__u64 from_ns;		/* CLOCK_MONOTONIC: until then its frames go through nfvd, see below */
	char name[SHORTCUT_NAME]; /* whose it is, for the next nfvd */
};

/*
 * A frame on the shortcut must not overtake earlier frames that went through nfvd. So when the shortcut becomes
 * possible for a pair (from_ns is then a little later than now), its frames still go through nfvd, and the number of
 * the last one is recorded. Once nfvd has delivered that one, the next frame takes the shortcut. Frames for which the
 * shortcut is not possible do not matter, because they go to other receivers. If a sender never lets nfvd catch up,
 * its frames take the shortcut after SHORTCUT_HOLD_NS, and overtake once what waits in its ring.
 */
#define SHORTCUT_HOLD_NS	1000000000ull

struct shortcut_order {		/* by port id; of frames in its packet socket's ring */
	__u64 queued;		/* program: how many the socket took, */
	__u64 last;		/* the number of the last frame for which the shortcut was possible, */
	__u64 held_ns;		/* since when such frames are held back to nfvd; 0: they are not */
	__u64 lost;		/* program: frames of nfvd's socket that it could not complete, see SHORTCUT_TAG */
	__u64 pad[4];
	__u64 done;		/* nfvd: how many it has delivered, or lost; a cache line of its own */
	__u32 position;		/* nfvd: in the ring, for the next nfvd (netdev/packet_ring.h) */
	__u32 pad3;
	__u64 more_pad[6];
};

struct shortcut_pair {		/* key of counters */
	__u32 src, dst;
};

struct shortcut_count {
	__u64 frames, bytes;
	__u64 stolen;		/* left to tc, where another program took them */
};

/*
 * What the program at egress does for nfvd's packet socket there, by the frame's mark. The socket
 *
 *	TAG	does not take as many VLAN tags as the device: it gets the frame without the outer one, which the mark holds
 *	OUTER	cannot be told of a super-frame in a tunnel: it gets it as a plain one of the inner protocol, and the mark says
 *		how long the outer headers are, which follow the Ethernet header, and of what kind
 *
 * Until the program has completed a frame, its destination address is nobody's, because without its tag the frame
 * belongs to no network. Frames with other marks are not touched.
 */
#define SHORTCUT_MARK_MASK	0xfffc0000u
#define SHORTCUT_TAG		0x6e640000u
#define SHORTCUT_TAG_8021AD	0x00010000u	/* its TPID is 802.1ad's, else 802.1Q's; the low half is its TCI */
#define SHORTCUT_NEXT_8021AD	0x00020000u	/* so is that of the tag behind it, which is 802.1Q's for the socket */
#define SHORTCUT_OUTER		0x6e680000u
#define SHORTCUT_OUTER_LEN	0x0000007fu	/* bytes of outer headers, */
#define SHORTCUT_OUTER_MIN	20		/* an IPv4 header */
#define SHORTCUT_OUTER_L2_SHIFT	7
#define SHORTCUT_OUTER_L2	0x1fu		/* of these the last for an inner Ethernet header */
#define SHORTCUT_OUTER_V6	0x00001000u	/* the first are of IPv6, else of IPv4; then follows */
#define SHORTCUT_OUTER_UDP	0x00002000u
#define SHORTCUT_OUTER_GRE	0x00004000u	/* none of both: the inner IP header */
#define SHORTCUT_NOBODY		{ 0x00, 0x6e, 0x66, 0x76, 0x64, 0x00 }	/* bits of the destination that are inverted */

#endif
