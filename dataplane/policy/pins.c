/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/pins.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nfv/rpc.h>
#include "fdstore.h"
#include "log.h"

#define MAGIC		"nfvdpins"
#define VERSION		1
#define PINS_MAX	4096	/* ports */

struct pins {
	char magic[8];
	uint32_t version, bytes;
	struct pin {
		char name[NFV_NAME_MAX + 1];	/* empty: free */
		_Atomic(uint64_t) pinned;
	} pin[PINS_MAX];
};

static struct pins *pins;

/*
 * Return whether an nfvd of this version wrote it. That nfvd is gone, and nobody else can have opened a memfd by a
 * name.
 */
static bool sound(int fd)
{
	struct pins head;
	struct stat st;

	return fcntl(fd, F_GET_SEALS) >= 0 && !fstat(fd, &st) && !st.st_nlink && st.st_uid == geteuid() && st.st_size == sizeof(*pins) &&
	       pread(fd, &head, offsetof(struct pins, pin), 0) == offsetof(struct pins, pin) &&
	       !memcmp(head.magic, MAGIC, sizeof(head.magic)) && head.version == VERSION && head.bytes == sizeof(*pins);
}

/* New memory, in the store. -1: there is none. */
static int make(void)
{
	int fd = memfd_create("nfvd-pins", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && !ftruncate(fd, sizeof(*pins)) && !nfvd_fdstore_put("@pins", "state", fd))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool map(int fd)
{
	void *mem = fd >= 0 ? mmap(NULL, sizeof(*pins), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (fd >= 0)
		close(fd);
	if (mem == MAP_FAILED)
		return false;
	pins = mem;
	return true;
}

static bool open_pins(void)
{
	int fd;

	if (pins || !nfvd_fdstore_ready())
		return pins;
	fd = nfvd_fdstore_take("@pins", "state");
	if (fd >= 0 && sound(fd) && map(fd)) {
		for (unsigned int i = 0; i < PINS_MAX; i++)
			pins->pin[i].name[NFV_NAME_MAX] = '\0';
		return true;
	}
	if (!map(make())) {
		nfvd_log(LOG_WARNING, "pinned addresses will not survive a restart of nfvd: no memory for them");
		return false;
	}
	memcpy(pins->magic, MAGIC, sizeof(pins->magic));
	pins->version = VERSION;
	pins->bytes = sizeof(*pins);
	return true;
}

static struct pin *find(const char *name)
{
	for (unsigned int i = 0; pins && i < PINS_MAX; i++)
		if (!strcmp(pins->pin[i].name, name))
			return &pins->pin[i];
	return NULL;
}

void nfvd_pins_use(struct nfvd_address_state *state, const char *name)
{
	struct pin *pin;

	if (state->pinned || !open_pins())
		return;
	pin = find(name);
	if (!pin) {
		pin = find("");
		if (!pin)
			return;
		atomic_store(&pin->pinned, 0);
		snprintf(pin->name, sizeof(pin->name), "%s", name);
	}
	state->pinned = &pin->pinned;
}

void nfvd_pins_forget(const char *name)
{
	struct pin *pin = find(name);

	if (pin && !nfvd_fdstore_handing_over())
		pin->name[0] = '\0';
}

void nfvd_pins_stop(void)
{
	if (pins && !nfvd_fdstore_handing_over())
		nfvd_fdstore_remove("@pins", "state");
	if (pins)
		munmap(pins, sizeof(*pins));
	pins = NULL;
}
