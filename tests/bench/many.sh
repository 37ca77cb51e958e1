# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# An nfvd in $work/nfvd with many ports: a and b for a pair of guests; of the others every second has a silent guest, as
# far as descriptors go, and the rest waits for one. For ports.sh, macs.sh and observe.sh, which set BUILD and work.
descriptors=$(ulimit -Hn)
pids=()
nfvd_by=()	# what runs nfvd: nice, say
macs=1024	# most addresses of a port
teach=0		# addresses that each silent guest sends from

nfvctl() { "$BUILD/ctl/nfvctl" --state-dir "$work/nfvd" "$@"; }

stop_many()
{
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
	pids=()
	rm -rf "${work:?}"/*
}

# attach_more N - attach ports, up to N in all, over one connection.
attach_more()
{
	python3 - "$work/nfvd/ctl.sock" $(($1 - 2)) "$macs" <<-'P'
	import json, socket, sys
	s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile("rw")
	for i in range(int(sys.argv[2])):
	    f.write(json.dumps({"jsonrpc": "2.0", "id": i, "method": "port.attach", "params": {"type": "kvm", "name": "p%d" % i, "macs": int(sys.argv[3])}}) + "\n")
	    f.flush()
	    r = f.readline()
	    if '"result"' not in r: sys.exit("many.sh: " + r)
	P
}

guests_there() { grep -q ready "$work/vuidle" || ! kill -0 "${pids[-1]}"; }

# start_many N [OPTION]... - start nfvd with N ports, a and b among them
start_many()
{
	# A port takes one descriptor, its guest 9 more; the rest is for nfvd itself.
	local guests=$((($1 - 2) / 2)) guests_max=$(((descriptors - 1500 - $1) / 9)) i sockets=()

	mkdir "$work/nfvd"
	"${nfvd_by[@]}" "$BUILD/dataplane/nfvd" --state-dir "$work/nfvd" --workers 1 --cpus 1 "${@:2}" >"$work/nfvd.log" 2>&1 &
	nfvd_pid=$!
	pids+=("$nfvd_pid")
	await 20 nfvctl show
	nfvctl attach kvm a macs "$macs" >/dev/null
	nfvctl attach kvm b macs "$macs" >/dev/null
	[ "$1" -gt 2 ] || return 0
	attach_more "$1"
	[ $guests -le $guests_max ] || guests=$guests_max
	for ((i = 0; i < guests; i++)); do sockets+=("$work/nfvd/p$i.sock"); done
	mkfifo "$work/in"
	sleep 10000 >"$work/in" &
	pids+=($!)
	"$BUILD/tests/bench/vuidle" --teach "$teach" "${sockets[@]}" <"$work/in" >"$work/vuidle" 2>&1 &
	pids+=($!)
	await 120 guests_there
	grep -q ready "$work/vuidle" || die "$(<"$work/vuidle")"
	sleep 0.5	# until nfvd no longer polls their queues
}
