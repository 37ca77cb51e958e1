/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reasons of loss: X(enumerator, name, help).
 *
 * Each frame that is not delivered, and each message or ring that is refused, is counted once, at one port, under one
 * of these reasons. The first group counts frames and takes part in conservation (rx_frames + replicated =
 * delivered + dropped). The second counts frames that the kernel lost before nfvd had them, or behind it. The third
 * counts events that are no frames.
 */
#ifndef NFVD_DROP_H
#define NFVD_DROP_H

#define NFVD_DROPS(X)								\
	X(RUNT, "runt", "shorter than an Ethernet header")			\
	X(RUNT_CHAIN, "runt_chain", "a Tx chain too short for its virtio_net_hdr") \
	X(OVERSIZE, "oversize", "longer than a 64 KiB super-frame")		\
	X(TOO_MANY_SEGS, "too_many_segs", "more Tx descriptors in one frame than nfvd moves") \
	X(BAD_CSUM, "bad_csum", "the checksum request points outside the header") \
	X(BAD_GSO, "bad_gso", "segmentation request that contradicts the frame") \
	X(GSO_UNSUP, "gso_unsup", "super-frame that the receiver does not take and that cannot be segmented") \
	X(MEM_FAULT, "mem_fault", "the sender's memory could not be read")	\
	X(CTRL_PROTO, "ctrl_proto", "link-local protocol (STP, LACP, LLDP): 'nfvctl link-local forward' lets all but pause frames pass") \
	X(BAD_SRC_MAC, "bad_src_mac", "the source address is multicast or zero") \
	X(SAME_PORT, "same_port", "the destination is at the port that sent the frame") \
	X(NO_DST, "no_dst", "it had to be flooded, but there is no other port")	\
	X(STORM, "storm", "flooded faster than the port may: 10000 broadcast, 10000 unknown, 50000 multicast frames a second, unless 'nfvctl storm' sets other limits") \
	X(VLAN, "vlan", "a tag or a VLAN that the port's 'vlan' does not allow; or a second tag that would become the outer one") \
	X(SPOOFED_MAC, "spoofed_mac", "a source Ethernet address that is not the port's; 'nfvctl set NAME address ...' sets the port's") \
	X(SPOOFED_IP, "spoofed_ip", "a source IP address that is not the port's; 'nfvctl set NAME address ...' sets the port's") \
	X(MACS, "macs", "the port has more source addresses than may be learnt from it ('macs N drop')") \
	X(GUARD, "guard", "the port may not send as a DHCP server or IPv6 router: 'nfvctl set NAME guard ...'") \
	X(ISOLATED, "isolated", "both ports are isolated")			\
	X(QUARANTINED, "quarantined", "to or from a port in quarantine: 'nfvctl release NAME' ends it") \
	X(LIMIT_FROM, "limit_from", "sent faster than 'nfvctl limit NAME from' allows") \
	X(LIMIT_TO, "limit_to", "more frames to the port than 'nfvctl limit NAME to' allows")	\
	X(MIRROR, "mirror", "a mirror's copy that this probe port could not receive: 'nfvctl mirror show'") \
	X(DST_DOWN, "dst_down", "the destination port is not up")		\
	X(DST_HELD, "dst_held", "the destination port is fenced because it had held a worker") \
	X(DST_FULL, "dst_full", "the receiver posted too few buffers, its socket was full, or its device dropped the frame, such as a veth whose other end has a smaller MTU") \
	X(DST_QUEUE, "dst_queue", "waited for a receiver that posts few buffers (such as firmware): longer than 0.5 s, behind too many others, or until a policy or the guest's driver changed. Frames that wait when nfvd is killed are lost uncounted") \
	X(RX_BUF_SHORT, "rx_buf_short", "the receiver's buffers are too small for the frame, or so small that a burst needs thousands of descriptors") \
	X(DST_FENCED, "dst_fenced", "the receiver's queue was fenced while delivering") \
	X(MTU, "mtu", "longer than the receiving device's MTU")			\
	X(DST_ERROR, "dst_error", "the kernel refused the frame at the receiving device") \
	X(EXPIRED, "expired", "the kernel module freed the frame after it was held for too long") \
	X(RX_FULL, "rx_full", "super-frames that wait at the port's packet socket fill its buffer") \
	X(OTHER_PROGRAM, "other_program", "another tc program took the frame before ours could pass it on")

#define NFVD_LOST_IN_KERNEL(X)							\
	X(MISSED, "missed", "frames that the kernel did not put into the packet socket's ring: it was full, or virtio_net_hdr cannot express their offloads") \
	X(UNCOMPLETED, "uncompleted", "frames lost after they were sent: at the container's device the kernel could not add their VLAN tag or tunnel headers")

#define NFVD_FAULTS(X)								\
	X(BAD_AVAIL_IDX, "bad_avail_idx", "avail index ahead by more than the ring") \
	X(BAD_DESC_HEAD, "bad_desc_head", "head outside the descriptor table")	\
	X(BAD_DESC_NEXT, "bad_desc_next", "next outside the descriptor table")	\
	X(DESC_LOOP, "desc_loop", "descriptor chain longer than its table")	\
	X(DESC_PERM, "desc_perm", "writable descriptor in Tx, or read-only in Rx") \
	X(BAD_GPA, "bad_gpa", "descriptor address outside guest memory")	\
	X(BAD_INDIRECT, "bad_indirect", "malformed indirect table")		\
	X(MEM_SIGBUS, "mem_sigbus", "pages of guest memory are gone: its file was truncated, or no huge page was left") \
	X(WORKER_HELD, "worker_held", "a worker was blocked by this port, which was fenced") \
	X(KICK_SPURIOUS, "kick_spurious", "the peer woke nfvd without new buffers")	\
	X(KICK_MISSING, "kick_missing", "the peer posted frames without waking nfvd, which found them 0.2 s later")	\
	X(VU_BAD_MSG, "vu_bad_msg", "vhost-user message malformed or not supported") \
	X(VU_BAD_FDS, "vu_bad_fds", "vhost-user message with wrong file descriptors") \
	X(VU_BAD_INDEX, "vu_bad_index", "vhost-user message for a queue that does not exist") \
	X(VU_BAD_NUM, "vu_bad_num", "virtqueue size not a power of two up to 32768") \
	X(VU_BAD_ADDR, "vu_bad_addr", "virtqueue unaligned, overlapping, or outside guest memory") \
	X(VU_BAD_MEM, "vu_bad_mem", "memory table empty, overlapping or wrapping") \
	X(VU_BAD_LOG, "vu_bad_log", "dirty log refused: not offered")		\
	X(VU_BAD_INFLIGHT, "vu_bad_inflight", "inflight area refused: not offered") \
	X(VU_TIMEOUT, "vu_timeout", "the vhost-user peer did not respond in time")	\
	X(VU_SECOND_CLIENT, "vu_second_client", "second connection to one socket refused") \
	X(VU_HUNG, "vu_hung", "a connection was refused: closing files of earlier peers hangs, and so do the processes that received them") \
	X(FEATURE_VIOLATION, "feature_violation", "feature acknowledged that was not offered") \
	X(MEM_FD_SHORT, "mem_fd_short", "memory region larger than its file")	\
	X(MEM_NOT_RAM, "mem_not_ram", "guest memory on a file that is neither tmpfs (memfd) nor hugetlbfs") \
	X(MEM_UNSHARED, "mem_unshared", "guest memory is not shared; QEMU needs share=on") \
	X(VU_DISCONNECT, "vu_disconnect", "the vhost-user peer disconnected")	\
	X(FD_EXHAUSTED, "fd_exhausted", "a guest was refused: nfvd has few file descriptors left; raise LimitNOFILE") \
	X(NO_MEMORY, "no_memory", "a guest was refused: nfvd could not get or map memory for it") \
	X(RING_STUCK, "ring_stuck", "the kernel had stopped filling the packet socket's ring, which was set up anew") \
	X(CALL_SLOW, "call_slow", "interrupting the guest repeatedly took 5 ms or more") \
	X(CALL_LATE, "call_late", "an interrupt to the guest was put off, because those before had taken 20 us or more")

enum nfvd_drop {
	NFVD_PASS,		/* none: all is well */
#define X(e, name, help) NFVD_DROP_##e,
	NFVD_DROPS(X)
	NFVD_N_DROPS,
	NFVD_DROP_LAST_ = NFVD_N_DROPS - 1,
	NFVD_LOST_IN_KERNEL(X)
	NFVD_N_OF_FRAMES,
	NFVD_DROP_OF_FRAMES_LAST_ = NFVD_N_OF_FRAMES - 1,
	NFVD_FAULTS(X)
#undef X
	NFVD_N_REASONS
};

struct nfvd_reason {
	const char *name, *help;
};

extern const struct nfvd_reason nfvd_reasons[NFVD_N_REASONS];	/* [NFVD_PASS] has no name */

/* Return the reason for a frame that the kernel refused with result, -errno. */
enum nfvd_drop nfvd_kernel_reason(int result);

#endif
