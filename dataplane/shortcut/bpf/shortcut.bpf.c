/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A frame from a container arrives at the host end of its veth:
 *
 *	packet socket (nfvd)                tc ingress
 *	┌─────────────────────────────┐    ┌──────────────────────────────────┐
 *	│ filter: note the frame      │    │ the one noted? redirect to peer, │
 *	│ known? leave it to tc       │ ─► │ or drop: nfvd has it, and the    │
 *	│ else take it                │    │ host's stack must not respond    │
 *	└─────────────────────────────┘    │ not noted? not ours              │
 *	                                   └──────────────────────────────────┘
 *
 * In the kernel packet sockets come first, and tc follows on the same CPU with the same frame. So the filter decides
 * once, and tc carries out this decision for this frame. No frame is seen twice, whatever nfvd changes in the maps
 * meanwhile. When nfvd dies its socket is closed, the filter records nothing any more, and the remaining programs let
 * all frames pass. If a descriptor store keeps the socket and the programs, all goes on as the maps say, until the
 * next nfvd adopts them.
 *
 * Another program may come between the two, and drop or redirect a frame. The filter then finds that tc has not
 * handled its last record. It counts that frame, and from then on all frames of the port go through nfvd.
 *
 * If the kernel module takes the frames (its rx_handler comes after tc), one program decides and redirects. Frames
 * with unknown destinations go on to the module.
 *
 * A source address may take the shortcut only at the port where nfvd has learnt it. nfvd judges new and moved
 * addresses.
 *
 * Towards the container, at tc egress, a program drops the IPv6 packets of the host itself; frames from nfvd are
 * recognised by their socket. No socket is closed there when nfvd dies, so nfvd reports all the time that it lives.
 * The program also completes frames that nfvd could not describe to its socket.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "shortcut.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SHORTCUT_ADDRESSES);
	__type(key, struct shortcut_address);
	__type(value, struct shortcut_where);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SHORTCUT_PORTS);
	__type(key, __u32);
	__type(value, struct shortcut_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, SHORTCUT_PAIRS);
	__type(key, struct shortcut_pair);
	__type(value, struct shortcut_count);
} counters SEC(".maps");

/* CLOCK_MONOTONIC: until then nfvd is believed to live. */
volatile __u64 alive_until_ns;

struct shortcut_order orders[SHORTCUT_PORTS];

/* What the filter decided about the last frame on this CPU. */
struct verdict {
	__u64 skb;		/* which frame: its address, never dereferenced; 0: none */
	__u32 to;		/* where to redirect to; 0: the socket took it */
	__u32 from;		/* where it came from */
	struct shortcut_pair pair;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct verdict);
} verdicts SEC(".maps");

/* Where the frame may go without user space; NULL: nowhere. */
static __always_inline struct shortcut_where *find(struct __sk_buff *skb, const struct shortcut_port *port,
						   struct shortcut_where **src)
{
	struct shortcut_address dst_key, src_key;
	struct shortcut_where *dst;
	__u8 mac[12];

	if (!port || !port->on || port->stolen || bpf_skb_load_bytes(skb, 0, mac, sizeof(mac)) || mac[0] & 1)
		return NULL;
	__builtin_memcpy(dst_key.mac, mac, 6);
	__builtin_memcpy(src_key.mac, mac + 6, 6);
	dst_key.vlan = src_key.vlan = skb->vlan_present ? skb->vlan_tci & 0xfff : 0;
	/* A priority without a VLAN: some policies take it off. */
	if (port->group && skb->vlan_present && !src_key.vlan)
		return NULL;
	dst_key.group = src_key.group = port->group;
	*src = bpf_map_lookup_elem(&addresses, &src_key);
	if (!*src || (*src)->port != port->port)
		return NULL;
	dst = bpf_map_lookup_elem(&addresses, &dst_key);
	/* A frame that exceeds the receiver's MTU has to be dropped with a reason, by nfvd. */
	if (!dst || !dst->ifindex || dst->port == port->port || dst->mtu != port->mtu)
		return NULL;
	return dst;
}

/* The counter of a pair; made when the pair's first frame comes. */
static __always_inline struct shortcut_count *count_of(const struct shortcut_pair *pair)
{
	struct shortcut_count *count = bpf_map_lookup_elem(&counters, pair), zero = { 0, 0, 0 };

	if (count)
		return count;
	bpf_map_update_elem(&counters, pair, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&counters, pair);
}

static __always_inline void seen(struct shortcut_where *src)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	if (src->seen_ns != now)
		src->seen_ns = now;
}

/* tc did not see the frame that was left to it. */
static __always_inline void stolen(const struct verdict *v)
{
	struct shortcut_count *count = bpf_map_lookup_elem(&counters, &v->pair);
	struct shortcut_port *port = bpf_map_lookup_elem(&ports, &v->from);

	if (count)
		count->stolen++;
	if (port)
		port->stolen = 1;
}

/* The frame goes through nfvd. */
static __always_inline int take(struct shortcut_order *order, bool possible)
{
	if (order) {
		__u64 n = __sync_fetch_and_add(&order->queued, 1) + 1;

		if (possible)
			order->last = n;
	}
	return -1;
}

/* Return whether the frame would, on the shortcut, overtake an earlier one that goes through nfvd. */
static __always_inline bool would_overtake(struct shortcut_order *order, const struct shortcut_port *port,
					   const struct shortcut_where *dst)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	if (now < port->from_ns || now < dst->from_ns) {
		order->held_ns = 0;
		return true;
	}
	if (order->done >= order->last) {
		order->held_ns = 0;
		return false;
	}
	if (!order->held_ns)
		order->held_ns = now;
	return now - order->held_ns < SHORTCUT_HOLD_NS;
}

SEC("socket")
int shortcut_filter(struct __sk_buff *skb)
{
	__u32 zero = 0, ifindex = skb->ifindex;
	struct verdict *v = bpf_map_lookup_elem(&verdicts, &zero);
	struct shortcut_port *port = bpf_map_lookup_elem(&ports, &ifindex);
	struct shortcut_order *order = port && port->port < SHORTCUT_PORTS ? &orders[port->port] : NULL;
	struct shortcut_where *src, *dst;

	if (!v)
		return take(order, true);
	if (v->skb && v->to)
		stolen(v);
	v->skb = 0;
	if (port && port->aside)
		return 0;
	v->skb = (__u64)skb;
	v->to = 0;
	dst = find(skb, port, &src);
	if (!dst || !order)
		return take(order, false);
	v->pair.src = src->port;
	v->pair.dst = dst->port;
	/* A frame takes the shortcut only if it can be counted. */
	if (would_overtake(order, port, dst) || !count_of(&v->pair))
		return take(order, true);
	v->to = dst->ifindex;
	v->from = ifindex;
	seen(src);
	return 0;
}

static __always_inline int redirect(struct __sk_buff *skb, struct shortcut_count *count, __u32 ifindex)
{
	count->frames++;
	count->bytes += skb->len + (skb->vlan_present ? 4 : 0);
	/* The frame was addressed to another host; with the redirect it has arrived. */
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	return bpf_redirect_peer(ifindex, 0);
}

SEC("tc")
int shortcut_direct(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct shortcut_where *src, *dst = find(skb, bpf_map_lookup_elem(&ports, &ifindex), &src);
	struct shortcut_count *count;
	struct shortcut_pair pair;

	if (bpf_ktime_get_coarse_ns() > alive_until_ns)
		return TC_ACT_UNSPEC;
	if (!dst)
		return TC_ACT_UNSPEC;
	pair.src = src->port;
	pair.dst = dst->port;
	count = count_of(&pair);
	if (!count)
		return TC_ACT_UNSPEC;
	seen(src);
	return redirect(skb, count, dst->ifindex);
}

SEC("tc")
int shortcut_ingress(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct verdict *v = bpf_map_lookup_elem(&verdicts, &zero);
	struct shortcut_count *count;

	if (!v || v->skb != (__u64)skb)
		return TC_ACT_UNSPEC;
	v->skb = 0;
	if (!v->to)
		return TC_ACT_SHOT;
	count = bpf_map_lookup_elem(&counters, &v->pair);
	if (!count)
		return TC_ACT_SHOT;
	return redirect(skb, count, v->to);
}

/*
 * Replaces a filter that has become a link. By this mark nfvd finds the qdisc again, and knows that it may remove it.
 */
SEC("tc")
int shortcut_mark(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

/* The destination that the frame was sent to. */
static __always_inline bool address(struct __sk_buff *skb)
{
	const __u8 nobody[] = SHORTCUT_NOBODY;
	__u8 dst[ETH_ALEN];

	if (bpf_skb_load_bytes(skb, 0, dst, sizeof(dst)))
		return false;
	for (int i = 0; i < ETH_ALEN; i++)
		dst[i] ^= nobody[i];
	return !bpf_skb_store_bytes(skb, 0, dst, sizeof(dst), 0);
}

static __always_inline bool set_type(struct __sk_buff *skb, __u16 type)
{
	type = bpf_htons(type);
	return !bpf_skb_store_bytes(skb, 2 * ETH_ALEN, &type, sizeof(type), 0);
}

/* Put a frame's outer tag beside it, as a VLAN device does. */
static __always_inline bool put_tag(struct __sk_buff *skb, __u32 mark)
{
	__u16 tpid = mark & SHORTCUT_TAG_8021AD ? ETH_P_8021AD : ETH_P_8021Q;

	if (mark & SHORTCUT_NEXT_8021AD && !set_type(skb, ETH_P_8021AD))
		return false;
	return !bpf_skb_vlan_push(skb, bpf_htons(tpid), mark & 0xffff);
}

/*
 * Make it a super-frame in a tunnel, as the tunnel's device does: take its outer headers off, and put them on as such. So they
 * need no more room, which the kernel would not count in truesize. A program cannot ask for the outer checksum of each
 * segment: nfvd sends only such super-frames as need none, or the same for all segments.
 */
static __always_inline bool put_outer(struct __sk_buff *skb, __u32 mark)
{
	__u8 outer[SHORTCUT_OUTER_LEN + 1] = { 0 };
	__u64 l2 = mark >> SHORTCUT_OUTER_L2_SHIFT & SHORTCUT_OUTER_L2, flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	__s32 len = mark & SHORTCUT_OUTER_LEN;

	flags |= mark & SHORTCUT_OUTER_V6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	if (mark & SHORTCUT_OUTER_UDP)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (mark & SHORTCUT_OUTER_GRE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_GRE;
	if (l2)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L2(l2) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
	/* Linux 6.1 does not conclude from "not 0" that it is more. */
	if (len < SHORTCUT_OUTER_MIN)
		return false;
	return !bpf_skb_load_bytes(skb, ETH_HLEN, outer, len) &&
	       !bpf_skb_adjust_room(skb, -len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) &&
	       !bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC, flags) &&
	       !bpf_skb_store_bytes(skb, ETH_HLEN, outer, len, 0) &&
	       set_type(skb, mark & SHORTCUT_OUTER_V6 ? ETH_P_IPV6 : ETH_P_IP);
}

static __always_inline int complete(struct __sk_buff *skb, __u32 kind, __u32 port)
{
	__u32 mark = skb->mark;

	skb->mark = 0;
	if (address(skb) && (kind == SHORTCUT_TAG ? put_tag(skb, mark) : put_outer(skb, mark)))
		return TC_ACT_UNSPEC;
	if (port < SHORTCUT_PORTS)
		__sync_fetch_and_add(&orders[port].lost, 1);
	return TC_ACT_SHOT;
}

SEC("tc")
int shortcut_egress(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, kind = skb->mark & SHORTCUT_MARK_MASK;
	bool unfinished = kind == SHORTCUT_TAG || kind == SHORTCUT_OUTER;
	struct shortcut_port *port;

	if (!unfinished && skb->protocol != bpf_htons(ETH_P_IPV6))
		return TC_ACT_UNSPEC;
	port = bpf_map_lookup_elem(&ports, &ifindex);
	if (port && port->cookie && bpf_get_socket_cookie(skb) == port->cookie)
		return unfinished ? complete(skb, kind, port->port) : TC_ACT_UNSPEC;
	if (skb->protocol != bpf_htons(ETH_P_IPV6) || !port || port->aside || bpf_ktime_get_coarse_ns() > alive_until_ns)
		return TC_ACT_UNSPEC;
	return TC_ACT_SHOT;
}
