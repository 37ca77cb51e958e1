/* SPDX-License-Identifier: BSD-3-Clause */
/* nfv.ko's checks of a caller's arguments: kmod/check.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <uapi/linux/nfv.h>
#include "check.h"

static const struct nfv_attach good_attach = {
	.type = NFV_PORT_NETDEV, .ifindex = 3, .netns_fd = -1, .queues = 2, .entries = 256,
};

static bool attach_with(size_t offset, uint32_t value)
{
	struct nfv_attach a = good_attach;

	*(uint32_t *)((uint8_t *)&a + offset) = value;
	return nfvk_attach_ok(&a, 1024);
}

#define ATTACH(field, value) attach_with(offsetof(struct nfv_attach, field), value)

static void attaching(void **state)
{
	assert_true(nfvk_attach_ok(&good_attach, 1024));
	assert_true(ATTACH(entries, 64));
	assert_true(ATTACH(entries, 1024));
	assert_true(ATTACH(queues, NFV_QUEUES_MAX));
	assert_true(ATTACH(netns_fd, 7));
	assert_false(ATTACH(type, 0));
	assert_false(ATTACH(type, 3));
	assert_false(ATTACH(ifindex, 0));
	assert_false(ATTACH(ifindex, -1));
	assert_false(ATTACH(netns_fd, -2));
	assert_false(ATTACH(queues, 0));
	assert_false(ATTACH(queues, NFV_QUEUES_MAX + 1));
	assert_false(ATTACH(entries, 0));
	assert_false(ATTACH(entries, 32));
	assert_false(ATTACH(entries, 100));
	assert_false(ATTACH(entries, 2048));
	assert_false(ATTACH(entries, 0x80000000));
	assert_false(ATTACH(flags, 1));
	assert_false(ATTACH(port, 1));
	assert_false(ATTACH(map_bytes, 1));
	assert_false(ATTACH(domid, 1));
	assert_false(ATTACH(devid, 1));
}

static void attaching_xen(void **state)
{
	struct nfv_attach a = { .type = NFV_PORT_XEN, .netns_fd = -1, .queues = 1, .entries = 64, .domid = 3, .devid = 1 };

	assert_true(nfvk_attach_ok(&a, 1024));
	a.ifindex = 1;
	assert_false(nfvk_attach_ok(&a, 1024));
	a.ifindex = 0;
	a.netns_fd = 3;
	assert_false(nfvk_attach_ok(&a, 1024));
}

static void batches(void **state)
{
	assert_true(nfvk_batch_ok(&(struct nfv_batch){ .n = 1 }));
	assert_true(nfvk_batch_ok(&(struct nfv_batch){ .n = NFV_BATCH_MAX }));
	assert_false(nfvk_batch_ok(&(struct nfv_batch){ .n = 0 }));
	assert_false(nfvk_batch_ok(&(struct nfv_batch){ .n = NFV_BATCH_MAX + 1 }));
	assert_false(nfvk_batch_ok(&(struct nfv_batch){ .n = ~0u }));
	assert_false(nfvk_batch_ok(&(struct nfv_batch){ .n = 1, .flags = 1 }));
}

/* Which optional fields each operation may use. */
static void operations(void **state)
{
	static const struct { uint8_t code; bool handle, iov, port, offset, vnet, last; } uses[] = {
		{ NFV_OP_COPY, true, true, false, true, false, true },
		{ NFV_OP_SEND, false, true, true, false, true, false },
		{ NFV_OP_FORWARD, true, false, true, false, false, true },
		{ NFV_OP_DROP, true, false, false, false, false, false },
	};

	for (unsigned int i = 0; i < 4; i++) {
		const struct nfv_op base = { .code = uses[i].code, .iov_n = uses[i].iov, .iov = uses[i].iov ? 4096 : 0 };
		struct nfv_op op = base;

		assert_true(nfvk_op_ok(&op));
		op = base; op.handle = 1;
		assert_int_equal(nfvk_op_ok(&op), uses[i].handle);
		op = base; op.iov_n = 1;
		assert_int_equal(nfvk_op_ok(&op), uses[i].iov);
		op = base; op.iov_n = 0;
		assert_int_equal(nfvk_op_ok(&op), !uses[i].iov);
		op = base; op.iov_n = NFV_IOV_MAX + 1;
		assert_false(nfvk_op_ok(&op));
		op = base; op.iov = 1;
		assert_int_equal(nfvk_op_ok(&op), uses[i].iov);
		op = base; op.port = 1;
		assert_int_equal(nfvk_op_ok(&op), uses[i].port);
		op = base; op.offset = 1;
		assert_int_equal(nfvk_op_ok(&op), uses[i].offset);
		op = base; op.vnet.gso_size = 1;
		assert_int_equal(nfvk_op_ok(&op), uses[i].vnet);
		op = base; op.flags = NFV_OP_LAST;
		assert_int_equal(nfvk_op_ok(&op), uses[i].last);
		op = base; op.flags = 2;
		assert_false(nfvk_op_ok(&op));
	}
	for (unsigned int code = 0; code < 256; code++)
		if (code < NFV_OP_COPY || code > NFV_OP_DROP)
			assert_false(nfvk_op_ok(&(struct nfv_op){ .code = code }));
}

static void handles(void **state)
{
	uint32_t port, queue, pos;

	assert_true(nfvk_handle_split(NFV_HANDLE(255, 7, 0xfffffffe), &port, &queue, &pos));
	assert_int_equal(port, 255);
	assert_int_equal(queue, 7);
	assert_int_equal(pos, 0xfffffffe);
	assert_false(nfvk_handle_split(NFV_HANDLE(256, 0, 0), &port, &queue, &pos));
	assert_false(nfvk_handle_split(NFV_HANDLE(0, 8, 0), &port, &queue, &pos));
	assert_false(nfvk_handle_split(~0ull, &port, &queue, &pos));
}

static void mmap_offsets(void **state)
{
	uint32_t port, queue, what;

	assert_true(nfvk_mmap_split(NFV_MMAP(255, 7, NFV_MMAP_CONSUMER), &port, &queue, &what));
	assert_int_equal(port, 255);
	assert_int_equal(queue, 7);
	assert_int_equal(what, NFV_MMAP_CONSUMER);
	assert_true(nfvk_mmap_split(0, &port, &queue, &what));
	assert_false(nfvk_mmap_split(4096, &port, &queue, &what));
	assert_false(nfvk_mmap_split(NFV_MMAP(0, 0, 2), &port, &queue, &what));
	assert_false(nfvk_mmap_split(NFV_MMAP(0, 8, 0), &port, &queue, &what));
	assert_false(nfvk_mmap_split(NFV_MMAP(256, 0, 0), &port, &queue, &what));
	assert_false(nfvk_mmap_split(~0ull << 24, &port, &queue, &what));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attaching),
		cmocka_unit_test(attaching_xen), cmocka_unit_test(batches), cmocka_unit_test(operations),
		cmocka_unit_test(handles), cmocka_unit_test(mmap_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
