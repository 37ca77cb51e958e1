/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include "log.h"

#define SETTLE_US	1000000	/* for a busy PID 1 to read its messages */

struct stored {
	char *name;	/* PORT/WHAT */
	int fd;		/* -1: taken */
};

static struct stored *stored;	/* what came with the start */
static int n_stored;
static bool ready;
static atomic_bool handing_over;

static void remove_name(const char *name)
{
	if (ready)
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
			stored[n_stored++] = (struct stored){ names[i], fd };
			continue;
		}
		/* Nobody's, or of a run that kept: its peers have to connect again. */
		nfvd_event(NULL, "descriptor '%s' is not wanted: closed", names[i]);
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
	char text[120];
	int ret;

	nfvd_fdstore_remove(port, what);
	/* Not polled: systemd would drop the socket of a device that was down for a moment. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s/%s", port, what);
	ret = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
	return ret < 0 ? ret : 0;
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
