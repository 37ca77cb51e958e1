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

/* The next name in d, NULL at the end or with *err. */
static const char *next_name(DIR *d, int *err)
{
	const struct dirent *e;

	errno = 0;
	e = readdir(d);
	*err = e ? 0 : -errno;
	return e ? e->d_name : NULL;
}

/* Set *all to the numbers of all generations, youngest first, to be freed. Return how many, or -errno. */
static ssize_t generations(unsigned int **all)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = fd < 0 ? -errno : 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	unsigned int number;
	const char *name;
	size_t n = 0, at;

	*all = NULL;
	while (d && (name = next_name(d, &err))) {
		unsigned int *more;

		if (!number_of(name, &number))
			continue;
		more = realloc(*all, (n + 1) * sizeof(**all));
		if (!more) {
			err = -ENOMEM;
			break;
		}
		*all = more;
		for (at = n++; at && more[at - 1] < number; at--)
			more[at] = more[at - 1];
		more[at] = number;
	}
	if (d)
		closedir(d);
	if (!err)
		return (ssize_t)n;
	free(*all);
	*all = NULL;
	return err;
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
	unsigned int *all;
	ssize_t n = generations(&all);
	json_t *list = json_array();

	for (ssize_t i = 0; i < n; i++) {
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

int nfvd_store_load(json_t **doc, bool (*sound)(const json_t *doc, char *reason, size_t size),
		    void (*bad)(const char *file, const char *reason))
{
	unsigned int *all;
	ssize_t n = generations(&all);

	*doc = NULL;
	if (n < 0)
		return (int)n;
	highest = n ? all[0] : 0;
	for (ssize_t i = 0; i < n && !*doc; i++) {
		char file[NAME_MAX_], reason[256] = "";

		snprintf(file, sizeof(file), NAME, all[i]);
		*doc = nfvd_store_read(all[i], sound, reason, sizeof(reason));
		if (*doc)
			last = all[i];
		else
			bad(file, reason);
	}
	free(all);
	return 0;
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
	unsigned int *all;
	ssize_t n = generations(&all);

	for (ssize_t i = NFVD_STORE_GENERATIONS; all && i < n; i++) {
		char file[NAME_MAX_];

		snprintf(file, sizeof(file), NAME, all[i]);
		unlinkat(dir, file, 0);
	}
	free(all);
}

/* A generation that is written anew stays as old as it was. */
static void keep_time(const char *file)
{
	struct stat st;

	if (!fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW))
		utimensat(dir, "new", (struct timespec[]){ { .tv_nsec = UTIME_OMIT }, st.st_mtim }, AT_SYMLINK_NOFOLLOW);
}

int nfvd_store_write(const json_t *doc, bool again)
{
	char *text = json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS), file[NAME_MAX_];
	/* What is longer would not be read again. */
	int err = !text ? -ENOMEM : strlen(text) > NFVD_STORE_BYTES_MAX ? -EFBIG : write_new(text);

	free(text);
	again = again && last && last == highest;
	snprintf(file, sizeof(file), NAME, again ? last : highest + 1);
	if (again && !err)
		keep_time(file);
	if (!err && renameat(dir, "new", dir, file)) {
		err = -errno;
	} else if (!err && fsync(dir)) {
		err = -errno;
		if (!again)
			unlinkat(dir, file, 0);
	}
	if (err) {
		unlinkat(dir, "new", 0);
		return err;
	}
	if (again)
		return 0;
	last = ++highest;
	tidy();
	return 0;
}

unsigned int nfvd_store_generation(void)
{
	return last;
}
