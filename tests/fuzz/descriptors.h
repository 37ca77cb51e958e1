/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors for the vhost target: the kernel's, or a model of them, which takes a tenth of the time.
 *
 * A descriptor of the model is a number and a kind. The properties of each kind (its flags, its size, whether it is an
 * eventfd) are read from the kernel once, at the start. The model is stricter than the kernel: closing or querying a
 * descriptor that is not open, and signalling one that is not an eventfd, trap.
 *
 * Both map real memory. The model keeps a mapping after it is unmapped, and uses it again for the same range of the
 * same file. Pages beyond the end of a truncated file still raise SIGBUS.
 *
 * Include this before the files under test, but after the system headers that they include.
 */
#ifndef FUZZ_DESCRIPTORS_H
#define FUZZ_DESCRIPTORS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <numaif.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Kinds of descriptors that may come with a message. */
enum kind { MEMORY, OTHER_MEMORY, SHORT_MEMORY, READ_ONLY, EVENT, FULL_EVENT, UNIX_SOCKET, FULL_SOCKET, PIPE, FOLDER, DEVICE, PATH_ONLY, KINDS };

#define MODEL_FIRST	1000
#define MODEL_FDS	256
#define MODEL_MAPS	64

/* The kernel's results; a negative value is -errno. */
struct told {
	char link[64];			/* of /proc/self/fd */
	int flags, seals, domain, type;
	int name, peer;			/* lengths of the addresses of a socket */
	struct stat st;
};

static struct {
	bool on;
	struct told told[KINDS];
	bool open[MODEL_FDS];
	enum kind kind[MODEL_FDS];
	unsigned int n_open, n_mapped;
	struct model_map {
		void *at;
		size_t size;
		off_t offset;
		enum kind kind;
		bool mapped, replaced;	/* replaced: by zeros */
	} map[MODEL_MAPS];
} model;
static int fds[KINDS];

static void require(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* ---- at the start ---- */

static int said(int result)
{
	return result < 0 ? -errno : result;
}

static void model_ask(enum kind k)
{
	struct told *t = &model.told[k];
	struct sockaddr_un un;
	socklen_t len = sizeof(int);
	char path[32];
	int fd = fds[k];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	require(readlink(path, t->link, sizeof(t->link) - 1) > 0);
	t->flags = said(fcntl(fd, F_GETFL));
	t->seals = said(fcntl(fd, F_GET_SEALS));
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &t->domain, &len))
		t->domain = -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &t->type, &len))
		t->type = -errno;
	len = sizeof(un);
	t->name = getsockname(fd, (struct sockaddr *)&un, &len) ? -errno : (int)len;
	len = sizeof(un);
	t->peer = getpeername(fd, (struct sockaddr *)&un, &len) ? -errno : (int)len;
	require(!fstat(fd, &t->st));
}

/* ---- descriptors ---- */

static int model_dup(enum kind k)
{
	unsigned int i = 0;

	if (!model.on)
		return dup(fds[k]);
	while (model.open[i])
		require(++i < MODEL_FDS);
	model.open[i] = true;
	model.kind[i] = k;
	model.n_open++;
	return MODEL_FIRST + i;
}

static enum kind kind_of(int fd)
{
	require(fd >= MODEL_FIRST && fd < MODEL_FIRST + MODEL_FDS && model.open[fd - MODEL_FIRST]);
	return model.kind[fd - MODEL_FIRST];
}

static int told(int answer)
{
	if (answer >= 0)
		return answer;
	errno = -answer;
	return -1;
}

static int model_close(int fd)
{
	if (!model.on)
		return close(fd);
	kind_of(fd);
	model.open[fd - MODEL_FIRST] = false;
	model.n_open--;
	return 0;
}

static ssize_t model_readlink(const char *path, char *target, size_t size)
{
	size_t n;
	const char *link;

	if (!model.on)
		return readlink(path, target, size);
	link = model.told[kind_of(atoi(path + strlen("/proc/self/fd/")))].link;
	n = strlen(link);
	require(n <= size);
	memcpy(target, link, n);
	return n;
}

static int model_fcntl(int fd, int what)
{
	const struct told *t;

	if (!model.on)
		return fcntl(fd, what);
	t = &model.told[kind_of(fd)];
	require(what == F_GETFL || what == F_GET_SEALS);
	return told(what == F_GETFL ? t->flags : t->seals);
}

static int model_fstat(int fd, struct stat *st)
{
	if (!model.on)
		return fstat(fd, st);
	*st = model.told[kind_of(fd)].st;
	return 0;
}

static int model_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	const struct told *t;
	int answer;

	if (!model.on)
		return getsockopt(fd, level, name, value, len);
	t = &model.told[kind_of(fd)];
	require(level == SOL_SOCKET && *len == sizeof(int) && (name == SO_DOMAIN || name == SO_TYPE));
	answer = told(name == SO_DOMAIN ? t->domain : t->type);
	memcpy(value, &answer, sizeof(answer));
	return answer < 0 ? -1 : 0;
}

/* All sockets are pairs, so an address has a family, but no name. */
static int model_name(int answer, struct sockaddr *address, socklen_t *len)
{
	if (told(answer) < 0)
		return -1;
	address->sa_family = AF_UNIX;
	*len = answer;
	return 0;
}

static int model_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
	return model.on ? model_name(model.told[kind_of(fd)].name, address, len) : getsockname(fd, address, len);
}

static int model_getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
	return model.on ? model_name(model.told[kind_of(fd)].peer, address, len) : getpeername(fd, address, len);
}

static ssize_t model_send(int fd, const void *buf, size_t len, int flags)
{
	enum kind k;

	if (!model.on)
		return send(fd, buf, len, flags);
	k = kind_of(fd);
	require(k == UNIX_SOCKET && flags == (MSG_DONTWAIT | MSG_NOSIGNAL));
	return len;
}

static long model_syscall(long nr, ...)
{
	long a[5];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 5; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!model.on)
		return syscall(nr, a[0], a[1], a[2], a[3], a[4]);
	if (nr == SYS_io_submit) {
		enum kind k = kind_of((int)(**(struct iocb ***)&a[2])->aio_resfd);

		require(k == EVENT || k == FULL_EVENT);
		return 1;
	}
	require(nr == SYS_io_getevents);
	return 0;
}

/* ---- memory ---- */

static void *model_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	struct model_map *m, *room = NULL;
	enum kind k;

	if (!model.on)
		return mmap(at, size, prot, flags, fd, offset);
	if (flags & MAP_FIXED) {
		for (m = model.map; m < model.map + MODEL_MAPS; m++)
			if (m->at == at && m->mapped && m->size == size) {
				m->replaced = true;
				return mmap(at, size, prot, flags, fd, offset);
			}
		require(false);
	}
	k = kind_of(fd);
	for (m = model.map; m < model.map + MODEL_MAPS; m++) {
		if (m->at && !m->mapped && m->kind == k && m->size == size && m->offset == offset)
			goto found;
		if (!m->mapped && (!room || !m->at))
			room = m;
	}
	m = room;
	require(m);
	if (m->at)
		munmap(m->at, m->size);
	*m = (struct model_map){ .kind = k, .size = size, .offset = offset };
	m->at = mmap(NULL, size, prot, flags, fds[k], offset);
	require(m->at != MAP_FAILED);
found:
	m->mapped = true;
	model.n_mapped++;
	return m->at;
}

static bool is_mapped(const void *at, size_t size)
{
	for (unsigned int i = 0; i < MODEL_MAPS; i++)
		if (model.map[i].at == at && model.map[i].mapped)
			return model.map[i].size == size;
	return false;
}

static int model_munmap(void *at, size_t size)
{
	if (!model.on)
		return munmap(at, size);
	for (struct model_map *m = model.map; m < model.map + MODEL_MAPS; m++) {
		if (m->at != at || !m->mapped)
			continue;
		require(m->size == size);
		m->mapped = false;
		model.n_mapped--;
		if (m->replaced) {
			require(!munmap(at, size));
			*m = (struct model_map){ 0 };
		}
		return 0;
	}
	require(false);
	return -1;
}

static int model_madvise(void *at, size_t size, int advice)
{
	return model.on ? 0 : madvise(at, size, advice);
}

static long model_get_mempolicy(int *node, unsigned long *mask, unsigned long max, void *at, unsigned int flags)
{
	if (!model.on)
		return get_mempolicy(node, mask, max, at, flags);
	*node = 0;
	return 0;
}

#define close		model_close
#define readlink	model_readlink
#define fcntl		model_fcntl
#define fstat		model_fstat
#define getsockopt	model_getsockopt
#define getsockname	model_getsockname
#define getpeername	model_getpeername
#define send		model_send
#define syscall		model_syscall
#define mmap		model_mmap
#define munmap		model_munmap
#define madvise		model_madvise
#define get_mempolicy	model_get_mempolicy

#endif
