// SPDX-License-Identifier: BSD-3-Clause
/*
 * lwIP on a network device.
 */
#include <string.h>
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/ip4_frag.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ethernet.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"
#include "cmdline.h"
#include "console.h"
#include "cpu.h"
#include "net.h"
#include "netdev.h"
#include "platform.h"

#define MTU		1500
#define MTU_MIN		576
#define BUDGET		64
#define SUPER_BYTES	(22 * TCP_MSS)	/* bytes of TCP payload in a super-frame */

static const struct netdev *netdev;
static struct netif netif;
static struct netdev_info info;
static uint16_t mtu = MTU;
static uint64_t random_state;

uint32_t sys_now(void)
{
	return (uint32_t)(now_us() / 1000);
}

/* xorshift64*; an attacker must guess the clock's low bits. */
unsigned int net_random(void)
{
	random_state ^= tsc();
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned int)(random_state * 0x2545f4914f6cdd1du >> 32);
}

void net_input(struct pbuf *frame, bool csum_ok)
{
	uint16_t flags = NETIF_CHECKSUM_ENABLE_ALL;

	if (csum_ok)
		flags &= ~NETIF_CHECKSUM_CHECK_TCP;
	if (info.tx_csum)
		flags &= ~NETIF_CHECKSUM_GEN_TCP;
	NETIF_SET_CHECKSUM_CTRL(&netif, flags);
	if (netif.input(frame, &netif) != ERR_OK)
		pbuf_free(frame);
}

/* Return the sum of the pseudo-header (addresses, protocol, length), with which the device starts. */
static uint16_t pseudo_sum(const struct ip_hdr *ip, unsigned int tcp_bytes)
{
	const uint8_t *p = (const uint8_t *)&ip->src;
	uint32_t sum = IP_PROTO_TCP + tcp_bytes;
	int i;

	for (i = 0; i < 8; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* lwIP puts a frame's headers into its first buffer, and does not fragment TCP here. */
static void leave_tcp(struct netdev_offload *offload, uint8_t *frame)
{
	const struct ip_hdr *ip = (const struct ip_hdr *)(frame + SIZEOF_ETH_HDR);
	unsigned int ip_bytes = IPH_HL_BYTES(ip), tcp_bytes = lwip_ntohs(IPH_LEN(ip)) - ip_bytes;
	struct tcp_hdr *tcp = (struct tcp_hdr *)(frame + SIZEOF_ETH_HDR + ip_bytes);
	unsigned int header_bytes = ip_bytes + TCPH_HDRLEN_BYTES(tcp);

	tcp->chksum = lwip_htons(pseudo_sum(ip, tcp_bytes));
	offload->csum_start = (uint16_t)(SIZEOF_ETH_HDR + ip_bytes);
	offload->csum_offset = offsetof(struct tcp_hdr, chksum);
	if (ip_bytes + tcp_bytes > mtu) {
		offload->segment_bytes = (uint16_t)(mtu - header_bytes);
		offload->header_bytes = (uint16_t)(SIZEOF_ETH_HDR + header_bytes);
	}
}

static err_t output_frame(struct netif *n, struct pbuf *frame)
{
	const struct eth_hdr *eth = frame->payload;
	const struct ip_hdr *ip = (const void *)((const uint8_t *)frame->payload + SIZEOF_ETH_HDR);
	struct netdev_offload offload = { 0 };

	(void)n;
	if (info.tx_csum && eth->type == PP_HTONS(ETHTYPE_IP) && IPH_PROTO(ip) == IP_PROTO_TCP)
		leave_tcp(&offload, frame->payload);
	return netdev->send(frame, &offload) ? ERR_OK : ERR_MEM;
}

/*
 * If the device segments TCP's super-frames, lwIP must not know the MTU. For other
 * packets, which lwIP fragments, set it here.
 */
static err_t output_ip(struct netif *n, struct pbuf *packet, const ip4_addr_t *to)
{
	uint16_t before = n->mtu;
	err_t error;

	if (packet->tot_len <= mtu || IPH_PROTO((const struct ip_hdr *)packet->payload) == IP_PROTO_TCP)
		return etharp_output(n, packet, to);
	n->mtu = mtu;
	error = ip4_frag(packet, n, to);
	n->mtu = before;
	return error;
}

static err_t init(struct netif *n)
{
	n->name[0] = 'e';
	n->name[1] = 'n';
	n->output = output_ip;
	n->linkoutput = output_frame;
	n->mtu = info.tx_gso ? UINT16_MAX : mtu;
	n->hwaddr_len = sizeof(info.mac);
	memcpy(n->hwaddr, info.mac, sizeof(info.mac));
	n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

static void read_addresses(const char *cmdline, ip4_addr_t *ip, ip4_addr_t *mask, ip4_addr_t *gateway)
{
	const char *text = option(cmdline, "nfv.ip=");
	uint64_t bits;

	if (!text || !address(&text, &ip->addr) || *text != '/' || !number(&text, 1, 32, &bits))
		stop("no nfv.ip=A.B.C.D/N");
	mask->addr = bits ? lwip_htonl(~0u << (32 - bits)) : 0;
	gateway->addr = 0;
	text = option(cmdline, "nfv.gw=");
	if (text && !address(&text, &gateway->addr))
		stop("nfv.gw is not A.B.C.D");
}

/* Use the smallest of the device's MTU, the command line's and Ethernet's. */
static void read_mtu(const char *cmdline)
{
	const char *text = option(cmdline, "nfv.mtu=");
	uint64_t wanted;

	if (info.mtu >= MTU_MIN && info.mtu < mtu)
		mtu = info.mtu;
	if (!text)
		return;
	if (!number(&text, 0, UINT16_MAX, &wanted) || wanted < MTU_MIN)
		stop("nfv.mtu is no number from %u on", MTU_MIN);
	if (wanted < mtu)
		mtu = (uint16_t)wanted;
}

void net_open(const char *cmdline)
{
	ip4_addr_t ip, mask, gateway;

	read_addresses(cmdline, &ip, &mask, &gateway);
	netdev = platform->netdev;
	netdev->open(cmdline, &info);
	read_mtu(cmdline);
	/* Without an MTU lwIP announces TCP_MSS, so a smaller MTU excludes super-frames. */
	info.tx_gso = info.tx_gso && mtu == MTU;
	if (!info.has_mac) {
		/* A locally administered address, made from the IP address. */
		info.mac[0] = 2;
		memcpy(info.mac + 2, &ip.addr, sizeof(ip.addr));
	}
	memcpy(&random_state, info.mac, sizeof(info.mac));
	random_state ^= tsc();
	lwip_init();
	netif_add(&netif, &ip, &mask, &gateway, NULL, init, ethernet_input);
	NETIF_SET_CHECKSUM_CTRL(&netif, NETIF_CHECKSUM_ENABLE_ALL & ~(info.tx_csum ? NETIF_CHECKSUM_GEN_TCP : 0));
	netif_set_default(&netif);
	netif_set_up(&netif);
	netdev->flush();
}

void net_allow_super_frames(struct tcp_pcb *pcb)
{
	/* The device segments by this guest's MTU, which may be too much for a peer with a smaller MSS. */
	if (!info.tx_gso || pcb->mss != TCP_MSS)
		return;
	pcb->mss = SUPER_BYTES;
	pcb->cwnd = 2 * SUPER_BYTES;
}

void net_tx_ready(void)
{
	tcp_txnow();
}

void net_run(void)
{
	for (;;) {
		unsigned int frames = netdev->poll(BUDGET);

		sys_check_timeouts();
		netdev->flush();
		if (!frames)
			platform->sleep((uint64_t)sys_timeouts_sleeptime() * 1000, netdev->ready);
	}
}
