// SPDX-License-Identifier: BSD-3-Clause
/*
 * iperf 2's TCP test: bytes one way until the client closes.
 */
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "cmdline.h"
#include "console.h"
#include "iperf.h"
#include "net.h"
#include "platform.h"

#define PORT		5001
#define SERVERS		8
#define DEFAULT_SECONDS	10
#define CHUNK_BYTES	32768
#define POLL_INTERVAL	2	/* of lwIP's half seconds */

/* One way of one connection. */
struct flow {
	struct tcp_pcb *pcb;	/* NULL: unused */
	uint64_t bytes;
	uint64_t started_us;
};

static struct flow servers[SERVERS];
static struct flow client;
static ip_addr_t peer;
static uint64_t client_us;
static const uint8_t zeros[CHUNK_BYTES];

static void report(const char *side, const struct flow *flow)
{
	uint64_t us = now_us() - flow->started_us;

	print("iperf %s: %u KiB in %u ms, %u Mb/s\n", side, (unsigned int)(flow->bytes / 1024),
	      (unsigned int)(us / 1000), (unsigned int)(flow->bytes * 8 / (us ? us : 1)));
}

/* --- server --- */

static void server_gone(void *arg, err_t error)
{
	struct flow *flow = arg;

	(void)error;
	flow->pcb = NULL;
	report("server", flow);
}

static err_t server_input(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
	struct flow *flow = arg;

	(void)error;
	if (data) {
		flow->bytes += data->tot_len;
		tcp_recved(pcb, data->tot_len);
		/* A super-frame is one segment for lwIP, but many for the sender, which needs acknowledgements. */
		if (data->tot_len > TCP_MSS)
			tcp_ack_now(pcb);
		pbuf_free(data);
		return ERR_OK;
	}
	tcp_err(pcb, NULL);
	tcp_recv(pcb, NULL);
	server_gone(flow, ERR_OK);
	if (tcp_close(pcb) == ERR_OK)
		return ERR_OK;
	tcp_abort(pcb);
	return ERR_ABRT;
}

static err_t server_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
	struct flow *flow;

	(void)arg;
	if (error != ERR_OK || !pcb)
		return ERR_VAL;
	for (flow = servers; flow < servers + SERVERS; flow++) {
		if (flow->pcb)
			continue;
		*flow = (struct flow){ .pcb = pcb, .started_us = now_us() };
		tcp_arg(pcb, flow);
		tcp_recv(pcb, server_input);
		tcp_err(pcb, server_gone);
		return ERR_OK;
	}
	tcp_abort(pcb);
	return ERR_ABRT;
}

/* --- client --- */

static void client_connect(void *unused);

static err_t client_close(void)
{
	struct tcp_pcb *pcb = client.pcb;

	report("client", &client);
	client.pcb = NULL;
	tcp_err(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	if (tcp_close(pcb) == ERR_OK)
		return ERR_OK;
	tcp_abort(pcb);
	return ERR_ABRT;
}

static err_t client_pump(void)
{
	if (now_us() - client.started_us >= client_us)
		return client_close();
	while (tcp_sndbuf(client.pcb) >= CHUNK_BYTES &&
	       tcp_write(client.pcb, zeros, CHUNK_BYTES, TCP_WRITE_FLAG_MORE) == ERR_OK)
		;
	tcp_output(client.pcb);
	return ERR_OK;
}

static err_t client_sent(void *arg, struct tcp_pcb *pcb, uint16_t bytes)
{
	(void)arg;
	(void)pcb;
	client.bytes += bytes;
	return client_pump();
}

/* A server sends no data, but may close. */
static err_t client_input(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
	(void)arg;
	(void)error;
	if (!data)
		return client_close();
	tcp_recved(pcb, data->tot_len);
	pbuf_free(data);
	return ERR_OK;
}

static err_t client_poll(void *arg, struct tcp_pcb *pcb)
{
	(void)arg;
	(void)pcb;
	return client_pump();
}

static err_t client_connected(void *arg, struct tcp_pcb *pcb, err_t error)
{
	(void)arg;
	(void)error;
	client.started_us = now_us();
	net_allow_super_frames(pcb);
	tcp_recv(pcb, client_input);
	tcp_sent(pcb, client_sent);
	tcp_poll(pcb, client_poll, POLL_INTERVAL);
	return client_pump();
}

/* Refused or lost: the server may not be ready yet. */
static void client_gone(void *arg, err_t error)
{
	(void)arg;
	client.pcb = NULL;
	if (client.started_us)
		print("iperf client: connection lost, error %d\n", error);
	else
		sys_timeout(200, client_connect, NULL);
}

static void client_connect(void *unused)
{
	(void)unused;
	client = (struct flow){ .pcb = tcp_new() };
	if (!client.pcb)
		stop("iperf client: no memory");
	tcp_err(client.pcb, client_gone);
	if (tcp_connect(client.pcb, &peer, PORT, client_connected) != ERR_OK)
		stop("iperf client: cannot connect");
}

void iperf_open(const char *cmdline)
{
	struct tcp_pcb *pcb = tcp_new();
	const char *text;
	uint64_t seconds = DEFAULT_SECONDS;

	if (!pcb || tcp_bind(pcb, IP4_ADDR_ANY, PORT) != ERR_OK)
		stop("cannot listen on port %u", PORT);
	tcp_accept(tcp_listen(pcb), server_accept);

	text = option(cmdline, "nfv.iperf=");
	if (!text)
		return;
	if (!address(&text, &peer.addr))
		stop("nfv.iperf is not A.B.C.D");
	text = option(cmdline, "nfv.time=");
	if (text && !number(&text, 0, 3600, &seconds))
		stop("nfv.time is no number of seconds");
	client_us = seconds * 1000000;
	client_connect(NULL);
}
