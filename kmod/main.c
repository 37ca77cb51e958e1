// SPDX-License-Identifier: GPL-2.0
/* nfv.ko: the kernel part of a fast network path for NFV guests. <linux/nfv.h> documents its interface. */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include "nfvk.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nfv",
	.fops = &nfvk_fops,
	.mode = 0600,
};

static int __init nfv_init(void)
{
	int err;

	nfvk_params_init();
	err = nfvk_netdev_init();
	if (err)
		return err;
	err = nfvk_xen_init();
	if (err)
		goto netdev;
	err = misc_register(&device);
	if (err)
		goto xen;
	return 0;
xen:
	nfvk_xen_fini();
netdev:
	nfvk_netdev_fini();
	return err;
}

static void __exit nfv_exit(void)
{
	misc_deregister(&device);
	nfvk_xen_fini();
	nfvk_netdev_fini();
}

module_init(nfv_init);
module_exit(nfv_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("nfv-fastpath");
MODULE_DESCRIPTION("Fast path for NFV guests: holds frames of kernel endpoints and copies each one once");
MODULE_VERSION("0.1.0");
