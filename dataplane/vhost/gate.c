/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "fdpass.h"
#include "privileges.h"
#include "vhost/sock.h"

#define CHANNEL	3	/* the spawner's descriptor */

struct order {
	uint32_t n_vrings;
	uint64_t offered;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int channel = -1;

_Static_assert(NFVD_FDPASS_MAX >= VU_REGIONS_MAX, "a record has a message's descriptors");

/* ---- a gate ---- */

/* Announce a message to nfvd, and wait until it may be received. Return false if nfvd has gone. */
static bool announce(int out)
{
	struct nfvd_gate_record r;
	uint8_t go;

	memset(&r, 0, sizeof(r));
	r.coming = 1;
	return !nfvd_fdpass_send(out, &r, sizeof(r), NULL, 0) && recv(out, &go, sizeof(go), 0) == sizeof(go);
}

/* Until the peer or nfvd goes. */
static void pass_on(int peer, int out, const struct order *o)
{
	struct pollfd p[2] = { { .fd = peer, .events = POLLIN }, { .fd = out, .events = POLLIN } };
	struct nfvd_gate_record r;
	int fds[VU_REGIONS_MAX];

	memset(&r, 0, sizeof(r));
	while (!r.err) {
		if (poll(p, 2, -1) < 0 && errno == EINTR)
			continue;
		if (p[1].revents || !announce(out))
			return;
		r.err = nfvd_sock_recv(peer, out, &r.msg);
		r.why = r.err ? NFVD_PASS : nfvd_vu_check(&r.msg, o->n_vrings, o->offered);
		memcpy(fds, r.msg.fds, sizeof(fds));
		if (!r.err && r.why == NFVD_PASS)
			nfvd_vu_mute(&r.msg);
		/* nfvd first: closing may take for ever. */
		if (nfvd_fdpass_send(out, &r, sizeof(r), fds, r.err || r.why != NFVD_PASS ? 0 : r.msg.n_fds))
			r.err = -ECONNRESET;
		/* Before out is closed, so that nfvd knows of a gate that hangs. */
		nfvd_sock_close_fds(&r.msg);
	}
}

int nfvd_gate_main(void)
{
	struct sigaction no_children = { .sa_handler = SIG_IGN, .sa_flags = SA_NOCLDWAIT };
	unsigned int n;
	struct order o;
	int fds[2], err;
	bool lost;

	close_range(CHANNEL + 1, ~0u, 0);
	sigaction(SIGCHLD, &no_children, NULL);
	err = nfvd_privileges_of_spawner();
	if (err) {
		fprintf(stderr, "<3>" NFVD_GATE_NAME ": no guest can be taken on, privileges cannot be dropped: %s\n", strerror(-err));
		_exit(1);
	}
	/* -EAGAIN: a signal came. */
	while (!(err = nfvd_fdpass_recv(CHANNEL, 0, &o, sizeof(o), fds, 2, &n, &lost)) || err == -EAGAIN) {
		pid_t pid;

		if (err)
			continue;
		pid = n == 2 && !lost ? fork() : -1;
		if (!pid) {
			close(CHANNEL);
			if (nfvd_privileges_of_gate())
				_exit(1);
			pass_on(fds[0], fds[1], &o);
			_exit(0);
		}
		if (pid < 0)
			fprintf(stderr, "<3>" NFVD_GATE_NAME ": a guest is refused: %m\n");
		for (unsigned int i = 0; i < n && i < 2; i++)
			close(fds[i]);
	}
	_exit(0);
}

/* ---- in nfvd ---- */

extern char **environ;

/* Under the lock. */
static int spawn(void)
{
	char name[] = NFVD_GATE_NAME, *argv[] = { name, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int pair[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pair[1], CHANNEL);
	err = posix_spawn(&pid, "/proc/self/exe", &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(pair[1]);
	if (err) {
		close(pair[0]);
		return -err;
	}
	channel = pair[0];
	return 0;
}

int nfvd_gate_start(void)
{
	int err;

	/* Spawners that end are nobody's business: one that is missed is started anew. */
	signal(SIGCHLD, SIG_IGN);
	pthread_mutex_lock(&lock);
	err = channel < 0 ? spawn() : 0;
	pthread_mutex_unlock(&lock);
	return err;
}

void nfvd_gate_stop(void)
{
	if (channel >= 0)
		close(channel);
	channel = -1;
}

int nfvd_gate_open(int peer, uint32_t n_vrings, uint64_t offered)
{
	struct order o = { n_vrings, offered };
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pthread_mutex_lock(&lock);
	err = nfvd_fdpass_send(channel, &o, sizeof(o), (int[]){ peer, pair[1] }, 2);
	if (err) {
		/* Somebody has killed the spawner. */
		nfvd_gate_stop();
		err = spawn();
		if (!err)
			err = nfvd_fdpass_send(channel, &o, sizeof(o), (int[]){ peer, pair[1] }, 2);
	}
	pthread_mutex_unlock(&lock);
	close(pair[1]);
	if (!err)
		return pair[0];
	close(pair[0]);
	return err;
}

int nfvd_gate_go(int gate)
{
	return send(gate, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

bool nfvd_gate_leave(int gate, int ms)
{
	struct pollfd end = { .fd = gate };	/* POLLHUP */

	shutdown(gate, SHUT_WR);
	if (poll(&end, 1, ms) != 1)
		return false;
	close(gate);
	return true;
}

int nfvd_gate_recv(int gate, struct nfvd_gate_record *r)
{
	int fds[VU_REGIONS_MAX], err;
	unsigned int n;
	bool lost;

	err = nfvd_fdpass_recv(gate, MSG_DONTWAIT, r, sizeof(*r), fds, VU_REGIONS_MAX, &n, &lost);
	if (err)
		return err;
	for (unsigned int i = 0; i < VU_REGIONS_MAX; i++) {
		r->msg.fds[i] = i < n ? fds[i] : -1;
		lost |= i < n && !nfvd_sock_fd_spare(fds[i]);
	}
	if (lost)
		r->why = NFVD_DROP_FD_EXHAUSTED;
	return 0;
}
