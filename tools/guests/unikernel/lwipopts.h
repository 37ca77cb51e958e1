/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwIP's options for this guest: IPv4, ICMP, TCP, no threads. See lwIP's opt.h for the names.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS				1
#define SYS_LIGHTWEIGHT_PROT		0
#define LWIP_NETCONN			0
#define LWIP_SOCKET			0
#define LWIP_IPV6			0
#define LWIP_UDP			0
#define LWIP_RAW			0
#define LWIP_STATS			0
#define LWIP_SINGLE_NETIF		1

#define MEM_ALIGNMENT			8
#define MEM_SIZE			(1024 * 1024)
#define MEMP_NUM_PBUF			1024
#define MEMP_NUM_TCP_PCB		32
#define MEMP_NUM_TCP_PCB_LISTEN		4
#define MEMP_NUM_TCP_SEG		1024
#define MEMP_NUM_FRAG_PBUF		256
#define MEMP_NUM_REASSDATA		8
#define MEMP_NUM_SYS_TIMEOUT		(LWIP_NUM_SYS_TIMEOUT_INTERNAL + 1)	/* and iperf.c's */
#define PBUF_POOL_SIZE			16

/* A datagram of 64 KiB comes in 45 fragments. */
#define IP_REASS_MAX_PBUFS		192
#define LWIP_ICMP_ECHO_CHECK_INPUT_PBUF_LEN	1
#define ARP_TABLE_SIZE			32
#define ETHARP_SUPPORT_STATIC_ENTRIES	0

#define TCP_MSS				1460
#define LWIP_WND_SCALE			1
#define TCP_RCV_SCALE			4
/* Bytes that fit the device's buffers (virtio_net.c), even if frames leave some of them half empty. */
#define TCP_WND				(384 * 1024)
#define TCP_SND_BUF			(256 * 1024)
#define TCP_SND_QUEUELEN		(4 * TCP_SND_BUF / TCP_MSS)
#define TCP_OOSEQ_MAX_PBUFS		256
#define LWIP_TCP_SACK_OUT		1
#define LWIP_HOOK_TCP_ISN(...)		net_random()
#define TCP_LISTEN_BACKLOG		1
/* The window is larger than lwIP's pool: frames lie in the driver's buffers. */
#define LWIP_DISABLE_TCP_SANITY_CHECKS	1

/* Per frame, because the device may have verified the checksum. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF	1

#endif
