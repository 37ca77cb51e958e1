/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The contract between nfv.ko and nfvd.
 *
 *  container            host kernel                                   nfvd
 *  ┌───────┐  veth   ┌────────────────────────────┐   rx ring (mmap)  ┌──────────────┐
 *  │ eth0  │────────►│ rx_handler ─► held frames ─┼──────────────────►│ decide       │
 *  │       │◄────────│ dev_direct_xmit ◄── batch ◄┼─ NFV_IOC_BATCH ───│ move         │
 *  └───────┘         └────────────────────────────┘                   └──────────────┘
 *  A Xen guest: the same, with the vif's rings in the place of the veth.
 *
 * Session. open("/dev/nfv") makes one; it owns the ports that it attached. Closing
 * the last descriptor detaches them, frees every held frame, and leaves the devices
 * as they were. The kernel never waits for the daemon.
 *
 * Permission. Whoever opened the session and whoever calls NFV_IOC_ATTACH both need
 * CAP_NET_ADMIN in the initial user namespace, the caller also over the namespace
 * that the device is in. Opening needs what the device node asks for (mode 0600).
 *
 * Who writes what: (u) the caller, (k) the kernel. All reserved and padding bytes
 * that the caller writes must be zero, else EINVAL. Sizes are asserted below.
 *
 * Life of a frame
 *
 *	arrives ─► held at ring position pos, its first bytes in entry pos
 *	              │  COPY, FORWARD: as often as wanted
 *	              │  any of them with NFV_OP_LAST, or DROP: freed at once
 *	              ▼
 *	           nfvd moves its consumer index past pos: freed soon
 *
 *	A frame is named by a handle: port, queue and ring position. A position is used
 *	again only 2^32 frames later, so a handle that is out of date is refused (ESTALE):
 *	passed, done with, or older than the module's parameter held_ms.
 *	A queue holds at most as many frames as its ring has entries, and at most held_kib
 *	of memory; a session holds at most held_mib (parameters). Frames that wait for Xen
 *	guests count, too. Frames beyond these limits are dropped and counted. When a Xen
 *	guest goes away its held frames are lost: operations on them end with ESTALE or EIO.
 *
 * Calls. All return 0, or -1 with errno: ENOTTY (no such call, or called from a 32-bit
 * program), EFAULT (bad pointer), EPROTO (no NFV_IOC_HELLO has succeeded yet), EINVAL (a
 * field is out of range, or reserved and not zero), ENOMEM, and what is said below.
 *
 * poll() on the session: EPOLLERR while a ring is broken (see struct nfv_consumer),
 * EPOLLHUP while a port's device is gone.
 */
#ifndef _UAPI_LINUX_NFV_H
#define _UAPI_LINUX_NFV_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define NFV_ABI_VERSION		2u	/* equal on both sides, or HELLO is refused */
#define NFV_PORTS_MAX		256	/* of one session */
#define NFV_QUEUES_MAX		8	/* of one port */
#define NFV_HDR_MAX		128	/* bytes of a frame that its ring entry holds */
#define NFV_BATCH_MAX		256	/* operations of one NFV_IOC_BATCH */
#define NFV_IOV_MAX		1024	/* I/O vectors of one operation */
#define NFV_FRAME_MAX		65562	/* bytes: a 64 KiB super-frame, Ethernet header, two VLAN tags */
#define NFV_RING_MIN		64	/* entries of a ring: a power of two, from this ... */
#define NFV_RING_MAX		4096	/* ... to this */

/*
 * struct virtio_net_hdr_v1 (virtio 1.2, 5.1.6), in little-endian. num_buffers is
 * not used: (k) zero, (u) ignored.
 */
struct nfv_vnet_hdr {
	__u8 flags;
	__u8 gso_type;
	__le16 hdr_len;
	__le16 gso_size;
	__le16 csum_start;
	__le16 csum_offset;
	__le16 num_buffers;
};

/* ---- the rx ring: two mappings per queue, see NFV_MMAP() ---- */

/*
 * One entry, (k). The kernel keeps a VLAN tag beside the frame; here the tag stands in hdr[]
 * where it is on the wire, and counts in len, in hdr_len and in COPY's offset.
 */
struct nfv_entry {
	__u32 pos;		/* ring position of this frame */
	__u32 len;		/* bytes of the frame, Ethernet header on */
	__u16 hdr_len;		/* bytes in hdr[]: min(len, NFV_HDR_MAX) */
	__u16 pad[3];		/* zero */
	__u32 pad2;		/* zero */
	struct nfv_vnet_hdr vnet;
	__u8 hdr[NFV_HDR_MAX];
};

/* Mapping NFV_MMAP_ENTRIES, read-only to the daemon: this, then the entries at NFV_ENTRIES_OFFSET. */
struct nfv_producer {
	__u32 prod;		/* (k) positions below it are filled; free-running; entry = pos & (entries - 1) */
	__u32 entries;		/* (k) of the ring, a power of two */
	__u32 pad[14];
};

#define NFV_ENTRIES_OFFSET	64	/* bytes */

/*
 * Mapping NFV_MMAP_CONSUMER, one page, read and write. The kernel copies what it
 * reads here, and treats it as hostile. A consumer index that is not between the
 * last one and prod breaks the ring for good: it is counted, poll() returns EPOLLERR,
 * and only detaching the port helps.
 */
struct nfv_consumer {
	__u32 cons;		/* (u) positions below it are done with */
	__u32 need_wakeup;	/* (u) not zero: write to the eventfd when a frame arrives */
	__u32 pad[14];
};

enum nfv_mmap_what {
	NFV_MMAP_ENTRIES = 0,
	NFV_MMAP_CONSUMER = 1,
};

/* Offset for mmap(); length: what NFV_IOC_ATTACH said, or one page. MAP_SHARED, no PROT_EXEC. */
#define NFV_MMAP(port, queue, what) \
	((((__u64)(port) << 8 | (__u64)(queue)) << 8 | (__u64)(what)) << 24)

/* A frame's handle. */
#define NFV_HANDLE(port, queue, pos) \
	((__u64)(port) << 40 | (__u64)(queue) << 32 | (__u32)(pos))

/* ---- calls ---- */

/* EPROTO: the versions differ; abi then tells the kernel's. */
struct nfv_hello {
	__u32 abi;		/* (u) caller's, (k) kernel's */
	__u32 flags;		/* zero */
	__u32 ring_entries;	/* (k) largest ring that the module's parameter allows */
	__u32 held_kib;		/* (k) held memory allowed per queue */
	__u32 held_ms;		/* (k) longest time a frame is held */
	__u32 reserved[11];
};

/*
 * xen: the module leaves a vif to xen-netback, unless its script is vif-nfv, or this key in the backend's
 * xenstore directory is 1. (u) The key is written before the vif is bound to the module.
 */
#define NFV_XEN_CLAIM		"nfv-claim"

enum nfv_port_type {
	NFV_PORT_NETDEV = 1,	/* an Ethernet device of the host: the host end of a veth */
	NFV_PORT_XEN = 2,	/* a Xen guest's network interface, whose backend the module is */
};

/* What a port's receiver takes unfinished: partial checksums, super-frames. Bits as nfvd's own. */
#define NFV_ACCEPT_CSUM		1u
#define NFV_ACCEPT_TSO4		2u
#define NFV_ACCEPT_TSO6		4u

/*
 * EPERM (see Permission), ENODEV (no such device there; xen: no interface of that guest's
 * is bound to the module), EBUSY (the device has an rx_handler or a master already, or a port),
 * EOPNOTSUPP (it is no Ethernet device, loopback, or a bridge; xen: not on Xen), ENOSPC (no port left), EBADF (netns_fd or an eventfd is none), ENOBUFS
 * (RLIMIT_MEMLOCK). All or nothing.
 */
struct nfv_attach {
	__u32 type;		/* (u) enum nfv_port_type */
	__s32 ifindex;		/* (u) netdev; xen: zero */
	__s32 netns_fd;		/* (u) netdev: the namespace that ifindex counts in; -1: the caller's. xen: -1 */
	__u32 queues;		/* (u) 1..NFV_QUEUES_MAX */
	__u32 entries;		/* (u) of each ring */
	__u32 flags;		/* zero */
	__s32 eventfd[NFV_QUEUES_MAX];	/* (u) of each queue; -1: none */
	__u32 port;		/* (k) */
	__u32 map_bytes;	/* (k) length of a mapping NFV_MMAP_ENTRIES */
	__u32 domid, devid;	/* (u) xen: the guest, and its interface's number; netdev: zero */
};

/* ENOENT: not a port of this session. When it returns, no frame of the port is in the kernel. */
struct nfv_detach {
	__u32 port;		/* (u) */
	__u32 flags;		/* zero */
};

enum nfv_op_code {
	NFV_OP_COPY = 1,	/* bytes offset..len of frame handle into iov */
	NFV_OP_SEND = 2,	/* the frame in iov, with vnet, out of port */
	NFV_OP_FORWARD = 3,	/* frame handle, as it is, out of port; what was shown in hdr[] is sent */
	NFV_OP_DROP = 4,	/* frame handle is done with */
};

#define NFV_OP_LAST	1	/* COPY, FORWARD: then free the frame, also if the operation fails */

/*
 * One operation. Operations take effect in order; each has its own result, and one that
 * fails does no harm to the others:
 *
 *	bytes moved	COPY (len - offset), SEND and FORWARD (the frame's length); 0 for DROP
 *	-EINVAL		unknown code or flag, unused field not zero, offset below hdr_len
 *			or past len, vnet contradicts the frame, frame below 14 bytes
 *	-EMSGSIZE	COPY: iov holds less; SEND, FORWARD: longer than the device's MTU, or NFV_FRAME_MAX
 *	-EFAULT		iov cannot be read or written
 *	-ESTALE		the frame is not held (any more)
 *	-ENOENT		not a port of this session
 *	-ENODEV		the port's device is gone	-ENETDOWN	it is down, or has no carrier
 *	-ENOBUFS	it is full			-ENOMEM
 *	-EIO		xen: the guest's memory cannot be copied from, or the guest has gone
 *
 * The module keeps a frame that was sent to a Xen guest until the guest has buffers for it,
 * at most held_ms. A frame that is lost there is counted in the port's missed[].
 */
struct nfv_op {
	__u8 code;		/* (u) enum nfv_op_code */
	__u8 flags;		/* (u) NFV_OP_LAST */
	__u16 iov_n;		/* (u) */
	__s32 result;		/* (k) */
	__u64 handle;		/* (u) COPY, FORWARD, DROP */
	__u64 iov;		/* (u) COPY, SEND: address of struct iovec[iov_n] */
	__u32 port;		/* (u) SEND, FORWARD */
	__u32 offset;		/* (u) COPY */
	struct nfv_vnet_hdr vnet; /* (u) SEND */
	__u32 copies;		/* (k) how often the payload was copied for this, if result > 0 */
};

/* EFAULT also if results could not be written; the operations took effect. */
struct nfv_batch {
	__u64 ops;		/* (u) address of struct nfv_op[n] */
	__u32 n;		/* (u) 1..NFV_BATCH_MAX */
	__u32 flags;		/* zero */
};

/* Why a frame that arrived at a port was dropped before its ring, or (RX_) before its guest. X(enumerator, name, help). */
#define NFV_MISSES(X)							\
	X(RING_FULL, "ring_full", "frames arrived faster than the daemon took them")	\
	X(HELD_BYTES, "held_bytes", "the frames that wait in its queue reached held_kib, or those of all queues held_mib")	\
	X(EXPIRED, "expired", "waited in the ring for longer than held_ms")	\
	X(RING_BROKEN, "ring_broken", "the daemon wrote a consumer index that is out of range")	\
	X(NO_MEMORY, "kernel_memory", "the kernel had no memory")		\
	X(BAD_FRAME, "bad_frame", "shorter than an Ethernet header, too long, or with offloads that cannot be expressed") \
	X(GRANT, "gnt_error", "xen: the guest's own frame could not be copied from its memory") \
	X(RX_GRANT, "rx_gnt_error", "xen: could not be copied to the guest's memory, or from the sender's") \
	X(RX_EXPIRED, "rx_expired", "xen: waited for the guest's buffers for longer than held_ms, or until its frontend disconnected") \
	X(BAD_PROD, "xen_bad_prod", "xen: a producer index out of range; the queue is fenced") \
	X(BAD_SLOT, "xen_bad_slot", "xen: slots that do not form a frame; the queue is fenced") \
	X(BAD_EXTRA, "xen_bad_extra", "xen: malformed extra information; the queue is fenced") \
	X(RX_FILTERED, "rx_filtered", "xen: multicast that the guest did not ask for")

enum nfv_miss {
#define X(e, name, help) NFV_MISS_##e,
	NFV_MISSES(X)
#undef X
	NFV_N_MISSES
};

/* ENOENT: not a port of this session. */
struct nfv_stats {
	__u32 port;		/* (u) */
	__u32 flags;		/* zero */
	__u64 rx_frames;	/* (k) into the ring */
	__u64 rx_bytes;
	__u64 tx_frames;	/* (k) out of the port */
	__u64 tx_bytes;
	__u64 copies;		/* (k) COPY and SEND, of frames of or to this port */
	__u64 copied_bytes;
	__u64 missed[16];	/* (k) by enum nfv_miss */
	__u32 held;		/* (k) frames */
	__u32 held_kib;		/* (k) their memory */
	__u32 state;		/* (k) NFV_STATE_* */
	__u32 accepts;		/* (k) NFV_ACCEPT_*; netdev: zero, and all of them is meant */
	__u64 grant_ops;	/* (k) xen: copies by hypercall, since the vif is bound to the module */
	__u64 grant_maps;	/* (k) xen: grants mapped, as the last */
	__u32 mapped;		/* (k) xen: grants that are mapped now */
	__u32 reserved;		/* (k) zero */
};

/*
 * The forwarding table: known unicast between two ports of the session, which the daemon
 * need not see. The module forwards a frame if three things hold: its source is a FROM
 * address of the port it came in at, its destination is a TO address of another port, and
 * that port's receiver takes the frame as it is. Other frames are held for the daemon.
 * The key is an address and the VLAN of its outer tag (0: none).
 */
#define NFV_FDB_FROM		1u
#define NFV_FDB_TO		2u
#define NFV_FDB_MAX		65536	/* entries */
#define NFV_FDB_NEVER		0xffffffffu

struct nfv_fdb_entry {
	__u8 mac[6];		/* (u) */
	__u16 vlan;		/* (u) 0..4095 */
	__u32 port;		/* (u) of this session; one that is not is never used */
	__u32 flags;		/* (u) NFV_FDB_* */
	__u32 idle_ms;		/* (k) since a frame from there was forwarded; NFV_FDB_NEVER */
};

/* Replace the table by these entries. EFAULT also if idle_ms could not be written; the table is set even so. */
struct nfv_fdb {
	__u64 entries;		/* (u) address of struct nfv_fdb_entry[n] */
	__u32 n;		/* (u) 0..NFV_FDB_MAX */
	__u32 flags;		/* zero */
};

/* Why a port did not take a frame that the module forwarded. */
enum nfv_refusal {
	NFV_REFUSED_FULL,	/* ENOBUFS, ENOMEM */
	NFV_REFUSED_DOWN,	/* ENETDOWN */
	NFV_REFUSED_MTU,	/* EMSGSIZE */
	NFV_REFUSED_OTHER,
	NFV_N_REFUSALS
};

/* Forwarded by the table from one port to another; copied once if one of them is a Xen guest's. */
struct nfv_pair {
	__u64 frames;		/* (k) */
	__u64 bytes;
	__u64 refused[NFV_N_REFUSALS];	/* frames */
};

/* ENOENT: not a port of this session. */
struct nfv_forwarded {
	__u32 port;		/* (u) the source */
	__u32 flags;		/* zero */
	__u64 to;		/* (u) address of struct nfv_pair[NFV_PORTS_MAX + 1]; the last is ports that are gone */
};

#define NFV_STATE_GONE		1	/* the device was deleted or moved to another namespace */
#define NFV_STATE_BROKEN	2	/* a ring is broken */
#define NFV_STATE_DOWN		4	/* xen: its frontend is not connected */
#define NFV_STATE_FENCED	8	/* xen: its frontend wrote malformed entries; until it reconnects */
#define NFV_STATE_STALLED	16	/* xen: its frontend gives no buffers */

#define NFV_IOC_HELLO	_IOWR(0xE7, 0, struct nfv_hello)
#define NFV_IOC_ATTACH	_IOWR(0xE7, 1, struct nfv_attach)
#define NFV_IOC_DETACH	_IOW(0xE7, 2, struct nfv_detach)
#define NFV_IOC_BATCH	_IOW(0xE7, 3, struct nfv_batch)
#define NFV_IOC_STATS	_IOWR(0xE7, 4, struct nfv_stats)

#define NFV_IOC_FDB	_IOWR(0xE7, 5, struct nfv_fdb)
#define NFV_IOC_FORWARDED _IOWR(0xE7, 6, struct nfv_forwarded)

#define NFV_ASSERT_SIZE(type, bytes) \
	_Static_assert(sizeof(type) == (bytes), #type " has changed: so must NFV_ABI_VERSION")

NFV_ASSERT_SIZE(struct nfv_vnet_hdr, 12);
NFV_ASSERT_SIZE(struct nfv_entry, 160);
NFV_ASSERT_SIZE(struct nfv_producer, NFV_ENTRIES_OFFSET);
NFV_ASSERT_SIZE(struct nfv_consumer, 64);
NFV_ASSERT_SIZE(struct nfv_hello, 64);
NFV_ASSERT_SIZE(struct nfv_attach, 72);
NFV_ASSERT_SIZE(struct nfv_detach, 8);
NFV_ASSERT_SIZE(struct nfv_op, 48);
NFV_ASSERT_SIZE(struct nfv_batch, 16);
NFV_ASSERT_SIZE(struct nfv_stats, 224);
NFV_ASSERT_SIZE(struct nfv_fdb_entry, 20);
NFV_ASSERT_SIZE(struct nfv_fdb, 16);
NFV_ASSERT_SIZE(struct nfv_pair, 48);
NFV_ASSERT_SIZE(struct nfv_forwarded, 16);

#endif
