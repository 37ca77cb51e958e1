/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include "fdpass.h"
#include "log.h"

#define SETTLE_US	1000000	/* for a busy PID 1 to read its messages */
/*
 * Bytes of all names together. They are one variable of the next nfvd's environment, and the kernel starts no program
 * with a variable of 128 KiB (MAX_ARG_STRLEN).
 */
#define NAMES_MAX	120000

struct stored {
	char *name;	/* PORT/WHAT */
	int fd;		/* -1: taken */
};

static struct stored *stored;	/* what came with the start */
static int n_stored;
static bool ready;
static atomic_bool handing_over;

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static json_t *names_there;	/* an object with the names in the store */
static size_t names_bytes;

/* Note that name is in the store, or is not. Return false if there is no room for it. */
static bool note_name(const char *name, bool there)
{
	size_t bytes = strlen(name) + 1;
	bool was, fits = true;

	pthread_mutex_lock(&names_lock);
	if (!names_there)
		names_there = json_object();
	was = json_object_get(names_there, name);
	if (there && !was)
		fits = names_bytes + bytes <= NAMES_MAX && json_object_size(names_there) < NFVD_FDSTORE_MAX &&
		       !json_object_set_new(names_there, name, json_null());
	else if (!there && was)
		json_object_del(names_there, name);
	if (fits && was != there)
		names_bytes = there ? names_bytes + bytes : names_bytes - bytes;
	pthread_mutex_unlock(&names_lock);
	return fits;
}

static void remove_name(const char *name)
{
	if (!ready)
		return;
	note_name(name, false);
	sd_pid_notifyf(0, 0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void nfvd_fdstore_start(bool wanted)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	ready = sd_notify(0, "STATUS=starting") > 0;
	stored = n > 0 ? calloc(n, sizeof(*stored)) : NULL;
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (stored && wanted && strchr(names[i], '/')) {
			note_name(names[i], true);
			stored[n_stored++] = (struct stored){ names[i], fd };
			continue;
		}
		/* Nobody's, or of a run that kept: its peers have to connect again. */
		nfvd_event(NULL, "closed the stored descriptor '%s', which nothing uses", names[i]);
		remove_name(names[i]);
		close(fd);
		free(names[i]);
	}
	free(names);
	ready = ready && wanted;
}

bool nfvd_fdstore_ready(void)
{
	return ready;
}

int nfvd_fdstore_take(const char *port, const char *what)
{
	char name[80];
	int fd = -1;

	snprintf(name, sizeof(name), "%s/%s", port, what);
	for (int i = 0; i < n_stored && fd < 0; i++) {
		if (stored[i].fd < 0 || strcmp(stored[i].name, name))
			continue;
		fd = stored[i].fd;
		stored[i].fd = -1;
	}
	return fd;
}

const char *nfvd_fdstore_find(const char *begin)
{
	for (int i = 0; i < n_stored; i++)
		if (stored[i].fd >= 0 && !strncmp(stored[i].name, begin, strlen(begin)))
			return stored[i].name;
	return NULL;
}

void nfvd_fdstore_remove_rest(void)
{
	for (int i = 0; i < n_stored; i++) {
		if (stored[i].fd >= 0) {
			remove_name(stored[i].name);
			close(stored[i].fd);
		}
		free(stored[i].name);
	}
	free(stored);
	stored = NULL;
	n_stored = 0;
}

int nfvd_fdstore_put(const char *port, const char *what, int fd)
{
	char name[80], text[120];
	int ret;

	nfvd_fdstore_remove(port, what);
	snprintf(name, sizeof(name), "%s/%s", port, what);
	if (!note_name(name, true))
		return -ENOSPC;
	/* Not polled: systemd would drop the socket of a device that was down for a moment. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	ret = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
	return ret < 0 ? ret : 0;
}

/* Put fd into a message, in a socket that nobody sends to any more. Return the socket or -errno. */
static int wrap(int fd)
{
	uint8_t byte = 0;
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	err = nfvd_fdpass_send(pair[0], &byte, sizeof(byte), &fd, 1);
	close(pair[0]);
	if (!err)
		return pair[1];
	close(pair[1]);
	return err;
}

/* Return the descriptor in the message, which stays in the socket; -1 if there is none. */
static int unwrap(int sock)
{
	unsigned int n;
	uint8_t byte;
	int fd = -1;
	bool lost;

	if (nfvd_fdpass_recv(sock, MSG_PEEK | MSG_DONTWAIT, &byte, sizeof(byte), &fd, 1, &n, &lost) || !n)
		return -1;
	return fd;
}

int nfvd_fdstore_put_shared(const char *port, const char *what, int fd)
{
	int sock = wrap(fd), err;

	if (sock < 0)
		return sock;
	err = nfvd_fdstore_put(port, what, sock);
	close(sock);
	return err;
}

int nfvd_fdstore_take_shared(const char *port, const char *what)
{
	int sock = nfvd_fdstore_take(port, what), type, fd;
	socklen_t len = sizeof(type);

	/* An earlier nfvd put the descriptor itself there. No memory, eventfd or stream is a socket of this type. */
	if (sock < 0 || getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_SEQPACKET)
		return sock;
	fd = unwrap(sock);
	close(sock);
	return fd;
}

void nfvd_fdstore_remove(const char *port, const char *what)
{
	char name[80];

	snprintf(name, sizeof(name), "%s/%s", port, what);
	remove_name(name);
}

int nfvd_fdstore_settle(void)
{
	int ret = sd_notify_barrier(0, SETTLE_US);

	return ret < 0 ? ret : 0;
}

void nfvd_fdstore_hand_over(void)
{
	atomic_store(&handing_over, ready);
}

bool nfvd_fdstore_handing_over(void)
{
	return atomic_load(&handing_over);
}
