/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Container port (veth) through the kernel module: kmod.h carries its frames. What
 * becomes of the device: netdev.c.
 */
#include "netdev/port_module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "module/kmod.h"
#include "netdev/netdev.h"

struct veth {
	struct nfvd_netdev nd;
	struct nfvd_kmod kmod;
};

static void attach_error(const struct nfvd_netdev *nd, int error, struct nfvd_err *err)
{
	switch (error) {
	case EBUSY:
		nfvd_err(err, NFV_RPC_E_EXIST, "the frames of '%s' already go to another user (bridge, bond, macvlan)",
			 nd->link.name);
		nfvd_hint(err, "ip -d link show %s", nd->link.name);
		break;
	case EOPNOTSUPP:
		nfvd_err(err, NFV_RPC_E_FAILED, "nfv.ko does not support the device '%s'", nd->link.name);
		break;
	case ENOBUFS:
		nfvd_err(err, NFV_RPC_E_LIMIT, "the rings exceed the limit on locked memory");
		nfvd_hint(err, "ulimit -l unlimited");
		break;
	default:
		nfvd_err(err, NFV_RPC_E_FAILED, "nfv.ko refused '%s': %s", nd->link.name, strerror(error));
	}
}

static int open_rings(struct nfvd_netdev *nd, struct nfvd_err *err)
{
	struct nfv_attach a = { .type = NFV_PORT_NETDEV, .ifindex = nd->link.ifindex, .netns_fd = -1 };
	int ret = nfvd_kmod_open(&((struct veth *)nd)->kmod, nd->port, &a);

	if (ret)
		attach_error(nd, -ret, err);
	return ret ? -1 : 0;
}

static void close_rings(struct nfvd_netdev *nd)
{
	nfvd_kmod_close(&((struct veth *)nd)->kmod, nd->port);
}

static bool still_bound(struct nfvd_netdev *nd)
{
	struct nfv_stats stats;

	return !nfvd_kmod_stats(&((struct veth *)nd)->kmod, &stats) && !(stats.state & NFV_STATE_GONE);
}

static const struct nfvd_carrier carrier = { open_rings, close_rings, still_bound };

static void free_veth(struct veth *v)
{
	nfvd_kmod_fini(&v->kmod);
	free(v);
}

static int veth_attach(struct nfvd_port *port, json_t *params, struct nfvd_err *err)
{
	struct veth *v = calloc(1, sizeof(*v));

	if (!v)
		return nfvd_err(err, NFV_RPC_E_FAILED, "out of memory");
	v->nd.carrier = &carrier;
	atomic_store(&port->accepts, NFVD_ACCEPT_ALL);
	if (nfvd_kmod_init(&v->kmod, err) || nfvd_netdev_attach(&v->nd, port, params, err)) {
		free_veth(v);
		return -1;
	}
	if (nfvd_kmod_start(&v->kmod, port, err)) {
		nfvd_netdev_detach(&v->nd);
		free_veth(v);
		return -1;
	}
	return 0;
}

static void veth_detach(struct nfvd_port *port)
{
	nfvd_netdev_detach(port->priv);
	free_veth(port->priv);
}

static void veth_show(struct nfvd_port *port, json_t *obj)
{
	nfvd_netdev_show(port, obj);
	nfvd_kmod_show(&((struct veth *)port->priv)->kmod, obj);
}

const struct nfvd_port_ops nfvd_port_veth_module = {
	.type = "veth",
	.mode = "module",
	.available = nfvd_kmod_available,
	.attach = veth_attach,
	.detach = veth_detach,
	.rx = nfvd_kmod_rx,
	.rx_done = nfvd_kmod_rx_done,
	.tx = nfvd_kmod_tx,
	.arm = nfvd_kmod_arm,
	.show = veth_show,
	.tick = nfvd_netdev_tick,
	.tx_work = NFVD_KMOD_TX_WORK,
};
