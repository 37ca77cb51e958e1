/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread of a KVM port. It waits for a peer, carries out its messages one by one, and waits for the next peer. A
 * gate (gate.c) receives the messages. Work that takes long, such as mapping and unmapping a large guest's memory,
 * delays only this port's thread.
 *
 *	         accept or connect             hang-up, refusal, silence
 *	waiting ──────────────────► connected ───────────────────────────► waiting
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"
#include "fdstore.h"
#include "log.h"
#include "nfvd.h"
#include "vhost/dev.h"
#include "vhost/gate.h"
#include "vhost/keep.h"
#include "vhost/peer.h"
#include <urcu-qsbr.h>
#include "vhost/sock.h"

#define SILENT_MS	5000	/* a peer that connects says something by then */
#define LEFT_MS		500	/* for a gate to notice that its peer has gone; it may hang in a file of the peer's */
#define DIAL_MS		250	/* between two tries to reach a peer that listens */
#define FULL_MS		100	/* after running out of descriptors */
#define END_MS		100	/* for a gate to end, if it does not hang */
#define LOOK_MS		250	/* between two looks for the first receive buffer */
#define HUNG_MAX	8	/* gates that hang in files of peers of one port */

/* A budget that fills up again: a peer may do so many things at once, and so many in a second. */
struct pace {
	uint32_t burst, per_s;
	uint32_t left;
	uint64_t filled_us;
};

struct peer {
	struct nfvd_vhost *v;
	struct pace connects, messages;
	struct nfvd_keep keep;
	int hung[HUNG_MAX];		/* gates that nfvd has left, and that have not ended */
	unsigned int n_hung;
};

/* Wait for descriptor fd (-1: for none) or the time. False if the thread is to end. */
static bool wait_for(const struct nfvd_vhost *v, int fd, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = v->stop, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	while (poll(p, 2, timeout_ms) < 0 && errno == EINTR)
		;
	return !p[0].revents;
}

/* Take one from the budget; wait while it is empty. False if the thread is to end. */
static bool pace(const struct nfvd_vhost *v, struct pace *b)
{
	for (;;) {
		uint64_t now = nfvd_now_us(), more = (now - b->filled_us) * b->per_s / 1000000;

		if (more) {
			b->left = more > b->burst - b->left ? b->burst : b->left + more;
			b->filled_us = now;
		}
		if (b->left) {
			b->left--;
			return true;
		}
		if (!wait_for(v, -1, 1 + 1000 / b->per_s))
			return false;
	}
}

/* ---- one connection ---- */

/* Another peer knocks while one is there. */
static void turn_away(struct nfvd_vhost *v)
{
	int fd = nfvd_sock_accept(v->listener);

	if (fd < 0)
		return;
	close(fd);
	nfvd_vhost_note(v, NFVD_DROP_VU_SECOND_CLIENT, "second connection refused");
}

/* Count why the gate has given the peer up. */
static void note_end(struct nfvd_vhost *v, int err)
{
	if (err == -ETIMEDOUT)
		nfvd_vhost_note(v, NFVD_DROP_VU_TIMEOUT, "a message was begun, and not finished in time");
	else if (err == -EMSGSIZE)
		nfvd_vhost_note(v, NFVD_DROP_VU_BAD_MSG, "a message longer than any");
}

/* Serve one message. False: the connection is to end. */
static bool serve_message(struct peer *p, int sock, int gate)
{
	struct nfvd_vhost *v = p->v;
	struct nfvd_gate_record r;
	struct nfvd_vu_msg *msg = &r.msg;
	bool responds, wanted;
	int err = nfvd_gate_recv(gate, &r);

	if (err)
		return err == -EAGAIN;
	if (r.coming) {
		nfvd_keep_busy(&p->keep);
		return !nfvd_gate_go(gate);
	}
	if (r.err) {
		note_end(v, r.err);
		return false;
	}
	wanted = msg->flags & VU_NEED_REPLY;
	r.why = nfvd_vhost_message(v, msg, r.why, &responds);
	if (r.why == NFVD_PASS)
		nfvd_keep_note(&p->keep, msg);
	nfvd_sock_close_fds(msg);
	/*
	 * The peer gets no reply. If its message was refused, end the connection: the peer would go on as if it had
	 * been obeyed.
	 */
	if (!responds && !wanted) {
		nfvd_keep_idle(&p->keep);
		return r.why == NFVD_PASS;
	}
	if (!responds) {
		msg->payload.u64 = r.why != NFVD_PASS;
		msg->size = sizeof(msg->payload.u64);
	}
	msg->flags = VU_VERSION | VU_REPLY;
	err = nfvd_sock_reply(sock, msg);
	nfvd_keep_idle(&p->keep);
	if (err == -EAGAIN)
		nfvd_vhost_note(v, NFVD_DROP_VU_TIMEOUT, "the peer does not read its replies");
	return !err;
}

/* Until the peer goes, is sent away, or the thread is to end. */
static void serve(struct peer *p, int sock, int gate, bool spoke)
{
	struct nfvd_vhost *v = p->v;
	struct pollfd fds[4] = { { .fd = v->stop, .events = POLLIN }, { .fd = gate, .events = POLLIN },
				 { .fd = v->listener, .events = POLLIN }, { .fd = sock, .events = POLLRDHUP } };
	bool left = false;

	for (;;) {
		int n = poll(fds, 4, left ? LEFT_MS : p->keep.pending ? NFVD_KEEP_MS : !spoke ? SILENT_MS :
			     nfvd_vhost_rx_unseen(v) ? LOOK_MS : -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || fds[0].revents)
			return;
		if (spoke && nfvd_vhost_rx_unseen(v))
			nfvd_vhost_look(v);
		if (!n && left)
			return;
		if (!n && p->keep.pending) {
			nfvd_keep_flush(&p->keep, v);
			continue;
		}
		if (!n && spoke)
			continue;
		if (!n) {
			nfvd_vhost_note(v, NFVD_DROP_VU_TIMEOUT, "the peer connected and says nothing");
			return;
		}
		if (fds[1].revents) {
			spoke = true;
			if (!pace(v, &p->messages) || !serve_message(p, sock, gate))
				return;
		} else if (fds[3].revents) {
			left = true;
			/* A connection that comes now is the next peer, not a second one. */
			fds[2].fd = fds[3].fd = -1;
		} else if (pace(v, &p->connects)) {
			turn_away(v);
		}
	}
}

/*
 * Return whether the peer has closed the connection already. A gate for it would cost more than the connection did.
 */
static bool has_gone(int sock)
{
	uint8_t byte;

	return !recv(sock, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
}

/* Whether the guest is that of the nfvd before, whose pinned address stays. */
static void goes_on(struct nfvd_vhost *v, bool yes)
{
	pthread_mutex_lock(&v->lock);
	if (!v->leaving) {
		atomic_store(&v->port->address.goes_on, yes);
		if (!yes)
			atomic_store(nfvd_pinned(&v->port->address), 0);
	}
	pthread_mutex_unlock(&v->lock);
}

/* Go on with a peer of an earlier nfvd, which does not notice. Return false if it has to connect again. */
static bool replay(struct peer *p)
{
	const char *why;

	goes_on(p->v, true);
	why = nfvd_keep_replay(&p->keep, p->v, &p->v->kept);
	if (why)
		goes_on(p->v, false);
	if (why)
		nfvd_event(p->v->name, "its guest has to connect again: %s", why);
	else
		nfvd_event(p->v->name, "goes on with the guest of the nfvd before");
	nfvd_kept_close(&p->v->kept);
	return !why;
}

/* Return whether there is room for one more gate that hangs. */
static bool may_hang(struct peer *p)
{
	for (unsigned int i = p->n_hung; i--;)
		if (nfvd_gate_leave(p->hung[i], 0))
			p->hung[i] = p->hung[--p->n_hung];
	return p->n_hung < HUNG_MAX;
}

static void leave_gate(struct peer *p, int gate)
{
	if (nfvd_fdstore_handing_over())
		close(gate);
	else if (!nfvd_gate_leave(gate, END_MS))
		p->hung[p->n_hung++] = gate;
}

static void serve_peer(struct peer *p, int sock, bool stored)
{
	struct nfvd_vhost *v = p->v;
	int gate;

	nfvd_keep_begin(&p->keep, v->name, sock, stored);
	if (has_gone(sock)) {
		nfvd_vhost_note(v, NFVD_DROP_VU_DISCONNECT, NULL);
		return;
	}
	if (!may_hang(p)) {
		nfvd_vhost_note(v, NFVD_DROP_VU_HUNG, "closing files of its earlier peers hangs");
		return;
	}
	gate = nfvd_gate_open(sock, 2 * v->queues, v->offered);
	if (gate < 0) {
		nfvd_vhost_note(v, gate == -EMFILE ? NFVD_DROP_FD_EXHAUSTED : NFVD_DROP_NO_MEMORY,
				"no process can be started to receive the peer's messages");
		return;
	}
	nfvd_vhost_connected(v);
	if (!stored || replay(p))
		serve(p, sock, gate, stored);
	/* Shut the connection down, because the gate has it, too, and may hang in a file of the peer's. */
	if (!nfvd_fdstore_handing_over())
		shutdown(sock, SHUT_RDWR);
	nfvd_vhost_disconnected(v);
	leave_gate(p, gate);
}

/* ---- from one to the next ---- */

/* A connection, or -1: the thread is to end. */
static int next_peer(struct peer *p)
{
	struct nfvd_vhost *v = p->v;
	int sock;

	for (;;) {
		if (!wait_for(v, v->listener, v->client ? 0 : -1) || !pace(v, &p->connects))
			return -1;
		sock = v->client ? nfvd_sock_connect(v->path) : nfvd_sock_accept(v->listener);
		if (sock >= 0 && nfvd_sock_fd_spare(sock))
			return sock;
		if (sock >= 0 || sock == -EMFILE || sock == -ENFILE) {
			nfvd_vhost_note(v, NFVD_DROP_FD_EXHAUSTED, nfvd_reasons[NFVD_DROP_FD_EXHAUSTED].help);
			if (sock >= 0)
				close(sock);
			sock = -EMFILE;
		}
		if (!wait_for(v, -1, v->client ? DIAL_MS : sock == -EMFILE ? FULL_MS : 1))
			return -1;
	}
}

static void *run(void *arg)
{
	struct nfvd_vhost *v = arg;
	struct peer p = {
		.v = v,
		/* Dial slowly: if the server closes at once, each connection would start a gate. */
		.connects = v->client ? (struct pace){ .burst = 8, .per_s = 1000 / DIAL_MS } : (struct pace){ .burst = 64, .per_s = 200 },
		.messages = { .burst = 8192, .per_s = 4000 },	/* records: two a message */
	};
	bool stored = v->kept.conn >= 0;
	int sock = stored ? v->kept.conn : -1;

	rcu_register_thread();
	rcu_thread_offline();
	v->kept.conn = -1;
	while (sock >= 0 || (sock = next_peer(&p)) >= 0) {
		serve_peer(&p, sock, stored);
		nfvd_kept_close(&v->kept);
		nfvd_keep_end(&p.keep);
		close(sock);
		sock = -1;
		stored = false;
	}
	while (p.n_hung)
		close(p.hung[--p.n_hung]);
	nfvd_keep_left(v);
	if (v->listener >= 0)
		close(v->listener);
	close(v->stop);
	pthread_mutex_destroy(&v->lock);
	free(v);
	rcu_unregister_thread();
	return NULL;
}

int nfvd_vhost_thread_start(struct nfvd_vhost *v)
{
	pthread_attr_t attr;
	pthread_t tid;
	int err;

	v->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->stop < 0)
		return -errno;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&tid, &attr, run, v);
	pthread_attr_destroy(&attr);
	if (err)
		close(v->stop);
	return -err;
}

void nfvd_vhost_thread_end(struct nfvd_vhost *v)
{
	uint64_t one = 1;

	if (write(v->stop, &one, sizeof(one)) < 0)
		nfvd_log(LOG_ERR, "cannot signal a port's thread to end: %m");
}
