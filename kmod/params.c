// SPDX-License-Identifier: GPL-2.0
/* nfv.ko's parameters: what they are, and what they may be. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
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
#define HELD_SHARE	8	/* held_mib: this part of the machine's memory */

static int set_uint(const char *val, const struct kernel_param *kp, unsigned int min, unsigned int max, bool pow2)
{
	unsigned int v;
	int err = kstrtouint(val, 0, &v);

	if (err || v < min || v > max || (pow2 && !is_power_of_2(v))) {
		pr_err("%s is %s from %u to %u\n", kp->name, pow2 ? "a power of two" : "a number", min, max);
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

PARAMETER(ring_entries, "largest rx ring, in frames: a power of two, 64 to 4096 (1024)");
PARAMETER(held_kib, "memory of frames held per queue, in KiB: 256 to 1048576 (16384)");
PARAMETER(held_mib, "memory of frames held per session, in MiB: 16 to 1048576 (an eighth of the machine's)");
PARAMETER(held_ms, "longest time that a frame is held, in ms: 10 to 10000 (500)");
PARAMETER(xen_maps_max, "pages of Xen guests that are kept mapped, of all guests: 0 to 1048576 (16384)");
PARAMETER(xen_queues, "queues that a Xen guest may have: 1 to 8, or 0: one per processor, at most 8 (0)");

void nfvk_params_init(void)
{
	if (!nfvk_held_mib)
		nfvk_held_mib = max_t(unsigned long, totalram_pages() / HELD_SHARE >> (20 - PAGE_SHIFT), HELD_MIB_MIN);
}
