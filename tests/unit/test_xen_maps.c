/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of persistent grants: kmod/xen/maps.c, with a simulated guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "kernel.h"
#include "xen/maps.c"

unsigned int nfvk_xen_maps_max = 2048;

static unsigned int kicks;
static void kick(struct nfvk_xen_grants *g) { kicks++; }

static struct nfvk_xen_grants grants;
static struct nfvk_xen_maps *m;
static struct nfvk_xen_gref list[NFVK_XEN_GREFS_OF_PAGE];

static int mapped_of_guest(void)
{
	int n = 0;

	for (unsigned int i = 0; i < GUEST_GRANTS; i++) {
		assert_in_range(guest[i].mapped, 0, 1);
		n += guest[i].mapped;
	}
	return n;
}

/* Check that the counters, the guest's mapped grants and the allocated pages agree. */
static void assert_mapped(int n)
{
	assert_int_equal(grants.mapped.v, n);
	assert_int_equal(mapped.v, n);
	assert_int_equal(mapped_of_guest(), n);
	assert_int_equal(pages_out, n);
}

static int up(void **state)
{
	memset(guest, 0, sizeof(guest));
	for (unsigned int i = 0; i < GUEST_GRANTS; i++)
		guest[i].granted = true;
	grants = (struct nfvk_xen_grants){ .domid = 3, .kick = kick };
	kicks = 0;
	m = nfvk_xen_maps_new(&grants);
	return m ? 0 : -1;
}

static int down(void **state)
{
	int waited = grace_periods;

	fail_allocations = 0;
	nfvk_xen_maps_free(m);
	assert_int_equal(grace_periods, waited);
	assert_mapped(0);
	return 0;
}

static unsigned int name(u32 from, unsigned int n, u16 flags)
{
	for (unsigned int i = 0; i < n; i++)
		list[i] = (struct nfvk_xen_gref){ .ref = from + i, .flags = flags };
	return n;
}

static void add_and_use(void **state)
{
	assert_int_equal(nfvk_xen_maps_add(m, list, name(10, 300, 0)), 0);
	assert_mapped(300);
	assert_int_equal(grants.maps.v, 300);
	for (u32 ref = 10; ref < 310; ref++) {
		struct page *p = nfvk_xen_map_addr(m, ref, true);

		assert_non_null(p);
		assert_int_equal(p->grant, ref);
	}
	assert_null(nfvk_xen_map_addr(m, 9, false));
	assert_null(nfvk_xen_map_addr(m, 310, false));
	assert_int_equal(kicks, 0);
}

static void read_only(void **state)
{
	guest[7].readonly = true;
	assert_int_equal(nfvk_xen_maps_add(m, list, name(7, 1, 0)), -EINVAL);
	assert_mapped(0);
	assert_int_equal(nfvk_xen_maps_add(m, list, name(7, 1, NFVK_XEN_GREF_READONLY)), 0);
	assert_non_null(nfvk_xen_map_addr(m, 7, false));
	assert_null(nfvk_xen_map_addr(m, 7, true));
}

/* If any grant of the list is not valid, none is added. */
static void all_or_none(void **state)
{
	for (unsigned int bad = 0; bad < 200; bad += 33) {
		guest[100 + bad].granted = false;
		assert_int_equal(nfvk_xen_maps_add(m, list, name(100, 200, 0)), -EINVAL);
		assert_mapped(0);
		for (u32 ref = 100; ref < 300; ref++)
			assert_null(nfvk_xen_map_addr(m, ref, false));
		guest[100 + bad].granted = true;
	}
	name(100, 10, 0);
	list[9].ref = 0xffffffff;
	assert_int_equal(nfvk_xen_maps_add(m, list, 10), -EINVAL);
	assert_mapped(0);
	assert_int_equal(nfvk_xen_maps_add(m, list, name(100, 200, 0)), 0);
	assert_mapped(200);
}

static void twice(void **state)
{
	assert_int_equal(nfvk_xen_maps_add(m, list, name(1, 100, 0)), 0);
	assert_int_equal(nfvk_xen_maps_add(m, list, name(100, 5, 0)), -EEXIST);
	name(500, 80, 0);
	list[79].ref = 500;
	assert_int_equal(nfvk_xen_maps_add(m, list, 80), -EEXIST);
	assert_mapped(100);
	assert_non_null(nfvk_xen_map_addr(m, 100, false));
}

static void limits(void **state)
{
	assert_int_equal(nfvk_xen_maps_add(m, list, name(0, 512, 0)), 0);
	assert_int_equal(nfvk_xen_maps_add(m, list, name(512, 512, 0)), 0);
	assert_int_equal(nfvk_xen_maps_add(m, list, name(2000, 1, 0)), -ENOSPC);
	assert_mapped(1024);
	nfvk_xen_maps_max = 1024;
	assert_int_equal(nfvk_xen_maps_del(m, list, name(0, 1, 0)), 1);
	assert_int_equal(nfvk_xen_maps_add(m, list, name(2000, 1, 0)), 0);
	nfvk_xen_maps_del(m, list, name(1, 10, 0));
	nfvk_xen_maps_max = 1020;
	/* Of all guests: not even the first of them. */
	assert_int_equal(nfvk_xen_maps_add(m, list, name(2001, 7, 0)), -ENOSPC);
	nfvk_xen_maps_max = 2048;
	assert_mapped(1014);
}

static void deleting(void **state)
{
	assert_int_equal(nfvk_xen_maps_add(m, list, name(1, 200, 0)), 0);
	name(100, 200, 0);
	list[5].ref = list[4].ref;
	assert_int_equal(nfvk_xen_maps_del(m, list, 200), 100);
	assert_int_equal(list[0].status, XEN_NETIF_CTRL_STATUS_SUCCESS);
	assert_int_equal(list[4].status, XEN_NETIF_CTRL_STATUS_SUCCESS);
	assert_int_equal(list[5].status, XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(list[101].status, XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_mapped(100);
	assert_true(grace_periods > 0);
	/* The one that was not named stays: 105, for 104 was named twice. */
	assert_non_null(nfvk_xen_map_addr(m, 105, false));
	assert_null(nfvk_xen_map_addr(m, 104, false));
}

/* The longest list, which fails at its end: it waits for one grace period. */
static void one_grace_period(void **state)
{
	int waited = grace_periods;

	guest[511].granted = false;
	assert_int_equal(nfvk_xen_maps_add(m, list, name(0, 512, 0)), -EINVAL);
	assert_mapped(0);
	assert_int_equal(grace_periods, ++waited);
	guest[511].granted = true;
	assert_int_equal(nfvk_xen_maps_add(m, list, name(0, 512, 0)), 0);
	assert_int_equal(grace_periods, waited);
	assert_int_equal(nfvk_xen_maps_del(m, list, name(0, 512, 0)), 512);
	assert_int_equal(grace_periods, ++waited);
	assert_int_equal(nfvk_xen_maps_del(m, list, name(0, 512, 0)), 0);
	assert_int_equal(nfvk_xen_maps_add(m, list, name(0, 512, 0)), 0);
	assert_int_equal(grace_periods, waited);
	jiffies += IDLE_MS + 1;
	nfvk_xen_maps_refresh(m);
	assert_mapped(0);
	assert_int_equal(grace_periods, ++waited);
	nfvk_xen_maps_refresh(m);
	assert_int_equal(grace_periods, waited);
}

static void idle_and_back(void **state)
{
	assert_int_equal(nfvk_xen_maps_add(m, list, name(1, 100, 0)), 0);
	jiffies += IDLE_MS;
	assert_non_null(nfvk_xen_map_addr(m, 50, false));
	jiffies += IDLE_MS;
	nfvk_xen_maps_refresh(m);
	assert_mapped(100);
	jiffies += 1;
	nfvk_xen_maps_refresh(m);
	assert_mapped(0);
	/* A grant is used again: copied now, all are mapped soon, requested once. One was revoked meanwhile. */
	guest[52].granted = false;
	for (u32 ref = 51; ref < 54; ref++)
		assert_null(nfvk_xen_map_addr(m, ref, true));
	assert_int_equal(kicks, 1);
	nfvk_xen_maps_refresh(m);
	assert_mapped(99);
	assert_non_null(nfvk_xen_map_addr(m, 51, true));
	assert_null(nfvk_xen_map_addr(m, 52, true));
	assert_int_equal(kicks, 1);
	/* Deleting what is not mapped. */
	assert_int_equal(nfvk_xen_maps_del(m, list, name(1, 100, 0)), 100);
	assert_mapped(0);
}

static void no_memory(void **state)
{
	for (int n = 0; n < 300; n++) {
		fail_allocations = 1;
		allocations_before = n;
		if (!nfvk_xen_maps_add(m, list, name(1, 130, 0)))
			break;
		assert_mapped(0);
	}
	assert_int_equal(fail_allocations, 1);	/* the last try had no failing allocation */
	assert_mapped(130);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(add_and_use), T(read_only), T(all_or_none), T(twice), T(limits), T(deleting), T(one_grace_period), T(idle_and_back), T(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
