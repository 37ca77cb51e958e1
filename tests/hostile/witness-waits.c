/* SPDX-License-Identifier: BSD-3-Clause */
#include "witness-waits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int own_schedstat = -1;

/* Read the kernel's count: the second number is the time waiting for a CPU, in ns. */
static int64_t waited_for(int fd)
{
	char text[100];
	long long ran, waited = 0;
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : 0;

	if (n <= 0)
		return 0;
	text[n] = 0;
	return sscanf(text, "%lld %lld", &ran, &waited) == 2 ? waited : 0;
}

int64_t waits_so_far(const struct waits *w)
{
	int64_t worst = 0;

	for (unsigned int i = 0; i < w->n_workers; i++) {
		int64_t ns = waited_for(w->schedstat[i]);

		if (ns > worst)
			worst = ns;
	}
	return worst + waited_for(own_schedstat);
}

static int open_of_thread(const struct waits *w, const char *tid, const char *file)
{
	char path[100];

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/%s", w->pid, tid, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void read_of_thread(const struct waits *w, const char *tid, const char *file, char *text, size_t room)
{
	int fd = open_of_thread(w, tid, file);
	ssize_t n = fd >= 0 ? read(fd, text, room - 1) : 0;

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
}

static bool is_worker(const struct waits *w, const char *tid)
{
	char name[32];

	read_of_thread(w, tid, "comm", name, sizeof(name));
	return strstr(name, "nfvd-worker") == name;
}

static void each_thread(struct waits *w, void (*fn)(struct waits *w, const char *tid))
{
	char path[100];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", w->pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			fn(w, e->d_name);
	if (d)
		closedir(d);
}

static void add_worker(struct waits *w, const char *tid)
{
	if (w->n_workers < WORKERS_MAX && is_worker(w, tid))
		w->schedstat[w->n_workers++] = open_of_thread(w, tid, "schedstat");
}

/*
 * A worker may wait for another thread of nfvd that itself waits for a CPU, because all threads
 * share the lock of the address space, which is held while memory is mapped. Note where it sleeps.
 */
static void add_other(struct waits *w, const char *tid)
{
	if (is_worker(w, tid)) {
		read_of_thread(w, tid, "wchan", w->asleep, sizeof(w->asleep));
	} else if (w->n_others < OTHERS_MAX) {
		w->other[w->n_others].fd = open_of_thread(w, tid, "schedstat");
		w->other[w->n_others].waited = waited_for(w->other[w->n_others].fd);
		w->n_others++;
	}
}

void waits_long_silence(struct waits *w)
{
	if (w->is_long)
		return;
	w->is_long = true;
	w->asleep[0] = 0;
	each_thread(w, add_other);
}

int64_t waits_end_silence(struct waits *w)
{
	int64_t worst = 0;

	for (unsigned int i = 0; i < w->n_others; i++) {
		int64_t ns = waited_for(w->other[i].fd) - w->other[i].waited;

		if (ns > worst)
			worst = ns;
		close(w->other[i].fd);
	}
	w->n_others = 0;
	w->is_long = false;
	return worst;
}

int waits_of(struct waits *w, int pid)
{
	w->pid = pid;
	each_thread(w, add_worker);
	return w->n_workers ? 0 : -ESRCH;
}

void waits_close(struct waits *w)
{
	for (unsigned int k = 0; k < w->n_workers; k++)
		close(w->schedstat[k]);
}

void waits_begin(void)
{
	char path[100];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/schedstat", syscall(SYS_gettid));
	own_schedstat = open(path, O_RDONLY | O_CLOEXEC);
}

void waits_end(void)
{
	close(own_schedstat);
}
