/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the peer of the vhost target has to send: one descriptor of each kind, the guest's file among them, whose size
 * and contents change. And the count that none of them is left open, or mapped.
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

static uint8_t *file[FILES];		/* as the guest has them mapped */
static bool written;			/* by the guest, or a ring */
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
 * Give the guest's file another size. What nobody has mapped need not vanish: those pages become zeros, and who maps
 * the file asks for its size before. So kernel_size may be the larger one.
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

/* All of it zeros again. */
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
	/* Not at first: who runs us opens some of its own. Mappings of the allocator's come and go, too. */
	if (!fds_then) {
		fds_then = open_fds();
		maps_then = lines_in("/proc/self/maps");
	}
	require(open_fds() == fds_then);
	require(lines_in("/proc/self/maps") < maps_then + MODEL_MAPS + COUNT_EVERY / 16);
}

#endif
