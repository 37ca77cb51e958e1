/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include "control/ports.h"
#include "control/saved.h"
#include "fdstore.h"
#include "log.h"
#include "module/kmod.h"
#include "netdev/netdev.h"
#include "netdev/others.h"
#include "netdev/packet_socket.h"
#include "netdev/trace.h"
#include "netlink.h"
#include "nfvd.h"
#include "policy/pins.h"
#include "port/fdb.h"
#include "privileges.h"
#include "rpc/server.h"
#include "shortcut/shortcut.h"
#include "vhost/gate.h"
#include "vring/gmem.h"
#include "vhost/keep.h"
#include "worker/call.h"
#include "worker/watch.h"
#include "worker/worker.h"

/* A device that ports wait for may be there now. */
static void device_changed(int ifindex)
{
	nfvd_netdev_link_changed(ifindex);
	nfvd_saved_device_changed();
}

int main(int argc, char **argv)
{
	char socket[4096];
	int err;

	if (!strcmp(argv[0], NFVD_GATE_NAME))
		return nfvd_gate_main();
	err = nfvd_config_parse(argc, argv);
	if (err)
		return err;
	umask(077);	/* what others may do with a file is said where it is made */
	nfvd_config_descriptors();
	nfvd_config_cpus();
	err = nfvd_privileges_of_nfvd();
	if (err)
		nfvd_event(NULL, "nfvd keeps more privileges than it needs, because they cannot be dropped: %s", strerror(-err));
	snprintf(socket, sizeof(socket), "%s/" NFV_CTL_SOCKET, nfvd_config.state_dir);
	if ((err = nfvd_loop_init()))
		goto out;
	if ((err = nfvd_state_lock()))
		goto no_lock;
	nfvd_fdstore_start(nfvd_config.config_dir);
	if ((err = nfvd_gate_start()))
		goto no_gate;
	rcu_register_thread();
	rcu_thread_offline();
	if ((err = nfvd_gmem_sigbus_init()) || (err = nfvd_fdb_init()))
		goto no_fdb;
	if (nfvd_shortcut_init())
		nfvd_event_of(NFVD_EVENT_SHORTCUT, NULL, "container shortcut not available: frames between containers go through user space");
	if ((err = nfvd_netlink_start(nfvd_event_loop, device_changed)))
		goto no_netlink;
	nfvd_ports_init();
	if ((err = nfvd_call_init(nfvd_config.workers))) {
		nfvd_log(LOG_ERR, "no asynchronous I/O to interrupt guests with; try: sysctl -w fs.aio-max-nr=1048576");
		goto no_call;
	}
	if ((err = nfvd_workers_start(nfvd_config.workers, nfvd_config.cpus, nfvd_config.spin_us)))
		goto no_workers;
	err = nfvd_saved_start(nfvd_config.config_dir);
	nfvd_packet_end_before();
	nfvd_fdstore_remove_rest();
	nfvd_shortcut_adopted();
	nfvd_netdev_clean();
	nfvd_trace_undo_rest();
	/*
	 * Workers start once all ports with a stored connection can receive. Before that the first guest's frames
	 * would find no port.
	 */
	nfvd_keep_wait();
	nfvd_workers_go();
	/* Start the watch after the workers. It would take a worker that waits to begin for one that a port holds. */
	if (err || (err = nfvd_watch_start())) {
		nfvd_saved_stop();
		nfvd_port_detach_all();
		nfvd_pins_stop();
		goto no_watch;
	}
	if ((err = nfvd_ticks_start()) < 0 ||
	    (err = nfvd_rpc_start(nfvd_event_loop, socket)))
		goto no_rpc;
	if (!nfvd_kmod_available())
		nfvd_packet_ahead();
	sd_notify(0, "READY=1");
	nfvd_event_of(NFVD_EVENT_STARTED, NULL, "nfvd %s ready: %u worker(s), control socket %s", NFV_VERSION, nfvd_config.workers, socket);
	err = sd_event_loop(nfvd_event_loop);
	sd_notify(0, "STOPPING=1");
	nfvd_rpc_stop();
no_rpc:
	nfvd_saved_stop();
	nfvd_port_detach_all();
	nfvd_pins_stop();
	/*
	 * Exit at once. Guests wait for the next nfvd, which waits for the end of this one, and the kernel frees
	 * everything faster.
	 */
	if (nfvd_fdstore_handing_over())
		_exit(err ? 1 : 0);
	nfvd_watch_stop();
no_watch:
no_workers:
	nfvd_workers_stop();
no_call:
	nfvd_call_fini();
	nfvd_netlink_stop();
no_netlink:
	nfvd_shortcut_fini();
	nfvd_fdb_fini();
no_fdb:
	rcu_unregister_thread();
	nfvd_gate_stop();
no_gate:
	nfvd_state_unlock();
no_lock:
	sd_event_unref(nfvd_event_loop);
out:
	if (err)
		nfvd_log(LOG_ERR, "%s", strerror(-err));
	return err ? 1 : 0;
}
