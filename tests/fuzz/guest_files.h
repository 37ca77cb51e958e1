/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptors that the peer of the vhost target sends: one of each kind, including the guest's file, whose size and
 * contents change. And a check that none of them stays open or mapped.
 *
 * Include this before the files under test (descriptors.h).
 */
#ifndef FUZZ_GUEST_FILES_H
#define FUZZ_GUEST_FILES_H

#include <dirent.h>
#include "descriptors.h"

#define PAGE		4096u
#define PAGES		32u		/* of the guest's file */
#define COUNT_EVERY	4096		/* runs, then all descriptors and mappings are counted */
#define FILES		(SHORT_MEMORY + 1)	/* kinds that can be memory */

static uint8_t *file[FILES];		/* the guest's mappings */
static bool written;			/* by the guest or through a ring */
static off_t kernel_size = PAGES * PAGE;	/* of the guest's file */

static int memory(unsigned int pages)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	require(fd >= 0 && !ftruncate(fd, pages * PAGE));
	return fd;
}

static void make_fds(void)
{
	uint64_t full = 0xfffffffffffffffe;
	char path[64], junk[4096] = { 0 };
	int pair[2];

	fds[MEMORY] = memory(PAGES);
	fds[OTHER_MEMORY] = memory(PAGES);
	fds[SHORT_MEMORY] = memory(1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[MEMORY]);
	fds[READ_ONLY] = open(path, O_RDONLY | O_CLOEXEC);
	fds[EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fds[FULL_EVENT] = eventfd(0, EFD_CLOEXEC);
	require(write(fds[FULL_EVENT], &full, sizeof(full)) == sizeof(full));
	require(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	fds[UNIX_SOCKET] = pair[0];
	require(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	fds[FULL_SOCKET] = pair[0];
	while (send(pair[0], junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	require(!pipe2(pair, O_CLOEXEC));
	fds[PIPE] = pair[1];
	fds[FOLDER] = open("/", O_RDONLY | O_CLOEXEC);
	fds[DEVICE] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[PATH_ONLY] = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	for (int i = 0; i < KINDS; i++) {
		require(fds[i] >= 0);
		model_ask(i);
	}
	for (int i = 0; i < FILES; i++)
		require((file[i] = mmap(NULL, model.told[i].st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0)) != MAP_FAILED);
}

static off_t size_of_file(void)
{
	return model.told[MEMORY].st.st_size;
}

/*
 * Change the size of the guest's file. Unmapped pages need not vanish; they are cleared, because nfvd checks the size
 * before it maps the file. So kernel_size may be larger than the size.
 */
static void resize(off_t bytes)
{
	off_t now = size_of_file();

	if (!model.on || model.n_mapped || bytes > kernel_size) {
		require(!ftruncate(fds[MEMORY], bytes));
		kernel_size = bytes;
	} else if (bytes < now) {
		memset(file[MEMORY] + bytes, 0, now - bytes);
	}
	model.told[MEMORY].st.st_size = model.told[READ_ONLY].st.st_size = bytes;
}

/* Clear all files. */
static void clear_files(void)
{
	resize(PAGES * PAGE);
	for (int i = 0; written && i < FILES; i++)
		memset(file[i], 0, model.told[i].st.st_size);
	written = false;
}

static unsigned int lines_in(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned int n = 0;
	int c;

	require(f);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static unsigned int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	require(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void count(unsigned int runs)
{
	static unsigned int fds_then, maps_then;

	if (runs % COUNT_EVERY)
		return;
	/* Not at the first run, because the fuzzer opens descriptors. The allocator's mappings change, too. */
	if (!fds_then) {
		fds_then = open_fds();
		maps_then = lines_in("/proc/self/maps");
	}
	require(open_fds() == fds_then);
	require(lines_in("/proc/self/maps") < maps_then + MODEL_MAPS + COUNT_EVERY / 16);
}

#endif
