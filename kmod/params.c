// SPDX-License-Identifier: GPL-2.0
/* nfv.ko's parameters, and the ranges of their values. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include "nfvk.h"

unsigned int nfvk_ring_entries = 1024;
unsigned int nfvk_held_kib = 16384;
unsigned int nfvk_held_mib;
unsigned int nfvk_held_ms = 500;
unsigned int nfvk_xen_maps_max = 16384;
unsigned int nfvk_xen_queues;

#define HELD_MIB_MIN	16
#define HELD_SHARE	8	/* held_mib's default: the machine's memory divided by this */

static int set_uint(const char *val, const struct kernel_param *kp, unsigned int min, unsigned int max, bool pow2)
{
	unsigned int v;
	int err = kstrtouint(val, 0, &v);

	if (err || v < min || v > max || (pow2 && !is_power_of_2(v))) {
		pr_err("parameter %s must be %s from %u to %u\n", kp->name, pow2 ? "a power of two" : "a number", min, max);
		return -EINVAL;
	}
	*(unsigned int *)kp->arg = v;
	return 0;
}

static int set_ring_entries(const char *val, const struct kernel_param *kp)
{
	return set_uint(val, kp, NFV_RING_MIN, NFV_RING_MAX, true);
}

static int set_held_kib(const char *val, const struct kernel_param *kp)
{
	return set_uint(val, kp, 256, 1 << 20, false);
}

static int set_held_mib(const char *val, const struct kernel_param *kp)
{
	return set_uint(val, kp, HELD_MIB_MIN, 1 << 20, false);
}

static int set_held_ms(const char *val, const struct kernel_param *kp)
{
	return set_uint(val, kp, 10, 10000, false);
}

static int set_xen_maps_max(const char *val, const struct kernel_param *kp)
{
	return set_uint(val, kp, 0, 1 << 20, false);
}

static int set_xen_queues(const char *val, const struct kernel_param *kp)
{
	return set_uint(val, kp, 0, NFV_QUEUES_MAX, false);
}

#define PARAMETER(name, text)						\
	static const struct kernel_param_ops name##_ops = {		\
		.set = set_##name, .get = param_get_uint,		\
	};								\
	module_param_cb(name, &name##_ops, &nfvk_##name, 0444);		\
	MODULE_PARM_DESC(name, text)

PARAMETER(ring_entries, "largest rx ring, in frames: a power of two, 64 to 4096 (default 1024)");
PARAMETER(held_kib, "most memory of held frames per queue, in KiB: 256 to 1048576 (default 16384)");
PARAMETER(held_mib, "most memory of held frames per session, in MiB: 16 to 1048576 (default an eighth of the machine's)");
PARAMETER(held_ms, "longest time that a frame is held, in ms: 10 to 10000 (default 500)");
PARAMETER(xen_maps_max, "most pages kept mapped, of all Xen guests together: 0 to 1048576 (default 16384)");
PARAMETER(xen_queues, "most queues of a Xen guest: 1 to 8, or 0 for one per CPU, at most 8 (default 0)");

void nfvk_params_init(void)
{
	if (!nfvk_held_mib)
		nfvk_held_mib = max_t(unsigned long, totalram_pages() / HELD_SHARE >> (20 - PAGE_SHIFT), HELD_MIB_MIN);
	/* Once for all: a guest that connects again has read the number of before. */
	if (!nfvk_xen_queues)
		nfvk_xen_queues = min_t(unsigned int, num_online_cpus(), NFV_QUEUES_MAX);
}
