/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CONTEXTS_MAX	33	/* 32 workers, and one for all other threads */
#define EVENTS		512	/* completions that one context keeps until they are reaped */
#define REAP_EVERY	128

static aio_context_t contexts[CONTEXTS_MAX];
static unsigned int n_contexts;
static int null_fd = -1;
static __thread unsigned int mine;	/* 0: the shared one */
static __thread unsigned int unreaped;

int nfvd_call_init(unsigned int workers)
{
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0)
		return -errno;
	for (; n_contexts <= workers && n_contexts < CONTEXTS_MAX; n_contexts++)
		if (syscall(SYS_io_setup, EVENTS, &contexts[n_contexts]))
			return -errno;
	return 0;
}

void nfvd_call_fini(void)
{
	while (n_contexts) {
		syscall(SYS_io_destroy, contexts[--n_contexts]);
		contexts[n_contexts] = 0;
	}
	if (null_fd >= 0)
		close(null_fd);
	null_fd = -1;
}

void nfvd_call_use(unsigned int i)
{
	mine = i + 1;
}

static void reap(void)
{
	struct io_event done[EVENTS];
	struct timespec now = { 0 };

	syscall(SYS_io_getevents, contexts[mine], 0, EVENTS, done, &now);
	unreaped = 0;
}

static bool signal_eventfd(int fd)
{
	/* A read of nothing from /dev/null is complete when io_submit() returns. */
	struct iocb read = {
		.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = null_fd,
		.aio_flags = IOCB_FLAG_RESFD, .aio_resfd = fd,
	};
	struct iocb *list = &read;

	if (++unreaped == REAP_EVERY)
		reap();
	if (syscall(SYS_io_submit, contexts[mine], 1, &list) == 1)
		return true;
	if (errno != EAGAIN)
		return false;
	/* Other threads have filled the shared context. */
	reap();
	return syscall(SYS_io_submit, contexts[mine], 1, &list) == 1;
}

bool nfvd_call(int call)
{
	uint64_t one = 1;

	if (call == NFVD_CALL_NONE)
		return false;
	if (!(call & NFVD_CALL_SOCKET))
		return signal_eventfd(call);
	/* A full socket has an interrupt pending. */
	return send(call & ~NFVD_CALL_SOCKET, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
}
