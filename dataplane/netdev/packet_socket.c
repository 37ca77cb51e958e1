/* SPDX-License-Identifier: BSD-3-Clause */
#include "netdev/packet_socket.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>
#include "fdstore.h"
#include "netdev/offload.h"
#include "nfvd.h"

#define SOCK_BUFFER	(16 << 20)
#define AHEAD_US	10000	/* the attach before has been answered then, and whoever asked has ended */

/* A socket with its ring, not bound to any device. Returns it, or -1. */
static int make_socket(struct nfvd_packet_ring *ring, struct nfvd_err *err)
{
	static const int options[] = { PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING };
	const int on = 1, size = SOCK_BUFFER;
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (sock < 0) {
		bool no_descriptor = errno == EMFILE || errno == ENFILE;

		nfvd_err(err, NFV_RPC_E_FAILED, "cannot open a packet socket: %s", strerror(errno));
		nfvd_hint(err, "%s", no_descriptor ? NFVD_NOFILE_HINT :
			  "nfvd needs CAP_NET_RAW and CAP_NET_ADMIN: run it as root");
		return -1;
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(sock, SOL_PACKET, options[i], &on, sizeof(on))) {
			nfvd_err(err, NFV_RPC_E_FAILED, "packet socket option %d: %s", options[i], strerror(errno));
			goto close;
		}
	/* Exceed the system's limit if nfvd may; the limit will do otherwise. */
	if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ret = nfvd_ring_map(ring, sock);
	if (!ret)
		return sock;
	nfvd_err(err, NFV_RPC_E_FAILED, "cannot make the receive ring: %s", strerror(-ret));
close:
	close(sock);
	return -1;
}

/*
 * One socket is made ahead. Most of the time of an attach is the RCU grace period that the kernel waits for when the
 * ring is made. When a ring is removed the kernel waits for two. So the store holds this socket, too: then the end of
 * a killed nfvd does not wait for them, and the next nfvd closes the socket when it has time.
 */
#define AHEAD	"@ahead", "packet"
static struct {
	pthread_mutex_t lock;
	pthread_cond_t made;
	bool making;
	int sock;		/* -1: none */
	struct nfvd_packet_ring ring;
} ahead = { .lock = PTHREAD_MUTEX_INITIALIZER, .made = PTHREAD_COND_INITIALIZER, .sock = -1 };

static sd_event_source *later;

static void *make_ahead(void *unused)
{
	struct nfvd_packet_ring ring = { 0 };
	struct nfvd_err ignored = { 0 };
	int sock = make_socket(&ring, &ignored);

	pthread_mutex_lock(&ahead.lock);
	if (ahead.sock < 0 && sock >= 0) {
		ahead.sock = sock;
		ahead.ring = ring;
		if (nfvd_fdstore_ready())
			nfvd_fdstore_put(AHEAD, sock);
		sock = -1;
	}
	ahead.making = false;
	pthread_cond_signal(&ahead.made);
	pthread_mutex_unlock(&ahead.lock);
	if (sock >= 0) {
		nfvd_ring_unmap(&ring);
		close(sock);
	}
	nfvd_packet_knows_uso();
	return unused;
}

static int run_detached(void *(*run)(void *), void *arg)
{
	pthread_attr_t detached;
	pthread_t thread;
	int err;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &detached, run, arg);
	pthread_attr_destroy(&detached);
	return -err;
}

void nfvd_packet_ahead(void)
{
	bool wanted;

	pthread_mutex_lock(&ahead.lock);
	wanted = ahead.sock < 0 && !ahead.making;
	ahead.making |= wanted;
	/* Without it the next is made when it is needed. */
	if (wanted && run_detached(make_ahead, NULL))
		ahead.making = false;
	pthread_mutex_unlock(&ahead.lock);
}

static int on_later(sd_event_source *s, uint64_t usec, void *arg)
{
	nfvd_packet_ahead();
	return 0;
}

void nfvd_packet_ahead_later(void)
{
	int err = later ? sd_event_source_set_time_relative(later, AHEAD_US) :
			  sd_event_add_time_relative(nfvd_event_loop, &later, CLOCK_MONOTONIC, AHEAD_US, 1, on_later, NULL);

	if (err < 0 || sd_event_source_set_enabled(later, SD_EVENT_ONESHOT) < 0)
		nfvd_packet_ahead();
}

/* Close the socket once the store has let go of it, so that the keeper does not have to wait. */
static void *close_before(void *sock)
{
	nfvd_fdstore_settle();
	close((int)(intptr_t)sock);
	return NULL;
}

void nfvd_packet_end_before(void)
{
	int sock = nfvd_fdstore_take(AHEAD);

	if (sock < 0)
		return;
	nfvd_fdstore_remove(AHEAD);
	if (run_detached(close_before, (void *)(intptr_t)sock))
		close(sock);
}

int nfvd_packet_socket_take(struct nfvd_packet_ring *ring, struct nfvd_err *err)
{
	int sock;

	pthread_mutex_lock(&ahead.lock);
	while (ahead.making)	/* it began earlier than another would */
		pthread_cond_wait(&ahead.made, &ahead.lock);
	sock = ahead.sock;
	if (sock >= 0)
		nfvd_fdstore_remove(AHEAD);
	*ring = ahead.ring;
	ahead.sock = -1;
	ahead.ring = (struct nfvd_packet_ring){ 0 };
	pthread_mutex_unlock(&ahead.lock);
	return sock >= 0 ? sock : make_socket(ring, err);
}
