/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_NODE	2
#define WITHHELD_MAX	256
#define LONGEST_MS	20000	/* how long a response is withheld: a process that waits for it cannot be killed */

/*
 * The server is a process that ends after the test. A thread would end before the test's files
 * are closed, and closing them sends requests to the server.
 */
static struct {
	_Atomic(uint64_t) withhold;	/* bit by opcode: not answered; shared with the server */
} *told;

static struct {
	int dev;
	char dir[64];
	size_t bytes;
	pid_t server;
	unsigned int n;
	struct { struct fuse_in_header in; int64_t until; } withheld[WITHHELD_MAX];
} fs;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

static void reply(const struct fuse_in_header *in, int err, const void *body, size_t n)
{
	struct {
		struct fuse_out_header h;
		uint8_t room[4096];
	} out = { .h = { .len = sizeof(out.h) + n, .error = -err, .unique = in->unique } };

	if (n)
		memcpy(out.room, body, n);
	/* The requesting process may have ended. */
	if (write(fs.dev, &out, out.h.len) < 0 && errno != ENOENT)
		perror("fuse");
}

static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr a = { .ino = node, .nlink = 1, .blksize = 4096, .mode = S_IFDIR | 0755 };

	if (node == FILE_NODE) {
		a.size = fs.bytes;
		a.mode = S_IFREG | 0666;
	}
	return a;
}

static void answer(const struct fuse_in_header *in)
{
	static const uint8_t zeros[4096];
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096 };
	struct fuse_entry_out entry = { .nodeid = FILE_NODE, .attr = attr_of(FILE_NODE), .entry_valid = 1000 };
	/* Attributes are not cached. */
	struct fuse_attr_out attr = { .attr = attr_of(in->nodeid) };
	struct fuse_open_out open = { .fh = 1 };
	struct fuse_statfs_out statfs = { .st = { .bsize = 4096 } };

	switch (in->opcode) {
	case FUSE_INIT: reply(in, 0, &init, sizeof(init)); break;
	case FUSE_LOOKUP: reply(in, 0, &entry, sizeof(entry)); break;
	case FUSE_GETATTR: case FUSE_SETATTR: reply(in, 0, &attr, sizeof(attr)); break;
	case FUSE_OPEN: reply(in, 0, &open, sizeof(open)); break;
	case FUSE_STATFS: reply(in, 0, &statfs, sizeof(statfs)); break;
	case FUSE_READ: reply(in, 0, zeros, sizeof(zeros)); break;
	case FUSE_FLUSH: case FUSE_RELEASE: reply(in, 0, NULL, 0); break;
	case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: break;
	default: reply(in, ENOSYS, NULL, 0);
	}
}

/* Send responses that need not be withheld any longer. */
static void answer_late(void)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < fs.n; i++) {
		if (atomic_load(&told->withhold) && now_ms() < fs.withheld[i].until)
			fs.withheld[kept++] = fs.withheld[i];
		else
			answer(&fs.withheld[i].in);
	}
	fs.n = kept;
}

static void serve(pid_t test)
{
	static uint8_t buf[1 << 16];
	struct pollfd p = { .fd = fs.dev, .events = POLLIN };
	struct fuse_in_header in;

	while (getppid() == test || fs.n) {
		answer_late();
		if (poll(&p, 1, 50) <= 0)
			continue;
		if (read(fs.dev, buf, sizeof(buf)) < (ssize_t)sizeof(in))
			return;
		memcpy(&in, buf, sizeof(in));
		if (in.opcode < 64 && atomic_load(&told->withhold) >> in.opcode & 1 && fs.n < WITHHELD_MAX) {
			fs.withheld[fs.n].in = in;
			fs.withheld[fs.n++].until = now_ms() + LONGEST_MS;
		} else {
			answer(&in);
		}
	}
}

int fuse_start(size_t bytes)
{
	char options[100], path[100];
	pid_t test = getpid();
	int fd;

	fs.bytes = bytes;
	snprintf(fs.dir, sizeof(fs.dir), "/tmp/evil-fuse.XXXXXX");
	fs.dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fs.dev < 0 || !mkdtemp(fs.dir))
		return -errno;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fs.dev);
	if (mount("evil", fs.dir, "fuse", MS_NOSUID | MS_NODEV, options))
		return -errno;
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return -errno;
	fs.server = fork();
	if (fs.server < 0)
		return -errno;
	if (!fs.server) {
		/* Close the test's connections in the server. */
		dup2(fs.dev, 3);
		fs.dev = 3;
		close_range(4, ~0u, 0);
		serve(test);
		_exit(0);
	}
	/* When the server ends, so does the file system. */
	close(fs.dev);
	snprintf(path, sizeof(path), "%s/memory", fs.dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void fuse_withhold(uint64_t opcodes)
{
	if (told)
		atomic_store(&told->withhold, opcodes);
}

void fuse_stop(void)
{
	fuse_withhold(0);
	umount2(fs.dir, MNT_DETACH);
	/* Its read fails when the file system has ended. */
	waitpid(fs.server, NULL, 0);
	rmdir(fs.dir);
	munmap(told, sizeof(*told));
	told = NULL;
}
