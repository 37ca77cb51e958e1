/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"
#include "nfvd.h"

#define NAME	"config-%010u.json"	/* as many digits as there are numbers */
#define NAME_MAX_ 32

static int dir = -1, lock = -1;
static unsigned int last, highest;	/* generation in use; highest number that there is a file of */

static bool number_of(const char *file, unsigned int *n)
{
	char again[NAME_MAX_];

	if (sscanf(file, "config-%10u.json", n) != 1 || !*n)
		return false;
	snprintf(again, sizeof(again), NAME, *n);
	return !strcmp(file, again);
}

/* Numbers of all generations, youngest first; to be freed. NULL with *n 0: none, or no memory. */
static unsigned int *generations(size_t *n)
{
	unsigned int *all = NULL, number;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	*n = 0;
	while (d && (e = readdir(d))) {
		unsigned int *more = number_of(e->d_name, &number) ? realloc(all, (*n + 1) * sizeof(*all)) : NULL;
		size_t at;

		if (!more)
			continue;
		all = more;
		for (at = (*n)++; at && all[at - 1] < number; at--)
			all[at] = all[at - 1];
		all[at] = number;
	}
	if (d)
		closedir(d);
	return all;
}

int nfvd_store_open(const char *path)
{
	dir = nfvd_state_folder("configuration directory", path, 0700);
	if (dir < 0)
		return dir;
	lock = openat(dir, "lock", O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB)) {
		int err = -errno;

		if (err == -EWOULDBLOCK)
			nfvd_log(LOG_ERR, "another nfvd uses the configuration directory '%s'", path);
		else
			nfvd_log(LOG_ERR, "cannot lock '%s/lock': %s", path, strerror(-err));
		nfvd_store_close();
		return err;
	}
	return 0;
}

void nfvd_store_close(void)
{
	if (lock >= 0)
		close(lock);
	if (dir >= 0)
		close(dir);
	dir = lock = -1;
	last = highest = 0;
}

/* NULL with reason. */
static json_t *read_file(const char *file, char *reason, size_t size)
{
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	json_error_t error;
	json_t *doc = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		snprintf(reason, size, "%s", strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH)) {
		snprintf(reason, size, "it is no file of uid %u that only he can write", geteuid());
	} else if (st.st_size > NFVD_STORE_BYTES_MAX) {
		snprintf(reason, size, "it is longer than %d bytes", NFVD_STORE_BYTES_MAX);
	} else {
		doc = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error);
		if (!doc)
			snprintf(reason, size, "line %d: %s", error.line, error.text);
	}
	if (fd >= 0)
		close(fd);
	return doc;
}

json_t *nfvd_store_read(unsigned int generation, bool (*sound)(const json_t *doc, char *reason, size_t size),
			char *reason, size_t size)
{
	char file[NAME_MAX_];
	json_t *doc;

	snprintf(file, sizeof(file), NAME, generation);
	doc = read_file(file, reason, size);
	if (doc && !sound(doc, reason, size)) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

json_t *nfvd_store_history(void)
{
	size_t n;
	unsigned int *all = generations(&n);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		char file[NAME_MAX_];
		struct stat st;

		snprintf(file, sizeof(file), NAME, all[i]);
		if (!fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW))
			json_array_append_new(list, json_pack("{s:I, s:I}", "generation", (json_int_t)all[i], "time",
							      (json_int_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000));
	}
	free(all);
	return list;
}

json_t *nfvd_store_load(bool (*sound)(const json_t *doc, char *reason, size_t size),
			void (*bad)(const char *file, const char *reason))
{
	size_t n;
	unsigned int *all = generations(&n);
	json_t *doc = NULL;

	highest = n ? all[0] : 0;
	for (size_t i = 0; i < n && !doc; i++) {
		char file[NAME_MAX_], reason[256] = "";

		snprintf(file, sizeof(file), NAME, all[i]);
		doc = nfvd_store_read(all[i], sound, reason, sizeof(reason));
		if (doc)
			last = all[i];
		else
			bad(file, reason);
	}
	free(all);
	return doc;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(fd, text, n);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			text += done;
			n -= done;
		}
	}
	return 0;
}

static int write_new(const char *text)
{
	int fd, err;

	if (unlinkat(dir, "new", 0) && errno != ENOENT)
		return -errno;
	fd = openat(dir, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text, strlen(text));
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* Remove all but the last generations. If that fails, the next call does it. */
static void tidy(void)
{
	size_t n;
	unsigned int *all = generations(&n);

	for (size_t i = NFVD_STORE_GENERATIONS; i < n; i++) {
		char file[NAME_MAX_];

		snprintf(file, sizeof(file), NAME, all[i]);
		unlinkat(dir, file, 0);
	}
	free(all);
}

int nfvd_store_write(const json_t *doc)
{
	char *text = json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS), file[NAME_MAX_];
	int err = text ? write_new(text) : -ENOMEM;

	free(text);
	snprintf(file, sizeof(file), NAME, highest + 1);
	if (!err && renameat(dir, "new", dir, file))
		err = -errno;
	else if (!err && fsync(dir)) {
		err = -errno;
		unlinkat(dir, file, 0);
	}
	if (err) {
		unlinkat(dir, "new", 0);
		return err;
	}
	last = ++highest;
	tidy();
	return 0;
}

unsigned int nfvd_store_generation(void)
{
	return last;
}
