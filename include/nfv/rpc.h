/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control protocol between nfvd and its clients.
 *
 * JSON-RPC 2.0 over a UNIX stream socket (STATE_DIR/ctl.sock), one request and
 * one response per line ('\n' ends each; no newline inside). A client may send
 * several requests on one connection; the responses come in the same order.
 * No batches, no notifications: every request has an integer or string "id".
 *
 * Roles: members of a group have its role (nfvd --role); root and the user nfvd runs as have admin. read may call all
 * *.get, *.list, *.info. operate may also attach, detach, quarantine and capture. admin may call all methods, and
 * alone may use 'force', 'socket' and a quarantine's mirror of port.attach, and 'mirror' of quarantine.set. Each
 * request of operate and admin is a line in nfvd's log, also if it is refused. A change of group membership applies
 * from the next connection on.
 *
 *	method		params				result
 *	------		------				------
 *	daemon.info	{}				{version, pid, state_dir, workers, uptime_s, shortcut, link_local,
 *						generation: of the configuration, null: not kept,
 *						policy_words: [{word, default, arguments, help}], those of NFV_POLICY_WORDS in params.h,
 *						caller: {uid, role: "read"|"operate"|"admin", denied: {method: the role that it
 *						needs}}}, the client, and what it may not call
 *	findings.get	{}				{findings: [...]}
 *	port.attach	{type, name, ...}		{name, id, type, attach_us, ...as in port.list}
 *	port.detach	{name}				{name}
 *	port.list	{[name], [from]}		{ports: [...], [more]}
 *	stats.get	{[port], [from]}		{ports: [...], in_flight, sleeps, inexact: a worker hangs, workers: [...], [more]}
 *	ledger.get	{[port], [peer], [from]}	{pairs: [...], [more]}
 *	drops.get	{[port], [all], [from]}		{drops: [...], [more]}
 *	fdb.list	{[port], [from]}		{entries: [...], ageing_s, [more]}
 *	shortcut.set	{on, [port]}			{on, [port]}
 *	link_local.set	{forward}			{forward}
 *	policy.set	{port, [words, see below]}	{name, policy}
 *	quarantine.set	{port, on, [mirror: port]}	{name, policy}
 *	mirror.list	{}				{mirrors: [{name, from: [port], direction, to: port, [snap]}]}
 *	mirror.add	{name, from, [direction], to, [snap]}	{the same}
 *	mirror.remove	{name}				{the same}
 *	events.get	{[since]}			{events: [...], next}
 *	why.get		{from, to, [src], [dst], [vlan], [ip], [kind: "ip"|"arp"|"dhcp"|"ra"], [length]}
 *						{from, to, src, dst, vlan, verdict: "delivered"|"flooded"|"dropped"|"elsewhere", [reason],
 *						[at], stages: [{stage, verdict: "pass"|"note"|"drop"|"elsewhere", rule, [command]}]}
 *	capture.start	{[ports: [name, ...]], [dropped], [reason], [in], [out], [onward], [bytes]}
 *						{workers, slots, bytes, reasons: [...]}, and a descriptor: see capture.h
 *	config.get	{[generation]}			{generation, config: {version, ports: [params of port.attach, [shortcut]], ...,
 *						[by: {uid, pid, comm, method} of this generation]},
 *						[history: [{generation, time}]]}: the configuration as requested, now or in that generation.
 *						generation null: not kept (without nfvd --keep). time: ms since 1970
 *	config.group	{}				{}: from now on all changes by this connection are one generation, as long as
 *						no others come between
 *
 * port, peer, and name in port.list limit the result to that port, or that pair of ports. in_flight and sleeps (how
 * often workers went to sleep) are sums over all ports. all: include counts of 0.
 *
 * capture.start: capture frames from these ports (default: all) unless "in" is false, and frames to them unless "out"
 * is false. dropped, reason: only dropped frames, or only those with this reason. onward: frames from these ports, at
 * every place where they are seen. The capture ends with its connection. Captured ports do not use the shortcut
 * meanwhile.
 *
 * Lists in parts: a result with "more" is not the whole list; its totals are those of all ports. Repeat the request
 * with the value of "more" as "from". An element that exists all the time appears exactly once. Pairs and drops are
 * ordered by port id. Entries are not ordered, but none appears twice. Each response keeps nfvd's control thread busy for
 * at most some 10 ms; so it does not search on if little matches, and a part with "more" may be empty.
 *
 * port.attach: type and parameters are those of <nfv/params.h>. A device of a veth port is in one namespace: give
 * netns or pid, not both. temporary is for toolstacks, which attach the port again after a boot. wait "yes": a port that
 * cannot be attached now is kept (nfvd --keep) and attached as soon as it can be; the result has no id then, and why.
 *
 * Policy: port.attach and policy.set take the words of NFV_POLICY_WORDS, each a string as after `nfvctl set`.
 * policy.set changes only the given words. When it returns, no frame is still treated by the old policy. That takes
 * some 10 ms of control's time, 100 if the kernel has no membarrier(). A port's policy contains the words without
 * their default values; "default" as value restores a default. With nfvd --profile tenant the default of address is
 * pin; a port with a pinned address has the member pinned.
 *
 * Mirrors: "to" gets a copy of each frame that a port of "from" has sent and that passed (direction "sent"), that the
 * port receives ("received"), or of both ("both", the default). "snap" limits copies to the first 64..65535 bytes. A
 * mirror may name detached ports: it applies again when they return. quarantine.set's mirror: that port gets copies
 * of the frames that the quarantine drops.
 *
 * link_local: "forward"|"drop" of STP, LACP, LLDP and other protocols with addresses 01-80-C2-00-00-00 to -0F. Pause
 * frames never pass.
 *
 * Elements (64-bit counters are JSON integers; times as named):
 *	port	{name, id, serial, type, via: "vhost-user"|"module"|"packet", state, accepts: [...], queues, attach_us,
 *		attach_steps: {step: us}, macs, macs_max, mac_moves, mac_contested, mac_limit, ...}
 *		state		one of the NFV_STATES below; while it is not up, also why, and hint, a command that helps
 *		policy		as above
 *		id		less than 4096; a later port may get the same. serial: never reused
 *		macs		addresses learnt
 *		mac_moves	frames whose source address was at another port before
 *		mac_contested	frames whose source address is contested and stays at another port
 *		mac_limit	frames whose source address was not learnt because of macs_max. All three kinds pass
 *		missed		frames that arrived faster than nfvd took them
 *	    kvm adds {socket, mode, connected, features, reason, mem_unshared, queue: [{index, state, reason, size, interrupts}]}
 *		mem_unshared	memory is not shared, or a running driver has never posted a receive buffer
 *		interrupts	sent to the guest
 *	    veth and netdev add {dev, ifindex, mtu, missed}; veth, as far as they are known, {peer_ifindex, shortcut,
 *	    shortcut_hindered: why the shortcut is not used, container_netns, container_dev}
 *	    via a packet socket {offloads_off: [...], container_offloads_off: [...]}: offloads, named as by ethtool -k, that are
 *		switched off at the device and at the container's end while the port is attached;
 *		container_offloads_unknown if that end is out of reach
 *	    via the module {missed_by: {reason: n}, held, held_kib}; <linux/nfv.h> has the reasons
 *	    xen adds those of the module, and {domid, devid, domain, offloads: [...], stalled}
 *	stats	{name, rx_frames, rx_bytes, replicated, delivered, dropped, in_flight, tx_frames, tx_bytes, rx_syscalls,
 *		ledger_frames, ledger_copies, ledger_copied_bytes, ledger_syscalls (sums of the pairs it is src of),
 *		replayed, paused_s, bound: "guest"|"switch"|"peer"|"idle", bound_why, pressure: {from, to}}
 *		replayed	upper bound of those rx_frames that a killed nfvd had taken before, and may have delivered
 *		paused_s	total time in which its limit let no frame be taken
 *		bound		what limited the frames through nfvd in the last second; bound_why in words
 *		pressure	of that second: from, share of its turns that left frames waiting; to, share of bursts to it that
 *				found too few buffers
 *	worker	{index, cpu: -1 if not pinned, busy_s, sleep_s, busy, sleeps, rounds: [...]}
 *		rounds		number of rounds that took frames, by duration: element b below 2^b us, the last one longer. A
 *				frame that arrives during a round waits until it ends
 *		busy_s		time in rounds that took frames; sleep_s: asleep. The remaining time was spent polling
 *		busy		share of the last second
 *	pair	{src, dst, frames, dropped, bytes, copied_bytes, copies, copies_per_frame, syscalls, shortcut_frames}
 *	drop	{[port: without it, of the control socket], reason, count, help, frames: false if these are not frames but
 *		requests or faults}
 *	finding	{level: "warn"|"bad", text, [port], hint: a command that helps}
 *	entry	{mac, [zone: if not the default one], vlan, port, age_ms, contested: several ports claim it}
 *	event	{seq, time_ms, kind, port, text}: of many similar events only the last, with the number before it
 *		kind		"started", "attached", "detached", "state", "fenced", "policy", "quarantine", "address", "setting",
 *				"shortcut", "config", "capture", or "note": any other
 *		seq		counts events; a missing number was not kept
 *
 * Conservation, per port and in total: rx_frames + replicated = delivered + dropped + in_flight,
 * where a frame flooded to n ports, or cut into n segments, counts n - 1 times as replicated. In flight are frames that wait
 * for a guest that posts few buffers.
 */
#ifndef NFV_RPC_H
#define NFV_RPC_H

#define NFV_VERSION		"0.1.0"
#define NFV_STATE_DIR		"/run/nfvd"
#define NFV_CONFIG_DIR	"/var/lib/nfvd"
#define NFV_CTL_SOCKET		"ctl.sock"

/* Limits; a client that exceeds one is told which, and disconnected. */
#define NFV_RPC_LINE_MAX	65536	/* bytes of one request */
#define NFV_RPC_DEPTH_MAX	32	/* nested arrays and objects */
#define NFV_RPC_CLIENTS_MAX	64	/* connections */
#define NFV_RPC_ADMINS_MAX	60	/* beyond these only root gets a connection */
#define NFV_RPC_OPERATORS_MAX	48
#define NFV_RPC_READERS_MAX	32
#define NFV_RPC_USER_MAX	16	/* connections of one user who is no admin */
#define NFV_RPC_TIMEOUT_MS	5000	/* to complete a request, and to read a reply */
#define NFV_RPC_BACKLOG_MAX	(4 << 20) /* bytes of unread replies */

/*
 * A port name: [A-Za-z0-9_][A-Za-z0-9_.-]*, at most this many bytes. It is never a path, and none of the words
 * that stand where nfvctl takes a name, too.
 */
#define NFV_NAME_MAX		31
#define NFV_NAME_KEYWORDS(X)	X("help") X("all") X("time") X("since") X("on") X("off")

/* JSON-RPC error codes; "data" carries {"hint": text} where a command helps. */
#define NFV_RPC_E_PARSE		(-32700)
#define NFV_RPC_E_REQUEST	(-32600)
#define NFV_RPC_E_METHOD	(-32601)
#define NFV_RPC_E_PARAMS	(-32602)
#define NFV_RPC_E_FAILED	(-32000)	/* the operation failed; message says why */
#define NFV_RPC_E_EXIST		(-32001)
#define NFV_RPC_E_NOENT		(-32002)
#define NFV_RPC_E_DENIED	(-32003)
#define NFV_RPC_E_LIMIT		(-32004)
#define NFV_RPC_E_GONE		(-32005)	/* what was asked for is gone for good */

#define NFV_STATES(X)							\
	X(WAITING, "waiting", "attached, no guest is connected yet")	\
	X(UP, "up", "forwarding")					\
	X(DOWN, "down", "the device is set down, or the guest's driver is not running") \
	X(FENCED, "fenced", "stopped after malformed input, until the guest resets")	\
	X(GONE, "gone", "the device vanished or moved; detached, or kept until it comes back")

#endif
