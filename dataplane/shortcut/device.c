/* SPDX-License-Identifier: BSD-3-Clause */
#include "shortcut/device.h"

#include <bpf/libbpf.h>
#include <string.h>
#include "shortcut/addresses.h"
#include "shortcut/inherit.h"
#include "shortcut/programs.h"

struct nfvd_device nfvd_devices[NFVD_PORTS_MAX];
bool nfvd_shortcut_on = true;
bool nfvd_shortcut_adopting;

/* Return whether the shortcut may carry the port's frames at all. */
static bool allowed(unsigned int id)
{
	const struct nfvd_device *d = &nfvd_devices[id];

	return nfvd_shortcut_on && d->port && !atomic_load(&d->port->captured) && d->redirect && d->on && d->is.up && d->group != NFVD_NOBODY;
}

bool nfvd_device_by_module(unsigned int id)
{
	return allowed(id) && !nfvd_devices[id].group;
}

bool nfvd_device_redirects(unsigned int id)
{
	return allowed(id) && nfvd_devices[id].is.plain;
}

void nfvd_device_publish(struct nfvd_device *d)
{
	uint32_t ifindex = d->ifindex;
	bool on = nfvd_device_redirects(d->port->id);
	struct shortcut_port value = {
		.port = d->port->id, .group = d->group, .on = on, .mtu = d->is.mtu, .aside = d->is.aside, .cookie = d->cookie,
	};

	/* While ports are being adopted, keep the setting of the earlier nfvd until the new one is known. */
	if (nfvd_shortcut_adopting && nfvd_inherit_of(d->port->id))
		return;
	strcpy(value.name, d->port->name);
	if (on && !d->redirected)
		d->from_ns = nfvd_programs_now_ns() + NFVD_SETTLE_NS;
	d->redirected = on;
	value.from_ns = d->from_ns;
	if (nfvd_programs && ifindex)
		bpf_map__update_elem(nfvd_programs->maps.ports, &ifindex, sizeof(ifindex), &value, sizeof(value), BPF_ANY);
}

void nfvd_device_unpublish(const struct nfvd_device *d)
{
	uint32_t ifindex = d->ifindex;

	if (nfvd_programs && ifindex)
		bpf_map__delete_elem(nfvd_programs->maps.ports, &ifindex, sizeof(ifindex), 0);
}
