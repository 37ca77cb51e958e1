/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fdkeep COMMAND [ARGUMENT]... - run nfvd where no systemd does: start it again when it ends, and
 * hand it the descriptors that it stored.
 *
 * It is to its command what PID 1 is to a service with Type=notify, Restart=always,
 * RestartSec=10ms and a descriptor store: NOTIFY_SOCKET with FDSTORE, FDSTOREREMOVE and BARRIER;
 * LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID at each start.
 *
 *	SIGTERM, SIGINT	end the command, and then itself: the descriptors are closed
 *	SIGHUP		send it to the command, which ends and is started again, perhaps from a newer file
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fdstore.h"
#include "privileges.h"

#define NAME_MAX_BYTES	255
#define FDS_MAX		253	/* SCM_MAX_FD: more the kernel does not send at once */
#define MESSAGES_MAX	64	/* in a row: anybody can send to an abstract socket */
#define SPARE_FDS	64
#define AGAIN_MS	100
#define RESTART_MS	10	/* a command that ends at once is to leave the processor to others */

static struct {
	char name[NAME_MAX_BYTES + 1];
	int fd;
} stored[NFVD_FDSTORE_MAX];
static unsigned int n_stored, store_max;

static void die(const char *what)
{
	fprintf(stderr, "fdkeep: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the store ---- */

static void forget(const char *name)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < n_stored; i++)
		if (!strcmp(stored[i].name, name))
			close(stored[i].fd);
		else
			stored[left++] = stored[i];
	n_stored = left;
}

/* The value of KEY=VALUE among the lines of text, or NULL. */
static const char *value(char *text, const char *key, char *to, size_t size)
{
	size_t n = strlen(key);

	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, n) && line[n] == '=') {
			snprintf(to, size, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
			return to;
		}
	}
	return NULL;
}

/* Obey a message of the command's; fds are ours to keep or to close. */
static void obey(char *text, const int *fds, unsigned int n)
{
	char name[NAME_MAX_BYTES + 1], flag[2];
	bool named = value(text, "FDNAME", name, sizeof(name)) && name[0] && !strchr(name, ':');
	bool keep = named && value(text, "FDSTORE", flag, sizeof(flag)) && flag[0] == '1';

	if (named && value(text, "FDSTOREREMOVE", flag, sizeof(flag)) && flag[0] == '1')
		forget(name);
	/* Those of BARRIER=1 are closed: that is the response. */
	for (unsigned int i = 0; i < n; i++) {
		if (!keep || n_stored == store_max) {
			close(fds[i]);
			continue;
		}
		strcpy(stored[n_stored].name, name);
		stored[n_stored++].fd = fds[i];
	}
}

/* Return whether there was a message. */
static bool receive(int sock, pid_t command)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} ctl;
	char text[4096];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl) };
	ssize_t n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fds[FDS_MAX];
	unsigned int n_fds = 0;
	struct ucred from = { 0 };

	if (n < 0)
		return false;
	text[n] = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&from, CMSG_DATA(c), sizeof(from));
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
	}
	/* Anybody can send to an abstract socket. */
	if (from.pid == command && from.uid == geteuid()) {
		obey(text, fds, n_fds);
		return true;
	}
	for (unsigned int i = 0; i < n_fds; i++)
		close(fds[i]);
	return true;
}

/*
 * Raise the limit of descriptors as far as this user may. To be handed out, a descriptor is needed three times over for a
 * moment.
 */
static void set_store_max(void)
{
	struct rlimit limit, want = { 3 * NFVD_FDSTORE_MAX + SPARE_FDS, 3 * NFVD_FDSTORE_MAX + SPARE_FDS };

	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("getrlimit");
	if (limit.rlim_max > want.rlim_max)
		want.rlim_max = limit.rlim_max;
	if (limit.rlim_cur < want.rlim_cur && setrlimit(RLIMIT_NOFILE, &want)) {
		want.rlim_cur = want.rlim_max = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &want))
			want.rlim_cur = limit.rlim_cur;
	} else if (limit.rlim_cur >= want.rlim_cur) {
		want.rlim_cur = limit.rlim_cur;
	}
	store_max = want.rlim_cur > SPARE_FDS ? (want.rlim_cur - SPARE_FDS) / 3 : 0;
	if (store_max >= NFVD_FDSTORE_MAX)
		store_max = NFVD_FDSTORE_MAX;
	else
		fprintf(stderr, "fdkeep: keeps %u descriptors, some 9 for each KVM guest: the hard limit (ulimit -Hn) is %llu\n", store_max,
			(unsigned long long)want.rlim_cur);
}

static int notify_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
	char env[sizeof(addr.sun_path)];
	socklen_t len = sizeof(sa_family_t);

	/* The kernel chooses a name. */
	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) || bind(sock, (void *)&addr, len))
		die("cannot make a socket");
	len = sizeof(addr);
	if (getsockname(sock, (void *)&addr, &len))
		die("cannot make a socket");
	snprintf(env, sizeof(env), "@%.*s", (int)(len - sizeof(sa_family_t) - 1), addr.sun_path + 1);
	setenv("NOTIFY_SOCKET", env, 1);
	return sock;
}

/* ---- the command ---- */

/* In the child: put the stored descriptors at 3, 4, ..., and say so. */
static void hand_out(void)
{
	size_t room = n_stored * (NAME_MAX_BYTES + 1) + 1, at = 0;
	char *names = malloc(room), number[16];

	if (!names)
		die("no memory");
	names[0] = 0;
	/* Out of the way first. */
	for (unsigned int i = 0; i < n_stored; i++) {
		stored[i].fd = fcntl(stored[i].fd, F_DUPFD_CLOEXEC, 3 + n_stored);
		at += snprintf(names + at, room - at, "%s%s", i ? ":" : "", stored[i].name);
	}
	for (unsigned int i = 0; i < n_stored; i++)
		if (stored[i].fd < 0 || dup2(stored[i].fd, 3 + (int)i) < 0)
			die("cannot hand out a descriptor");
	snprintf(number, sizeof(number), "%u", n_stored);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
}

/* Return whether a signal to end waits. */
static bool told_to_end(void)
{
	sigset_t set;

	return !sigpending(&set) && (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT));
}

static pid_t start(char **argv, const sigset_t *mask)
{
	pid_t parent = getpid(), pid;

	/* Nobody else has the descriptors. */
	for (bool said = false; (pid = fork()) < 0 && n_stored && !told_to_end(); said = true) {
		if (!said)
			fprintf(stderr, "fdkeep: cannot start %s, and keeps trying: %s\n", argv[0], strerror(errno));
		poll(NULL, 0, AGAIN_MS);
	}
	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	sigprocmask(SIG_UNBLOCK, mask, NULL);
	hand_out();
	execvp(argv[0], argv);
	die(argv[0]);
	return 0;
}

/* Has the command ended? Its exit status is in *status. */
static bool ended(pid_t command, int *status)
{
	bool yes = false;
	pid_t pid;
	int s;

	while ((pid = waitpid(-1, &s, WNOHANG)) > 0)
		if (pid == command) {
			*status = WIFEXITED(s) ? WEXITSTATUS(s) : 128 + WTERMSIG(s);
			yes = true;
		}
	return yes;
}

int main(int argc, char **argv)
{
	struct signalfd_siginfo signal;
	struct pollfd p[2];
	sigset_t mask;
	bool ending = false;
	int status = 0;
	pid_t command;

	if (argc < 2 || argv[1][0] == '-') {
		fputs("usage: fdkeep COMMAND [ARGUMENT]...\n"
		      "  Runs nfvd where no systemd does, starts it again when it ends, and keeps the descriptors\n"
		      "  that it stores: fdkeep nfvd --keep. SIGHUP starts it anew, SIGTERM ends both.\n", stderr);
		return 2;
	}
	set_store_max();
	if (nfvd_privileges_of_fdkeep())
		fputs("fdkeep: has more privileges than it needs: they cannot be dropped\n", stderr);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	p[0] = (struct pollfd){ notify_socket(), POLLIN, 0 };
	p[1] = (struct pollfd){ signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK), POLLIN, 0 };
	command = start(argv + 1, &mask);
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		/* What the command said before it ended comes first, unless others keep the socket full. */
		for (unsigned int i = 0; i < MESSAGES_MAX && receive(p[0].fd, command); i++)
			;
		if (read(p[1].fd, &signal, sizeof(signal)) != sizeof(signal))
			continue;
		if (signal.ssi_signo != SIGCHLD) {
			ending |= signal.ssi_signo != SIGHUP;
			kill(command, signal.ssi_signo == SIGHUP ? SIGHUP : SIGTERM);
		} else if (ended(command, &status)) {
			if (ending)
				return status;
			fprintf(stderr, "fdkeep: %s ended with %d: started again, with %u descriptors\n", argv[1], status,
				n_stored);
			poll(NULL, 0, RESTART_MS);
			command = start(argv + 1, &mask);
		}
	}
}
